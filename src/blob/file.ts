/*
 * Blobs as files: `<folder>/ab/cdef…`, named by content, written once and never changed.
 *
 * A file is written in `tmp/`, made durable, and only then renamed to its name, so that what stands under a name is
 * always whole. One queue per hash keeps the steps of put, touch and trash apart within the process, which owns the
 * folder; the order of these steps (renew, then look whether it is still there; move, then look at the date) keeps
 * acknowledged bytes safe even from another process, see `sweep.ts`.
 */
import * as nodeFileSystem from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { Readable } from 'node:stream'
import { ChapkitError } from '../errors.ts'
import type { Clock } from '../kernel/clock.ts'
import type { BlobDigest, BlobRange, BlobStore } from './blob-store.ts'
import {
  assertHash,
  chunksOf,
  createDigest,
  damaged,
  digestOf,
  isHash,
  refuseOther,
  toRange,
} from './digest.ts'
import { createExclusive } from './exclusive.ts'
import { createTurns } from './turns.ts'

/** What is used of `node:fs/promises`; tests pass one that fails or remembers. */
export type FileSystem = Pick<
  typeof nodeFileSystem,
  'mkdir' | 'open' | 'readdir' | 'rename' | 'stat' | 'unlink' | 'utimes'
>

export interface FileBlobOptions {
  /** Created when absent. One process owns it; that one calls `clean` before it serves. */
  folder: string
  /** @default Date.now */
  now?: Clock
  /** @default node:fs/promises */
  fileSystem?: FileSystem
}

interface TempFile {
  path: string
  handle: nodeFileSystem.FileHandle
  moved: boolean
}

/** Of what is sent, smaller pieces: each reader that stands still holds a few. */
const sentBytes = 128 * 1024

const turn = createTurns()

