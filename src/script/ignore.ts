import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import ignore from 'ignore'

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
  '*.db-*',
  '*.db.lock*',
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

/** The rules of a project: ours, then those of each `.gitignore`, deeper ones later, then those of `.chapkitignore`. */
export function projectRules(root: string): { enter(folder: string): void; ignored: Ignored } {
  const secret = ignore().add(never)
  const own = readRules(root, '.chapkitignore')
  const theirs: string[] = []
  // One list of all rules: whether a folder is in decides for the files in it, wherever its rule stands.
  const together = () => ignore().add(chaff).add(theirs).add(own)
  let rules = together()

  return {
    /** Takes in the rules of a folder before its files are asked about. */
    enter(folder) {
      const added = readRules(join(root, folder), '.gitignore')
      if (added.length === 0) return
      theirs.push(...added.map((rule) => below(folder, rule)))
      rules = together()
    },

    ignored: (path) => secret.ignores(path) || rules.ignores(path),
  }
}

/** A rule of a folder as it would stand in the file of the project itself. */
function below(folder: string, rule: string): string {
  if (folder === '') return rule
  const [, not = '', pattern = ''] = /^(!?)(.*)$/.exec(rule) ?? []
  // Without a slash but at its end a rule holds at any depth.
  const isAnchored = /\/./.test(pattern)
  return isAnchored
    ? `${not}/${folder}/${pattern.replace(/^\//, '')}`
    : `${not}/${folder}/**/${pattern}`
}

const ranLeft = ignore().add([...never.filter((rule) => rule !== '*.key'), '__pycache__/', '*.pyc'])

/** What a command may leave in its folder that is not kept. */
export const leftByRun: Ignored = (path) => ranLeft.ignores(path)

function readRules(folder: string, name: string): string[] {
  try {
    const lines = readFileSync(join(folder, name), 'utf8').split(/\r?\n/)
    return lines.filter((line) => line.trim() !== '' && !line.startsWith('#'))
  } catch {
    return []
  }
}
