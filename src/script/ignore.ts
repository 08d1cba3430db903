import { closeSync, constants, fstatSync, lstatSync, openSync, readFileSync } from 'node:fs'
import ignore from 'ignore'
import { showPath, systemPath } from '../kernel/path.ts'
import { decodeText } from '../kernel/text.ts'
import { FilesError } from './trouble.ts'

/*
 * Which files of a project belong to a model, in the syntax of `.gitignore`. Some never do; others may be brought back by a
 * line such as `!build/` in `.chapkitignore`.
 */

/** What could be a secret. */
const secrets = [
  '.env',
  '.env.*',
  '!.env.example',
  '*.pem',
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
]

/** What could be a secret, or the data of a service. */
const never = [
  ...secrets,
  '*.key',
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

/** Rules for which `data/` and `Data/` are two folders. */
function exact() {
  return ignore({ ignorecase: false })
}

/** Says of a path below the project, with a `/` at its end for a folder, whether it stays out. */
export type Ignored = (path: string) => boolean

/** The rules of a project: ours, then those of each `.gitignore`, deeper ones later, then those of `.chapkitignore`. */
export function projectRules(root: string): {
  enter(folder: string): void
  /** Secrets and the data of services, which nothing brings back. */
  isNever: Ignored
  ignored: Ignored
} {
  // A secret is one however its name is written; a rule of a project means the letters that it has, as for git.
  const secret = ignore({ ignorecase: true }).add(never)
  const own = readRules(root, '', '.chapkitignore')
  const theirs: string[] = []
  // One list of all rules: whether a folder is in decides for the files in it, wherever its rule stands.
  const together = () => exact().add(chaff).add(theirs).add(own)
  let rules = together()

  return {
    /** Takes in the rules of a folder before its files are asked about. */
    enter(folder) {
      const added = readRules(root, folder, '.gitignore')
      if (added.length === 0) return
      for (const rule of added) theirs.push(below(folder, rule))
      rules = together()
    },

    isNever: (path) => secret.ignores(path),

    ignored: (path) => rules.ignores(path),
  }
}

/** A rule of a folder as it would stand in the file of the project itself. */
function below(folder: string, rule: string): string {
  if (folder === '') return rule
  const [, not = '', pattern = ''] = /^(!?)(.*)$/.exec(rule) ?? []
  // Without a slash but at its end a rule holds at any depth.
  const isAnchored = /\/./.test(pattern)
  // The folder is a name, not a pattern.
  const at = folder.replace(/[\\*?[\]!# ]/g, '\\$&')
  return isAnchored ? `${not}/${at}/${pattern.replace(/^\//, '')}` : `${not}/${at}/**/${pattern}`
}

const ofSecrets = ignore({ ignorecase: true }).add(secrets)
const ofTools = exact().add(['__pycache__/', '*.pyc'])

/** What a command may leave in its folder that is not kept. Databases are: a command makes its own. */
export const isSecret: Ignored = (path) => ofSecrets.ignores(path)
export const isLeftByTools: Ignored = (path) => ofTools.ignores(path)

/** More than anybody writes by hand. */
const maximumBytes = 1024 * 1024

/**
 * The rules in a file; none when there is no such file. One that cannot be read is refused: taken for empty, it would make
 * secrets a part of every model.
 */
function readRules(root: string, folder: string, name: string): string[] {
  const path = folder === '' ? name : `${folder}/${name}`
  const decoded = decodeText(readWhole(root, path))
  if ('problem' in decoded) throw refused(path, decoded.problem)
  const lines = decoded.text.split(/\r\n?|\n/)
  return lines.filter((line) => line.trim() !== '' && !line.startsWith('#'))
}

function readWhole(root: string, path: string): Uint8Array {
  const at = systemPath(root, path)
  // Looked at before it is opened: a pipe would wait for somebody to write.
  if (!lstatSync(at, { throwIfNoEntry: false })) return new Uint8Array()
  let file: number | undefined
  try {
    file = openSync(at, constants.O_RDONLY | constants.O_NONBLOCK)
    const stat = fstatSync(file)
    if (stat.isDirectory()) throw refused(path, 'is a folder; rename it')
    if (!stat.isFile()) throw refused(path, 'is no ordinary file; replace it by one')
    if (stat.size > maximumBytes)
      throw refused(path, `has more than ${maximumBytes} bytes; is it a list of rules?`)
    return readFileSync(file)
  } catch (error) {
    if (error instanceof FilesError) throw error
    const { code } = error as NodeJS.ErrnoException
    throw refused(path, `cannot be read (${code}); give the service the right, or remove it`)
  } finally {
    if (file !== undefined) closeSync(file)
  }
}

const refused = (path: string, problem: string) =>
  new FilesError(
    `The ignore file ${showPath(path)} ${problem}. Nothing is copied until then, as what it names could become part of a model`,
  )