export async function openFileBlobs({
  folder,
  now = Date.now,
  fileSystem = nodeFileSystem,
}: FileBlobOptions): Promise<BlobStore> {
  const tempFolder = join(folder, 'tmp')
  const trashFolder = join(folder, 'trash')
  const exclusively = createExclusive()
  /** The two-letter folders known to be durable, with all that an earlier process left in them. */
  const folders = new Map<string, Promise<void>>()
  /** Names in `tmp/` and `trash/` that are in use. */
  const inUse = new Set<string>()
  let names = 0

  const created = await disk(fileSystem.mkdir(folder, { recursive: true, mode: 0o700 }))
  for (const path of created ? pathsFrom(created, resolve(folder)) : [])
    await syncFolder(dirname(path))
  await disk(fileSystem.mkdir(tempFolder, { recursive: true, mode: 0o700 }))
  await disk(fileSystem.mkdir(trashFolder, { recursive: true, mode: 0o700 }))
  await syncFolder(folder)

  function pathOf(hash: string): string {
    assertHash(hash)
    return join(folder, hash.slice(0, 2), hash.slice(2))
  }

  async function syncFolder(path: string): Promise<void> {
    const handle = await disk(fileSystem.open(path, 'r'))
    try {
      await disk(handle.sync())
    } finally {
      await handle.close()
    }
  }

  /**
   * Makes the folder of a hash exist durably. One that exists already may hold names whose process died before it
   * synced them; its first use syncs them, so that finding a blob means it will be found after a power cut, too.
   */
  function settle(path: string): Promise<void> {
    const parent = dirname(path)
    const known = folders.get(parent)
    if (known) return known
    const settled = (async () => {
      const created = await disk(fileSystem.mkdir(parent, { mode: 0o700 })).then(
        () => true,
        ifCode('EEXIST', () => false),
      )
      await syncFolder(created ? folder : parent)
    })()
    folders.set(parent, settled)
    settled.catch(() => folders.delete(parent))
    return settled
  }

  /** Gives what is there a new date. `false`: absent, or not of this size and so to be replaced. */
  async function renew(path: string, size?: number): Promise<boolean> {
    const date = new Date(now())
    try {
      await disk(fileSystem.utimes(path, date, date))
      // The date first, then the look: who moves it to the trash in between finds the new date and brings it back.
      const found = await disk(fileSystem.stat(path))
      if (size !== undefined && found.size !== size) return false
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return false
      throw error
    }
    await settle(path)
    return true
  }

  async function openTemp(): Promise<TempFile> {
    while (true) {
      const name = `${process.pid}-${++names}`
      const path = join(tempFolder, name)
      inUse.add(name)
      try {
        return { path, handle: await disk(fileSystem.open(path, 'wx', 0o600)), moved: false }
      } catch (error) {
        inUse.delete(name)
        // A process with our id died here before: the next name.
        if (!hasCode(error, 'EEXIST')) throw error
      }
    }
  }

  async function withTemp<Result>(use: (temp: TempFile) => Promise<Result>): Promise<Result> {
    const temp = await openTemp()
    try {
      return await use(temp)
    } finally {
      await temp.handle.close().catch(() => {})
      if (!temp.moved) await fileSystem.unlink(temp.path).catch(() => {})
      inUse.delete(temp.path.slice(tempFolder.length + 1))
    }
  }

  /**
   * Gives a written temp file its name. The order is the promise of `put`: bytes, then name, then the folder that
   * holds the name, each on the disk before the next. Named before its bytes are durable, a power cut would leave a
   * blob of zeros under a good name; acknowledged before the folder is, it would leave a row without bytes.
   */
  async function publish(temp: TempFile, path: string): Promise<void> {
    const date = new Date(now())
    await disk(temp.handle.utimes(date, date))
    // A failed fsync may have dropped the pages and will succeed when repeated: the file is thrown away, never retried.
    await disk(temp.handle.sync())
    await disk(temp.handle.close())
    await settle(path)
    await disk(fileSystem.rename(temp.path, path))
    temp.moved = true
    try {
      await syncFolder(dirname(path))
    } catch (error) {
      folders.delete(dirname(path))
      await fileSystem.unlink(path).catch(() => {})
      throw error
    }
  }

  /** Brings a file back from the trash, unless its bytes were put again meanwhile. */
  async function bringBack(trashed: string, path: string): Promise<void> {
    if (await statOf(path)) return disk(fileSystem.unlink(trashed))
    await settle(path)
    await disk(fileSystem.rename(trashed, path))
    await syncFolder(dirname(path))
  }

  async function statOf(path: string) {
    const found = await disk(fileSystem.stat(path)).catch(ifCode('ENOENT', () => undefined))
    return found && { size: found.size, changedAt: Math.round(found.mtimeMs) }
  }

  async function openBlob(hash: string) {
    const handle = await disk(fileSystem.open(pathOf(hash), 'r')).catch(
      ifCode('ENOENT', () => undefined),
    )
    if (!handle) return undefined
    try {
      return { handle, size: (await disk(handle.stat())).size }
    } catch (error) {
      await handle.close()
      throw error
    }
  }

  const store: BlobStore = {
    async put(source, options = {}) {
      const { signal } = options
      signal?.throwIfAborted()

      if (source instanceof Uint8Array) {
        const digest = await digestOf(source, options)
        refuseOther(digest, options)
        const path = pathOf(digest.hash)
        // Who comes second with the same bytes waits, finds them and writes nothing.
        await exclusively(digest.hash, async () => {
          signal?.throwIfAborted()
          if (await renew(path, digest.size)) return
          await withTemp(async (temp) => {
            await writeAll(temp.handle, source)
            await publish(temp, path)
          })
        })
        return digest
      }

      return withTemp(async (temp) => {
        const digest = await writeStream(temp.handle, chunksOf(source, options))
        refuseOther(digest, options)
        const path = pathOf(digest.hash)
        await exclusively(digest.hash, async () => {
          signal?.throwIfAborted()
          if (!(await renew(path, digest.size))) await publish(temp, path)
        })
        return digest
      })
    },

    async get(hash, range, size) {
      // Open from here on: a sweep may take the name away, not the bytes.
      const blob = await openBlob(hash)
      if (!blob) return undefined
      try {
        return streamOf(blob.handle, hash, blob.size, toRange(hash, blob.size, range, size))
      } catch (error) {
        await blob.handle.close()
        throw error
      }
    },

    async read(hash) {
      const blob = await openBlob(hash)
      if (!blob) return undefined
      try {
        const bytes = await disk(blob.handle.readFile())
        const actual = await digestOf(bytes)
        if (actual.hash !== hash) throw damaged(hash, `its bytes have SHA-256 ${actual.hash}`)
        return bytes
      } finally {
        await blob.handle.close()
      }
    },

    path: pathOf,

    async has(hash) {
      const found = await statOf(pathOf(hash))
      return found && { size: found.size }
    },

    async remove(hash) {
      const trashed = await store.trash(hash, Number.POSITIVE_INFINITY)
      await trashed?.discard()
    },

    async trash(hash, olderThan) {
      const path = pathOf(hash)
      const name = `${hash}-${process.pid}-${++names}`
      const trashed = join(trashFolder, name)

      const moved = await exclusively(hash, async () => {
        const found = await statOf(path)
        if (!found || found.changedAt >= olderThan) return undefined
        await disk(fileSystem.rename(path, trashed))
        inUse.add(name)
        // The date again: another process may have renewed it between the look and the move.
        return (await statOf(trashed)) ?? found
      }).catch((error) => {
        inUse.delete(name)
        throw error
      })
      if (!moved) return undefined

      return {
        changedAt: moved.changedAt,
        restore: () =>
          exclusively(hash, () => bringBack(trashed, path)).finally(() => inUse.delete(name)),
        discard: () => disk(fileSystem.unlink(trashed)).finally(() => inUse.delete(name)),
      }
    },

    async *list() {
      for (const prefix of await disk(fileSystem.readdir(folder))) {
        if (!/^[0-9a-f]{2}$/.test(prefix)) continue
        for (const rest of await disk(fileSystem.readdir(join(folder, prefix)))) {
          const hash = prefix + rest
          const found = isHash(hash) ? await statOf(join(folder, prefix, rest)) : undefined
          if (found) yield { hash, ...found }
        }
      }
    },

    async touch(hash) {
      const path = pathOf(hash)
      return exclusively(hash, () => renew(path))
    },

    async clean() {
      for (const name of await disk(fileSystem.readdir(tempFolder))) {
        if (!inUse.has(name)) await disk(fileSystem.unlink(join(tempFolder, name)))
      }
      for (const name of await disk(fileSystem.readdir(trashFolder))) {
        const hash = name.slice(0, 64)
        if (inUse.has(name) || !isHash(hash)) continue
        await exclusively(hash, () => bringBack(join(trashFolder, name), pathOf(hash)))
      }
    },

    close: async () => {},
  }
  return store
}

