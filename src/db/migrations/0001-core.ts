import type { Kysely } from 'kysely'
import type { Migration } from 'kysely/migration'

/** Configs, artifacts and their links, blobs, jobs and their logs, idempotency keys. */
export const core: Migration = {
  async up(db: Kysely<unknown>) {
    await db.schema
      .createTable('config')
      .addColumn('tenant', 'text', (c) => c.notNull().defaultTo(''))
      .addColumn('id', 'text', (c) => c.notNull())
      .addColumn('name', 'text', (c) => c.notNull())
      .addColumn('data', 'text', (c) => c.notNull())
      .addColumn('tags', 'text', (c) => c.notNull())
      .addColumn('created_by', 'text')
      .addColumn('created_at', 'text', (c) => c.notNull())
      .addColumn('updated_at', 'text', (c) => c.notNull())
      .addPrimaryKeyConstraint('config_pk', ['tenant', 'id'])
      .execute()
    await index(db, 'config', 'created', ['tenant', 'created_at', 'id'])

    await db.schema
      .createTable('artifact')
      .addColumn('tenant', 'text', (c) => c.notNull().defaultTo(''))
      .addColumn('id', 'text', (c) => c.notNull())
      .addColumn('parent_id', 'text')
      .addColumn('level', 'integer', (c) => c.notNull())
      .addColumn('ml_type', 'text')
      .addColumn('data', 'text', (c) => c.notNull())
      .addColumn('content_offset', 'integer')
      .addColumn('content_kind', 'text')
      .addColumn('content_type', 'text')
      .addColumn('content_hash', 'text')
      .addColumn('content_size', 'bigint')
      .addColumn('lineage', 'text')
      .addColumn('tags', 'text', (c) => c.notNull())
      .addColumn('created_by', 'text')
      .addColumn('created_at', 'text', (c) => c.notNull())
      .addColumn('updated_at', 'text', (c) => c.notNull())
      .addPrimaryKeyConstraint('artifact_pk', ['tenant', 'id'])
      .execute()
    await index(db, 'artifact', 'created', ['tenant', 'created_at', 'id'])
    await index(db, 'artifact', 'parent', ['tenant', 'parent_id', 'created_at', 'id'])

    await db.schema
      .createTable('config_artifact')
      .addColumn('tenant', 'text', (c) => c.notNull().defaultTo(''))
      .addColumn('config_id', 'text', (c) => c.notNull())
      .addColumn('artifact_id', 'text', (c) => c.notNull())
      .addPrimaryKeyConstraint('config_artifact_pk', ['tenant', 'artifact_id'])
      .execute()
    await index(db, 'config_artifact', 'config', ['tenant', 'config_id', 'artifact_id'])

    await db.schema
      .createTable('blob')
      .addColumn('hash', 'text', (c) => c.primaryKey())
      .addColumn('size', 'bigint', (c) => c.notNull())
      .addColumn('crc32', 'bigint', (c) => c.notNull())
      .addColumn('bytes', 'blob')
      .addColumn('renewed_at', 'text', (c) => c.notNull())
      .execute()

    await db.schema
      .createTable('blob_ref')
      .addColumn('owner', 'text', (c) => c.notNull())
      .addColumn('hash', 'text', (c) => c.notNull())
      .addPrimaryKeyConstraint('blob_ref_pk', ['owner', 'hash'])
      .execute()
    await index(db, 'blob_ref', 'hash', ['hash'])

    await db.schema
      .createTable('job')
      .addColumn('tenant', 'text', (c) => c.notNull().defaultTo(''))
      .addColumn('id', 'text', (c) => c.primaryKey())
      .addColumn('type', 'text', (c) => c.notNull())
      .addColumn('status', 'text', (c) => c.notNull())
      .addColumn('payload', 'text', (c) => c.notNull())
      .addColumn('subject_id', 'text')
      .addColumn('artifact_id', 'text')
      .addColumn('attempt', 'integer', (c) => c.notNull())
      .addColumn('token', 'text')
      .addColumn('boot', 'text')
      .addColumn('host_deaths', 'integer', (c) => c.notNull())
      .addColumn('service_deaths', 'integer', (c) => c.notNull())
      .addColumn('cancel_requested', 'integer', (c) => c.notNull())
      .addColumn('progress', 'text')
      .addColumn('error', 'text')
      .addColumn('error_traceback', 'text')
      .addColumn('priority', 'integer', (c) => c.notNull())
      .addColumn('run_at', 'text', (c) => c.notNull())
      .addColumn('created_by', 'text')
      .addColumn('submitted_at', 'text', (c) => c.notNull())
      .addColumn('started_at', 'text')
      .addColumn('finished_at', 'text')
      .execute()
    await index(db, 'job', 'claim', ['status', 'type', 'priority', 'id'])
    await index(db, 'job', 'submitted', ['tenant', 'submitted_at', 'id'])
    await index(db, 'job', 'subject', ['subject_id', 'status'])
    await index(db, 'job', 'artifact', ['artifact_id', 'status'])
    await index(db, 'job', 'finished', ['finished_at'])

    await db.schema
      .createTable('job_log')
      .addColumn('job_id', 'text', (c) => c.notNull())
      .addColumn('seq', 'integer', (c) => c.notNull())
      .addColumn('time', 'text', (c) => c.notNull())
      .addColumn('stream', 'text', (c) => c.notNull())
      .addColumn('line', 'text', (c) => c.notNull())
      .addPrimaryKeyConstraint('job_log_pk', ['job_id', 'seq'])
      .execute()

    await db.schema
      .createTable('idempotency')
      .addColumn('scope', 'text', (c) => c.primaryKey())
      .addColumn('fingerprint', 'text', (c) => c.notNull())
      .addColumn('status', 'integer', (c) => c.notNull())
      .addColumn('headers', 'text', (c) => c.notNull())
      .addColumn('body', 'text', (c) => c.notNull())
      .addColumn('job_id', 'text')
      .addColumn('created_at', 'text', (c) => c.notNull())
      .execute()
    await index(db, 'idempotency', 'created', ['created_at'])
  },
}

async function index(db: Kysely<unknown>, table: string, name: string, columns: string[]) {
  await db.schema.createIndex(`${table}_${name}`).on(table).columns(columns).execute()
}
