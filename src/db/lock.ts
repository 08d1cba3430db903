import { dirname } from 'node:path'
import BetterSqlite from 'better-sqlite3'
import { makeFolder } from './folder.ts'

/**
 * Takes a data folder for this process: an exclusive lock on `file`, held open. The operating system gives it back when the
 * process ends, however it ends. Throws when another process holds it.
 */
export function takeLock(file: string): { release(): void } {
  makeFolder(dirname(file))
  const handle = new BetterSqlite(file, { timeout: 0 })
  try {
    handle.pragma('locking_mode = EXCLUSIVE')
    handle.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    handle.close()
    if ((error as { code?: unknown }).code !== 'SQLITE_BUSY') throw error
    throw new Error(
      `Another chapkit service is using ${dirname(file)}. Stop it, or start with another CHAPKIT_DATA_DIR`,
      { cause: error },
    )
  }
  // A handle that nothing refers to is closed by the garbage collector, and the lock is gone with it: a timer refers to it.
  const holding = setInterval(() => handle.open, 2 ** 30).unref()
  return {
    release() {
      clearInterval(holding)
      handle.close()
    },
  }
}
