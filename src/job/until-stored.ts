import { ChapkitError, toError } from '../errors.ts'
import { pause } from '../kernel/abort.ts'
import type { JobContext } from './dispatcher.ts'

/** How long to wait before trying again what the disk refused. */
const pauseMs = 2000

export interface Storing {
  context: Pick<JobContext, 'signal' | 'log' | 'progress'>
  onError: (error: unknown, event: string) => void
  /** Who has made the result, as the first words of a sentence: `The command`. */
  maker: string
  /** What a stop before it is stored means, as a sentence. */
  afterStop: string
  /** Turns an error of the system into one that the user can act on. @default the error itself */
  toTrouble?: (error: unknown) => unknown
}

/**
 * Does what follows the work of a run, until it can be done: reading and storing its result. A full or failing disk must not make
 * the work be done again, which may have taken hours. Null: the job was canceled, or the service stops.
 */
export async function untilStored<Result>(
  work: () => Promise<Result>,
  { context, onError, maker, afterStop, toTrouble = (error) => error }: Storing,
): Promise<Result | null> {
  for (let isFirst = true; ; isFirst = false) {
    try {
      return await work()
    } catch (error) {
      if (!isOfStorage(error)) throw error
      if (isFirst) {
        onError(error, 'run.store.failed')
        const { message } = toError(toTrouble(error))
        context.log(
          'log',
          `${maker} has ended, and what it left cannot be stored yet: ${message} The service tries again until it can. ${afterStop}`,
        )
        context.progress({ fraction: null, message: 'waiting for the disk' })
      }
    }
    await pause(pauseMs, context.signal)
    if (context.signal.aborted) return null
  }
}

/** What the system refused, as opposed to a mistake of ours. */
function isOfStorage(error: unknown): boolean {
  if (error instanceof ChapkitError)
    return error.code === 'storage-full' || error.code === 'unavailable'
  return error instanceof Error && 'code' in error && /^E[A-Z0-9]+$/.test(String(error.code))
}
