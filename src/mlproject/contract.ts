import { z } from 'zod'
import { type MLServiceInfoInput, ModelMetadata } from '../ml/info.ts'
import type { Adapters } from '../ml/runner.ts'
import { isMapping, type Path, type Reader, show, toNumber } from './reader.ts'

/** What a file says of its service besides commands and options. The model runs without: what does not fit is a warning. */
export interface Contract extends Omit<MLServiceInfoInput, 'id' | 'display_name'> {
  display_name?: string
  adapters: Adapters
  configFormat: ConfigFormat | null
}

/** Layouts of `config.yml`. */
export const configFormats = ['chap_core', 'flat'] as const
export type ConfigFormat = (typeof configFormats)[number]

/** Names of the bounds, in the order in which one wins over the next: chap-core takes all of them. */
const boundNames = {
  min: [
    ...['min_prediction_periods', 'minPredictionPeriods'],
    ...['min_prediction_length', 'minPredictionLength'],
  ],
  max: [
    ...['max_prediction_periods', 'maxPredictionPeriods'],
    ...['max_prediction_length', 'maxPredictionLength'],
  ],
} as const

/** Keys on top of a file that are read here. */
export const contractKeys: readonly string[] = [
  ...['meta_data', 'version', 'source_url', 'target', 'adapters', 'hpo_search_space'],
  ...['supported_period_type', 'required_covariates', 'requires_geo'],
  'allow_free_additional_continuous_covariates',
  ...boundNames.min,
  ...boundNames.max,
]

/** Bounds of a search are numbers, also where YAML 1.1 has texts: 1e-4. */
function toSearchSpace(space: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const toBounds = (range: unknown) => {
    if (!isMapping(range)) return range
    const found = ['low', 'high', 'step'].filter((key) => Object.hasOwn(range, key))
    return { ...range, ...Object.fromEntries(found.map((key) => [key, toNumber(range[key])])) }
  }
  return Object.fromEntries(Object.entries(space).map(([name, range]) => [name, toBounds(range)]))
}

export function readContract(reader: Reader): Contract {
  const { display_name, description, version, model_metadata } = readMetadata(reader)
  const revision = readWord(reader, ['version']) ?? version
  const target = readWord(reader, ['target'])
  const search = reader.offer(['hpo_search_space'], 'a mapping of options to values', (value) =>
    isMapping(value) ? toSearchSpace(value) : undefined,
  )
  return {
    ...(display_name !== undefined && { display_name }),
    ...(revision !== undefined && { version: revision }),
    ...(description !== undefined && { description }),
    period_type: readPeriodType(reader),
    ...readBounds(reader),
    required_covariates: reader.texts(['required_covariates']) ?? [],
    allow_free_additional_continuous_covariates:
      reader.flag(['allow_free_additional_continuous_covariates']) ?? false,
    requires_geo: reader.flag(['requires_geo']) ?? false,
    ...(target !== undefined && { target }),
    ...(search !== undefined && { hpo_search_space: search }),
    model_metadata,
    adapters: readAdapters(reader),
    configFormat: readConfigFormat(reader),
  }
}

/** A text, or a number as it is written; undefined where there is none, or an empty one. */
function readWord(reader: Reader, path: Path): string | undefined {
  const word = reader.offer(path, 'a text', (value) => {
    if (typeof value === 'number') return reader.written(path) ?? String(value)
    return typeof value === 'string' ? value.trim() : undefined
  })
  return word || undefined
}