/** `inner` and the folders around it, up to `outer`. */
function pathsFrom(outer: string, inner: string): string[] {
  return inner === outer || inner === dirname(inner)
    ? [inner]
    : [...pathsFrom(outer, dirname(inner)), inner]
}

async function writeStream(
  handle: nodeFileSystem.FileHandle,
  chunks: AsyncIterable<Uint8Array>,
): Promise<BlobDigest> {
  const digest = createDigest()
  for await (const chunk of chunks) {
    digest.update(chunk)
    await writeAll(handle, chunk)
  }
  return digest.finish()
}

/** One write may take less than it was given. */
async function writeAll(handle: nodeFileSystem.FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.byteLength; ) {
    const { bytesWritten } = await disk(handle.write(bytes, at))
    at += bytesWritten
  }
}

/**
 * Streams part of an open file and closes it. Of a whole blob the last chunk is held back until the hash is known to
 * be right: after it, a receiver that counts bytes would take the answer for complete.
 */
function streamOf(
  handle: nodeFileSystem.FileHandle,
  hash: string,
  size: number,
  { start, end }: BlobRange,
): Readable {
  const digest = start === 0 && end === size ? createDigest() : undefined
  let at = start
  let ended = false

  async function next(): Promise<Uint8Array | null> {
    if (ended) return null
    const chunk = await readChunk(handle, at, Math.min(sentBytes, end - at))
    await turn()
    if (chunk.byteLength === 0 && at < end)
      throw damaged(hash, `expected ${size} bytes, found ${at}`)
    at += chunk.byteLength
    digest?.update(chunk)
    ended = at === end
    const actual = ended ? digest?.finish().hash : undefined
    if (actual && actual !== hash) throw damaged(hash, `its bytes have SHA-256 ${actual}`)
    return chunk.byteLength > 0 ? chunk : null
  }

  return new Readable({
    highWaterMark: 0,
    read() {
      next().then(
        (chunk) => this.push(chunk),
        (error) => this.destroy(error),
      )
    },
    destroy(error, done) {
      handle.close().then(
        () => done(error),
        (failure) => done(error ?? failure),
      )
    },
  })
}

async function readChunk(handle: nodeFileSystem.FileHandle, at: number, length: number) {
  const buffer = Buffer.allocUnsafeSlow(length)
  const { bytesRead } = await disk(handle.read(buffer, 0, length, at))
  return buffer.subarray(0, bytesRead)
}

/** A failed operation as what a caller should know of it; what is not the disk's fault stays as it is. */
async function disk<Result>(operation: Promise<Result>): Promise<Result> {
  try {
    return await operation
  } catch (error) {
    if (hasCode(error, 'ENOSPC', 'EDQUOT')) {
      throw new ChapkitError(
        'storage-full',
        'No space left to store data. Free some and try again.',
        {
          cause: error,
        },
      )
    }
    if (hasCode(error, 'EMFILE', 'ENFILE', 'EIO', 'EROFS')) {
      throw new ChapkitError(
        'unavailable',
        'The data folder cannot be used at the moment. Try again.',
        {
          cause: error,
          headers: { 'retry-after': '5' },
        },
      )
    }
    throw error
  }
}

function hasCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code))
}

function ifCode<Result>(code: string, answer: () => Result): (error: unknown) => Result {
  return (error) => {
    if (hasCode(error, code)) return answer()
    throw error
  }
}
