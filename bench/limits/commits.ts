import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import BetterSqlite from 'better-sqlite3'

/** A database as durable as ours (WAL, every commit synced), with nothing around it. */
export function openDurable(folder: string): BetterSqlite.Database {
  const database = new BetterSqlite(join(folder, 'limit.db'))
  database.pragma('journal_mode = WAL')
  // After a first statement: better-sqlite3 falls back to NORMAL with it.
  database.prepare('SELECT 1').get()
  database.pragma('synchronous = FULL')
  return database
}

/** The three commits of a durable job: stored, claimed, completed with its result. */
export function openCommits(folder: string) {
  const database = openDurable(folder)
  database.exec('create table job (id text primary key, status text, a text, b text, result text)')
  const insert = database.prepare("insert into job values (?, 'pending', ?, ?, null)")
  const claim = database.prepare("update job set status = 'running' where id = ?")
  const complete = database.prepare("update job set status = 'completed', result = ? where id = ?")
  const status = database.prepare('select status from job where id = ?').pluck()
  const result = database.prepare('select result from job where id = ?').pluck()
  return {
    submit: (id: string, a: string, b: string) => insert.run(id, a, b),
    claim: (id: string) => claim.run(id),
    complete: (id: string, made: string) => complete.run(made, id),
    status: (id: string) => status.get(id) as string,
    result: (id: string) => result.get(id) as string,
  }
}

/** `node commits.ts FOLDER SECONDS` prints how many rows like a config's are committed per second, each on its own. */
if (import.meta.main) {
  const [folder = '.', seconds = '3'] = process.argv.slice(2)
  const database = openDurable(folder)
  database.exec(
    `create table if not exists config (
      tenant text not null, id text not null, name text, data text, tags text, created_by text,
      created_at text, updated_at text, primary key (tenant, id))`,
  )
  database.exec('create index if not exists config_created on config (tenant, created_at, id)')
  const insert = database.prepare("insert into config values ('', ?, ?, ?, '[]', null, ?, ?)")
  const data = JSON.stringify({ prediction_periods: 3, additional_continuous_covariates: [] })
  let count = 0
  const start = performance.now()
  while (performance.now() - start < Number(seconds) * 1000) {
    const at = new Date().toISOString()
    insert.run(randomUUID(), 'bench', data, at, at)
    count++
  }
  const level = database.pragma('synchronous', { simple: true })
  if (level !== 2) throw new Error(`Expected synchronous FULL, got ${level}`)
  console.log(JSON.stringify(count / ((performance.now() - start) / 1000)))
}
