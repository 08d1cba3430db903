import { type Clock, toTimestamp } from '../kernel/clock.ts'
import type { Database } from './database.ts'

/** How far ahead the time is stored at first, and later, in milliseconds. */
const firstSaveMs = 1000
const longestSaveMs = 60_000
/** How late a timer may be without the time passing what is stored. */
const slackMs = 1000

export interface ServiceTimeOptions {
  /** Milliseconds on a clock that is never set. @default performance.now */
  monotonic?: () => number
}

export interface ServiceTime {
  /**
   * Milliseconds on the clock of the data: it runs while a service runs, stands still in between, never goes back, and is never
   * set. Only differences mean something.
   */
  now: Clock
  /** Stores where the clock stands: the next start goes on from there. */
  close(): Promise<void>
}

/**
 * Opens the clock of the data. The clock of the machine may be years ahead until the network corrects it: what is due in so long,
 * and what is kept for so long, is measured by this one.
 */
export async function openServiceTime(
  database: Database,
  { monotonic = () => performance.now() }: ServiceTimeOptions = {},
): Promise<ServiceTime> {
  const { at } = await database.read
    .selectFrom('service_time')
    .select('at')
    .executeTakeFirstOrThrow()
  const begin = Date.parse(at)
  const opened = monotonic()
  const passed = () => Math.max(0, monotonic() - opened)
  const now = () => Math.floor(begin + passed())

  async function store(time: number): Promise<void> {
    await database.write(
      async (tx) =>
        void (await tx
          .updateTable('service_time')
          .set({ at: toTimestamp(time) })
          .execute()),
      { durable: false },
    )
  }

  /**
   * Stores a time that is not yet reached, and is back before it is: after a crash the clock goes on from there, and nothing was
   * dated later. A crash adds no more than the service ran, so that one that crashes often still gets to what is due.
   */
  async function reserve(): Promise<void> {
    const pause = Math.min(longestSaveMs, Math.max(firstSaveMs, passed()))
    timer = setTimeout(() => {
      // What a full disk refuses, everybody who writes is told of; the next one makes up for it.
      void reserve().catch(() => {})
    }, pause).unref()
    await store(now() + pause + slackMs)
  }

  let timer: NodeJS.Timeout | undefined
  await reserve()
  return {
    now,
    async close() {
      clearTimeout(timer)
      // As with a crash: the next start goes on from what was stored.
      await store(now()).catch(() => {})
    },
  }
}
