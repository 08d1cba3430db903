import { MlProjectError, type ServiceCommands } from './commands.ts'
import { findNeeds, type ProjectFiles } from './environment.ts'
import {
  type FilesOptions,
  toComposeFile,
  toGuide,
  toIgnoreFiles,
  toPackageFile,
  toReadme,
  toTypesFile,
} from './files.ts'
import { toDockerfile } from './image.ts'
import type { MlProject } from './project.ts'
import { toServiceFile } from './service-file.ts'

/** Folder that takes what the service does not need. */
export const oldFolder = '_old'

/** What a migration does to a folder; paths are below it. */
export interface Migration {
  writes: readonly { path: string; text: string }[]
  /** Moved before anything is written. */
  moves: readonly { from: string; to: string }[]
  /** Files that are there already and stay as they are. */
  kept: readonly string[]
  notes: readonly string[]
}

export interface MigrationInput {
  project: MlProject
  commands: ServiceCommands
  /** Name of the MLproject file. */
  file: string
  /** Names in the folder of the project. */
  names: ReadonlySet<string>
  /** Texts of those files that count. */
  files: ProjectFiles
  baseImage: string | null
  version: string
  /** Text of the workflow that publishes the image. */
  workflow: string
}

/** Where that workflow belongs. */
export const workflowPath = '.github/workflows/publish.yml'

/** What a migration would do. Throws a `MlProjectError` when it would take something away. */
export function planMigration(input: MigrationInput): Migration {
  const { project, commands, file, names, files, baseImage, version, workflow } = input
  const { environmentFiles } = project
  const needs = findNeeds(Object.values(project.commands), files, environmentFiles, names)
  const dataDir = names.has('data') ? 'service-data' : 'data'
  const notes = [...needs.notes]
  if (dataDir !== 'data')
    notes.push(
      `data/ is the model's own: what the service keeps goes to ${dataDir}/, which npm start and Docker name`,
    )
  const options: FilesOptions = { project, commands, dataDir, version, notes }

  const env = needs.renv ? ['RENV_CONFIG_AUTOLOADER_ENABLED'] : []
  const made = new Map([
    ['service.ts', toServiceFile(project, commands, env)],
    ['package.json', toPackageFile(options)],
    ['tsconfig.json', toTypesFile()],
    ['Dockerfile', toDockerfile(needs, { baseImage, dataDir })],
    ['compose.yml', toComposeFile(options)],
    ['CHAPKIT.md', toGuide(options)],
    [workflowPath, workflow],
  ])
  const isThere = (path: string) => names.has(path) || files.has(path)
  const reasons: string[] = []
  if (baseImage !== null && !/^[\w./:@-]+$/.test(baseImage))
    reasons.push(`--base-image: expected the name of an image, got "${baseImage}"`)
  if (names.has(oldFolder))
    reasons.push(
      `${oldFolder}/ is there: this project was migrated before; move it away to do so again`,
    )
  for (const [path, text] of made) {
    if (runs(project, path))
      reasons.push(`a command runs ${path}, which would be written: rename it`)
    else if (isThere(path) && files.get(path) !== text)
      reasons.push(`${path} is there and would be overwritten: move or rename it`)
  }
  if (reasons.length > 0) throw new MlProjectError(reasons)

  const writes = [...made]
    .filter(([path]) => !isThere(path))
    .map(([path, text]) => ({ path, text }))
  const kept = [...made.keys()].filter(isThere)
  if (names.has('README.md')) kept.push('README.md')
  else writes.push({ path: 'README.md', text: toReadme(options) })

  const spared = [file, ...project.environmentFiles.filter((name) => isSpared(name, input))]
  const moved = new Set(spared)
  for (const [path, lines] of Object.entries(toIgnoreFiles(options))) {
    const before = names.has(path) ? (files.get(path) ?? '') : null
    const text = withLines(before ?? '', lines)
    if (text === before) kept.push(path)
    else {
      if (before !== null) moved.add(path)
      writes.push({ path, text })
    }
  }
  const moves = [...moved].map((from) => ({ from, to: `${oldFolder}/${from}` }))
  return { writes, moves, kept, notes }
}

/** Whether a file about an environment is one that nothing needs any more: the Dockerfile has what it said. */
function isSpared(name: string, { project, names }: MigrationInput): boolean {
  return /^[\w.-]+\.ya?ml$/.test(name) && names.has(name) && !runs(project, name)
}

/** Whether one of the commands names a file of the project's folder. */
function runs({ commands }: MlProject, file: string): boolean {
  const words = [commands.train, commands.predict].flatMap((command) =>
    command.split(/[\s;|&()<>"'=]+/),
  )
  return words.some((word) => word.replace(/^(\.\/)+/, '') === file)
}

function withLines(text: string, lines: readonly string[]): string {
  const there = new Set(text.split(/\r?\n/).map((line) => line.trim()))
  const missing = lines.filter((line) => !there.has(line))
  if (missing.length === 0) return text
  const begin = text === '' || text.endsWith('\n') ? text : `${text}\n`
  return `${begin}${missing.join('\n')}\n`
}
