import { createHash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { crc32 } from 'node:zlib'
import { ChapkitError } from '../errors.ts'
import { show } from '../kernel/show.ts'
import type { BlobDigest, BlobRange, PutOptions } from './blob-store.ts'

const sliceBytes = 1024 * 1024

export function createDigest() {
  const sha256 = createHash('sha256')
  let size = 0
  let crc = 0
  return {
    update(chunk: Uint8Array): void {
      sha256.update(chunk)
      crc = crc32(chunk, crc)
      size += chunk.byteLength
    },
    /** Once, at the end. */
    finish: (): BlobDigest => ({ hash: sha256.digest('hex'), size, crc32: crc }),
  }
}

/** Hashes in slices and lets others run between them: 64 MiB at once would hold the loop for 50 ms and more. */
export async function digestOf(bytes: Uint8Array, options: PutOptions = {}): Promise<BlobDigest> {
  refuseTooLarge(bytes.byteLength, options)
  const digest = createDigest()
  for (let at = 0; at < bytes.byteLength; at += sliceBytes) {
    if (at > 0) await setImmediate()
    options.signal?.throwIfAborted()
    digest.update(bytes.subarray(at, at + sliceBytes))
  }
  return digest.finish()
}

/**
 * The chunks of a source within the limits of a put. An abort is seen while the source is silent, too; the source is
 * told to stop by its iterator's `return`.
 */
export async function* chunksOf(
  source: AsyncIterable<Uint8Array>,
  options: PutOptions,
): AsyncGenerator<Uint8Array> {
  const iterator = source[Symbol.asyncIterator]()
  let size = 0
  let state: 'waiting' | 'between' | 'done' = 'between'
  try {
    while (true) {
      state = 'waiting'
      const next = await orAbort(iterator.next(), options.signal)
      state = next.done ? 'done' : 'between'
      if (next.done) return
      size += next.value.byteLength
      refuseTooLarge(size, options)
      yield next.value
    }
  } finally {
    // While a `next` is pending a generator answers `return` only after it, which may be never: do not wait for that.
    if (state === 'waiting') iterator.return?.().catch(() => {})
    else if (state === 'between') await iterator.return?.()
  }
}

export function refuseOther(digest: BlobDigest, { expected }: PutOptions): void {
  if (expected === undefined || expected === digest.hash) return
  throw new ChapkitError(
    'validation-failed',
    `Expected bytes with SHA-256 ${show(expected)}, got ${show(digest.hash)} (${digest.size} bytes)`,
  )
}

/** A hash becomes part of a path: anything else is a mistake of ours, stopped here. */
export function assertHash(hash: string): void {
  if (!isHash(hash))
    throw new ChapkitError('internal', `Expected a SHA-256 in hex, got ${show(hash)}`)
}

export function isHash(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text)
}

/** The part to read of a blob of `actual` bytes. Callers know the size from a row: what does not fit is damage. */
export function toRange(hash: string, actual: number, range?: BlobRange, size = actual): BlobRange {
  if (actual !== size) throw damaged(hash, `expected ${size} bytes, found ${actual}`)
  const { start, end } = range ?? { start: 0, end: actual }
  if (!(Number.isSafeInteger(start) && Number.isSafeInteger(end) && 0 <= start && start <= end)) {
    throw new ChapkitError(
      'internal',
      `Expected a range with 0 <= start <= end, got ${start} to ${end}`,
    )
  }
  if (end > actual) throw damaged(hash, `expected bytes ${start} to ${end}, found ${actual} bytes`)
  return { start, end }
}

export function damaged(hash: string, what: string): ChapkitError {
  return new ChapkitError('internal', `The stored bytes ${hash} are damaged`, {
    cause: new Error(`Blob ${hash} is damaged: ${what}`),
  })
}

function refuseTooLarge(size: number, { maxBytes = Number.POSITIVE_INFINITY }: PutOptions): void {
  if (size <= maxBytes) return
  throw new ChapkitError(
    'payload-too-large',
    `Expected at most ${maxBytes} bytes, got ${size} or more`,
  )
}

/** A listener for each step, removed after it: one promise raced by a million chunks would keep them all. */
function orAbort<T>(step: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return step
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason)
    const settle = (act: () => void) => {
      signal.removeEventListener('abort', abort)
      act()
    }
    signal.addEventListener('abort', abort, { once: true })
    if (signal.aborted) abort()
    step.then(
      (value) => settle(() => resolve(value)),
      (error: unknown) => settle(() => reject(error)),
    )
  })
}
