import type { StandardSchemaV1 } from '@standard-schema/spec'

/** A JSON Schema (2020-12) as a plain value. */
export type JsonSchema = { readonly [key: string]: unknown }

/** A schema library's value that validates and describes itself: Zod 4, Valibot, ArkType and others implement both standards. */
export type DescribedSchema<Output = unknown> = StandardSchemaV1<unknown, Output>

interface DescribeOptions {
  target: string
  libraryOptions?: Record<string, unknown>
}
type JsonSchemaFace = Record<
  'input' | 'output',
  (options: DescribeOptions) => Record<string, unknown>
>

/**
 * The JSON Schema of what a schema accepts, or of what it makes of its input (`output`; parts of that which cannot be described
 * may be anything). Bounds that only restate what a double can hold are left out. Throws when the library does not implement
 * Standard JSON Schema.
 */
export function toJsonSchema(
  schema: StandardSchemaV1,
  side: 'input' | 'output' = 'input',
): JsonSchema {
  const face = (schema['~standard'] as { jsonSchema?: JsonSchemaFace }).jsonSchema
  if (!face) {
    const { vendor } = schema['~standard']
    throw new Error(
      `The schema library "${vendor}" cannot describe itself as JSON Schema; use Zod 4 or another that can`,
    )
  }
  const options = { target: 'draft-2020-12' }
  const described = tidy(
    side === 'input'
      ? face.input(options)
      : face.output({ ...options, libraryOptions: { unrepresentable: 'any' } }),
  ) as Record<string, unknown>
  delete described.$schema
  return described
}

function tidy(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(tidy)
  if (node === null || typeof node !== 'object') return node
  const entries = Object.entries(node).flatMap(([key, value]) => {
    if (key === 'maximum' && value === Number.MAX_SAFE_INTEGER) return []
    if (key === 'minimum' && value === Number.MIN_SAFE_INTEGER) return []
    if (key === 'additionalProperties' && isEmptyObject(value)) return [[key, true]]
    if (key === 'default' || key === 'const' || key === 'enum' || key === 'examples')
      return [[key, value]]
    return [[key, tidy(value)]]
  })
  return Object.fromEntries(entries)
}

function isEmptyObject(value: unknown): boolean {
  return value !== null && typeof value === 'object' && Object.keys(value).length === 0
}
