import { closeSync, fsyncSync, mkdirSync, openSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import BetterSqlite from 'better-sqlite3'

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

/** Makes a folder that outlives a power cut: each new one is synced into the one above it. */
function makeFolder(path: string): void {
  const outermost = mkdirSync(path, { recursive: true })
  if (outermost === undefined) return
  for (let made = resolve(path); ; made = dirname(made)) {
    const above = openSync(dirname(made), 'r')
    try {
      fsyncSync(above)
    } finally {
      closeSync(above)
    }
    if (made === resolve(outermost)) return
  }
}
