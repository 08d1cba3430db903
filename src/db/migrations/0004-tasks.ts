import { type Kysely, sql } from 'kysely'
import type { Migration } from 'kysely/migration'

/** Tasks, and how often the runs of a job have failed. */
export const tasks: Migration = {
  async up(db: Kysely<unknown>) {
    await db.schema
      .createTable('task')
      .addColumn('tenant', 'text', (c) => c.notNull().defaultTo(''))
      .addColumn('id', 'text', (c) => c.notNull())
      .addColumn('name', 'text')
      .addColumn('command', 'text', (c) => c.notNull())
      .addColumn('task_type', 'text', (c) => c.notNull())
      .addColumn('parameters', 'text')
      .addColumn('enabled', 'integer', (c) => c.notNull())
      .addColumn('wanted', 'integer', (c) => c.notNull())
      .addColumn('disabled_reason', 'text')
      .addColumn('declared', 'integer', (c) => c.notNull())
      .addColumn('retries', 'text')
      .addColumn('timeout_seconds', 'real')
      .addColumn('tags', 'text', (c) => c.notNull())
      .addColumn('created_by', 'text')
      .addColumn('created_at', 'text', (c) => c.notNull())
      .addColumn('updated_at', 'text', (c) => c.notNull())
      .addPrimaryKeyConstraint('task_pk', ['tenant', 'id'])
      .execute()
    await index(db, 'created', ['tenant', 'created_at', 'id'])
    await index(db, 'enabled', ['tenant', 'enabled', 'created_at', 'id'])
    // A declaration has one row, whatever crashes between two starts.
    await sql`create unique index task_declared on task (tenant, name) where declared = 1`.execute(
      db,
    )

    await db.schema
      .alterTable('job')
      .addColumn('failures', 'integer', (c) => c.notNull().defaultTo(0))
      .execute()
  },
}

async function index(db: Kysely<unknown>, name: string, columns: string[]) {
  await db.schema.createIndex(`task_${name}`).on('task').columns(columns).execute()
}
