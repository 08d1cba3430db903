import { type Selectable, sql } from 'kysely'
import { countRows, keyPosition } from '../db/paging.ts'
import type { JobTable, Queries } from '../db/tables.ts'
import type { PageRequest } from '../kernel/page.ts'
import type { JobStatus, LogLine } from './schema.ts'

export type JobRow = Omit<Selectable<JobTable>, 'tenant' | 'created_by'>

/** Which jobs a list shows. */
export interface JobFilter {
  status?: JobStatus
  type?: string
}

/** How many jobs of a type are in a state. */
export interface JobCount {
  type: string
  status: JobStatus
  count: number
}

/** The columns that a record of a job shows, in the order in which it shows them. */
export const recordColumns = [
  'id',
  'type',
  'status',
  'submitted_at',
  'started_at',
  'finished_at',
  'error',
  'error_traceback',
  'artifact_id',
  'progress',
] as const

export type JobRecordRow = Pick<JobRow, (typeof recordColumns)[number]>

const linesPerStatement = 500

/** Written into the statements rather than bound: only so are the indexes over some of the jobs used. */
const pending = sql.lit('pending' as const)
const running = sql.lit('running' as const)

/**
 * The SQL of jobs. A claim carries a random token, and every later write of that run asks for it: a run that has been taken
 * over changes nothing any more.
 */
