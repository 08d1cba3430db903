import type { CallAnswer, LogStream, RunOutcome, RunRequest } from '../ml/run.ts'

/*
 * What the service and a model host say to each other over the channel that Node gives a child process. A run is one
 * message each way; logs, progress, metrics and calls come between. Messages of the model itself (`process.send` is open to
 * it) are told apart by `chapkit`.
 */

/** What a host is started with, as its second argument. */
export interface HostParameters {
  /** Process id of the service: when it is no longer the parent, the host ends. */
  servicePid: number
  /** Milliseconds between two heartbeats. */
  heartbeatMs: number
  /** Bytes of memory beyond which the host ends itself. */
  memoryLimit: number
}

export type ToHost =
  | { type: 'run'; id: number; request: RunRequest }
  | { type: 'cancel'; id: number }
  /** Answers a call of a run. */
  | { type: 'reply'; id: number; call: number; answer: CallAnswer }
  | { type: 'end' }

export type FromHost = { chapkit: 'host' } & (
  | { type: 'ready' }
  /** The user's module cannot be used. */
  | { type: 'unfit'; error: string; traceback: string | null }
  | { type: 'log'; id: number; stream: LogStream; line: string }
  | { type: 'progress'; id: number; fraction: number | null; message: string | null }
  | { type: 'metrics'; id: number; values: Record<string, number> }
  /** The run asks the service for something. */
  | { type: 'call'; id: number; call: number; method: string; args: readonly unknown[] }
  | {
      type: 'answer'
      id: number
      outcome: Extract<RunOutcome, { status: 'done' | 'failed' }>
      /** Bytes of memory that the host takes. */
      rss: number
      /** Keys of the models that it has loaded. */
      models: string[]
      /** The host is in an unknown state and ends. */
      ends: boolean
    }
)

/** File descriptor that a host writes its heartbeats to. */
export const heartbeatFd = 4
export const heartbeat = '.'
/** Stands in place of the last heartbeat of a host that takes more memory than it may. */
export const tooLarge = '!'

export function isFromHost(message: unknown): message is FromHost {
  return (
    typeof message === 'object' &&
    message !== null &&
    'chapkit' in message &&
    message.chapkit === 'host'
  )
}
