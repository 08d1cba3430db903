import { z } from 'zod'
import { fromJsonSchema } from '../config/json-field.ts'
import { BaseConfig } from '../config/schema.ts'
import { clampHorizon } from '../ml/horizon.ts'
import type { MLServiceInfoInput } from '../ml/info.ts'
import type { ConfigSchema } from '../ml/runner.ts'
import { createCheck, type OptionSchema, schemaKeywords, toStandard } from './json-schema.ts'
import { isMapping, type Reader, show, toFlag, toNumber } from './reader.ts'

/** An option that users of a model may set. */
export interface UserOption {
  /** As on the wire and in `config.yml`. */
  name: string
  /** What its values are to be. */
  schema: OptionSchema
  title: string
  description: string | null
  /** Undefined when the option has to be given. */
  default: unknown
  /** Whether the default fits the schema, or is null. Others are kept as they are written. */
  fits: boolean
}

/** Defaults of what every config has, where a file names them among its options. */
export interface BaseDefaults {
  prediction_periods?: number
  additional_continuous_covariates?: string[]
}

export interface ReadOptions {
  options: UserOption[]
  defaults: BaseDefaults
}

/** Names that cannot be those of options. */
const reserved = ['user_option_values', '__proto__']

export function readOptions(reader: Reader): ReadOptions {
  const all = reader.offer(['user_options'], 'a mapping of names to options', (value) =>
    isMapping(value) ? value : undefined,
  )
  const defaults: BaseDefaults = {}
  const options = Object.keys(all ?? {}).flatMap((name) => {
    if (Object.hasOwn(BaseConfig.shape, name)) {
      readBaseDefault(reader, name as keyof BaseDefaults, defaults)
      return []
    }
    const option = readOption(reader, name)
    return option ? [option] : []
  })
  return { options, defaults }
}

/** What every config has is no option; a file may only set its default. */
function readBaseDefault(reader: Reader, name: keyof BaseDefaults, defaults: BaseDefaults) {
  const path = ['user_options', name]
  reader.warn(path, 'is what every config has; of the option only the default counts')
  const given = reader.offer([...path, 'default'], `one that ${name} can have`, (value) => {
    const parsed = BaseConfig.shape[name].safeParse(
      name === 'prediction_periods' ? toNumber(value) : value,
    )
    return parsed.success ? parsed.data : undefined
  })
  if (given !== undefined) Object.assign(defaults, { [name]: given })
}

