import type { Queries } from './tables.ts'

export interface WriteOptions {
  /**
   * Whether the write must survive a power cut before it is acknowledged. A write that is not durable survives the death
   * of the process, and power loss once any later durable write is acknowledged. Default true.
   */
  durable?: boolean
}

/** A database with many readers and one writer. */
export interface Database extends AsyncDisposable {
  /** For queries outside of a write: sees what is committed. */
  readonly read: Queries
  /**
   * Runs a step in a transaction and resolves after its commit. Steps that arrive together share one commit, each behind its own
   * savepoint, so a step that throws undoes only itself. Reads that a decision rests on belong inside, on `tx`.
   * A step must not wait for anything but `tx`: everyone else's writes wait for it.
   */
  write<Result>(step: (tx: Queries) => Promise<Result>, options?: WriteOptions): Promise<Result>
  /** Bytes on the disk, of the database and of its log; undefined for one in memory. */
  size(): Promise<{ database: number; log: number } | undefined>
  /** Reads something small. Throws when the database cannot be read. */
  check(): Promise<void>
  /** Runs a step by itself in a transaction of its own, before there are other writes: schema changes at start. */
  migrate(step: (db: Queries) => Promise<void>): Promise<void>
  /** Writes who owns the database, once its tables are there. */
  claim(): void
  /** Adds to that where the owner answers, for a message to others. */
  announce(url: string): Promise<void>
  close(): Promise<void>
}

/** A write that belongs into the same transaction as the one whose result it is given. */
export type Along<Result> = (tx: Queries, result: Result) => Promise<void>
