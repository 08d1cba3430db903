import type { MLServiceInfoInput } from '../ml/info.ts'
import type { Adapters } from '../ml/runner.ts'
import { type ConfigFormat, contractKeys, readContract } from './contract.ts'
import { type BaseDefaults, readOptions, type UserOption } from './options.ts'
import { createReader, type Finding, isMapping, type Reader } from './reader.ts'

/** Names that the file may have, in the order in which they are looked for. */
export const fileNames = ['MLproject', 'MLproject.yaml', 'MLproject.yml'] as const

/** What an MLproject file says. */
export interface MlProject {
  name: string
  commands: { train: string; predict: string }
  options: UserOption[]
  /** Defaults of what every config has, where the file sets them. */
  defaults: BaseDefaults
  info: MLServiceInfoInput
  /** Columns that the scripts find by other names. */
  adapters: Adapters
  /** How `config.yml` is laid out; null where the file does not say. */
  configFormat: ConfigFormat | null
  /** Files that describe an environment, such as `conda.yaml`. */
  environmentFiles: string[]
}

export interface ReadProject {
  /** Null when there are problems. */
  project: MlProject | null
  problems: readonly Finding[]
  warnings: readonly Finding[]
}

const environments = ['docker_env', 'renv_env', 'python_env', 'uv_env', 'conda_env'] as const

const known = ['name', 'entry_points', 'user_options', ...contractKeys, ...environments]

/** Reads the text of an MLproject file. Nothing is thrown: problems and warnings have the line that they are about. */
export function readProject(text: string): ReadProject {
  const reader = createReader(text)
  const { problems, warnings } = reader
  if (problems.length > 0) return { project: null, problems, warnings }
  if (!isMapping(reader.get([]))) {
    reader.problem([], 'expected a mapping with name and entry_points')
    return { project: null, problems, warnings }
  }
  reader.onlyKnown([], known)
  const name = reader.text(['name'])
  if (name?.trim() === '') reader.problem(['name'], 'expected a name, got an empty text')
  if (reader.get(['name']) === undefined) reader.problem(['name'], 'expected a name, got none')
  const train = readCommand(reader, 'train')
  const predict = readCommand(reader, 'predict')
  warnOfEntryPoints(reader)
  const { options, defaults } = readOptions(reader)
  const { adapters, configFormat, ...info } = readContract(reader)
  const environmentFiles = readEnvironments(reader)
  const byLine = (one: Finding, other: Finding) => one.line - other.line
  problems.sort(byLine)
  warnings.sort(byLine)
  const isWhole = name !== undefined && train !== undefined && predict !== undefined
  if (problems.length > 0 || !isWhole) return { project: null, problems, warnings }
  const { display_name = name, ...rest } = info
  return {
    project: {
      ...{ name, commands: { train, predict }, options, defaults },
      info: { id: toSlug(name), display_name, ...rest },
      ...{ adapters, configFormat, environmentFiles },
    },
    problems,
    warnings,
  }
}

function readCommand(reader: Reader, kind: 'train' | 'predict'): string | undefined {
  const point = ['entry_points', kind]
  const path = [...point, 'command']
  if (reader.mapping(['entry_points']) !== undefined) reader.onlyKnown(point, entryPointKeys)
  const command = reader.text(path)
  if (command === undefined && reader.get(path) === undefined)
    reader.problem(path, `expected the command that ${kind}s, got none`)
  if (command?.trim() === '') reader.problem(path, `expected the command that ${kind}s, got none`)
  return command?.trim()
}

/** Parameters are known by their names in the commands; what is said of their types has no effect. */
const entryPointKeys = ['command', 'parameters']

function warnOfEntryPoints(reader: Reader) {
  const points = reader.get(['entry_points'])
  for (const name of isMapping(points) ? Object.keys(points) : []) {
    if (name !== 'train' && name !== 'predict')
      reader.warn(['entry_points', name], 'is an entry point that no service has; it has no effect')
  }
}

function readEnvironments(reader: Reader): string[] {
  const files: string[] = []
  for (const name of environments) {
    const value = reader.get([name])
    if (value === undefined) continue
    reader.warn([name], 'is not set up: what the commands need has to be installed on this machine')
    if (typeof value === 'string') files.push(value)
  }
  return files
}

/** A name as the id of a service: small letters, digits and single dashes, with a letter first. */
export function toSlug(name: string): string {
  const slug = name
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
  return /^[a-z]/.test(slug) ? slug : slug === '' ? 'model' : `model-${slug}`
}
