import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { crc32 } from 'node:zlib'
import type { Database } from '../db/database.ts'
import type { Queries } from '../db/tables.ts'
import { ChapkitError } from '../errors.ts'
import { type Clock, toTimestamp } from '../kernel/clock.ts'
import type { Observe } from '../kernel/observe.ts'
import type { BlobStore, PutOptions } from './blob-store.ts'
import { chunksOf, refuseOther } from './digest.ts'
import { blobStore as rows } from './store.ts'
import { sweepBlobs } from './sweep.ts'

/** Bytes up to this size live in the database and commit with the row that names them: no files, no syncs of their own. */
export const inlineLimit = 64 * 1024

/** Hashes in one statement. */
const hashesPerStatement = 500
/** No date is later, and its text sorts behind all others. */
const lastTime = Date.UTC(9999, 11, 31)
/** References that one commit removes where there may be many. */
const refsPerStep = 2000
/** Owners that are manifests, and what sorts behind all of them. */
const manifestOwner = 'manifest:'
const behindManifests = 'manifest;'
/** Rows that a sweep looks at before everybody else has a turn. */
const rowsPerStep = 2000

/** Bytes that are ready to be named by a row: small ones in memory, large ones already durable in the blob store. */
export interface StagedBlob {
  hash: string
  size: number
  crc32: number
  inline: Uint8Array | null
}

/** Bytes with what they are known by. */
export interface HashedBytes {
  bytes: Uint8Array
  hash: string
  crc32: number
}

/** Who refers to a blob: it stays as long as one owner does. */
export type BlobOwner = `artifact:${string}` | `job:${string}` | `manifest:${string}`

export interface BlobsDeps {
  database: Database
  store: BlobStore
  /** The clock by which bytes grow old, and the store dates them; nobody sets it. */
  now: Clock
  /**
   * A row that is put again sooner is left as it is, because to change its date its bytes would be written anew: so much
   * sooner a sweep may think it old.
   * @default 3_600_000
   */
  renewAfterMs?: number
  observe?: Observe | undefined
}

export type Blobs = ReturnType<typeof createBlobs>

