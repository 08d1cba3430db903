import { z } from 'zod'
import { BaseConfig } from '../config/schema.ts'
import type { ConfigSchema } from '../ml/runner.ts'
import { isMapping, type Reader, show, toFlag } from './reader.ts'

export type OptionType = 'integer' | 'number' | 'string' | 'boolean' | 'path'

/** An option that users of a model may set. */
export interface UserOption {
  /** As on the wire and in `config.yml`. */
  name: string
  type: OptionType
  title: string
  description: string | null
  /** Undefined when the option has to be given. */
  default: unknown
}

const types: Readonly<Record<string, OptionType>> = {
  integer: 'integer',
  int: 'integer',
  number: 'number',
  float: 'number',
  string: 'string',
  str: 'string',
  boolean: 'boolean',
  bool: 'boolean',
  path: 'path',
}
const typeNames = [...new Set(Object.values(types))].join(', ')

const reserved = [
  'prediction_periods',
  'additional_continuous_covariates',
  'user_option_values',
  '__proto__',
]

export function readOptions(reader: Reader): UserOption[] {
  const all = reader.mapping(['user_options']) ?? {}
  return Object.keys(all).flatMap((name) => {
    const option = readOption(reader, name)
    return option ? [option] : []
  })
}

function readOption(reader: Reader, name: string): UserOption | undefined {
  const path = ['user_options', name]
  if (reserved.includes(name)) {
    reader.problem(path, 'is a name that the service uses itself; expected another name')
    return undefined
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what a name must not have
  if (!/^[^\d\s\x00-\x1f][^\x00-\x1f]*$/.test(name)) {
    reader.problem(path, `expected a name that does not begin with a digit, got ${show(name)}`)
    return undefined
  }
  const given = reader.get(path)
  if (!isMapping(given)) {
    reader.problem(path, `expected a mapping with type and default, got ${show(given ?? null)}`)
    return undefined
  }
  reader.onlyKnown(path, ['type', 'default', 'description', 'title'])
  const type = readType(reader, path, given.default)
  const description = reader.text([...path, 'description'])
  const title = reader.text([...path, 'title'])
  if (type === undefined) return undefined
  return {
    name,
    type,
    title: title ?? toTitle(name),
    description: description ?? null,
    default: Object.hasOwn(given, 'default') ? readDefault(reader, path, type) : undefined,
  }
}

function readType(reader: Reader, path: string[], fallback: unknown): OptionType | undefined {
  const at = [...path, 'type']
  if (reader.get(at) === undefined) {
    const type = typeOf(fallback)
    reader.warn(path, `has no type; taken as ${type}`)
    return type
  }
  return reader.read(at, `one of ${typeNames}`, (value) =>
    typeof value === 'string' && Object.hasOwn(types, value) ? types[value] : undefined,
  )
}

function typeOf(value: unknown): OptionType {
  if (typeof value === 'boolean') return 'boolean'
  if (typeof value === 'number') return Number.isSafeInteger(value) ? 'integer' : 'number'
  return 'string'
}

const expected: Record<OptionType, string> = {
  integer: 'a whole number',
  number: 'a number',
  string: 'a text',
  boolean: 'true or false',
  path: 'a path',
}

/** The default; null where the file says that there is no value. */
function readDefault(reader: Reader, path: string[], type: OptionType): unknown {
  const value = reader.read([...path, 'default'], expected[type], (given) => {
    if (type === 'boolean') return toFlag(given)
    if (type === 'integer') return Number.isSafeInteger(given) ? given : undefined
    if (type === 'number')
      return typeof given === 'number' && Number.isFinite(given) ? given : undefined
    return ['string', 'number', 'boolean'].includes(typeof given) ? String(given) : undefined
  })
  return value ?? null
}

function toTitle(name: string): string {
  return name
    .split(/[\s_-]+/)
    .map((word) => word.slice(0, 1).toUpperCase() + word.slice(1))
    .join(' ')
}

/** Schema of the configs: an option without a default is required, and one whose default is null may be null. */
export function toConfigSchema(options: readonly UserOption[]): ConfigSchema<BaseConfig> {
  const fields = options.map((option) => [option.name, toField(option)] as const)
  return BaseConfig.extend(Object.fromEntries(fields)) as unknown as ConfigSchema<BaseConfig>
}

function toField({ type, title, description, default: fallback }: UserOption): z.ZodType {
  const base = baseOf(type)
  return withDefault(base, fallback).meta({ title, ...(description !== null && { description }) })
}

function withDefault(base: z.ZodType, fallback: unknown): z.ZodType {
  if (fallback === undefined) return base
  return fallback === null ? base.nullable().default(null) : base.default(fallback)
}

function baseOf(type: OptionType): z.ZodType {
  if (type === 'integer') return z.int()
  if (type === 'number') return z.number()
  return type === 'boolean' ? z.boolean() : z.string()
}

/** A field of that schema as a service file has it. */
export function toConfigSource({ type, title, description, default: fallback }: UserOption) {
  const about = [
    `title: ${toSource(title)}`,
    ...(description === null ? [] : [`description: ${toSource(description)}`]),
  ]
  return `${sources[type]}${defaultSource(fallback)}.meta({ ${about.join(', ')} })`
}

const sources: Record<OptionType, string> = {
  integer: 'z.int()',
  number: 'z.number()',
  string: 'z.string()',
  boolean: 'z.boolean()',
  path: 'z.string()',
}

function defaultSource(fallback: unknown): string {
  if (fallback === undefined) return ''
  return fallback === null ? '.nullable().default(null)' : `.default(${toSource(fallback)})`
}

/** A value as TypeScript writes it. */
export function toSource(value: unknown): string {
  if (typeof value !== 'string') return JSON.stringify(value)
  const text = JSON.stringify(value)
  return value.includes("'") ? text : `'${text.slice(1, -1).replaceAll('\\"', '"')}'`
}
