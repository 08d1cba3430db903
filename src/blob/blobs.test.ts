import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import { cases } from '../../test/setup/campaign.ts'
import type { Database } from '../db/database.ts'
import { migrate } from '../db/migrate.ts'
import { openSqlite } from '../db/sqlite.ts'
import { fakeClock } from '../testing/clock.ts'
import type { BlobStore, TrashedBlob } from './blob-store.ts'
import {
  type BlobOwner,
  type Blobs,
  createBlobs,
  inlineLimit,
  type StagedBlob,
  sha256,
} from './blobs.ts'
import { openFileBlobs } from './file.ts'
import { inAnyOrder } from './fixtures/any-order.ts'
import { memoryBlobs } from './memory.ts'

const large = inlineLimit + 1

async function open({ files = false } = {}) {
  const now = fakeClock()
  const database = openSqlite(':memory:')
  await migrate(database)
  const folder = mkdtempSync(join(tmpdir(), 'chapkit-blobs-'))
  onTestFinished(async () => {
    await database.close()
    rmSync(folder, { recursive: true, force: true })
  })
  const store = files ? await openFileBlobs({ folder, now }) : memoryBlobs({ now })
  return { now, database, store, blobs: createBlobs({ database, store, now, renewAfterMs: 0 }) }
}

const keep = (
  database: Database,
  blobs: Blobs,
  staged: StagedBlob,
  owner = 'artifact:a' as const,
) => database.write((tx) => blobs.keep(tx, owner, [staged]))

async function stored(store: BlobStore): Promise<string[]> {
  const hashes = []
  for await (const { hash } of store.list()) hashes.push(hash)
  return hashes
}

async function* pieces(bytes: Uint8Array, size: number) {
  for (let at = 0; at < bytes.byteLength; at += size) yield bytes.subarray(at, at + size)
}

test.each([
  ['small', inlineLimit, 0],
  ['large', large, 1],
])('%s bytes lie where they belong, and read back the same', async (_size, length, files) => {
  const { database, store, blobs } = await open({ files: true })
  const bytes = randomBytes(length)
  const staged = await blobs.stage(bytes)
  expect(await blobs.stage(pieces(bytes, 10_000))).toEqual(staged)
  await keep(database, blobs, staged)

  expect(staged).toMatchObject({ hash: sha256(bytes), size: length })
  expect(await stored(store)).toHaveLength(files)
  expect(Buffer.from(await blobs.read(staged.hash))).toEqual(bytes)
  expect(await buffer(await blobs.stream(staged.hash))).toEqual(bytes)
  expect(await buffer(await blobs.stream(staged.hash, { start: 5, end: 500 }))).toEqual(
    bytes.subarray(5, 500),
  )
  expect(await blobs.facts(staged.hash)).toEqual({ size: length, crc32: staged.crc32 })
  const source = await blobs.source(staged.hash)
  expect('path' in source).toBe(files === 1)
})

test('no bytes at all are bytes, too', async () => {
  const { database, blobs } = await open()
  const staged = await blobs.stage(pieces(new Uint8Array(), 1))
  await keep(database, blobs, staged)
  expect(await buffer(await blobs.stream(staged.hash))).toEqual(Buffer.alloc(0))
})

test('bytes of another hash or more than allowed are refused, small or large', async () => {
  const { store, blobs } = await open()
  for (const length of [10, large]) {
    const bytes = randomBytes(length)
    const wrong = { expected: sha256(randomBytes(3)) }
    await expect(blobs.stage(pieces(bytes, 7000), wrong)).rejects.toMatchObject({
      code: 'validation-failed',
    })
    await expect(blobs.stage(pieces(bytes, 7000), { maxBytes: length - 1 })).rejects.toMatchObject({
      code: 'payload-too-large',
    })
  }
  expect(await stored(store)).toEqual([])
})

test('a write that fails leaves no small bytes, and large ones only until the sweep', async () => {
  const { now, database, store, blobs } = await open({ files: true })
  const staged = await Promise.all([blobs.stage(randomBytes(10)), blobs.stage(randomBytes(large))])
  const failing = database.write(async (tx) => {
    await blobs.keep(tx, 'job:1', staged)
    throw new Error('no')
  })
  await expect(failing).rejects.toThrow('no')
  for (const { hash } of staged) await expect(blobs.read(hash)).rejects.toThrow('missing')
  now.advance(1)
  await blobs.sweep(0)
  expect(await stored(store)).toEqual([])
})

