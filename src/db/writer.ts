import { sql } from 'kysely'
import type { Observe } from '../kernel/observe.ts'
import type { WriteOptions } from './database.ts'
import type { Queries } from './tables.ts'

export interface Transactions {
  /** `durable` asks that the commit to come has reached the disk when it returns. */
  begin(durable: boolean): void
  commit(): void
  rollback(): void
  /** False once the database has ended the transaction by itself, as SQLite does when the disk is full or fails. */
  isOpen(): boolean
  toError(error: unknown): unknown
}

interface Pending {
  step: (tx: Queries) => Promise<unknown>
  durable: boolean
  settle: { resolve: (value: unknown) => void; reject: (error: unknown) => void }
}

/** More steps in one commit only make the first of them, and all who wait for this thread, wait longer. */
const maximumBatch = 256
/** Milliseconds after which no further step joins a commit. */
const batchMs = 10

/**
 * The one writer of a database. Steps wait in a queue; those that are there when the event loop has handled its I/O go into
 * one transaction, each behind a savepoint, and are acknowledged after its one commit: the cost of reaching the disk is shared.
 */
export function createWriter(queries: Queries, transactions: Transactions, observe?: Observe) {
  const queue: Pending[] = []
  let scheduled = false
  let flushing: Promise<void> | undefined
  let closed = false

  function write<Result>(
    step: (tx: Queries) => Promise<Result>,
    options: WriteOptions = {},
  ): Promise<Result> {
    if (closed) return Promise.reject(new Error('The database is closed'))
    return new Promise<Result>((resolve, reject) => {
      queue.push({
        step,
        durable: options.durable ?? true,
        settle: { resolve: resolve as (value: unknown) => void, reject },
      })
      schedule()
    })
  }

  function schedule() {
    if (scheduled || flushing || queue.length === 0) return
    scheduled = true
    setImmediate(() => {
      scheduled = false
      flushing = flush().finally(() => {
        flushing = undefined
        schedule()
      })
    })
  }

  async function flush(): Promise<void> {
    const candidates = queue.slice(0, maximumBatch)
    const durable = candidates.some((pending) => pending.durable)
    const isAlone = candidates.length === 1
    const batch: Pending[] = []
    const answers: (() => void)[] = []
    const start = performance.now()
    let seconds = 0
    try {
      transactions.begin(durable)
      for (const pending of candidates) {
        if (batch.length > 0 && performance.now() - start > batchMs) break
        batch.push(pending)
        queue.shift()
        const { step, settle } = pending
        const outcome = isAlone ? await alone(step, durable) : await behindSavepoint(step)
        if ('error' in outcome) answers.push(() => settle.reject(outcome.error))
        else answers.push(() => settle.resolve(outcome.value))
      }
      const began = performance.now()
      transactions.commit()
      seconds = (performance.now() - began) / 1000
    } catch (error) {
      observe?.({ kind: 'commit.failed' })
      // Nothing of this batch is on disk: every step hears so, also those that had succeeded. Nor will what never began.
      const failed = batch.length > 0 ? batch : queue.splice(0, candidates.length)
      try {
        transactions.rollback()
      } finally {
        for (const { settle } of failed) settle.reject(transactions.toError(error))
      }
      return
    }
    observe?.({ kind: 'commit.done', steps: batch.length, durable, seconds })
    for (const answer of answers) answer()
  }

  type Outcome = { value: unknown } | { error: unknown }

  async function alone(step: Pending['step'], durable: boolean): Promise<Outcome> {
    try {
      return { value: await step(queries) }
    } catch (error) {
      transactions.rollback()
      transactions.begin(durable)
      return { error }
    }
  }

  async function behindSavepoint(step: Pending['step']): Promise<Outcome> {
    await sql`savepoint step`.execute(queries)
    try {
      const value = await step(queries)
      await sql`release step`.execute(queries)
      return { value }
    } catch (error) {
      if (!transactions.isOpen()) throw error
      await sql`rollback to step`.execute(queries)
      await sql`release step`.execute(queries)
      return { error }
    }
  }

  return {
    write,
    /** Resolves when no transaction is open; undefined when none is. */
    idle: (): Promise<void> | undefined => flushing,
    async close(): Promise<void> {
      closed = true
      while (flushing || queue.length > 0)
        await (flushing ?? new Promise((resolve) => setImmediate(resolve)))
    },
  }
}