export const jobStore = {
  find: (db: Queries, id: string): Promise<JobRow | undefined> =>
    db
      .selectFrom('job')
      .selectAll()
      .where('tenant', '=', '')
      .where('id', '=', id)
      .executeTakeFirst(),

  findRecord: (db: Queries, id: string): Promise<JobRecordRow | undefined> =>
    db
      .selectFrom('job')
      .select(recordColumns)
      .where('tenant', '=', '')
      .where('id', '=', id)
      .executeTakeFirst(),

  insert: (db: Queries, row: JobRow) =>
    db
      .insertInto('job')
      .values({ ...row, created_by: null })
      .execute(),

  /** Whether a job of a type may run. */
  hasDue: async (db: Queries, type: string, serviceTime: string): Promise<boolean> => {
    const row = await db
      .selectFrom('job')
      .select('id')
      .where('status', '=', pending)
      .where('type', '=', type)
      .where('run_at', '<=', serviceTime)
      .limit(1)
      .executeTakeFirst()
    return row !== undefined
  },

  /** The next job of a type that may run: by priority, then in the order of submits, which no clock tells. */
  nextPending: (db: Queries, type: string, serviceTime: string): Promise<JobRow | undefined> =>
    db
      .selectFrom('job')
      .selectAll()
      .where('status', '=', pending)
      .where('type', '=', type)
      .where('run_at', '<=', serviceTime)
      .orderBy('priority', 'desc')
      .orderBy(sql`rowid`)
      .limit(1)
      .executeTakeFirst(),

  /** Changes a job that nobody holds. */
  update: (db: Queries, id: string, changes: Partial<JobRow>) =>
    db.updateTable('job').set(changes).where('tenant', '=', '').where('id', '=', id).execute(),

  /** Changes a job for the holder of its token; false when the token is stale. */
  updateClaimed: async (
    db: Queries,
    claim: { id: string; token: string },
    changes: Partial<JobRow>,
  ): Promise<boolean> => {
    const { numUpdatedRows } = await db
      .updateTable('job')
      .set(changes)
      .where('id', '=', claim.id)
      .where('token', '=', claim.token)
      .where('status', '=', 'running')
      .executeTakeFirst()
    return numUpdatedRows === 1n
  },

  /** Jobs that another start of the service was running. */
  runningElsewhere: (db: Queries, boot: string): Promise<JobRow[]> =>
    db
      .selectFrom('job')
      .selectAll()
      .where('status', '=', running)
      .where('boot', '!=', boot)
      .execute(),

  /** When pending jobs may run, by type: once for all that may already, and every later time. */
  pendingTimes: async (db: Queries, serviceTime: string) => {
    const waiting = db
      .selectFrom('job')
      .select(({ fn }) => [
        'type',
        fn.min<string>('run_at').as('run_at'),
        fn.min<string>('id').as('id'),
      ])
      .where('status', '=', pending)
    const due = await waiting.where('run_at', '<=', serviceTime).groupBy('type').execute()
    const later = await waiting
      .where('run_at', '>', serviceTime)
      .groupBy(['type', 'run_at'])
      .execute()
    return [...due, ...later]
  },

  /** An active job that will make something. */
  activeFor: (db: Queries, artifactId: string) =>
    db
      .selectFrom('job')
      .select(['id', 'type'])
      .where('artifact_id', '=', artifactId)
      .where('status', 'in', [pending, running])
      .executeTakeFirst(),

  /** An active job that works on something. */
  activeOn: (db: Queries, subjectId: string) =>
    db
      .selectFrom('job')
      .select(['id', 'type'])
      .where('subject_id', '=', subjectId)
      .where('status', 'in', [pending, running])
      .executeTakeFirst(),

  /** An active job that works on an artifact that a change of trees marks: the few jobs are looked through, not the marks. */
  activeUnder: (db: Queries, changeId: string) =>
    db
      .selectFrom('job')
      .select(['id', 'type', 'subject_id'])
      .where('status', 'in', [pending, running])
      .where('subject_id', '>', '')
      .where(({ exists, selectFrom }) =>
        exists(
          selectFrom('tree_mark')
            .select('seq')
            .whereRef('artifact_id', '=', 'job.subject_id')
            .where('change_id', '=', changeId),
        ),
      )
      .limit(1)
      .executeTakeFirst(),

  /** Removes the first lines of a log, and says how many: fewer than `limit` were the last. */
  removeLines: async (db: Queries, id: string, limit: number): Promise<number> => {
    const { numDeletedRows } = await db
      .deleteFrom('job_log')
      .where('job_id', '=', id)
      .where('seq', 'in', (lines) =>
        lines
          .selectFrom('job_log')
          .select('seq')
          .where('job_id', '=', id)
          .orderBy('seq')
          .limit(limit),
      )
      .executeTakeFirst()
    return Number(numDeletedRows)
  },

  /** Removes a job whose log is gone. */
  remove: async (db: Queries, id: string) => {
    await db.deleteFrom('job').where('tenant', '=', '').where('id', '=', id).execute()
  },

  /** Jobs that ended before, in service time. */
  endedBefore: async (db: Queries, before: string, limit: number): Promise<string[]> => {
    const rows = await db
      .selectFrom('job')
      .select('id')
      // Only jobs that have ended have this; the index over it is all that is needed.
      .where('kept_since', '<', before)
      .limit(limit)
      .execute()
    return rows.map((row) => row.id)
  },

  count: (db: Queries, filter: JobFilter): Promise<number> => countRows(db, 'job', filter),

  /** From the totals that are kept as jobs come and go: no row of a job is read. */
  counts: (db: Queries): Promise<JobCount[]> =>
    db
      .selectFrom('row_count')
      .select(['type', 'status', 'rows as count'])
      .where('tenant', '=', '')
      .where('name', '=', 'job')
      .execute() as Promise<JobCount[]>,

  /** Newest first. */
  list: async (db: Queries, filter: JobFilter, page: PageRequest): Promise<JobRecordRow[]> => {
    let query = matching(db, filter)
      .select(recordColumns)
      .orderBy('submitted_at', 'desc')
      .orderBy('id', 'desc')
    if (page.kind === 'number') query = query.limit(page.size).offset((page.page - 1) * page.size)
    if (page.kind === 'key') {
      query = query.limit(page.size)
      if (page.after !== null) {
        const after = page.after
        const { at, id } = await keyPosition(after, async () => {
          const row = await jobStore.findRecord(db, after)
          return row && { at: row.submitted_at }
        })
        query = query.where((row) =>
          row(row.refTuple('submitted_at', 'id'), '<', row.tuple(at, id)),
        )
      }
    }
    return query.execute()
  },

  lastSeq: async (db: Queries, jobId: string): Promise<number> => {
    const row = await db
      .selectFrom('job_log')
      .select(({ fn }) => fn.max('seq').as('seq'))
      .where('job_id', '=', jobId)
      .executeTakeFirst()
    return Number(row?.seq ?? 0)
  },

  /** In several statements: a database takes only so many values in one. */
  insertLines: async (db: Queries, jobId: string, lines: LogLine[]): Promise<void> => {
    for (let at = 0; at < lines.length; at += linesPerStatement) {
      await db
        .insertInto('job_log')
        .values(lines.slice(at, at + linesPerStatement).map((line) => ({ job_id: jobId, ...line })))
        .execute()
    }
  },

  lines: (db: Queries, jobId: string, after: number, limit: number): Promise<LogLine[]> =>
    db
      .selectFrom('job_log')
      .select(['seq', 'time', 'stream', 'line'])
      .where('job_id', '=', jobId)
      .where('seq', '>', after)
      .orderBy('seq')
      .limit(limit)
      .execute() as Promise<LogLine[]>,
}

function matching(db: Queries, { status, type }: JobFilter) {
  let query = db.selectFrom('job').where('tenant', '=', '')
  if (status !== undefined) query = query.where('status', '=', status)
  if (type !== undefined) query = query.where('type', '=', type)
  return query
}
