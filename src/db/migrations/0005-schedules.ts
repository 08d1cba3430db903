import { type Kysely, sql } from 'kysely'
import type { Migration } from 'kysely/migration'

/** Schedules, and what became of each of their slots. */
export const schedules: Migration = {
  async up(db: Kysely<unknown>) {
    await db.schema
      .createTable('schedule')
      .addColumn('tenant', 'text', (c) => c.notNull().defaultTo(''))
      .addColumn('id', 'text', (c) => c.notNull())
      .addColumn('name', 'text', (c) => c.notNull())
      .addColumn('tags', 'text', (c) => c.notNull())
      .addColumn('task_id', 'text', (c) => c.notNull())
      .addColumn('parameters', 'text')
      .addColumn('timing', 'text', (c) => c.notNull())
      .addColumn('misfire', 'text', (c) => c.notNull())
      .addColumn('misfire_grace_seconds', 'integer', (c) => c.notNull())
      .addColumn('overlap', 'text', (c) => c.notNull())
      .addColumn('paused', 'integer', (c) => c.notNull())
      .addColumn('paused_reason', 'text')
      .addColumn('declared', 'integer', (c) => c.notNull())
      .addColumn('decided_until', 'text', (c) => c.notNull())
      .addColumn('next_run_at', 'text')
      .addColumn('last_run_at', 'text')
      .addColumn('last_job_id', 'text')
      .addColumn('created_by', 'text')
      .addColumn('created_at', 'text', (c) => c.notNull())
      .addColumn('updated_at', 'text', (c) => c.notNull())
      .addPrimaryKeyConstraint('schedule_pk', ['tenant', 'id'])
      .execute()

    await db.schema
      .createTable('schedule_run')
      .addColumn('tenant', 'text', (c) => c.notNull().defaultTo(''))
      .addColumn('id', 'text', (c) => c.primaryKey())
      .addColumn('schedule_id', 'text', (c) => c.notNull())
      .addColumn('slot', 'text')
      .addColumn('first_slot', 'text')
      .addColumn('outcome', 'text', (c) => c.notNull())
      .addColumn('count', 'integer', (c) => c.notNull())
      .addColumn('is_more', 'integer', (c) => c.notNull())
      .addColumn('is_open', 'integer', (c) => c.notNull())
      .addColumn('job_id', 'text')
      .addColumn('reason', 'text')
      .addColumn('decided_at', 'text', (c) => c.notNull())
      .addColumn('created_by', 'text')
      .execute()

    for (const text of [
      'create index schedule_created on schedule (tenant, created_at, id)',
      'create index schedule_next on schedule (next_run_at) where paused = 0',
      'create index schedule_task on schedule (task_id)',
      // A declaration has one row, whatever crashes between two starts.
      'create unique index schedule_declared on schedule (tenant, name) where declared = 1',
      // A slot is decided once: whoever decides it a second time fails, and its job with it.
      'create unique index schedule_run_slot on schedule_run (schedule_id, slot)',
      'create index schedule_run_listed on schedule_run (schedule_id, id)',
      'create index schedule_run_open on schedule_run (schedule_id) where is_open = 1',
      'create index schedule_run_decided on schedule_run (decided_at)',
    ]) {
      await sql.raw(text).execute(db)
    }
  },
}
