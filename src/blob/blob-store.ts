import type { Readable } from 'node:stream'

/** What bytes are known by: their SHA-256 (64 lower-case hex digits), length and CRC-32. */
export interface BlobDigest {
  hash: string
  size: number
  crc32: number
}

export interface PutOptions {
  /** Gives up; `put` rejects with the signal's reason and nothing stays behind. */
  signal?: AbortSignal
  /** Refuses more bytes than this with `payload-too-large`. @default no limit */
  maxBytes?: number
  /** Refuses bytes with another SHA-256 with `validation-failed`. */
  expected?: string
}

/** The bytes from `start` up to, not including, `end`. */
export interface BlobRange {
  start: number
  end: number
}

/** Bytes named by their SHA-256. Listing reads no bytes; `path` is a capability, the rest is required. */
export interface BlobStore {
  /**
   * Stores the bytes durably before it resolves. Bytes that are there already get a new date, which is cheap.
   * A `Uint8Array` must not change until then.
   */
  put(source: Uint8Array | AsyncIterable<Uint8Array>, options?: PutOptions): Promise<BlobDigest>
  /**
   * `undefined` when absent. A range beyond the end, or a length other than `size`, is damage: it throws `internal`
   * before the first byte. A whole blob is checked against its hash before its last chunk leaves; a part cannot be.
   * Read the stream or destroy it: it may hold a file open.
   */
  get(hash: string, range?: BlobRange, size?: number): Promise<Readable | undefined>
  /** The whole blob, checked against its hash. `undefined` when absent. */
  read(hash: string): Promise<Uint8Array | undefined>
  /** Where another process of the service may read the bytes, if they are there. Never handed to scripts. */
  path?(hash: string): string | undefined
  has(hash: string): Promise<{ size: number } | undefined>
  /** Removes unconditionally; removing what is absent is not an error. `sweepBlobs` is the careful way. */
  remove(hash: string): Promise<void>
  /** Hides a blob that was last put or touched before `olderThan`; `undefined` when it is younger or absent. */
  trash(hash: string, olderThan: number): Promise<TrashedBlob | undefined>
  list(): AsyncIterable<{ hash: string; size: number; changedAt: number }>
  /** Renews the date, as whoever is about to refer to a blob must; `false` when it is gone: put it again. */
  touch(hash: string): Promise<boolean>
  /** Clears what a crash left: temp files go, trash comes back (it may be referenced) for the next sweep. */
  clean(): Promise<void>
  close(): Promise<void>
}

/** A blob that no longer answers, and can still come back. */
export interface TrashedBlob {
  /** Its date as it was when it was already hidden. */
  changedAt: number
  restore(): Promise<void>
  discard(): Promise<void>
}
