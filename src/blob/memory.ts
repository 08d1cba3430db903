import { Readable } from 'node:stream'
import type { Clock } from '../kernel/clock.ts'
import type { BlobStore } from './blob-store.ts'
import { assertHash, chunksOf, digestOf, refuseOther, toRange } from './digest.ts'

export interface MemoryBlobOptions {
  /** @default Date.now */
  now?: Clock
  /** Awaited before and after each change, so that tests can interleave what a slower store would. @default nothing */
  step?: () => Promise<unknown>
}

const chunkBytes = 64 * 1024

/** Blobs in memory: the reference for other drivers, gone with the process. */
export function memoryBlobs({
  now = Date.now,
  step = () => Promise.resolve(),
}: MemoryBlobOptions = {}): BlobStore {
  const blobs = new Map<string, { bytes: Uint8Array; changedAt: number }>()

  const find = (hash: string) => {
    assertHash(hash)
    return blobs.get(hash)
  }

  const store: BlobStore = {
    async put(source, options = {}) {
      options.signal?.throwIfAborted()
      // Copied on the way in: a caller that reuses its buffer must not rewrite history. (`slice` of a Buffer is no copy.)
      const bytes =
        source instanceof Uint8Array
          ? new Uint8Array(source)
          : await collect(chunksOf(source, options))
      const digest = await digestOf(bytes, options)
      refuseOther(digest, options)
      await step()
      // Renewing and storing are one synchronous step here: no trash can fall between them.
      const kept = blobs.get(digest.hash)
      if (kept) kept.changedAt = now()
      else blobs.set(digest.hash, { bytes, changedAt: now() })
      await step()
      return digest
    },

    async get(hash, range, size) {
      const blob = find(hash)
      if (!blob) return undefined
      const { start, end } = toRange(hash, blob.bytes.byteLength, range, size)
      return Readable.from(slices(blob.bytes, start, end), { objectMode: false })
    },

    read: async (hash) => {
      const blob = find(hash)
      return blob && new Uint8Array(blob.bytes)
    },

    async has(hash) {
      const blob = find(hash)
      return blob && { size: blob.bytes.byteLength }
    },

    async remove(hash) {
      const trashed = await store.trash(hash, Number.POSITIVE_INFINITY)
      await trashed?.discard()
    },

    async trash(hash, olderThan) {
      await step()
      const blob = find(hash)
      if (!blob || blob.changedAt >= olderThan) return undefined
      blobs.delete(hash)
      await step()
      return {
        changedAt: blob.changedAt,
        restore: async () => {
          await step()
          // Put again meanwhile: the newer one stays.
          if (!blobs.has(hash)) blobs.set(hash, blob)
        },
        discard: step as () => Promise<void>,
      }
    },

    async *list() {
      for (const [hash, { bytes, changedAt }] of [...blobs]) {
        yield { hash, size: bytes.byteLength, changedAt }
      }
    },

    async touch(hash) {
      await step()
      const blob = find(hash)
      if (blob) blob.changedAt = now()
      await step()
      return blob !== undefined
    },

    clean: async () => {},
    close: async () => blobs.clear(),
  }
  return store
}

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const chunk of chunks) parts.push(new Uint8Array(chunk))
  return Buffer.concat(parts)
}

/** Copies: whoever changes a chunk must not change the blob. */
function* slices(bytes: Uint8Array, start: number, end: number) {
  for (let at = start; at < end; at += chunkBytes) {
    yield new Uint8Array(bytes.subarray(at, Math.min(at + chunkBytes, end)))
  }
}
