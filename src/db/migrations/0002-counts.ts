import { type Kysely, sql } from 'kysely'
import type { Migration } from 'kysely/migration'

/**
 * How many rows there are, kept by triggers, so that no page has to count a table: configs and artifacts as one number, jobs by
 * type and status.
 */
export const counts: Migration = {
  async up(db: Kysely<unknown>) {
    await db.schema
      .createTable('row_count')
      .addColumn('tenant', 'text', (c) => c.notNull())
      .addColumn('name', 'text', (c) => c.notNull())
      .addColumn('type', 'text', (c) => c.notNull())
      .addColumn('status', 'text', (c) => c.notNull())
      .addColumn('rows', 'bigint', (c) => c.notNull())
      .addPrimaryKeyConstraint('row_count_pk', ['tenant', 'name', 'type', 'status'])
      .execute()
    for (const table of ['config', 'artifact']) {
      await countRows(db, table, { type: "''", status: "''" })
      await keep(db, table, 'insert', [add(table, 'new', "''", "''", 1)])
      await keep(db, table, 'delete', [add(table, 'old', "''", "''", -1)])
    }
    await countRows(db, 'job', { type: 'type', status: 'status' })
    await keep(db, 'job', 'insert', [add('job', 'new', 'new.type', 'new.status', 1)])
    await keep(db, 'job', 'delete', [add('job', 'old', 'old.type', 'old.status', -1)])
    await keep(db, 'job', 'update of status', [
      add('job', 'old', 'old.type', 'old.status', -1),
      add('job', 'new', 'new.type', 'new.status', 1),
    ])
  },
}

/** Rows that are there already. */
async function countRows(db: Kysely<unknown>, table: string, by: { type: string; status: string }) {
  await sql
    .raw(
      `insert into row_count select tenant, '${table}', ${by.type}, ${by.status}, count(*) from ${table} group by 1, 2, 3, 4`,
    )
    .execute(db)
}

function add(table: string, row: 'new' | 'old', type: string, status: string, by: 1 | -1): string {
  return `insert into row_count values (${row}.tenant, '${table}', ${type}, ${status}, ${by})
    on conflict (tenant, name, type, status) do update set rows = rows + ${by};`
}

async function keep(db: Kysely<unknown>, table: string, event: string, steps: string[]) {
  const name = `${table}_count_${event.split(' ')[0]}`
  await sql
    .raw(`create trigger ${name} after ${event} on ${table} begin ${steps.join(' ')} end`)
    .execute(db)
}
