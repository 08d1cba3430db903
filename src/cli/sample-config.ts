import type { ConfigData } from './config-data.ts'

/** The parts of a JSON Schema that say what a value has to be. */
export interface JsonSchema {
  type?: string | string[]
  default?: unknown
  const?: unknown
  enum?: unknown[]
  examples?: unknown[]
  anyOf?: JsonSchema[]
  oneOf?: JsonSchema[]
  properties?: Record<string, JsonSchema>
  required?: string[]
  minimum?: number
  maximum?: number
  exclusiveMinimum?: number
  multipleOf?: number
  minLength?: number
  minItems?: number
  items?: JsonSchema
  $ref?: string
  $defs?: Record<string, JsonSchema>
}

/**
 * Data of a config that a service with this schema accepts, as far as a schema tells: what it requires and has no default for.
 * `prediction_periods` is brought between the bounds of the service.
 */
export function sampleConfig(
  schema: JsonSchema,
  { least, most }: { least: number; most: number },
): ConfigData {
  const data: ConfigData = {}
  for (const name of schema.required ?? []) {
    const property = schema.properties?.[name] ?? {}
    if (property.default === undefined) data[name] = sample(property, schema.$defs ?? {})
  }
  const usual = schema.properties?.prediction_periods?.default ?? data.prediction_periods
  if (typeof usual === 'number' && (usual < least || usual > most || 'prediction_periods' in data))
    data.prediction_periods = Math.min(most, Math.max(least, Math.max(1, usual)))
  return data
}

function sample(schema: JsonSchema, defs: Record<string, JsonSchema>): unknown {
  const referred = schema.$ref && defs[schema.$ref.replace(/^#\/\$defs\//, '')]
  if (referred) return sample(referred, defs)
  if (schema.default !== undefined) return schema.default
  if (schema.const !== undefined) return schema.const
  if (schema.enum?.length) return schema.enum[0]
  if (schema.examples?.length) return schema.examples[0]
  const either = schema.anyOf ?? schema.oneOf
  if (either?.[0]) return sample(either[0], defs)
  const type = Array.isArray(schema.type) ? schema.type[0] : schema.type
  switch (type) {
    case 'integer':
    case 'number':
      return sampleNumber(schema, type === 'integer')
    case 'boolean':
      return false
    case 'array':
      return Array.from({ length: schema.minItems ?? 0 }, () => sample(schema.items ?? {}, defs))
    case 'object':
      return Object.fromEntries(
        (schema.required ?? []).map((name) => [
          name,
          sample(schema.properties?.[name] ?? {}, defs),
        ]),
      )
    case 'null':
      return null
    default:
      return 'a'.repeat(Math.max(1, schema.minLength ?? 1))
  }
}

function sampleNumber(schema: JsonSchema, whole: boolean): number {
  const { minimum, maximum, exclusiveMinimum, multipleOf } = schema
  const above = exclusiveMinimum === undefined ? undefined : exclusiveMinimum + (whole ? 1 : 0.5)
  const least = minimum ?? above ?? Math.min(1, maximum ?? 1)
  const value = Math.min(Math.max(1, least), maximum ?? Number.POSITIVE_INFINITY)
  if (multipleOf === undefined) return value
  return Math.ceil(Math.max(value, multipleOf) / multipleOf) * multipleOf
}
