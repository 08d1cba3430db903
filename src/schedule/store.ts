import { type Selectable, sql } from 'kysely'
import { listByCreation } from '../db/paging.ts'
import type { Queries, ScheduleRunTable, ScheduleTable } from '../db/tables.ts'
import type { PageRequest } from '../kernel/page.ts'

export type ScheduleRow = Omit<Selectable<ScheduleTable>, 'tenant' | 'created_by'>
/** What was known of a slot that nobody asks about any more. */
export type ForgottenRun = Pick<ScheduleRunRow, 'id' | 'slot' | 'schedule_id'>
export type ScheduleRunRow = Omit<Selectable<ScheduleRunTable>, 'tenant' | 'created_by'>
/** With the state of its job, which may have been deleted. */
export type ListedRunRow = ScheduleRunRow & { job_status: string | null }

const columns = [
  'id',
  'name',
  'tags',
  'task_id',
  'parameters',
  'timing',
  'misfire',
  'misfire_grace_seconds',
  'overlap',
  'paused',
  'paused_reason',
  'declared',
  'decided_until',
  'known_from',
  'anchored',
  'next_run_at',
  'last_run_at',
  'last_job_id',
  'created_at',
  'updated_at',
] as const

const runColumns = [
  'id',
  'schedule_id',
  'slot',
  'first_slot',
  'outcome',
  'count',
  'is_more',
  'is_open',
  'job_id',
  'reason',
  'decided_at',
  'kept_since',
] as const

/** Written into the statement rather than bound: only so is the index over open runs used. */
const open = sql.lit(1)

/** The SQL of schedules. Takes the database or a transaction. */
export const scheduleStore = {
  find: (db: Queries, id: string): Promise<ScheduleRow | undefined> =>
    db
      .selectFrom('schedule')
      .select(columns)
      .where('tenant', '=', '')
      .where('id', '=', id)
      .executeTakeFirst(),

  insert: (db: Queries, row: ScheduleRow) =>
    db
      .insertInto('schedule')
      .values({ ...row, created_by: null })
      .execute(),

  update: (db: Queries, { id, created_at, ...changed }: ScheduleRow) =>
    db.updateTable('schedule').set(changed).where('tenant', '=', '').where('id', '=', id).execute(),

  remove: async (db: Queries, id: string) => {
    await db.deleteFrom('schedule').where('tenant', '=', '').where('id', '=', id).execute()
  },

  /** In order of creation. */
  list: (db: Queries, page: PageRequest): Promise<ScheduleRow[]> =>
    listByCreation(db, 'schedule', columns, page),

  count: async (db: Queries): Promise<number> => {
    const { total } = await db
      .selectFrom('schedule')
      .select(({ fn }) => fn.countAll<number>().as('total'))
      .where('tenant', '=', '')
      .executeTakeFirstOrThrow()
    return Number(total)
  },

  declared: (db: Queries): Promise<ScheduleRow[]> =>
    db
      .selectFrom('schedule')
      .select(columns)
      .where('tenant', '=', '')
      .where('declared', '=', 1)
      .execute(),

  ofTask: (db: Queries, taskId: string, limit: number): Promise<{ id: string; name: string }[]> =>
    db
      .selectFrom('schedule')
      .select(['id', 'name'])
      .where('task_id', '=', taskId)
      .limit(limit)
      .execute(),

  /** Schedules with something to decide: a slot has come, the clock was set back, or slots wait for earlier jobs. */
  needing: async (db: Queries, now: string): Promise<string[]> => {
    const queued = db
      .selectFrom('schedule_run')
      .select('schedule_id')
      .where('is_open', '=', open)
      .where('outcome', '=', 'queued')
    const rows = await db
      .selectFrom('schedule')
      .select('id')
      .where('paused', '=', sql.lit(0))
      .where((row) =>
        row.or([
          row('next_run_at', '<=', now),
          row('decided_until', '>', now),
          row('id', 'in', queued),
        ]),
      )
      .orderBy('next_run_at')
      .execute()
    return rows.map(({ id }) => id)
  },

  /** Slots up to an instant are no longer caught up: what became of them is forgotten. */
  raiseKnownFrom: (db: Queries, id: string, instant: string) =>
    db
      .updateTable('schedule')
      .set({ known_from: instant })
      .where('tenant', '=', '')
      .where('id', '=', id)
      .where('known_from', '<', instant)
      .execute(),

  /** When the next slot of any schedule comes, and whether slots wait for earlier jobs. */
  ahead: async (db: Queries): Promise<{ next: string | null; isWaiting: boolean }> => {
    const { next } = await db
      .selectFrom('schedule')
      .select(({ fn }) => fn.min<string | null>('next_run_at').as('next'))
      .where('paused', '=', sql.lit(0))
      .executeTakeFirstOrThrow()
    const waiting = await db
      .selectFrom('schedule_run')
      .select('id')
      .where('is_open', '=', open)
      .where('outcome', '=', 'queued')
      .limit(1)
      .executeTakeFirst()
    return { next, isWaiting: waiting !== undefined }
  },
}

