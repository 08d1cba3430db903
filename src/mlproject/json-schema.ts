import { fromJsonSchema } from '../config/json-field.ts'
import { isMapping, toNumber } from './reader.ts'

/** JSON Schema of an option, in standard words, without title, description and default. */
export type OptionSchema = Readonly<Record<string, unknown>>

/** Names of types as MLproject files have them. */
const types: Readonly<Record<string, string>> = {
  integer: 'integer',
  int: 'integer',
  number: 'number',
  float: 'number',
  string: 'string',
  str: 'string',
  path: 'string',
  boolean: 'boolean',
  bool: 'boolean',
  array: 'array',
  list: 'array',
  object: 'object',
  dict: 'object',
  null: 'null',
}

/** Keywords that count, or that say something to people. Others are a slip of the pen. */
export const schemaKeywords = [
  ...['type', 'enum', 'const', 'anyOf', 'oneOf', 'allOf', 'not', 'if', 'then', 'else'],
  ...['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf'],
  ...['minLength', 'maxLength', 'pattern', 'format'],
  ...['items', 'prefixItems', 'contains', 'minContains', 'maxContains'],
  ...['minItems', 'maxItems', 'uniqueItems', 'unevaluatedItems'],
  ...['properties', 'required', 'additionalProperties', 'patternProperties', 'propertyNames'],
  ...['minProperties', 'maxProperties', 'dependentRequired', 'dependentSchemas'],
  ...['unevaluatedProperties', '$ref', '$defs', '$comment', 'examples', 'deprecated'],
] as const

/** Keywords whose values are numbers, whatever the type of the option is. */
const bounds = [
  ...['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf'],
  ...['minLength', 'maxLength', 'minItems', 'maxItems', 'minProperties', 'maxProperties'],
  ...['minContains', 'maxContains'],
] as const

const lists = ['anyOf', 'oneOf', 'allOf', 'prefixItems'] as const
const single = [
  ...['not', 'if', 'then', 'else', 'items', 'contains', 'additionalProperties', 'propertyNames'],
  ...['unevaluatedItems', 'unevaluatedProperties'],
] as const
const named = ['properties', 'patternProperties', '$defs', 'dependentSchemas'] as const

/**
 * A schema in the words of JSON Schema 2020-12: types by their usual names, exclusive bounds as numbers, `items: integer` as a
 * schema. `warn` hears of types that are not known; they are texts, as for chap-core.
 */
export function toStandard(body: OptionSchema, warn: (text: string) => void): OptionSchema {
  const schema: Record<string, unknown> = { ...body }
  const standard = (value: unknown): unknown => {
    if (typeof value === 'string') return { type: toType(value, warn) }
    return isMapping(value) ? toStandard(value, warn) : value
  }
  if (schema.type === null) delete schema.type
  if (Array.isArray(schema.type))
    schema.type = [...new Set(schema.type.map((each) => toType(each, warn)))]
  else if (schema.type !== undefined) schema.type = toType(schema.type, warn)
  // A bound such as 1e-3 or "10" is a text in YAML 1.1; a number is meant.
  for (const key of bounds) if (schema[key] !== undefined) schema[key] = toNumber(schema[key])
  if (schema.type === 'integer' || schema.type === 'number') {
    if (Array.isArray(schema.enum)) schema.enum = schema.enum.map(toNumber)
    if (schema.const !== undefined) schema.const = toNumber(schema.const)
  }
  exclude(schema, 'minimum', 'exclusiveMinimum')
  exclude(schema, 'maximum', 'exclusiveMaximum')
  for (const key of lists)
    if (Array.isArray(schema[key])) schema[key] = (schema[key] as unknown[]).map(standard)
  for (const key of single) if (schema[key] !== undefined) schema[key] = standard(schema[key])
  for (const key of named) {
    const schemas = schema[key]
    if (isMapping(schemas))
      schema[key] = Object.fromEntries(
        Object.entries(schemas).map(([name, each]) => [name, standard(each)]),
      )
  }
  return schema
}

/** Draft 4 has exclusive bounds as flags beside the bounds. */
function exclude(schema: Record<string, unknown>, bound: string, exclusive: string) {
  if (typeof schema[exclusive] !== 'boolean') return
  const isExclusive = schema[exclusive]
  delete schema[exclusive]
  if (!isExclusive || schema[bound] === undefined) return
  schema[exclusive] = schema[bound]
  delete schema[bound]
}

function toType(name: unknown, warn: (text: string) => void): string {
  // YAML has a word of its own for it.
  const text = name === null ? 'null' : String(name).toLowerCase()
  if (Object.hasOwn(types, text)) return types[text]!
  warn(`type ${JSON.stringify(name)} is not known; taken as string`)
  return 'string'
}

/** Whether a value fits a schema; null with the reason where it is no schema. */
export function createCheck(
  schema: OptionSchema,
): { fits: (value: unknown) => boolean } | { reason: string } {
  try {
    const field = fromJsonSchema(schema)
    return { fits: (value) => field.safeParse(value).success }
  } catch (error) {
    return { reason: (error as Error).message }
  }
}
