import { createHash } from 'node:crypto'
import {
  closeSync,
  fstatSync,
  futimesSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  utimesSync,
  writeSync,
} from 'node:fs'
import * as nodeFileSystem from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { cases } from '../../test/setup/campaign.ts'
import type { BlobStore } from './blob-store.ts'
import { type FileSystem, openFileBlobs } from './file.ts'
import { inAnyOrder } from './fixtures/any-order.ts'
import { memoryBlobs } from './memory.ts'
import { sweepBlobs } from './sweep.ts'

const root = mkdtempSync(join(tmpdir(), 'chapkit-sweep-'))
afterAll(() => rmSync(root, { recursive: true }))

const hashOf = (text: string) => createHash('sha256').update(text).digest('hex')
const nobody = async () => false
/** Before and from here on: what was stored before is old for a sweep, what is renewed from here on is not. */
const limit = 1000

test('removes what is old and unreferenced, and tells how much', async () => {
  let time = 1
  const store = memoryBlobs({ now: () => time })
  await store.put(Buffer.from('garbage'))
  await store.put(Buffer.from('referenced'))
  time = limit
  await store.put(Buffer.from('young'))

  const removed = await sweepBlobs(store, {
    isReferenced: async (hash) => hash === hashOf('referenced'),
    olderThan: limit,
  })

  expect(removed).toEqual({ blobs: 1, bytes: 7 })
  expect(await names(store)).toEqual([hashOf('referenced'), hashOf('young')].sort())
})

test('a blob that is referenced while it is in the trash comes back', async () => {
  const store = memoryBlobs({ now: () => 1 })
  await store.put(Buffer.from('x'))
  const answers = [false, true]

  const removed = await sweepBlobs(store, {
    isReferenced: async () => answers.shift()!,
    olderThan: limit,
  })

  expect(removed.blobs).toBe(0)
  expect(await store.has(hashOf('x'))).toEqual({ size: 1 })
})

test('a blob comes back when nobody can say whether it is referenced', async () => {
  const store = memoryBlobs({ now: () => 1 })
  await store.put(Buffer.from('x'))
  let asked = 0
  const isReferenced = async () => {
    if (++asked === 2) throw new Error('database gone')
    return false
  }

  await expect(sweepBlobs(store, { isReferenced, olderThan: limit })).rejects.toThrow(
    'database gone',
  )

  expect(await store.has(hashOf('x'))).toEqual({ size: 1 })
})

test('a blob renewed by another process on its way to the trash comes back', async () => {
  const folder = mkdtempSync(join(root, 'data-'))
  let time = 1
  const now = () => time
  const writer = await openFileBlobs({ folder, now })
  await writer.put(Buffer.from('x'))
  time = limit
  const sweeper = await openFileBlobs({
    folder,
    now,
    fileSystem: {
      ...nodeFileSystem,
      rename: async (from: string, to: string) => {
        if (to.includes('trash')) await writer.put(Buffer.from('x'))
        return nodeFileSystem.rename(from, to)
      },
    } as FileSystem,
  })

  expect(await sweepBlobs(sweeper, { isReferenced: nobody, olderThan: limit })).toEqual({
    blobs: 0,
    bytes: 0,
  })

  expect(await writer.read(hashOf('x'))).toEqual(Buffer.from('x'))
})

test('stops when it is aborted', async () => {
  const store = memoryBlobs({ now: () => 1 })
  await store.put(Buffer.from('x'))
  const signal = AbortSignal.abort(new Error('stopping'))

  await expect(
    sweepBlobs(store, { isReferenced: nobody, olderThan: limit, signal }),
  ).rejects.toThrow('stopping')
  expect(await store.has(hashOf('x'))).toEqual({ size: 1 })
})

describe('acknowledged bytes outlive sweeps that run at the same time', () => {
  test('in memory, 10 000 interleavings', async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), plan, async (scheduler, steps) => {
        const step = () => scheduler.schedule(Promise.resolve())
        let time = 1
        const store = memoryBlobs({ now: () => time, step })
        const done = play(steps, {
          writer: store,
          sweeper: store,
          step,
          begin: () => (time = limit),
          atOnce: true,
        })
        await scheduler.waitFor(done)
      }),
      { numRuns: cases(10_000) },
    )
  })

  test('as files, 300 interleavings', async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), plan, async (scheduler, steps) => {
        const step = () => scheduler.schedule(Promise.resolve())
        const folder = mkdtempSync(join(root, 'data-'))
        let time = 1
        const opening = openFileBlobs({ folder, now: () => time, fileSystem: stepping(step) })
        const store = await inAnyOrder(scheduler, opening)
        const done = play(steps, {
          writer: store,
          sweeper: store,
          step,
          begin: () => (time = limit),
          atOnce: true,
        })
        await inAnyOrder(scheduler, done)
        expect(readdirSync(join(folder, 'tmp'))).toEqual([])
        expect(readdirSync(join(folder, 'trash'))).toEqual([])
      }),
      { numRuns: 300 },
    )
  })

  // Without a queue in common a blob may be out of sight for a moment; it must be there in the end.
  test('as files of two processes, 2 000 interleavings', async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), plan, async (scheduler, steps) => {
        const step = () => scheduler.schedule(Promise.resolve())
        const folder = mkdtempSync(join(root, 'data-'))
        let time = 1
        const options = { folder, now: () => time, fileSystem: stepping(step) }
        const [writer, sweeper] = await inAnyOrder(
          scheduler,
          Promise.all([openFileBlobs(options), openFileBlobs(options)]),
        )
        const done = play(steps, {
          writer,
          sweeper,
          step,
          begin: () => (time = limit),
          atOnce: false,
        })
        await inAnyOrder(scheduler, done)
      }),
      { numRuns: 2_000 },
    )
  })
})