test('bytes stay as long as one owner refers to them', async () => {
  const { now, database, store, blobs } = await open()
  const staged = await blobs.stage(randomBytes(large))
  await keep(database, blobs, staged)
  await database.write((tx) => blobs.keep(tx, 'job:1', [], [staged.hash]))
  now.advance(1000)
  await database.write((tx) => blobs.release(tx, 'artifact:a'))
  await blobs.sweep(0)
  expect(await blobs.read(staged.hash)).toHaveLength(large)

  await database.write((tx) => blobs.release(tx, 'job:1'))
  await blobs.sweep(1001)
  expect(await blobs.read(staged.hash)).toHaveLength(large)
  await blobs.sweep(999)
  await expect(blobs.read(staged.hash)).rejects.toMatchObject({ code: 'internal' })
  expect(await stored(store)).toEqual([])
})

test('what is put again is young again', async () => {
  const { now, database, blobs } = await open()
  const bytes = randomBytes(large)
  await keep(database, blobs, await blobs.stage(bytes))
  await database.write((tx) => blobs.release(tx, 'artifact:a'))
  now.advance(5000)
  const staged = await blobs.stage(bytes)
  await blobs.sweep(1000)
  // The row went with the sweep, the file is as young as its last put.
  await keep(database, blobs, staged)
  expect(Buffer.from(await blobs.read(staged.hash))).toEqual(bytes)
})

test('nothing can refer to bytes that are not there', async () => {
  const { database, blobs } = await open()
  const absent = sha256(randomBytes(5))
  await expect(database.write((tx) => blobs.keep(tx, 'job:1', [], [absent]))).rejects.toMatchObject(
    {
      code: 'internal',
    },
  )
})

test('a sweep removes thousands of rows, and files that no row names', async () => {
  const { now, database, store, blobs } = await open()
  const many = await Promise.all(
    Array.from({ length: 1200 }, (_, index) => blobs.stage(Buffer.from(`small ${index}`))),
  )
  await database.write(async (tx) => {
    await blobs.keep(tx, 'job:1', many)
    await blobs.release(tx, 'job:1')
  })
  const kept = await blobs.stage(randomBytes(large))
  await keep(database, blobs, kept)
  const orphan = await store.put(randomBytes(large))
  now.advance(1)
  await blobs.sweep(0)
  const rows = await database.read.selectFrom('blob').select('hash').execute()
  expect(rows).toEqual([{ hash: kept.hash }])
  expect(await stored(store)).toEqual([kept.hash])
  expect(await store.has(orphan.hash)).toBeUndefined()
})

/** A blob store that outlives processes. Each has its own way in, which is closed when it dies, wherever it may be then. */
function createDisk(now: () => number, step: () => Promise<unknown>) {
  const store = memoryBlobs({ now, step })
  const trash = new Set<TrashedBlob>()

  function open(process: { isDead: boolean }): BlobStore {
    const alive = () => {
      if (process.isDead) throw new Error('dead')
    }
    return {
      ...store,
      async put(...args) {
        const digest = await store.put(...args)
        alive()
        return digest
      },
      async trash(...args) {
        alive()
        const trashed = await store.trash(...args)
        if (!trashed) return undefined
        trash.add(trashed)
        alive()
        const end = (how: 'restore' | 'discard') => async () => {
          alive()
          trash.delete(trashed)
          await trashed[how]()
        }
        return { ...trashed, restore: end('restore'), discard: end('discard') }
      },
      async clean() {
        for (const trashed of trash) await trashed.restore()
        trash.clear()
      },
    }
  }
  return { store, open }
}

