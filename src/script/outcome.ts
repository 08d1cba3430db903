import type { JobOutcome } from '../job/dispatcher.ts'
import { lastStates } from '../ml/output.ts'
import type { CommandEnd } from './process.ts'
import { FilesError, toTrouble } from './trouble.ts'
import { skippedLine, type Workspace } from './workspace.ts'

/** Characters of the end of the output that a failed job tells. */
const tailLength = 2000
/** How long a job waits when the machine has no room for a process. */
const noProcessPauseMs = 2000
/** Files that an error names. */
const namedFiles = 5

/** A failure that its author can do something about becomes the job's; what the system says goes on to whoever asked. */
export async function handled(work: () => Promise<JobOutcome>): Promise<JobOutcome> {
  try {
    return await work()
  } catch (error) {
    const trouble = toTrouble(error)
    if (!(trouble instanceof FilesError)) throw trouble
    return { status: 'failed', error: trouble.message, traceback: null }
  }
}

/** The outcome of a command that has not come to its end. */
export function unfinished({ kind }: CommandEnd): JobOutcome | null {
  if (kind === 'aborted') return { status: 'aborted' }
  return kind === 'no-process' ? { status: 'retry', afterMs: noProcessPauseMs } : null
}

/**
 * Why a command failed, with the end of what it wrote to stderr. Some that end by themselves say on stdout what is wrong, and
 * nothing there: `Rscript` without its file is one.
 */
export function tell(command: string, { failure, exitCode, stderr, stdout }: CommandEnd): string {
  const said = lastStates(stderr).trim() || (exitCode === null ? '' : lastStates(stdout).trim())
  const end = said.slice(-tailLength)
  return `${command} ${failure}${end === '' ? '' : `:\n${end}`}`
}

/** Why what a command has left is not all that it made, although it ended well; null when it is. */
export function tellUnstored(
  command: string,
  { gone, skipped }: Pick<Workspace, 'gone' | 'skipped'>,
): string | null {
  const ended = `${command} ended with exit code 0`
  if (gone !== null) return `${ended}, but its folder is gone: ${gone}`
  const lost = skipped.filter(({ isLoss }) => isLoss)
  if (lost.length === 0) return null
  const named = lost.slice(0, namedFiles).map(skippedLine).join('; ')
  const more = lost.length > namedFiles ? `; and ${lost.length - namedFiles} more` : ''
  return `${ended}, but not all that it left can be stored; the rest is kept. ${named}${more}`
}
