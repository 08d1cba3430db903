import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'

/**
 * Makes a folder, and those above it, that outlive a power cut: each new one is synced into the one above it. One that is there
 * is left as it is. A step at a time, because `mkdir` with `recursive` tries for ever where a file system says of a new folder
 * that the one above it is not there, as /proc does.
 */
export function makeFolder(path: string, mode?: number): void {
  const missing: string[] = []
  for (let at = resolve(path); !existsSync(at) && at !== dirname(at); at = dirname(at))
    missing.unshift(at)
  for (const folder of missing) {
    try {
      mkdirSync(folder, mode)
    } catch (error) {
      // Another process was quicker.
      const isThere = (error as NodeJS.ErrnoException).code === 'EEXIST'
      if (!isThere || !statSync(folder, { throwIfNoEntry: false })?.isDirectory()) throw error
    }
    const above = openSync(dirname(folder), 'r')
    try {
      fsyncSync(above)
    } finally {
      closeSync(above)
    }
  }
}