test('bytes whose reference was committed are there at every moment, whatever is put, swept and cut off; all others go', async () => {
  const contents = [Buffer.from('tiny'), Buffer.alloc(large, 'a'), Buffer.alloc(large, 'b')]
  const hashes = contents.map(sha256)
  const owner = fc.constantFrom<BlobOwner>('job:1', 'job:2', 'artifact:1')
  const content = fc.nat(contents.length - 1)
  const action = fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constantFrom('put' as const, 'abort' as const),
        content,
        owner,
      }),
    },
    fc.record({ do: fc.constant('refer' as const), content, owner }),
    fc.record({ do: fc.constant('release' as const), owner }),
    { weight: 2, arbitrary: fc.record({ do: fc.constant('sweep' as const) }) },
    fc.record({ do: fc.constant('read' as const) }),
    fc.record({ do: fc.constant('wait' as const) }),
    fc.record({ do: fc.constant('restart' as const) }),
  )
  const database = openSqlite(':memory:')
  onTestFinished(() => database.close())
  await migrate(database)

  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(action, fc.boolean()), { maxLength: 25, size: 'max' }),
      fc.scheduler(),
      async (actions, scheduler) => {
        await database.write(async (tx) => {
          await tx.deleteFrom('blob').execute()
          await tx.deleteFrom('blob_ref').execute()
        })
        const now = fakeClock()
        const step = () => scheduler.schedule(Promise.resolve())
        const disk = createDisk(now, step)
        const start = () => {
          const process = { isDead: false }
          const store = disk.open(process)
          return { process, store, blobs: createBlobs({ database, store, now, renewAfterMs: 0 }) }
        }
        let service = start()
        // What is referred to by whom, in the order of commits: a set is one owner's, from its first commit to its release.
        const owned = new Map<string, Set<string>>()
        let pending: Promise<unknown>[] = []
        // What has been put since time last passed: too young for any sweep, referred to or not.
        const young = new Set<string>()

        const put = async (
          { content, owner }: { content: number; owner: BlobOwner },
          fails: boolean,
        ) => {
          const { process, blobs } = service
          const staged = await blobs.stage(contents[content]!)
          await step()
          await database.write(async (tx) => {
            await blobs.keep(tx, owner, [staged])
            if (fails || process.isDead) throw new Error('not written')
            owned.set(owner, (owned.get(owner) ?? new Set()).add(staged.hash))
            young.add(staged.hash)
          })
        }
        const refer = async ({ content, owner }: { content: number; owner: BlobOwner }) => {
          const hash = hashes[content]!
          await database.write(async (tx) => {
            await service.blobs.keep(tx, owner, [], [hash])
            owned.set(owner, (owned.get(owner) ?? new Set()).add(hash))
          })
        }
        const read = async () => {
          const { blobs } = service
          for (const [owner, set] of [...owned]) {
            for (const hash of [...set]) {
              const bytes = await blobs.read(hash).catch(() => undefined)
              if (owned.get(owner) === set) expect(bytes && sha256(bytes)).toBe(hash)
            }
          }
        }
        const perform = (each: (typeof actions)[number][0]) => {
          if (each.do === 'put') return put(each, false).catch(ignoreDeath)
          if (each.do === 'abort') return put(each, true).catch(ignoreDeath)
          if (each.do === 'refer') return refer(each).catch(ignoreMissing)
          if (each.do === 'read') return read()
          if (each.do === 'sweep') return service.blobs.sweep(1000).catch(ignoreDeath)
          if (each.do !== 'release') return undefined
          return database.write(async (tx) => {
            await service.blobs.release(tx, each.owner)
            owned.delete(each.owner)
          })
        }
        const rest = async () => {
          await inAnyOrder(scheduler, Promise.all(pending))
          pending = []
        }

        for (const [each, waits] of actions) {
          if (each.do === 'wait') {
            // Longer than the age: what is unreferenced now may go. Nothing is between its put and its reference meanwhile.
            await rest()
            now.advance(2000)
            young.clear()
          } else if (each.do === 'restart') {
            service.process.isDead = true
            await rest()
            service = start()
            await inAnyOrder(scheduler, service.store.clean())
            await inAnyOrder(scheduler, service.blobs.sweep(0))
            await inAnyOrder(scheduler, read())
          } else {
            pending.push(perform(each) ?? Promise.resolve())
            if (waits) await scheduler.waitAll()
          }
        }
        await rest()
        await inAnyOrder(scheduler, read())

        const rowHashes = async () => {
          const rows = await database.read.selectFrom('blob').select('hash').execute()
          return rows.map(({ hash }) => hash).sort()
        }
        expect(await rowHashes()).toEqual(expect.arrayContaining([...young]))

        now.advance(2000)
        await inAnyOrder(scheduler, service.blobs.sweep(1000))
        const wanted = [...new Set([...owned.values()].flatMap((set) => [...set]))].sort()
        expect(await rowHashes()).toEqual(wanted)
        expect((await stored(disk.store)).sort()).toEqual(
          wanted.filter((hash) => hash !== hashes[0]),
        )
        await inAnyOrder(scheduler, read())
      },
    ),
    { numRuns: cases(10_000) },
  )
}, 600_000)

function ignoreDeath(error: Error) {
  expect(['dead', 'not written']).toContain(error.message)
}

function ignoreMissing(error: Error) {
  expect(error).toMatchObject({ code: 'internal' })
}
