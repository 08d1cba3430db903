import { setPriority } from 'node:os'
import { parentPort } from 'node:worker_threads'
import { ChapkitError, toError } from '../errors.ts'
import type { Call, Outcome, TaskMap, ThrownInThread } from './tasks.ts'

/** As scripts and hosts: for work that nobody is kept waiting by. */
const niceness = 10

export interface AnswerOptions {
  /** What of an output changes hands without being copied. */
  handedOver?: (output: unknown) => ArrayBuffer[]
  /** Leaves the processor to others where it is wanted. @default false */
  isNice?: boolean
}

/** The program of a thread: one task in, one outcome out, in the order in which they come. */
export function answerTasks(
  tasks: TaskMap,
  { handedOver = () => [], isNice = false }: AnswerOptions = {},
): void {
  // On Linux this is the priority of the calling thread; elsewhere it would be that of the whole service.
  if (isNice && parentPort && process.platform === 'linux') setPriority(0, niceness)
  parentPort?.on('message', async ({ task, input }: Call) => {
    try {
      const output = await tasks[task]?.(input)
      parentPort?.postMessage({ output } satisfies Outcome, handedOver(output))
    } catch (error) {
      parentPort?.postMessage({ error: toThrown(error) } satisfies Outcome)
    }
  })
}

function toThrown(thrown: unknown): ThrownInThread {
  if (thrown instanceof ChapkitError) {
    const { code, message: detail, issues } = thrown
    return { code, detail, ...(issues && { issues }) }
  }
  const { message, stack, code } = toError(thrown) as NodeJS.ErrnoException
  return { message, ...(code && { code }), ...(stack && { stack }) }
}
