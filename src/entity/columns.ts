import type { JsonSchema } from '../kernel/json-schema.ts'
import { show } from '../kernel/show.ts'

/** How a field is kept: as a plain column where there is one for its type, else as JSON text. */
export type Kind = 'text' | 'integer' | 'number' | 'boolean' | 'json'

/** A field of the schema and the column of the same name. */
export interface Field {
  name: string
  kind: Kind
  /** Whether an empty column reads as null; if not, the field is absent. */
  readsNull: boolean
}

/** What a column holds. */
export type Cell = string | number | null

/** Columns of every table of an entity, beside those of its fields. */
export const metaColumns = ['id', 'created_at', 'updated_at', 'tags'] as const
const reservedNames = new Set<string>([...metaColumns, 'tenant', 'created_by'])

/** The fields of an object schema. Throws when they cannot be columns. */
export function toFields(described: JsonSchema): Field[] {
  const root = inlineRefs(described)
  const properties = Object.entries((root.properties ?? {}) as Record<string, JsonSchema>)
  const required = new Set((root.required ?? []) as string[])
  if (properties.length === 0)
    throw new Error('Expected an object schema with at least one field, such as z.object({ … })')
  const seen = new Set<string>()
  for (const [name] of properties) {
    if (!/^[a-z][a-z0-9_-]{0,49}$/i.test(name)) {
      throw new Error(
        `Expected field names of up to 50 letters, digits, - and _ that begin with a letter, got "${name}"`,
      )
    }
    const folded = name.toLowerCase()
    if (reservedNames.has(folded))
      throw new Error(`The field name "${name}" is taken: every row has ${folded} of its own`)
    // Databases do not tell upper from lower case in the names of columns.
    if (seen.has(folded)) throw new Error(`Two fields are named "${name}" apart from their case`)
    seen.add(folded)
  }
  return properties.map(([name, node]) => {
    const types = typesOf(node)
    return {
      name,
      kind: toKind(types),
      readsNull: required.has(name) || types === null || types.has('null'),
    }
  })
}

/** The JSON types that a schema admits; null for any. */
function typesOf(node: JsonSchema): Set<string> | null {
  const branches = (node.anyOf ?? node.oneOf) as JsonSchema[] | undefined
  if (branches) {
    const each = branches.map(typesOf)
    return each.includes(null) ? null : new Set(each.flatMap((types) => [...(types ?? [])]))
  }
  if (node.type !== undefined) return new Set([node.type].flat() as string[])
  if ('const' in node) return new Set([typeOf(node.const)])
  if (Array.isArray(node.enum)) return new Set(node.enum.map(typeOf))
  return null
}

function typeOf(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value
}

function toKind(types: Set<string> | null): Kind {
  const [type, ...more] = [...(types ?? [])].filter((each) => each !== 'null').sort()
  if (type === 'integer' && more.length === 1 && more[0] === 'number') return 'number'
  if (more.length > 0) return 'json'
  if (type === 'string') return 'text'
  return type === 'integer' || type === 'number' || type === 'boolean' ? type : 'json'
}

/** A schema without references into itself; where it comes back to itself it admits anything. */
export function inlineRefs(root: JsonSchema): JsonSchema {
  function inline(node: unknown, open: readonly string[]): unknown {
    if (Array.isArray(node)) return node.map((each) => inline(each, open))
    if (node === null || typeof node !== 'object') return node
    const { $ref, $defs, ...rest } = node as Record<string, unknown>
    if (typeof $ref === 'string') {
      if (open.includes($ref)) return {}
      return { ...(inline(targetOf($ref), [...open, $ref]) as object), ...rest }
    }
    return Object.fromEntries(Object.entries(rest).map(([key, each]) => [key, inline(each, open)]))
  }
  function targetOf(ref: string): unknown {
    let target: unknown = root
    for (const part of ref.replace(/^#\/?/, '').split('/').filter(Boolean)) {
      const key = part.replaceAll('~1', '/').replaceAll('~0', '~')
      target = (target as Record<string, unknown> | undefined)?.[key]
    }
    return target ?? {}
  }
  return inline(root, []) as JsonSchema
}

/** A value as its column keeps it. Throws on a value that is not of the field's kind: reading would give another one. */
export function toCell({ name, kind }: Field, value: unknown): Cell {
  if (value === undefined || value === null) return null
  switch (kind) {
    case 'text':
      if (typeof value === 'string' && value.isWellFormed()) return value
      break
    case 'integer':
      if (Number.isSafeInteger(value)) return value as number
      break
    case 'number':
      if (Number.isFinite(value)) return value as number
      break
    case 'boolean':
      if (typeof value === 'boolean') return value ? 1 : 0
      break
    case 'json':
      assertJson(value, name)
      return JSON.stringify(value)
  }
  throw new Error(`The column \`${name}\` keeps a value of kind ${kind}, got ${show(value)}`)
}

/** The value that a column keeps; undefined for a field that was absent. */
export function fromCell({ name, kind, readsNull }: Field, cell: unknown): unknown {
  if (cell === null) return readsNull ? null : undefined
  switch (kind) {
    case 'text':
      return cell
    // PostgreSQL gives large integers as text.
    case 'integer':
    case 'number':
      return Number(cell)
    case 'boolean':
      return Number(cell) !== 0
    case 'json':
      try {
        return JSON.parse(String(cell))
      } catch (cause) {
        throw new Error(
          `The column \`${name}\` holds text that is not JSON; convert it in a migration`,
          { cause },
        )
      }
  }
}

/** Only what comes back as it was is kept: a Date, a Map or NaN would silently become something else. */
function assertJson(value: unknown, path: string): void {
  if (value === undefined || value === null) return
  if (typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value)) return
  if (Array.isArray(value)) {
    value.forEach((each, at) => {
      if (each === undefined) throw notJson(`${path}[${at}]`, each)
      assertJson(each, `${path}[${at}]`)
    })
    return
  }
  const prototype = typeof value === 'object' ? Object.getPrototypeOf(value) : undefined
  if (prototype !== Object.prototype && prototype !== null) throw notJson(path, value)
  for (const [key, each] of Object.entries(value as object)) assertJson(each, `${path}.${key}`)
}

function notJson(path: string, value: unknown): Error {
  const came = value instanceof Object ? `a ${value.constructor.name}` : show(value)
  return new Error(
    `An entity keeps JSON values, but its schema or a rule made ${came} of \`${path}\``,
  )
}
