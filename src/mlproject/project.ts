import { z } from 'zod'
import { type MLServiceInfoInput, ModelMetadata } from '../ml/info.ts'
import { readOptions, type UserOption } from './options.ts'
import { createReader, type Finding, isMapping, type Path, type Reader } from './reader.ts'

/** Names that the file may have, in the order in which they are looked for. */
export const fileNames = ['MLproject', 'MLproject.yaml', 'MLproject.yml'] as const

/** What an MLproject file says. */
export interface MlProject {
  name: string
  commands: { train: string; predict: string }
  options: UserOption[]
  info: MLServiceInfoInput
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

const known = [
  'name',
  'entry_points',
  'user_options',
  'meta_data',
  'supported_period_type',
  'required_covariates',
  'allow_free_additional_continuous_covariates',
  'requires_geo',
  'target',
  'min_prediction_length',
  'max_prediction_length',
  'adapters',
  ...environments,
]

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
  const options = readOptions(reader)
  const info = readInfo(reader, name ?? '')
  const environmentFiles = readEnvironments(reader)
  const byLine = (one: Finding, other: Finding) => one.line - other.line
  problems.sort(byLine)
  warnings.sort(byLine)
  const isWhole = name !== undefined && train !== undefined && predict !== undefined
  if (problems.length > 0 || !isWhole) return { project: null, problems, warnings }
  return {
    project: { name, commands: { train, predict }, options, info, environmentFiles },
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

function readInfo(reader: Reader, name: string): MLServiceInfoInput {
  const { display_name, description, version, ...model_metadata } = readMetadata(reader)
  if (reader.get(['adapters']) !== undefined)
    reader.warn(
      ['adapters'],
      'has no effect: the scripts find the names of columns that clients send',
    )
  const shortest = readLength(reader, 'min_prediction_length')
  const longest = readLength(reader, 'max_prediction_length')
  const target = reader.text(['target'])
  if (target !== undefined && target !== 'disease_cases')
    reader.warn(['target'], 'has no effect: clients send what is predicted as disease_cases')
  return {
    id: toSlug(name),
    display_name: display_name || name,
    ...(version !== undefined && { version }),
    ...(description !== undefined && { description }),
    period_type: readPeriodType(reader),
    ...(shortest !== undefined && { min_prediction_periods: shortest }),
    ...(longest !== undefined && { max_prediction_periods: longest }),
    required_covariates: reader.texts(['required_covariates']) ?? [],
    allow_free_additional_continuous_covariates:
      reader.flag(['allow_free_additional_continuous_covariates']) ?? false,
    requires_geo: reader.flag(['requires_geo']) ?? false,
    model_metadata,
  }
}

/** What is said about the model. A value that no service can have is left out: it changes nothing about how the model runs. */
function readMetadata(reader: Reader): Record<string, string> {
  const shape = {
    display_name: z.string(),
    description: z.string(),
    version: z.string(),
    ...ModelMetadata.shape,
  }
  reader.mapping(['meta_data'])
  reader.onlyKnown(['meta_data'], Object.keys(shape))
  const found: Record<string, string> = {}
  for (const [name, schema] of Object.entries(shape)) {
    const path: Path = ['meta_data', name]
    const given = reader.get(path)
    if (given === undefined || given === '') continue
    const text = ['string', 'number'].includes(typeof given) ? String(given).trim() : given
    const parsed = (schema as z.ZodType).safeParse(text)
    if (parsed.success) found[name] = text as string
    else reader.warn(path, `is left out: ${parsed.error.issues[0]?.message}`)
  }
  return found
}

const periods = { week: 'weekly', weekly: 'weekly', month: 'monthly', monthly: 'monthly' } as const

function readPeriodType(reader: Reader): 'weekly' | 'monthly' {
  const path: Path = ['supported_period_type']
  if (reader.get(path) === undefined)
    reader.warn(path, 'is not given; the service is one for months')
  const type = reader.read(path, 'week, month or any', (value) => {
    if (value === 'any') return 'monthly'
    return typeof value === 'string' && Object.hasOwn(periods, value)
      ? periods[value as keyof typeof periods]
      : undefined
  })
  if (reader.get(path) === 'any') reader.warn(path, 'any: the service is one for months')
  return type ?? 'monthly'
}

function readLength(reader: Reader, name: string): number | undefined {
  return reader.read([name], 'a whole number from 0', (value) =>
    Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : undefined,
  )
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
