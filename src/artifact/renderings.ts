import { type FileHandle, mkdir, open, rmdir, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import type { Blobs } from '../blob/blobs.ts'
import { ChapkitError, toError } from '../errors.ts'
import { createThread } from '../thread/caller.ts'
import { type FrameForm, readFrame, writeFrame } from './frame-forms.ts'
import type { RenderingTasks } from './rendering-thread.ts'

export interface RenderingsDeps {
  blobs: Blobs
  /** Folder for files that have no name any more as soon as they are there. */
  scratch: string
  newId: () => string
  /** Bytes of renderings that are kept, on the disk; more is kept only while it is read. @default 268_435_456 */
  keptBytes?: number
  /** Frames that wait to be rendered, at most. @default 32 */
  maximumWaiting?: number
}

/** A frame in a form: its size is known, and any part of it can be read again and again. */
export interface Rendering {
  size: number
  /** The bytes from `start` up to, not including, `end`. */
  open(start: number, end: number): Readable | Uint8Array
}

export type Renderings = ReturnType<typeof createRenderings>

/** Frames up to this size are rendered here and now: to hand them over would take longer. */
const smallBytes = 64 * 1024
/** Bytes of memory that rendering one frame may take. */
const memoryLimit = 2048 * 2 ** 20
const chunkBytes = 128 * 1024

interface Kept {
  handle: FileHandle
  size: number
  /** Who reads it, or is about to. */
  readers: number
}

/**
 * Frames as what they are downloaded as. A large one is rendered by a thread, one at a time, into a file without a name that is
 * kept for who asks next: for its size, for a range of it, for the same again. Memory is taken by the one that is rendered, the
 * disk by those that are kept.
 */
export function createRenderings(deps: RenderingsDeps) {
  const { blobs, scratch, newId, keptBytes = 256 * 2 ** 20, maximumWaiting = 32 } = deps
  const thread = createThread<RenderingTasks>({
    program: new URL('./rendering-thread', import.meta.url),
    name: 'renderings',
    memoryLimit,
    tooMuch: () =>
      new ChapkitError(
        'validation-failed',
        `Expected content that can be brought into another form with ${memoryLimit} bytes of memory, got more; read it with GET, which answers it as it is stored`,
      ),
  })
  /** By hash and form, those that were asked for last at the end. Null: content that is no frame. */
  const known = new Map<string, Promise<Kept | null>>()
  const kept = new Map<string, Kept>()
  const total = (): number => [...kept.values()].reduce((sum, { size }) => sum + size, 0)

  /** Lets go of those that nobody reads, those of long ago first, until no more than `bytes` are kept. */
  async function letGo(bytes: number): Promise<void> {
    for (const [key, { handle, readers }] of [...kept]) {
      if (total() <= bytes) return
      if (readers > 0) continue
      kept.delete(key)
      known.delete(key)
      await handle.close()
    }
  }

  /** An empty file that is gone when its handle is: a process that dies leaves nothing. */
  async function openNameless(): Promise<FileHandle> {
    await mkdir(scratch, { recursive: true, mode: 0o700 })
    const path = join(scratch, `rendering-${newId()}`)
    const handle = await open(path, 'wx+', 0o600)
    await unlink(path)
    return handle
  }

  async function write(hash: string, format: FrameForm): Promise<Kept | null> {
    const source = await blobs.source(hash)
    const handle = await openNameless()
    try {
      const size = await thread.run('render', {
        source: 'path' in source ? { path: source.path, hash } : source,
        format,
        file: handle.fd,
      })
      if (size !== null) return { handle, size, readers: 0 }
      await handle.close()
      return null
    } catch (error) {
      await handle.close()
      throw error
    }
  }

  async function render(hash: string, format: FrameForm, key: string): Promise<Kept | null> {
    if (thread.waiting() >= maximumWaiting) {
      throw busy('The service has more frames to bring into another form than it can do')
    }
    await letGo(keptBytes)
    if (total() > keptBytes) {
      throw busy('The frames that are being downloaded take all the room that there is for them')
    }
    const made = await write(hash, format).catch(async (error: unknown) => {
      if (!isFull(error)) throw error
      // What is kept for later may be what the disk is full of.
      await letGo(0)
      return write(hash, format)
    })
    if (made) kept.set(key, made)
    return made
  }

  function find(hash: string, format: FrameForm): Promise<Kept | null> {
    const key = `${hash}-${format}`
    const asked =
      known.get(key) ??
      render(hash, format, key).catch((error: unknown) => {
        known.delete(key)
        throw isFull(error) ? storageFull(error) : error
      })
    known.delete(key)
    known.set(key, asked)
    const entry = kept.get(key)
    if (entry) {
      kept.delete(key)
      kept.set(key, entry)
    }
    if (known.size > 1000) forgetOldest()
    return asked
  }

  /** Content that is no frame takes no room on the disk, but its name some in memory. */
  function forgetOldest(): void {
    for (const key of known.keys()) {
      if (kept.has(key)) continue
      known.delete(key)
      return
    }
  }

  return {
    /** JSON content in a form; null when it is no frame. */
    async get(hash: string, format: FrameForm): Promise<Rendering | null> {
      const { size } = await blobs.facts(hash)
      if (size <= smallBytes) return renderNow(await blobs.read(hash), format)
      const found = await find(hash, format)
      if (!found) return null
      // It stays until whoever asked has begun to read: that takes them no turn of the event loop.
      found.readers++
      setImmediate(() => found.readers--)
      return { size: found.size, open: (start, end) => streamOf(found, start, end) }
    },

    async close(): Promise<void> {
      await thread.close()
      for (const { handle } of kept.values()) await handle.close()
      kept.clear()
      known.clear()
      // Whoever else uses the folder removes it.
      await rmdir(scratch).catch(() => {})
    },
  }
}

async function renderNow(bytes: Uint8Array, format: FrameForm): Promise<Rendering | null> {
  const frame = readFrame(bytes)
  if (frame === null) return null
  const parts: Uint8Array[] = []
  for await (const part of writeFrame(frame, format)) parts.push(part)
  const whole = Buffer.concat(parts)
  return { size: whole.byteLength, open: (start, end) => whole.subarray(start, end) }
}

function streamOf(kept: Kept, start: number, end: number): Readable {
  let at = start
  kept.readers++
  return new Readable({
    highWaterMark: 0,
    read() {
      const length = Math.min(chunkBytes, end - at)
      if (length === 0) return void this.push(null)
      kept.handle.read(Buffer.allocUnsafeSlow(length), 0, length, at).then(
        ({ buffer, bytesRead }) => {
          at += bytesRead
          if (bytesRead > 0) this.push(buffer.subarray(0, bytesRead))
          else this.destroy(new Error(`A rendering of ${kept.size} bytes ended at ${at}`))
        },
        (error) => this.destroy(error),
      )
    },
    destroy(error, done) {
      kept.readers--
      done(error)
    },
  })
}

function isFull(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT'].includes(String((toError(error) as NodeJS.ErrnoException).code))
}

function storageFull(cause: unknown): ChapkitError {
  return new ChapkitError(
    'storage-full',
    'No space left to bring the content into another form; free some, or read it with GET',
    { cause },
  )
}

function busy(what: string): ChapkitError {
  return new ChapkitError('unavailable', `${what}; try again later`, {
    headers: { 'retry-after': '5' },
  })
}
