import { type FSWatcher, readdirSync, watch } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { projectRules } from '../script/ignore.ts'

export interface Watched {
  root: string
  /** Folders whose changes do not count, such as that of the data. */
  except: readonly string[]
  /** Hears of each change of code. */
  onChange: (path: string) => void
}

/** Code and settings. Data, logs and results may be written beside them, also by the commands that use the service. */
const source = /(\.([cm]?[jt]sx?|r|rmd|py|jl|sh|pl|ya?ml|toml)|\/(package\.json|MLproject))$/i

/**
 * Watches the files of a project: those that could be part of a model, as `.gitignore` and `.chapkitignore` say. Each folder
 * has a watcher of its own, so that what is left out, such as `node_modules`, is never walked.
 */
export function watchProject({ root, except, onChange }: Watched) {
  const watchers = new Map<string, FSWatcher>()
  const loaded = new Set<string>()
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
    if (isFolder) return add(path)
    if (watchers.has(path)) return drop(path)
    if (loaded.has(path) || source.test(path)) onChange(path)
  }

  /** A file that the service has loaded: it counts whatever and wherever it is. */
  function addFile(path: string) {
    if (loaded.has(path)) return
    loaded.add(path)
    const folder = dirname(path)
    if (watchers.has(folder)) return
    const watcher = watch(folder, (_event, name) => {
      if (name !== null && loaded.has(join(folder, name))) onChange(join(folder, name))
    })
    watcher.on('error', () => drop(folder))
    watchers.set(folder, watcher)
  }

  function drop(folder: string) {
    watchers.get(folder)?.close()
    watchers.delete(folder)
  }

  add(root)
  return {
    addFile,
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
