import { rmSync } from 'node:fs'
import BetterSqlite from 'better-sqlite3'

/** What a database says about itself: enough to see that a copy is whole and which program can use it. */
export interface DatabaseFacts {
  /** Names of the schema changes it has, by the table that keeps them: the core's and one for each entity. */
  migrations: Record<string, string[]>
  counts: { configs: number; artifacts: number; jobs: number }
  /** The blobs that lie in files. */
  files: { hash: string; size: number }[]
}

/** Pages in one step of a copy: 16 MiB, so that progress is seen and a copy of gigabytes costs few steps. */
const pagesPerStep = 4096

/**
 * Copies a database that may be in use into a new file, as it was at one moment, and leaves one file that stands alone.
 * Neither side waits for the other. Whether the copy is whole, `readDatabase` says.
 *
 * SQLite's online backup rather than VACUUM INTO: it takes the pages as they are, in steps that can be shown. By itself it
 * would start over with each write of another process; inside a read transaction every step sees the same moment.
 */
export async function copyDatabase(
  from: string,
  to: string,
  onProgress: (done: number, total: number) => void = () => {},
): Promise<void> {
  for (const suffix of ['', '-journal', '-wal', '-shm']) rmSync(to + suffix, { force: true })
  const source = new BetterSqlite(from, { readonly: true, fileMustExist: true, timeout: 5000 })
  try {
    namingDamage(from, () => refuseForeign(source, from))
    source.exec('BEGIN')
    source.prepare('SELECT count(*) FROM sqlite_master').get()
    await source.backup(to, {
      progress({ totalPages, remainingPages }) {
        onProgress(totalPages - remainingPages, totalPages)
        return pagesPerStep
      },
    })
  } finally {
    source.close()
  }

  const copy = new BetterSqlite(to, { fileMustExist: true })
  try {
    // The pages say WAL, as their source did: a copy must not need files beside it.
    copy.pragma('journal_mode = DELETE')
    // What nothing refers to is gone after the next start anyway, and a running service may remove its file right now.
    // Nobody owns a copy.
    if (copy.prepare(`SELECT 1 FROM sqlite_master WHERE name = 'owner'`).get())
      copy.exec('DELETE FROM owner')
    copy.exec(
      'DELETE FROM blob WHERE NOT EXISTS (SELECT 1 FROM blob_ref WHERE blob_ref.hash = blob.hash)',
    )
  } finally {
    copy.close()
  }
}

/** Reads what a database at rest says about itself. Throws when it is not whole or not of chapkit, and names `called`. */
export function readDatabase(file: string, called = file): DatabaseFacts {
  return namingDamage(called, () => readWhole(file, called))
}

function readWhole(file: string, called: string): DatabaseFacts {
  const handle = new BetterSqlite(file, { readonly: true, fileMustExist: true })
  try {
    const found = handle.pragma('integrity_check(1)', { simple: true })
    if (found !== 'ok') throw new Error(`The database ${called} is damaged: ${String(found)}`)
    refuseForeign(handle, called)
    const tables = handle
      .prepare(
        `SELECT name FROM sqlite_master WHERE type = 'table'
         AND name LIKE 'migration%' AND name NOT LIKE '%\\_lock' ESCAPE '\\' ORDER BY name`,
      )
      .pluck()
      .all() as string[]
    const names = (table: string) =>
      handle
        .prepare(`SELECT name FROM "${table.replaceAll('"', '""')}" ORDER BY name`)
        .pluck()
        .all() as string[]
    const count = (table: string) =>
      handle.prepare(`SELECT count(*) FROM ${table}`).pluck().get() as number
    return {
      migrations: Object.fromEntries(tables.map((table) => [table, names(table)])),
      counts: { configs: count('config'), artifacts: count('artifact'), jobs: count('job') },
      files: handle
        .prepare('SELECT hash, size FROM blob WHERE bytes IS NULL ORDER BY hash')
        .all() as DatabaseFacts['files'],
    }
  } finally {
    handle.close()
  }
}

/** Who needs a blob, asked of a database that may be in use: `null` when it has no row any more. */
export function ownersOf(file: string, hash: string): string[] | null {
  const handle = new BetterSqlite(file, { readonly: true, fileMustExist: true, timeout: 5000 })
  try {
    if (!handle.prepare('SELECT 1 FROM blob WHERE hash = ?').get(hash)) return null
    return handle
      .prepare('SELECT owner FROM blob_ref WHERE hash = ? ORDER BY owner')
      .pluck()
      .all(hash) as string[]
  } finally {
    handle.close()
  }
}

/**
 * Takes the log of a database that nobody uses into its file, so that the file can be replaced: the log of one database
 * beside another would be played into it.
 */
export function foldLog(file: string): void {
  try {
    const handle = new BetterSqlite(file, { fileMustExist: true })
    try {
      handle.pragma('journal_mode = DELETE')
    } finally {
      handle.close()
    }
  } catch {
    // A database that is damaged cannot be folded; it is about to be replaced.
  }
  for (const suffix of ['-journal', '-wal', '-shm']) rmSync(file + suffix, { force: true })
}

function namingDamage<Result>(file: string, act: () => Result): Result {
  try {
    return act()
  } catch (error) {
    if (!(error instanceof BetterSqlite.SqliteError)) throw error
    if (!/^SQLITE_(CORRUPT|NOTADB)/.test(error.code)) throw error
    throw new Error(`The database ${file} is damaged: ${error.message}`)
  }
}

function refuseForeign(handle: BetterSqlite.Database, called: string) {
  const names = handle
    .prepare(`SELECT name FROM sqlite_master WHERE type = 'table'`)
    .pluck()
    .all() as string[]
  if (['migration', 'blob', 'blob_ref'].every((name) => names.includes(name))) return
  throw new Error(`${called} is not a database of chapkit`)
}
