import type { Kysely } from 'kysely'
import type { Migration } from 'kysely/migration'

/** Which service owns the database: one row, which each start replaces. */
export const owner: Migration = {
  async up(db: Kysely<unknown>) {
    await db.schema
      .createTable('owner')
      .addColumn('boot', 'text', (c) => c.primaryKey())
      .addColumn('pid', 'integer', (c) => c.notNull())
      .addColumn('host', 'text', (c) => c.notNull())
      .addColumn('since', 'text', (c) => c.notNull())
      .addColumn('url', 'text')
      .addColumn('machine', 'text')
      .addColumn('ticks', 'text')
      .addColumn('place', 'text', (c) => c.notNull())
      .addColumn('inode', 'text', (c) => c.notNull())
      .addColumn('lock_inode', 'text', (c) => c.notNull())
      .addColumn('released', 'integer', (c) => c.notNull())
      .execute()
  },
}
