import { constants } from 'node:fs'
import { type FileHandle, open, realpath } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { Readable } from 'node:stream'

/** A file of a folder, open. Whoever gets it closes its handle. */
export interface OpenFile {
  handle: FileHandle
  size: number
  modified: Date
  /** Changes whenever the bytes of the file do. */
  revision: string
}

/**
 * Whether a name, with `/` between its parts, can be that of a file which is for others: no part is empty, `.`, `..` or that of
 * a dotfile, and nothing in it means something else to another system.
 */
export function isFilePath(name: string): boolean {
  return !/[\p{Cc}\\]/u.test(name) && name.split('/').every((part) => /^[^.]/.test(part))
}

/**
 * Opens what is at `name` in the folder `root` (absolute, without links): a file, or the word `folder`. Undefined where nothing
 * is, where it is neither of both, and where it may not be read, is a dotfile, or is a link that leads to such or outside.
 */
export async function openBelow(
  root: string,
  name: string,
): Promise<OpenFile | 'folder' | undefined> {
  if (!isFilePath(name)) return undefined
  try {
    const real = await realpath(join(root, name))
    if (!real.startsWith(root + sep) || !isFilePath(real.slice(root.length + 1))) return undefined
    return await openReal(real)
  } catch (error) {
    if (notThere.has((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw error
  }
}

const notThere = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG', 'EACCES', 'EPERM', 'ENXIO'])

async function openReal(path: string): Promise<OpenFile | 'folder' | undefined> {
  // A link that has just taken the place of the file is not followed, and a pipe without a writer is not waited for.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
  const handle = await open(path, flags)
  try {
    const found = await handle.stat({ bigint: true })
    if (found.isFile()) {
      const { size, ctimeNs, ino, mtime } = found
      // By the time of change: packages and images give all their files one time of modification.
      const revision = [ctimeNs, ino, size].map((each) => each.toString(36)).join('-')
      return { handle, size: Number(size), modified: mtime, revision }
    }
    await handle.close()
    return found.isDirectory() ? 'folder' : undefined
  } catch (error) {
    await handle.close()
    throw error
  }
}

const chunkSize = 64 * 1024

/** The bytes from `start` up to, not including, `end`, a chunk at a time. Closes the handle when it ends, however it does. */
export function streamOf(handle: FileHandle, start: number, end: number): Readable {
  let at = start
  async function next(): Promise<Uint8Array | null> {
    if (at === end) return null
    const length = Math.min(chunkSize, end - at)
    const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(length), 0, length, at)
    // Less than was promised: the answer has to break off, or its reader would wait for the rest.
    if (bytesRead === 0) throw new Error('A file became shorter while it was sent')
    at += bytesRead
    return buffer.subarray(0, bytesRead)
  }
  return new Readable({
    read() {
      next().then(
        (chunk) => this.push(chunk),
        (error: Error) => this.destroy(error),
      )
    },
    destroy(error, done) {
      handle.close().then(() => done(error), done)
    },
  })
}
