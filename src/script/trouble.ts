import { ChapkitError } from '../errors.ts'
import { pathFromBytes, showPath } from '../kernel/path.ts'

/** A failure that its reader can do something about, told as it is. */
export class FilesError extends Error {}

const full = new Set(['ENOSPC', 'EDQUOT'])
/** What the machine has too little of at the moment: it says nothing about a file. */
const scarce = new Set(['EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN'])
const passing = new Set([...scarce, 'EIO', 'EROFS'])

/** Whether what the system refused may be there again soon, whatever file it was asked for. */
export const isPassing = (code: string): boolean => scarce.has(code)

/**
 * What went wrong with the files of a run, for whoever asked for it: what will be whole again is told apart, so that the job is
 * tried again, and no message has a path of this machine.
 */
export function toTrouble(error: unknown): unknown {
  const { code, path } = error as NodeJS.ErrnoException
  if (error instanceof FilesError || error instanceof ChapkitError || code === undefined)
    return error
  if (full.has(code)) {
    const message = 'No space left for the folder of a run. Free some.'
    return new ChapkitError('storage-full', message, { cause: error })
  }
  if (passing.has(code)) {
    const message = 'The folder of a run cannot be used at the moment.'
    return new ChapkitError('unavailable', message, { cause: error })
  }
  const name = path === undefined ? 'A file' : showPath(lastName(path))
  return new FilesError(`${name} cannot be used (${code}); may the service read and write it?`)
}

/** The last name of a path as the system tells it: bytes where it was given bytes. */
function lastName(path: string | Uint8Array): string {
  const text = typeof path === 'string' ? path : pathFromBytes(path)
  return text.slice(text.lastIndexOf('/') + 1)
}
