import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import BetterSqlite from 'better-sqlite3'

/**
 * Takes a data folder for this process: an exclusive lock on `file`, held open. The operating system gives it back when the
 * process ends, however it ends. Throws when another process holds it.
 */
export function takeLock(file: string): { release(): void } {
  mkdirSync(dirname(file), { recursive: true })
  const handle = new BetterSqlite(file, { timeout: 0 })
  try {
    handle.pragma('locking_mode = EXCLUSIVE')
    handle.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    handle.close()
    throw new Error(
      `Another chapkit service is using ${dirname(file)}. Stop it, or start with another CHAPKIT_DATA_DIR`,
      { cause: error },
    )
  }
  return { release: () => void handle.close() }
}
