import { asText, code, prose, table } from './markdown.ts'

/** The parts of JSON Schema that the descriptions of services use. */
export interface Schema {
  $ref?: string
  type?: string | string[]
  format?: string
  title?: string
  description?: string
  default?: unknown
  const?: unknown
  enum?: unknown[]
  anyOf?: Schema[]
  oneOf?: Schema[]
  allOf?: Schema[]
  items?: Schema
  prefixItems?: Schema[]
  properties?: Record<string, Schema>
  required?: string[]
  additionalProperties?: boolean | Schema
  minimum?: number
  maximum?: number
  exclusiveMinimum?: number
  minLength?: number
  maxLength?: number
  pattern?: string
}

/** Below this depth a type is only named. */
const deepest = 3

/** A schema as a table: a row for each property, those of objects in objects as `outer.inner`. */
export function schemaTable(schema: Schema, all: Record<string, Schema>): string {
  const rows = toRows(schema, { all, prefix: '', depth: 0 })
  if (rows.length > 0) return table(['field', 'type', 'default', 'meaning'], rows)
  const meaning = schema.description ? `: ${prose(schema.description)}` : ''
  return `${code(typeText(schema, all))}${meaning}`
}

interface Place {
  all: Record<string, Schema>
  prefix: string
  depth: number
}

function toRows(schema: Schema, { all, prefix, depth }: Place): string[][] {
  const { properties = {}, required = [] } = resolve(schema, all)
  return Object.entries(properties).flatMap(([name, property]) => {
    const full = `${prefix}${name}`
    const row = [
      `${code(full)}${required.includes(name) ? '' : ' <small>optional</small>'}`,
      code(typeText(property, all)),
      'default' in property ? code(JSON.stringify(property.default)) : '',
      meaning(property, all),
    ]
    if (depth + 1 >= deepest) return [row]
    const inner = inside(property, all)
    if (!inner) return [row]
    return [
      row,
      ...toRows(inner.schema, { all, prefix: `${full}${inner.mark}.`, depth: depth + 1 }),
    ]
  })
}

/** The object in a property, in its list, or in the one of its alternatives that is an object. */
function inside(
  schema: Schema,
  all: Record<string, Schema>,
): { schema: Schema; mark: string } | null {
  const found = resolve(schema, all)
  if (found.properties) return { schema: found, mark: '' }
  if (found.items) {
    const item = resolve(found.items, all)
    return item.properties ? { schema: item, mark: '[]' } : null
  }
  for (const each of found.anyOf ?? found.oneOf ?? []) {
    const inner = inside(each, all)
    if (inner) return inner
  }
  return null
}

export function resolve(schema: Schema, all: Record<string, Schema>): Schema {
  const name = schema.$ref?.split('/').at(-1)
  const found = name === undefined ? schema : { ...all[name], ...schema }
  return found.allOf
    ? Object.assign({}, ...found.allOf.map((each) => resolve(each, all)), found)
    : found
}

/** A type in the words of TypeScript: `string | null`, `integer[]`, `"a" | "b"`. */
export function typeText(schema: Schema, all: Record<string, Schema> = {}): string {
  const found = resolve(schema, all)
  if (found.enum) return found.enum.map((each) => JSON.stringify(each)).join(' | ')
  if ('const' in found) return JSON.stringify(found.const)
  const alternatives = found.anyOf ?? found.oneOf
  if (alternatives) return [...new Set(alternatives.map((each) => typeText(each, all)))].join(' | ')
  if (Array.isArray(found.type))
    return found.type.map((type) => typeText({ ...found, type }, all)).join(' | ')
  if (found.type === 'array') {
    const item = found.items ? typeText(found.items, all) : 'any'
    return /[ |]/.test(item) ? `(${item})[]` : `${item}[]`
  }
  if (found.type === 'string' && found.format) return `string (${found.format})`
  return found.type ?? (found.properties ? 'object' : 'any')
}

function meaning(schema: Schema, all: Record<string, Schema>): string {
  const found = resolve(schema, all)
  const bounds = [
    found.minimum !== undefined && `at least ${found.minimum}`,
    found.exclusiveMinimum !== undefined && `more than ${found.exclusiveMinimum}`,
    found.maximum !== undefined &&
      found.maximum < Number.MAX_SAFE_INTEGER &&
      `at most ${found.maximum}`,
    found.minLength !== undefined && `at least ${found.minLength} characters`,
    found.maxLength !== undefined && `at most ${found.maxLength} characters`,
  ].filter((each) => each !== false)
  const text = found.description ? prose(found.description) : ''
  return [text, asText(bounds.join(', '))].filter((part) => part !== '').join('; ')
}
