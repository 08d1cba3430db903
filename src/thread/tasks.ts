import type { ErrorCode, Issue } from '../errors.ts'

/** What a thread can be asked for: plain data in and out. */
// biome-ignore lint/suspicious/noExplicitAny: tasks of any input
export type TaskMap = Readonly<Record<string, (input: any) => unknown>>

export interface Call {
  task: string
  input: unknown
}

/** An error in a form that crosses threads: errors lose their class on the way. */
export type ThrownInThread =
  | { code: ErrorCode; detail: string; issues?: readonly Issue[] }
  | { message: string; code?: string; stack?: string }

export type Outcome = { output: unknown } | { error: ThrownInThread }
