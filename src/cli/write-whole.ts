import { open, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { toError } from '../errors.ts'
import { CommandError } from './exit.ts'

/** Puts a text into a file, or leaves the file as it was: what is not whole never has its name. */
export async function writeWhole(path: string, text: string): Promise<void> {
  const partial = join(dirname(path), `.${basename(path)}.${process.pid}.partial`)
  try {
    // A rename would put the file in the place of an empty folder.
    if ((await stat(path).catch(() => null))?.isDirectory())
      throw new CommandError(`${path} is a folder: name a file`)
    const file = await open(partial, 'wx')
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(partial, path)
  } catch (error) {
    await rm(partial, { force: true }).catch(() => {})
    if (error instanceof CommandError) throw error
    throw new CommandError(`${path} cannot be written: ${reason(error, path)}`, undefined, {
      cause: error,
    })
  }
}

function reason(error: unknown, path: string): string {
  const { code, message } = toError(error) as NodeJS.ErrnoException
  if (code === 'ENOENT') return `there is no folder ${dirname(path)}`
  if (code === 'ENOTDIR') return `${dirname(path)} is not a folder`
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS')
    return `you may not write in ${dirname(path)}`
  if (code === 'ENOSPC' || code === 'EDQUOT') return 'the disk is full'
  return message
}
