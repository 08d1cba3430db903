import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import BetterSqlite from 'better-sqlite3'
import { monotonicFactory } from 'ulid'

/** Nodes of one tree: a root, three children, two below each of these. */
const treeSize = 10

export interface Seeded {
  /** Roots of trees, artifacts and jobs that are spread over the whole table. */
  roots: string[]
  artifacts: string[]
  jobs: string[]
}

/**
 * Writes `count` artifacts (in trees of 10) and `count` finished jobs into the database of a service that is stopped. Straight
 * into the tables: over HTTP a million would take an hour.
 */
export function seed(dataDir: string, count: number): Seeded {
  const database = new BetterSqlite(join(dataDir, 'chapkit.db'))
  database.pragma('synchronous = OFF')
  const nextId = monotonicFactory()
  // Everything lies in the last ten days: nothing of it is old enough to be swept.
  const end = Date.now() - 3_600_000
  const stepMs = (10 * 86_400_000) / count

  const content = Buffer.from(JSON.stringify({ note: 'what every seeded artifact holds' }))
  const hash = createHash('sha256').update(content).digest('hex')
  const at = new Date().toISOString()
  database
    .prepare('insert into blob (hash, size, crc32, bytes, renewed_at) values (?, ?, ?, ?, ?)')
    .run(hash, content.byteLength, crc32(content), content, at)
  const refer = database.prepare('insert into blob_ref (owner, hash) values (?, ?)')
  const artifact = database.prepare(
    `insert into artifact (id, parent_id, level, data, content_offset, content_kind, content_hash,
      content_size, tags, created_at, updated_at)
     values (?, ?, ?, ?, ?, 'json', ?, ?, '[]', ?, ?)`,
  )
  const job = database.prepare(
    `insert into job (id, type, status, payload, artifact_id, attempt, host_deaths, service_deaths,
      cancel_requested, priority, run_at, submitted_at, started_at, finished_at)
     values (?, 'predict', 'completed', ?, ?, 1, 0, 0, 0, 0, ?, ?, ?, ?)`,
  )
  const data = JSON.stringify({
    type: 'generic',
    metadata: { status: 'success', note: 'x'.repeat(200) },
    content_type: 'application/json',
  })
  const offset = data.indexOf('"content_type"')
  const payload = JSON.stringify({ trainingId: nextId(), historic: hash, future: hash, geo: null })

  const seeded: Seeded = { roots: [], artifacts: [], jobs: [] }
  const keepEvery = Math.max(1, Math.floor(count / treeSize / 100)) * treeSize
  database.exec('BEGIN')
  let tree: string[] = []
  for (let index = 0; index < count; index++) {
    const now = end - Math.round((count - index) * stepMs)
    const time = new Date(now).toISOString()
    const id = nextId(now)
    const place = index % treeSize
    if (place === 0) tree = []
    const parent = place === 0 ? null : place <= 3 ? tree[0]! : tree[1 + ((place - 4) % 3)]!
    tree.push(id)
    const level = place === 0 ? 0 : place <= 3 ? 1 : 2
    artifact.run(id, parent, level, data, offset, hash, content.byteLength, time, time)
    refer.run(`artifact:${id}`, hash)
    const jobId = nextId(now)
    job.run(jobId, payload, id, time, time, time, time)
    if (index % keepEvery === 0 && index + treeSize <= count) seeded.roots.push(id)
    if (index % keepEvery === Math.min(7, keepEvery - 1)) {
      seeded.artifacts.push(id)
      seeded.jobs.push(jobId)
    }
  }
  database.exec('COMMIT')
  database.pragma('wal_checkpoint(TRUNCATE)')
  database.close()
  return seeded
}

/** Writes one tree of `count` artifacts below a root that is linked to a config, into the database of a service that is stopped. */
export function seedTree(dataDir: string, count: number): { root: string; config: string } {
  const database = new BetterSqlite(join(dataDir, 'chapkit.db'))
  database.pragma('synchronous = OFF')
  const nextId = monotonicFactory()
  const time = new Date(Date.now() - 3_600_000).toISOString()
  const artifact = database.prepare(
    `insert into artifact (id, parent_id, level, data, tags, created_at, updated_at)
     values (?, ?, ?, ?, '[]', ?, ?)`,
  )
  const data = JSON.stringify({ type: 'generic', metadata: { note: 'x'.repeat(200) } })
  const root = nextId()
  const config = nextId()
  database.exec('BEGIN')
  artifact.run(root, null, 0, data, time, time)
  for (let index = 1; index < count; index++) artifact.run(nextId(), root, 1, data, time, time)
  database
    .prepare(
      `insert into config (id, name, data, tags, created_at, updated_at) values (?, 'tree', '{}', '[]', ?, ?)`,
    )
    .run(config, time, time)
  database
    .prepare('insert into config_artifact (config_id, artifact_id) values (?, ?)')
    .run(config, root)
  database.exec('COMMIT')
  database.close()
  return { root, config }
}
