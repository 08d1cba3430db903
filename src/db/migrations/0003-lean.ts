import { type Kysely, sql } from 'kysely'
import type { Migration } from 'kysely/migration'

/**
 * Indexes that hold only the jobs they are asked about: those that wait in the order in which they run, so that the next one is
 * the first entry however many there are, and those that have not ended. References of blobs without a second tree of rows.
 */
export const lean: Migration = {
  async up(db: Kysely<unknown>) {
    for (const name of ['claim', 'subject', 'artifact']) {
      await db.schema.dropIndex(`job_${name}`).execute()
    }
    const active = `where status in ('pending', 'running')`
    await statements(
      db,
      `create index job_claim on job (type, priority desc, id) where status = 'pending'`,
      `create index job_running on job (boot) where status = 'running'`,
      `create index job_subject on job (subject_id) ${active}`,
      `create index job_artifact on job (artifact_id) ${active}`,
      `create table lean_ref (owner text not null, hash text not null, primary key (owner, hash)) without rowid`,
      'insert into lean_ref select owner, hash from blob_ref',
      'drop table blob_ref',
      'alter table lean_ref rename to blob_ref',
      'create index blob_ref_hash on blob_ref (hash)',
    )
  },
}

async function statements(db: Kysely<unknown>, ...texts: string[]) {
  for (const text of texts) await sql.raw(text).execute(db)
}
