import { dirname } from 'node:path'
import BetterSqlite from 'better-sqlite3'
import { makeFolder } from './folder.ts'

/** Another process holds a lock. */
export class LockedError extends Error {
  override readonly name = 'LockedError'
}

/**
 * Takes an exclusive lock on `file` for this process, and holds it open. The operating system gives it back when the process
 * ends, however it ends. Throws a {@link LockedError} when another process holds it.
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
    throw new LockedError(`${file} is locked by another process`, { cause: error })
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
