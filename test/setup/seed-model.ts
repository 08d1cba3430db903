import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import BetterSqlite from 'better-sqlite3'
import { monotonicFactory } from 'ulid'

/**
 * Writes a config, a model of it and so many predictions below that into the database of a service that is stopped. Straight into the
 * tables: over HTTP it would take minutes.
 */
export function seedModel(file: string, predictions: number) {
  const database = new BetterSqlite(file)
  const nextId = monotonicFactory()
  const begin = Date.now() - 3_600_000
  const at = new Date(begin).toISOString()
  const content = Buffer.from('{"note":"a seeded prediction"}')
  const hash = createHash('sha256').update(content).digest('hex')
  const data = JSON.stringify({ type: 'ml_prediction', metadata: { status: 'success' } })
  const configId = nextId(begin)
  const modelId = nextId(begin)
  let lastId = modelId

  database.exec('BEGIN')
  database
    .prepare('insert into blob (hash, size, crc32, bytes, renewed_at) values (?, ?, ?, ?, ?)')
    .run(hash, content.byteLength, crc32(content), content, at)
  database
    .prepare(
      `insert into config (id, name, data, tags, created_at, updated_at) values (?, 'seeded', '{}', '[]', ?, ?)`,
    )
    .run(configId, at, at)
  const artifact = database.prepare(
    `insert into artifact (id, parent_id, level, ml_type, data, content_offset, content_kind, content_hash, content_size, tags,
      created_at, updated_at) values (?, ?, ?, ?, ?, 1, 'json', ?, ?, '[]', ?, ?)`,
  )
  const refer = database.prepare('insert into blob_ref (owner, hash) values (?, ?)')
  for (let index = 0; index <= predictions; index++) {
    const isModel = index === 0
    if (!isModel) lastId = nextId(begin)
    const type = isModel ? 'ml_training_workspace' : 'ml_prediction'
    artifact.run(
      ...[lastId, isModel ? null : modelId, isModel ? 0 : 1, type, data, hash],
      ...[content.byteLength, at, at],
    )
    refer.run(`artifact:${lastId}`, hash)
  }
  database
    .prepare('insert into config_artifact (config_id, artifact_id) values (?, ?)')
    .run(configId, modelId)
  database.exec('COMMIT')
  database.pragma('wal_checkpoint(TRUNCATE)')
  database.close()
  return { configId, modelId, lastId }
}
