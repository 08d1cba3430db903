import { type Kysely, sql } from 'kysely'
import type { Migration } from 'kysely/migration'

/**
 * Service time, which no clock that is set can move, and what is measured by it. What is there already begins to age now: the
 * clock that dated it may have been wrong.
 */
export const serviceTime: Migration = {
  async up(db: Kysely<unknown>) {
    const present = `(select at from service_time)`
    for (const text of [
      'create table service_time (at text not null)',
      `insert into service_time values (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))`,
      'alter table job add column kept_since text',
      `update job set kept_since = ${present} where finished_at is not null`,
      `update job set run_at = ${present} where status in ('pending', 'running')`,
      'drop index job_finished',
      'create index job_kept on job (kept_since) where kept_since is not null',
      // In the order in which they were submitted: ids begin with a time, which may have been wrong.
      'drop index job_claim',
      `create index job_claim on job (type, priority desc) where status = 'pending'`,
      `update idempotency set created_at = ${present}`,
      'alter table schedule_run add column kept_since text',
      `update schedule_run set kept_since = ${present}`,
      'drop index schedule_run_decided',
      'create index schedule_run_kept on schedule_run (kept_since)',
      // Up to this instant a schedule has missed nothing.
      `alter table schedule add column known_from text not null default ''`,
      'update schedule set known_from = created_at',
      // Whether somebody said from when an interval counts; the service itself takes the time of its creation.
      'alter table schedule add column anchored integer not null default 1',
      `update schedule set anchored = 0 where
        abs(julianday(json_extract(timing, '$.anchor')) - julianday(created_at)) * 86400 < 1`,
    ]) {
      await sql.raw(text).execute(db)
    }
  },
}