/** Bytes by content, small ones in the database and large ones in the blob store, with references that keep them. */
export function createBlobs({
  database,
  store,
  now,
  renewAfterMs = 3_600_000,
  observe,
}: BlobsDeps) {
  const told = (operation: 'put' | 'read' | 'swept', blobs: number, bytes: number) =>
    observe?.({ kind: 'blob', operation, blobs, bytes })

  /** A source that ends early is small; otherwise what was read goes on to the store in front of the rest. */
  async function stageStream(source: AsyncIterable<Uint8Array>, options: PutOptions) {
    const chunks = chunksOf(source, options)
    const head: Uint8Array[] = []
    let size = 0
    while (size <= inlineLimit) {
      const next = await chunks.next()
      if (next.done) {
        const staged = stageBytes(Buffer.concat(head))
        refuseOther(staged, options)
        return staged
      }
      head.push(next.value)
      size += next.value.byteLength
    }
    const whole = (async function* () {
      yield* head
      yield* chunks
    })()
    try {
      return { ...(await store.put(whole, options)), inline: null }
    } finally {
      // A store that fails before it reads leaves the source open.
      await chunks.return(undefined)
    }
  }

  async function stage(
    source: Uint8Array | AsyncIterable<Uint8Array>,
    options: PutOptions = {},
  ): Promise<StagedBlob> {
    const staged = await stageQuietly(source, options)
    told('put', 1, staged.size)
    return staged
  }

  async function stageQuietly(
    source: Uint8Array | AsyncIterable<Uint8Array>,
    options: PutOptions,
  ): Promise<StagedBlob> {
    if (!(source instanceof Uint8Array)) return stageStream(source, options)
    if (source.byteLength <= inlineLimit) return stageBytes(source)
    return { ...(await store.put(source, options)), inline: null }
  }

  async function putRows(tx: Queries, staged: ReadonlyMap<string, StagedBlob>): Promise<void> {
    const kept = [...staged.values()].map(({ hash, size, crc32: checksum, inline }) => ({
      hash,
      size,
      crc32: checksum,
      bytes: inline,
    }))
    for (const some of chunks(kept, hashesPerStatement))
      await rows.keep(tx, some, toTimestamp(now()), toTimestamp(now() - renewAfterMs))
  }

  /** The row of a blob that is about to be read, whole or `bytes` of it. */
  async function open(hash: string, bytes?: number) {
    const row = await find(hash)
    told('read', 1, bytes ?? row.size)
    return row
  }

  async function find(hash: string) {
    const row = await rows.find(database.read, hash)
    if (!row) throw missing(hash)
    return row
  }

  /** Goes once through the rows of all blobs, some at a time, and removes those that nothing needs. Says how many. */
  async function sweepRows(before: string): Promise<number> {
    let count = 0
    for (let after = ''; ; ) {
      const last = await rows.lastOfNext(database.read, after, rowsPerStep)
      if (last === undefined) return count
      const unreferenced = await rows.unreferenced(database.read, after, last)
      for (const hashes of chunks(unreferenced, hashesPerStatement)) {
        const removed = await database.write((tx) => rows.removeUnreferenced(tx, hashes, before))
        count += removed.length
        const inline = removed.filter(({ size }) => size <= inlineLimit)
        told('swept', inline.length, sum(inline.map(({ size }) => size)))
      }
      after = last
      await nextTurn()
    }
  }

  /** Removes the references of manifests that are gone, and says how many there were. One that is stored again keeps its own. */
  async function releaseManifests(): Promise<number> {
    let count = 0
    for (let owner: string | undefined = manifestOwner; ; ) {
      owner = await rows.nextOwner(database.read, owner, behindManifests)
      if (owner === undefined) return count
      const manifest = owner
      for (let released = refsPerStep; released === refsPerStep; ) {
        if (await rows.exists(database.read, manifest.slice(manifestOwner.length))) break
        released = await database.write(
          async (tx) =>
            (await rows.exists(tx, manifest.slice(manifestOwner.length)))
              ? 0
              : rows.releaseSome(tx, [manifest], refsPerStep),
          { durable: false },
        )
        count += released
      }
    }
  }

  return {
    stage,

    /** Bytes that were hashed on their way in: only large ones still have to reach the disk. */
    async stageHashed({ bytes, hash, crc32: checksum }: HashedBytes): Promise<StagedBlob> {
      const size = bytes.byteLength
      if (size > inlineLimit) return stage(bytes, { expected: hash })
      told('put', 1, size)
      return { hash, size, crc32: checksum, inline: bytes }
    },

    /**
     * Names staged bytes, and others that are stored already, inside the write that needs them. After its commit they stay while
     * an owner refers to them. Throws when something that should be stored is not.
     */
    async keep(
      tx: Queries,
      owner: BlobOwner,
      staged: readonly StagedBlob[],
      stored: readonly string[] = [],
    ): Promise<void> {
      const fresh = new Map(staged.map((blob) => [blob.hash, blob]))
      const others = [...new Set(stored)].filter((hash) => !fresh.has(hash))
      if (others.length > 0) {
        for (const some of chunks(others, hashesPerStatement)) {
          const known = new Set(await rows.known(tx, some))
          const lost = some.find((hash) => !known.has(hash))
          if (lost !== undefined) throw missing(lost)
        }
      }
      await putRows(tx, fresh)
      const hashes = [...fresh.keys(), ...others]
      for (const some of chunks(hashes, hashesPerStatement)) await rows.refer(tx, some, owner)
    },

    /** Stores staged bytes that something will soon refer to: a sweep leaves them alone until they are old. */
    async put(tx: Queries, staged: readonly StagedBlob[]): Promise<void> {
      await putRows(tx, new Map(staged.map((blob) => [blob.hash, blob])))
    },

    release: (tx: Queries, owner: BlobOwner) => rows.release(tx, owner),

    /** The same for some owners at once, as many as a statement takes, for a bounded number of references; true when all are gone. */
    releaseSome: async (tx: Queries, owners: readonly BlobOwner[]): Promise<boolean> =>
      (await rows.releaseSome(tx, owners, refsPerStep)) < refsPerStep,

    async read(hash: string): Promise<Uint8Array> {
      const row = await open(hash)
      if (row.bytes) return row.bytes
      const bytes = await store.read(hash)
      if (!bytes) throw missing(hash)
      return bytes
    },

    /** A stream of the bytes from `start` up to, not including, `end`. */
    async stream(hash: string, range?: { start: number; end: number }): Promise<Readable> {
      const row = await open(hash, range && range.end - range.start)
      if (row.bytes) {
        const bytes = range ? row.bytes.subarray(range.start, range.end) : row.bytes
        return Readable.from([bytes], { objectMode: false })
      }
      const stream = await store.get(hash, range, row.size)
      if (!stream) throw missing(hash)
      return stream
    },

    /** How a model host gets at the bytes: themselves while small, else the path of their file where there is one. */
    async source(hash: string): Promise<{ bytes: Uint8Array } | { path: string }> {
      const row = await open(hash)
      if (row.bytes) return { bytes: row.bytes }
      const path = store.path?.(hash)
      if (path !== undefined) return { path }
      const bytes = await store.read(hash)
      if (!bytes) throw missing(hash)
      return { bytes }
    },

    has: (hash: string, db: Queries = database.read): Promise<boolean> => rows.exists(db, hash),

    facts: async (hash: string) => {
      const { size, crc32: checksum } = await find(hash)
      return { size, crc32: checksum }
    },

    /**
     * Removes bytes that nothing refers to and that were last put more than `age` milliseconds ago; `all` of them where nobody can
     * be about to refer to some, whatever their dates.
     */
    async sweep(age: number | 'all'): Promise<void> {
      const before = age === 'all' ? lastTime : now() - age
      // Rows first: a crash in between leaves a file without a row, which the next sweep removes, never a row without bytes.
      // What a manifest is made of goes with it, in the next round.
      while ((await sweepRows(toTimestamp(before))) + (await releaseManifests()) > 0);
      const { blobs, bytes } = await sweepBlobs(store, {
        async isReferenced(hash) {
          // Files of a folder that is another service's by now are not this one's to judge.
          await database.check()
          return rows.exists(database.read, hash)
        },
        olderThan: before,
      })
      told('swept', blobs, bytes)
    },
  }
}

/** Splits a list: a statement takes so many values only. */
function chunks<Item>(items: readonly Item[], size: number): Item[][] {
  const count = Math.ceil(items.length / size)
  return Array.from({ length: count }, (_, at) => items.slice(at * size, (at + 1) * size))
}

function stageBytes(bytes: Uint8Array): StagedBlob {
  return { hash: sha256(bytes), size: bytes.byteLength, crc32: crc32(bytes), inline: bytes }
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

const sum = (numbers: readonly number[]) => numbers.reduce((total, each) => total + each, 0)

function missing(hash: string): ChapkitError {
  return new ChapkitError('internal', 'Stored content is missing', {
    cause: new Error(`blob ${hash} is not in the store`),
  })
}
