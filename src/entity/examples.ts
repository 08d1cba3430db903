import type { JsonSchema } from '../kernel/json-schema.ts'

const byFormat: Readonly<Record<string, string>> = {
  email: 'ann@example.org',
  uri: 'https://example.org/',
  date: '2026-01-31',
  time: '12:30:00',
  'date-time': '2026-01-31T12:30:00Z',
  duration: 'P1D',
  uuid: '0190a5f2-7c1e-7d3a-8f52-3f1d2c4b5a69',
  ipv4: '192.0.2.1',
  ipv6: '2001:db8::1',
  hostname: 'example.org',
}

/** Tried, in this order, where a pattern says what text has to look like. */
const texts = [
  'example',
  'Example',
  'EXAMPLE',
  'a',
  'A',
  '1',
  'A1',
  'a1',
  'abc',
  'ABC',
  '123',
  'ab',
  'AB',
  '12',
  'NOR',
  'A-1',
  'AB-12',
  '1234',
  '12345',
  '2026',
  '2026-01',
  '#a1b2c3',
  '+4712345678',
  '01K72P5N5KCRM6MD3BRE4P0778',
]

/** A value that fits a schema, as far as one can be found without being told; for the API document. */
export function exampleOf(node: JsonSchema): unknown {
  if (Array.isArray(node.examples) && node.examples.length > 0) return node.examples[0]
  if ('example' in node) return node.example
  if ('const' in node) return node.const
  if (Array.isArray(node.enum)) return node.enum[0]
  const branches = (node.anyOf ?? node.oneOf) as JsonSchema[] | undefined
  if (branches) return exampleOf(branches.find(({ type }) => type !== 'null') ?? {})
  if (Array.isArray(node.allOf))
    return Object.assign({}, ...node.allOf.map((each: JsonSchema) => exampleOf(each)))
  // A default of null or of emptiness would show nothing of what the field holds.
  if ('default' in node && node.default !== null) return node.default

  const type = [node.type].flat().find((each) => each !== 'null')
  if (type === 'string') return text(node)
  if (type === 'integer' || type === 'number') return number(node, type === 'integer')
  if (type === 'boolean') return true
  if (type === 'array') return list(node)
  if (type === 'object') return exampleFields(node)
  return node.type === 'null' ? null : 'example'
}

/** An example of every property of an object schema. */
export function exampleFields(node: JsonSchema): Record<string, unknown> {
  const properties = Object.entries((node.properties ?? {}) as Record<string, JsonSchema>)
  return Object.fromEntries(properties.map(([name, each]) => [name, exampleOf(each)]))
}

function text({ format, pattern, minLength = 0, maxLength = Infinity }: JsonSchema): string {
  const fits = (value: string) =>
    value.length >= Number(minLength) &&
    value.length <= Number(maxLength) &&
    (typeof pattern !== 'string' || new RegExp(pattern).test(value))
  const known = typeof format === 'string' ? byFormat[format] : undefined
  const tried = [known, ...texts].find((each) => each !== undefined && fits(each))
  return tried ?? 'example'.padEnd(Number(minLength), ' example').slice(0, Number(maxLength))
}

function number(node: JsonSchema, whole: boolean): number {
  const { minimum, exclusiveMinimum, maximum, exclusiveMaximum, multipleOf } = node as Partial<
    Record<string, number>
  >
  const step = multipleOf ?? (whole ? 1 : 0.5)
  const low = minimum ?? (exclusiveMinimum === undefined ? undefined : exclusiveMinimum + step)
  const high = maximum ?? (exclusiveMaximum === undefined ? undefined : exclusiveMaximum - step)
  const value = low ?? (high === undefined ? step : Math.min(step, high))
  return Math.ceil(value / step) * step
}

function list({ items, prefixItems, minItems = 1 }: JsonSchema): unknown[] {
  if (Array.isArray(prefixItems)) return prefixItems.map((each) => exampleOf(each))
  const item = exampleOf((items ?? {}) as JsonSchema)
  return Array.from({ length: Math.max(1, Number(minItems)) }, () => item)
}
