import { ChapkitError } from '../errors.ts'
import type { JobContext } from '../job/dispatcher.ts'
import { pause } from '../kernel/abort.ts'
import { toTrouble } from './trouble.ts'

/** How long to wait before trying again what the disk refused. */
const pauseMs = 2000

export interface Storing {
  context: Pick<JobContext, 'signal' | 'log' | 'progress'>
  onError: (error: unknown, event: string) => void
}

/**
 * Does what follows a command, until it works: reading and storing what the command has left. A full or failing disk must not
 * make the command run again, which may have taken hours. Null: the job was canceled, or the service stops, after which it does.
 */
export async function untilStored<Result>(
  work: () => Promise<Result>,
  { context, onError }: Storing,
): Promise<Result | null> {
  for (let isFirst = true; ; isFirst = false) {
    try {
      return await work()
    } catch (error) {
      if (!isOfStorage(error)) throw error
      if (isFirst) {
        onError(error, 'script.store.failed')
        const trouble = toTrouble(error) as Error
        const said = `The command has ended, and what it left cannot be stored yet: ${trouble.message}`
        context.log(
          'log',
          `${said} The service tries again until it can. Free space before you stop it: after a stop the command runs again`,
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