/** The SQL of what became of slots. */
export const scheduleRunStore = {
  insert: (db: Queries, row: ScheduleRunRow) =>
    db
      .insertInto('schedule_run')
      .values({ ...row, created_by: null })
      .execute(),

  update: (db: Queries, id: string, changes: Partial<ScheduleRunRow>) =>
    db.updateTable('schedule_run').set(changes).where('id', '=', id).execute(),

  remove: (db: Queries, id: string) => db.deleteFrom('schedule_run').where('id', '=', id).execute(),

  /** Removes what is known of the slots of one schedule, at most `limit`, and says how many. */
  removeOf: async (db: Queries, scheduleId: string, limit: number): Promise<number> => {
    const { numDeletedRows } = await db
      .deleteFrom('schedule_run')
      .where('id', 'in', (runs) =>
        runs
          .selectFrom('schedule_run')
          .select('id')
          .where('schedule_id', '=', scheduleId)
          .limit(limit),
      )
      .executeTakeFirst()
    return Number(numDeletedRows)
  },

  /** Runs whose jobs may not have ended, and those that wait, in the order in which they were decided, which no clock tells. */
  open: (db: Queries, scheduleId: string): Promise<ScheduleRunRow[]> =>
    db
      .selectFrom('schedule_run')
      .select(runColumns)
      .where('schedule_id', '=', scheduleId)
      .where('is_open', '=', open)
      .orderBy(sql`rowid`)
      .execute(),

  /** Slots behind an instant that have been decided, up to another one. */
  slots: async (
    db: Queries,
    scheduleId: string,
    after: string,
    last: string,
  ): Promise<string[]> => {
    const rows = await db
      .selectFrom('schedule_run')
      .select('slot')
      .where('schedule_id', '=', scheduleId)
      .where('slot', '>', after)
      .where('slot', '<=', last)
      .where('outcome', '!=', 'missed')
      .execute()
    return rows.map(({ slot }) => slot as string)
  },

  has: async (db: Queries, scheduleId: string, slot: string): Promise<boolean> => {
    const row = await db
      .selectFrom('schedule_run')
      .select('id')
      .where('schedule_id', '=', scheduleId)
      .where('slot', '=', slot)
      .executeTakeFirst()
    return row !== undefined
  },

  /** Slots that were counted as missed and lie behind an instant, in part at least. */
  missedBehind: (db: Queries, scheduleId: string, instant: string): Promise<ScheduleRunRow[]> =>
    db
      .selectFrom('schedule_run')
      .select(runColumns)
      .where('schedule_id', '=', scheduleId)
      .where('slot', '>', instant)
      .where('outcome', '=', 'missed')
      .execute(),

  /** Newest first. */
  list: (db: Queries, scheduleId: string, page: PageRequest): Promise<ListedRunRow[]> => {
    let query = db
      .selectFrom('schedule_run')
      .leftJoin('job', 'job.id', 'schedule_run.job_id')
      .select(runColumns.map((name) => `schedule_run.${name}` as const))
      .select('job.status as job_status')
      .where('schedule_id', '=', scheduleId)
      .orderBy('schedule_run.id', 'desc')
    if (page.kind !== 'all') query = query.limit(page.size)
    if (page.kind === 'number') query = query.offset((page.page - 1) * page.size)
    if (page.kind === 'key' && page.after !== null)
      query = query.where('schedule_run.id', '<', page.after)
    return query.execute() as Promise<ListedRunRow[]>
  },

  count: async (db: Queries, scheduleId: string): Promise<number> => {
    const { total } = await db
      .selectFrom('schedule_run')
      .select(({ fn }) => fn.countAll<number>().as('total'))
      .where('schedule_id', '=', scheduleId)
      .executeTakeFirstOrThrow()
    return Number(total)
  },

  /**
   * What was decided before, in service time, and may be forgotten: at most `limit`, and no slots that a clock which was set back
   * comes to again.
   */
  forgettable: async (db: Queries, before: string, limit: number): Promise<ForgottenRun[]> =>
    db
      .selectFrom('schedule_run as old')
      .leftJoin('schedule', (join) =>
        join.on('schedule.tenant', '=', '').onRef('schedule.id', '=', 'old.schedule_id'),
      )
      .select(['old.id', 'old.slot', 'old.schedule_id'])
      .where('old.kept_since', '<', before)
      .where('old.is_open', '=', 0)
      .where(({ or, eb, ref }) =>
        or([
          eb('old.slot', 'is', null),
          eb('schedule.id', 'is', null),
          eb('old.slot', '<=', ref('schedule.decided_until')),
        ]),
      )
      .limit(limit)
      .execute(),

  removeAll: (db: Queries, ids: readonly string[]) =>
    db.deleteFrom('schedule_run').where('id', 'in', ids).execute(),
}
