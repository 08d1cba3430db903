import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import ignore, { type Ignore } from 'ignore'

/*
 * Which files of a project belong to a model, in the syntax of `.gitignore`. Some never do; others may be brought back by a
 * line such as `!build/` in `.chapkitignore`.
 */

/** What could be a secret, or the data of a service. */
const never = [
  '.env',
  '.env.*',
  '!.env.example',
  '*.pem',
  '*.key',
  '*.p12',
  '*.pfx',
  'id_rsa*',
  'id_ed25519*',
  '.netrc',
  '.pgpass',
  '.npmrc',
  '.pypirc',
  '.ssh/',
  '.aws/',
  '.git/',
  '*.db',
  '*.sqlite',
  '*.sqlite3',
  '*.db-wal',
  '*.db-shm',
  '*.db.lock',
  '*.blobs/',
  '*.runs/',
]

/** What tools leave behind. */
const chaff = [
  '.venv/',
  'venv/',
  '__pycache__/',
  '*.pyc',
  '*.pyo',
  '*.egg-info/',
  '.pytest_cache/',
  '.mypy_cache/',
  '.ruff_cache/',
  'node_modules/',
  '.hg/',
  '.svn/',
  '.gitignore',
  '.chapkitignore',
  '.vscode/',
  '.idea/',
  '.DS_Store',
  '.Rproj.user/',
  '.Rhistory',
  '.Renviron',
  'build/',
  'dist/',
  '*.so',
  '*.dylib',
]

/** Says of a path below the project, with a `/` at its end for a folder, whether it stays out. */
export type Ignored = (path: string) => boolean

/** The rules of a project: ours, then those of each `.gitignore`, then those of `.chapkitignore`. */
export function projectRules(root: string): { enter(folder: string): void; ignored: Ignored } {
  const secret = ignore().add(never)
  const own = readRules(root, '.chapkitignore')
  /** Rules by the folder that they hold in; those of deeper folders come later and win. */
  const rules: { folder: string; rules: Ignore }[] = [{ folder: '', rules: ignore().add(chaff) }]

  return {
    /** Takes in the rules of a folder before its files are asked about. */
    enter(folder) {
      const text = readRules(join(root, folder), '.gitignore')
      if (text !== null) rules.push({ folder, rules: ignore().add(text) })
    },

    ignored(path) {
      if (secret.ignores(path)) return true
      let isIgnored = false
      const last = own === null ? [] : [{ folder: '', rules: ignore().add(own) }]
      for (const { folder, rules: each } of [...rules, ...last]) {
        if (folder !== '' && !path.startsWith(`${folder}/`)) continue
        const verdict = each.test(folder === '' ? path : path.slice(folder.length + 1))
        if (verdict.ignored) isIgnored = true
        else if (verdict.unignored) isIgnored = false
      }
      return isIgnored
    },
  }
}

const ranLeft = ignore().add([...never.filter((rule) => rule !== '*.key'), '__pycache__/', '*.pyc'])

/** What a command may leave in its folder that is not kept. */
export const leftByRun: Ignored = (path) => ranLeft.ignores(path)

function readRules(folder: string, name: string): string | null {
  try {
    return readFileSync(join(folder, name), 'utf8')
  } catch {
    return null
  }
}
