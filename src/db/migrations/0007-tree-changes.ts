import { type Kysely, sql } from 'kysely'
import type { Migration } from 'kysely/migration'

/**
 * Changes of whole trees of artifacts. Each artifact that a change concerns is marked, some at a time; then the change is decided,
 * by one flag, and is what readers see from there on; then the marks are carried out, some at a time.
 */
export const treeChanges: Migration = {
  async up(db: Kysely<unknown>) {
    await db.schema
      .createTable('tree_change')
      .addColumn('id', 'text', (c) => c.primaryKey())
      .addColumn('config_id', 'text')
      .addColumn('level_by', 'integer', (c) => c.notNull())
      .addColumn('decided', 'integer', (c) => c.notNull())
      .addColumn('gone_rows', 'integer', (c) => c.notNull())
      .execute()
    await db.schema
      .createTable('tree_mark')
      .addColumn('seq', 'integer', (c) => c.primaryKey().autoIncrement())
      .addColumn('change_id', 'text', (c) => c.notNull())
      .addColumn('artifact_id', 'text', (c) => c.notNull().unique())
      .addColumn('gone', 'integer', (c) => c.notNull())
      .addColumn('detached', 'integer', (c) => c.notNull())
      .execute()
    await db.schema
      .createIndex('tree_mark_change')
      .on('tree_mark')
      .columns(['change_id', 'seq'])
      .execute()

    const decided = `from tree_mark as mark cross join tree_change as change on change.id = mark.change_id
      where mark.artifact_id = artifact.id and change.decided = 1`
    const columns = [
      ...['ml_type', 'data', 'content_offset', 'content_kind', 'content_type', 'content_hash'],
      ...['content_size', 'lineage', 'tags', 'created_by', 'created_at', 'updated_at'],
    ]
    await sql
      .raw(
        `create view present_artifact as select
          artifact.tenant, artifact.id,
          case when exists (select 1 ${decided} and mark.detached = 1) then null else artifact.parent_id end as parent_id,
          artifact.parent_id as stored_parent_id,
          artifact.level + coalesce((select change.level_by ${decided}), 0) as level,
          ${columns.map((column) => `artifact.${column}`)}
        from artifact
        where not exists (select 1 ${decided} and mark.gone = 1)`,
      )
      .execute(db)
  },
}
