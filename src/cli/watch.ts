import { type FSWatcher, readdirSync, watch } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { projectRules } from '../script/ignore.ts'

export interface Watched {
  root: string
  /** Folders whose changes do not count, such as that of the data. */
  except: readonly string[]
  onChange: (path: string) => void
}

/**
 * Watches the files of a project: those that could be part of a model, as `.gitignore` and `.chapkitignore` say. Each folder
 * has a watcher of its own, so that what is left out, such as `node_modules`, is never walked.
 */
export function watchProject({ root, except, onChange }: Watched): { close(): void } {
  const watchers = new Map<string, FSWatcher>()
  const rules = projectRules(root)
  const toRule = (path: string) => relative(root, path).split(sep).join('/')
  const isOut = (path: string, isFolder: boolean) =>
    except.includes(path) || rules.ignored(toRule(path) + (isFolder ? '/' : ''))

  function add(folder: string) {
    if (watchers.has(folder)) return
    rules.enter(toRule(folder))
    try {
      const watcher = watch(folder, (_event, name) => changed(folder, name))
      // A folder that is removed: its parent tells of it.
      watcher.on('error', () => drop(folder))
      watchers.set(folder, watcher)
      for (const entry of readdirSync(folder, { withFileTypes: true })) {
        const path = join(folder, entry.name)
        if (entry.isDirectory() && !isOut(path, true)) add(path)
      }
    } catch {
      drop(folder)
    }
  }

  function changed(folder: string, name: string | null) {
    const path = name === null ? folder : join(folder, name)
    const isFolder = isDirectory(path)
    if (path !== root && isOut(path, isFolder)) return
    if (isFolder) add(path)
    else if (watchers.has(path)) drop(path)
    onChange(path)
  }

  function drop(folder: string) {
    watchers.get(folder)?.close()
    watchers.delete(folder)
  }

  add(root)
  return {
    close() {
      for (const watcher of watchers.values()) watcher.close()
    },
  }
}

function isDirectory(path: string): boolean {
  try {
    readdirSync(path)
    return true
  } catch {
    return false
  }
}