const content = fc.constantFrom('a', 'b')

const plan = fc.record({
  /** Stored long ago, and of these: still referenced. */
  old: fc.uniqueArray(content),
  referenced: fc.uniqueArray(content),
  writers: fc.array(fc.record({ text: content, by: fc.constantFrom('bytes', 'stream', 'touch') }), {
    minLength: 1,
    maxLength: 4,
  }),
  sweeps: fc.integer({ min: 1, max: 2 }),
})

interface Stage {
  writer: BlobStore
  sweeper: BlobStore
  step: () => Promise<unknown>
  begin: () => void
  /** Whether an acknowledged blob must be found at every moment, or only when all has come to rest. */
  atOnce: boolean
}

async function play(steps: typeof plan extends fc.Arbitrary<infer T> ? T : never, stage: Stage) {
  const { writer, sweeper, step, begin, atOnce } = stage
  const references = new Set<string>()
  const acknowledged = new Set<string>()

  for (const text of steps.old) await writer.put(Buffer.from(text))
  for (const text of steps.referenced) if (steps.old.includes(text)) references.add(hashOf(text))
  const kept = new Set(references)
  begin()

  async function seen(text: string) {
    await step()
    if (atOnce) expect(await writer.has(hashOf(text))).toEqual({ size: text.length })
  }

  /** What everyone does who refers to bytes: put or touch, then the reference. */
  async function write({ text, by }: { text: string; by: string }) {
    const bytes = Buffer.from(text)
    if (by === 'stream')
      await writer.put(
        (async function* () {
          yield bytes
        })(),
      )
    else if (by === 'bytes' || !(await writer.touch(hashOf(text)))) await writer.put(bytes)
    acknowledged.add(text)
    await seen(text)
    references.add(hashOf(text))
    await seen(text)
    await seen(text)
  }

  const isReferenced = async (hash: string) => {
    await step()
    return references.has(hash)
  }
  const sweeping = () => sweepBlobs(sweeper, { isReferenced, olderThan: limit })

  await Promise.all([
    ...steps.writers.map(write),
    ...Array.from({ length: steps.sweeps }, sweeping),
  ])

  for (const text of acknowledged) {
    expect(
      await writer.read(hashOf(text)).then((bytes) => bytes && String(Buffer.from(bytes))),
    ).toBe(text)
    kept.add(hashOf(text))
  }
  await sweeping()
  expect(await names(writer)).toEqual([...kept].sort())
}

async function names(store: BlobStore): Promise<string[]> {
  return (await Array.fromAsync(store.list())).map(({ hash }) => hash).sort()
}

/**
 * The real file system, with a step before each operation that matters here. The operations themselves are done at once: what
 * waited for a thread would not be there when the scheduler chooses who goes on, and hardly anything would interleave.
 */
function stepping(step: () => Promise<unknown>): FileSystem {
  const after =
    <Args extends unknown[], Result>(operation: (...args: Args) => Result) =>
    async (...args: Args) => {
      await step()
      return operation(...args)
    }
  return {
    mkdir: async (path: string, options: object) => mkdirSync(path, options),
    readdir: async (path: string) => readdirSync(path),
    rename: after(renameSync),
    unlink: after(unlinkSync),
    utimes: after(utimesSync),
    stat: after((path: string) => statSync(path)),
    open: async (path: string, flags: string, mode?: number) => {
      const file = openSync(path, flags, mode)
      return {
        write: async (bytes: Uint8Array, at: number) => ({
          bytesWritten: writeSync(file, bytes, at),
        }),
        readFile: async () => readFileSync(file),
        stat: async () => fstatSync(file),
        utimes: async (accessed: Date, changed: Date) => futimesSync(file, accessed, changed),
        sync: async () => {},
        close: async () => closeSync(file),
      }
    },
  } as unknown as FileSystem
}