/** What is said about the model. A value that no service can have is left out: it changes nothing about how the model runs. */
function readMetadata(reader: Reader) {
  const about = { display_name: z.string(), description: z.string(), version: z.string() }
  reader.offer(['meta_data'], 'a mapping of names to values', (value) =>
    isMapping(value) ? value : undefined,
  )
  const names = [...Object.keys(about), ...Object.keys(ModelMetadata.shape)]
  reader.onlyKnown(['meta_data'], [...names, 'config_format', 'source_url'])
  const read = (path: Path, schema: z.ZodType): string | undefined => {
    const word = readWord(reader, path)
    if (word === undefined) return undefined
    const text = path.at(-1) === 'author_assessed_status' ? word.toLowerCase() : word
    const parsed = schema.safeParse(text)
    if (parsed.success) return text
    reader.warn(path, `is left out: ${parsed.error.issues[0]?.message}`)
    return undefined
  }
  const readAll = (shape: Readonly<Record<string, z.ZodType>>): Record<string, string> =>
    Object.fromEntries(
      Object.entries(shape).flatMap(([name, schema]) => {
        const text = read(['meta_data', name], schema)
        return text === undefined ? [] : [[name, text]]
      }),
    )
  const model_metadata = readAll(ModelMetadata.shape)
  const { repository_url } = ModelMetadata.shape
  const source =
    read(['meta_data', 'source_url'], repository_url) ?? read(['source_url'], repository_url)
  if (source !== undefined) model_metadata.repository_url ??= source
  const { display_name, description, version } = readAll(about)
  return { display_name, description, version, model_metadata }
}

type PeriodType = MLServiceInfoInput['period_type']

const periods: Readonly<Record<string, PeriodType>> = {
  ...{ week: 'weekly', weekly: 'weekly', month: 'monthly', monthly: 'monthly', any: 'any' },
}

/** Which periods the model takes: any, where the file does not say. */
function readPeriodType(reader: Reader): PeriodType {
  const type = reader.offer(['supported_period_type'], 'week, month or any', (value) => {
    const word = typeof value === 'string' ? value.trim().toLowerCase() : ''
    return Object.hasOwn(periods, word) ? periods[word] : undefined
  })
  return type ?? 'any'
}

function readBounds(
  reader: Reader,
): Pick<MLServiceInfoInput, 'min_prediction_periods' | 'max_prediction_periods'> {
  const least = readBound(reader, boundNames.min)
  const most = readBound(reader, boundNames.max)
  if (least && most && least.value > most.value) {
    reader.warn(
      least.path,
      `is left out with ${most.path.join('.')}: ${least.value} is more than ${most.value}`,
    )
    return {}
  }
  return {
    ...(least && { min_prediction_periods: least.value }),
    ...(most && { max_prediction_periods: most.value }),
  }
}

function readBound(reader: Reader, names: readonly string[]) {
  const [first, ...others] = names.filter((name) => reader.get([name]) !== undefined)
  if (first === undefined) return undefined
  for (const other of others) reader.warn([other], `has no effect beside ${first}`)
  const value = reader.offer([first], 'a whole number from 0', (given) => {
    const number = toNumber(given)
    return Number.isSafeInteger(number) && (number as number) >= 0 ? (number as number) : undefined
  })
  return value === undefined ? undefined : { value, path: [first] }
}

/** Columns by the names that scripts know them by; each that is no name is left out. */
function readAdapters(reader: Reader): Adapters {
  const path = ['adapters']
  const given = reader.offer(path, 'a mapping of names of columns', (value) =>
    isMapping(value) ? value : undefined,
  )
  const adapters: Record<string, string> = {}
  for (const [name, source] of Object.entries(given ?? {})) {
    const text = typeof source === 'number' ? String(source) : source
    if (name !== '' && typeof text === 'string' && text !== '') adapters[name] = text
    else
      reader.warn(
        [...path, name],
        `is left out: expected the name of a column, got ${show(source)}`,
      )
  }
  return adapters
}

function readConfigFormat(reader: Reader): ConfigFormat | null {
  const format = reader.offer(
    ['meta_data', 'config_format'],
    configFormats.join(' or '),
    (value) => {
      const word = String(value).trim().toLowerCase()
      return configFormats.find((known) => known === word)
    },
  )
  return format ?? null
}
