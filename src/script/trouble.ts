import { basename } from 'node:path'
import { ChapkitError } from '../errors.ts'
import { FilesError } from './files.ts'

const full = new Set(['ENOSPC', 'EDQUOT'])
const passing = new Set(['EMFILE', 'ENFILE', 'EIO', 'EROFS', 'ENOMEM'])

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
  const name = path === undefined ? 'A file' : `"${basename(path)}"`
  return new FilesError(`${name} cannot be used (${code}); may the service read and write it?`)
}