function readOption(reader: Reader, name: string): UserOption | undefined {
  const path = ['user_options', name]
  if (reserved.includes(name)) {
    reader.problem(path, 'is a name that the service uses itself; expected another name')
    return undefined
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what a name must not have
  if (!/^[^\d\s\x00-\x1f][^\x00-\x1f]*$/.test(name)) {
    const wanted = /^\d/.test(name)
      ? 'a name that does not begin with a digit'
      : 'a name on one line that does not begin with a space'
    reader.problem(path, `expected ${wanted}, got ${show(name)}`)
    return undefined
  }
  const given = reader.get(path)
  if (!isMapping(given)) {
    reader.warn(
      path,
      `expected a mapping with type and default, got ${show(given ?? null)}; taken as the default`,
    )
    return {
      ...{ name, schema: {}, title: toTitle(name), description: null },
      ...{ default: given ?? null, fits: true },
    }
  }
  reader.onlyKnown(path, [...schemaKeywords, 'default', 'description', 'title'])
  const schema = readSchema(reader, path, given)
  return {
    ...{ name, schema },
    title: readText(reader, [...path, 'title']) ?? toTitle(name),
    description: readText(reader, [...path, 'description']) ?? null,
    ...readDefault(reader, path, schema, given),
  }
}

const readText = (reader: Reader, path: string[]) =>
  reader.offer(path, 'a text', (value) => (typeof value === 'string' ? value : undefined))

function readSchema(
  reader: Reader,
  path: string[],
  { default: _default, title: _title, description: _description, ...body }: OptionSchema,
): OptionSchema {
  const known = Object.fromEntries(
    Object.entries(body).filter(([key]) => (schemaKeywords as readonly string[]).includes(key)),
  )
  const schema = toStandard(known, (text) => reader.warn(path, text))
  const check = createCheck(schema)
  if ('reason' in check) {
    const { type } = schema
    const left = type === undefined || 'reason' in createCheck({ type }) ? {} : { type }
    reader.warn(
      path,
      `is no JSON Schema (${check.reason}); ${'type' in left ? 'only its type is checked' : 'any value is taken'}`,
    )
    return left
  }
  if (Object.keys(schema).every((key) => key === '$comment' || key === 'examples'))
    reader.warn(path, 'has no type; any value is taken')
  return schema
}

/** The default; null where the file says that there is no value. */
function readDefault(
  reader: Reader,
  path: string[],
  schema: OptionSchema,
  body: Readonly<Record<string, unknown>>,
): Pick<UserOption, 'default' | 'fits'> {
  if (!Object.hasOwn(body, 'default')) return { default: undefined, fits: true }
  const given = body.default ?? null
  const check = createCheck(schema)
  if (given === null || 'reason' in check || check.fits(given))
    return { default: given, fits: true }
  const at = [...path, 'default']
  const meant = meanings(given, schema, reader.written(at) ?? String(given)).find(check.fits)
  if (meant !== undefined) {
    if (typeof given === 'string' && reader.isQuoted(at))
      reader.warn(at, `is the text ${show(given)}; taken as ${show(meant)}`)
    if (Array.isArray(given))
      reader.warn(at, `is a list of other types; taken as ${JSON.stringify(meant)}`)
    return { default: meant, fits: true }
  }
  reader.warn(
    at,
    `${show(given)} does not fit the option (${describeSchema(schema)}); it is kept as it is written`,
  )
  return { default: given, fits: false }
}

/**
 * What a default of another type may be meant to be: people quote numbers, and leave the quotes of texts away. `source` is the
 * value as the file has it; null where that is not known.
 */
function meanings(value: unknown, schema: OptionSchema, source: string | null): unknown[] {
  const branches = [schema.anyOf, schema.oneOf].flat().filter(isMapping)
  return [
    ...[schema.type].flat().map((type) => toType(value, type, schema, source)),
    ...branches.flatMap((branch) => meanings(value, branch, source)),
  ].filter((each) => each !== undefined)
}

function toType(value: unknown, type: unknown, { items }: OptionSchema, source: string | null) {
  if (type === 'boolean') return toFlag(value)
  if (type === 'integer' || type === 'number') return toNumber(value)
  if (type === 'array' && Array.isArray(value) && isMapping(items)) {
    const check = createCheck(items)
    if ('reason' in check) return undefined
    return value.map((each) => [each, ...meanings(each, items, null)].find(check.fits))
  }
  if (type === 'string' && (typeof value === 'number' || typeof value === 'boolean'))
    return source ?? undefined
  return undefined
}

/** The title of an option that has none. */
export function toTitle(name: string): string {
  return name
    .split(/[\s_-]+/)
    .map((word) => word.slice(0, 1).toUpperCase() + word.slice(1))
    .join(' ')
}

/** What a schema wants, in a few words. */
export function describeSchema(schema: OptionSchema): string {
  const { type, enum: values } = schema
  if (Array.isArray(values))
    return `one of ${values.map((each) => JSON.stringify(each)).join(', ')}`
  if (Array.isArray(type)) return type.join(' or ')
  if (typeof type === 'string') return type
  const branches = schema.anyOf ?? schema.oneOf
  if (Array.isArray(branches) && branches.every(isMapping))
    return branches.map((each) => describeSchema(each)).join(' or ')
  return 'any'
}

/** Horizon of a config that names none, within the bounds of the service. */
export function defaultHorizon(
  { prediction_periods = 3 }: BaseDefaults,
  info: Pick<MLServiceInfoInput, 'min_prediction_periods' | 'max_prediction_periods'>,
): number {
  return clampHorizon(prediction_periods, {
    ...(info.min_prediction_periods !== undefined && {
      min_prediction_periods: info.min_prediction_periods,
    }),
    ...(info.max_prediction_periods !== undefined && {
      max_prediction_periods: info.max_prediction_periods,
    }),
  })
}

/** Schema of the configs: an option without a default is required, and one whose default is null may be null. */
export function toConfigSchema({
  options,
  defaults = {},
  info = {},
}: {
  options: readonly UserOption[]
  defaults?: BaseDefaults
  info?: Pick<MLServiceInfoInput, 'min_prediction_periods' | 'max_prediction_periods'>
}): ConfigSchema<BaseConfig> {
  const { prediction_periods: periods, additional_continuous_covariates: covariates } =
    BaseConfig.shape
  return BaseConfig.extend({
    prediction_periods: z
      .int()
      .default(defaultHorizon(defaults, info))
      .meta(periods.meta() ?? {}),
    additional_continuous_covariates: z
      .array(z.string())
      .default(defaults.additional_continuous_covariates ?? [])
      .meta(covariates.meta() ?? {}),
    ...Object.fromEntries(options.map((option) => [option.name, toField(option).field])),
  }) as unknown as ConfigSchema<BaseConfig>
}

/** A field of that schema as a service file has it. */
export function toConfigSource(option: UserOption): string {
  return toField(option).source
}

/** Whether the source of an option's field needs `fromJsonSchema`. */
export const needsJsonSchema = (option: UserOption) =>
  toConfigSource(option).includes('fromJsonSchema(')

/** A field, and the text that makes it. */
interface Field {
  field: z.ZodType
  source: string
}

function toField({ schema, title, description, default: fallback, fits }: UserOption): Field {
  const base = toBase(schema)
  const about = { title, ...(description !== null && { description }) }
  const { field, source } = withDefault(base, fallback, fits)
  const words = Object.entries(about).map(([key, value]) => `${key}: ${toSource(value)}`)
  return { field: field.meta(about), source: `${source}.meta({ ${words.join(', ')} })` }
}

function withDefault(base: Field, fallback: unknown, fits: boolean): Field {
  if (fallback === undefined) return base
  if (fallback === null) {
    const nullable = base.field.safeParse(null).success ? base : toNullable(base)
    return {
      field: nullable.field.default(null),
      source: `${nullable.source}.default(null)`,
    }
  }
  const accepting = fits
    ? base
    : {
        field: base.field.or(fromJsonSchema({ const: fallback })),
        source: `${base.source}.or(fromJsonSchema({ const: ${toLiteral(fallback)} }))`,
      }
  return {
    field: accepting.field.default(fallback),
    source: `${accepting.source}.default(${toLiteral(fallback)})`,
  }
}

const toNullable = ({ field, source }: Field): Field => ({
  field: field.nullable(),
  source: `${source}.nullable()`,
})

/** Types that have a word of their own, with the keywords that become calls. */
const simple: Readonly<Record<string, { make: () => z.ZodType; calls: Record<string, string> }>> = {
  integer: { make: () => z.int(), calls: { minimum: 'min', maximum: 'max' } },
  number: { make: () => z.number(), calls: { minimum: 'min', maximum: 'max' } },
  string: { make: () => z.string(), calls: { minLength: 'min', maxLength: 'max' } },
  boolean: { make: () => z.boolean(), calls: {} },
}

function toBase(schema: OptionSchema): Field {
  const { type, ...keywords } = schema
  const found = typeof type === 'string' ? simple[type] : undefined
  if (found && Object.keys(keywords).every((key) => Object.hasOwn(found.calls, key))) {
    let field = found.make()
    let source = type === 'integer' ? 'z.int()' : `z.${type}()`
    for (const [key, value] of Object.entries(keywords)) {
      const call = found.calls[key]!
      field = (field as unknown as Record<string, (bound: unknown) => z.ZodType>)[call]!(value)
      source += `.${call}(${value})`
    }
    return { field, source }
  }
  return { field: fromJsonSchema(schema), source: `fromJsonSchema(${toLiteral(schema)})` }
}

/** A text, or another scalar, as TypeScript writes it. */
export function toSource(value: unknown): string {
  if (typeof value !== 'string') return JSON.stringify(value)
  const text = JSON.stringify(value)
  return value.includes("'") ? text : `'${text.slice(1, -1).replaceAll('\\"', '"')}'`
}

/** Any value as TypeScript writes it on one line. */
export function toLiteral(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(toLiteral).join(', ')}]`
  if (!isMapping(value)) return toSource(value)
  const members = Object.entries(value).map(([name, each]) => `${toKey(name)}: ${toLiteral(each)}`)
  return members.length === 0 ? '{}' : `{ ${members.join(', ')} }`
}

/** The name of a member as TypeScript writes it. */
export const toKey = (name: string) =>
  name === '__proto__' ? `['__proto__']` : /^[A-Za-z_$][\w$]*$/.test(name) ? name : toSource(name)
