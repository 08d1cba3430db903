import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { link, open, readFile, rename, rm } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { CommandError, exit } from './exit.ts'
import { say } from './print.ts'

/** Reads a whole file, or stdin for `-`. */
export async function readInput(path: string): Promise<Uint8Array> {
  if (path === '-') return readStdin()
  try {
    return await readFile(path)
  } catch (error) {
    throw toFileError(error, path, 'read')
  }
}

async function readStdin(): Promise<Uint8Array> {
  if (process.stdin.isTTY) say('chapkit: reading from the terminal; Ctrl-D ends the input')
  const chunks: Buffer[] = []
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

/** Refuses to write over a file, unless it is meant. */
export function assertFree(path: string, force = false): void {
  if (!force && existsSync(path))
    throw new CommandError(`${path} is there already; name another with -o, or add --force`)
}

/** Writes a whole file or none: under another name first, which it loses when every byte is on the disk. */
export async function writeWhole(
  path: string,
  bytes: Uint8Array | string,
  { force = false }: { force?: boolean } = {},
): Promise<void> {
  assertFree(path, force)
  const target = resolve(path)
  const part = join(dirname(target), `.${basename(target)}.${randomBytes(4).toString('hex')}.part`)
  try {
    const handle = await open(part, 'wx')
    try {
      await handle.writeFile(bytes)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await place(part, target, force)
  } catch (error) {
    await rm(part, { force: true }).catch(() => {})
    throw toFileError(error, path, 'write')
  }
}

/** Gives a whole file its name. What came to have that name meanwhile is not replaced, unless it is meant. */
export async function place(part: string, target: string, force: boolean): Promise<void> {
  if (force) return rename(part, target)
  try {
    await link(part, target)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    // Some file systems have no second names.
    if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'EMLINK') throw error
    assertFree(target)
    return rename(part, target)
  }
  await rm(part)
}

/** What the system says of a file, in words, and what to do. */
export function toFileError(error: unknown, path: string, to: 'read' | 'write'): unknown {
  if (error instanceof CommandError || !(error instanceof Error)) return error
  const text = describe((error as NodeJS.ErrnoException).code ?? '', path, to)
  return text === null ? error : new CommandError(text, exit.failed, { cause: error })
}

function describe(code: string, path: string, to: 'read' | 'write'): string | null {
  switch (code) {
    case 'ENOENT':
      return to === 'read'
        ? `There is no file ${path}`
        : `${path} cannot be written: there is no folder ${dirname(path)}`
    case 'EISDIR':
      return to === 'read'
        ? `Expected a file, got the folder ${path}`
        : `${path} is a folder: name a file`
    case 'ENOTDIR':
      return `${path} cannot be used: ${dirname(path)} is not a folder`
    case 'EACCES':
    case 'EPERM':
      return to === 'read'
        ? `${path} may not be read: ask its owner for the right, or copy it`
        : `${path} cannot be written: you have no right to write in ${dirname(path)}; choose another folder`
    case 'EROFS':
      return `${path} cannot be written: its disk is read-only; choose another folder`
    case 'ENOSPC':
    case 'EDQUOT':
      return `${path} cannot be written: the disk is full; make room and try again`
    case 'EFBIG':
      return `${path} cannot be written: it is larger than a file may be here; see ulimit -f`
    case 'EEXIST':
      return `${path} is there already; name another with -o, or add --force`
    default:
      return null
  }
}
