import fc from 'fast-check'
import { data, future } from '../compat/fixtures.ts'
import type { Operation, Parameter, Schema } from './document.ts'

/** A request that is not sent yet: ids in it are places like `{{config:3}}`, filled in when it is. */
export interface Plan {
  /** What was done to a request that fits: `valid` when nothing was. */
  change: string
  method: string
  path: string
  query: [name: string, value: string][]
  headers: Record<string, string>
  body: string | Uint8Array | undefined
}

export const kinds = ['config', 'artifact', 'job', 'task', 'schedule'] as const
export type Kind = (typeof kinds)[number]

const place = (kind: string) => fc.nat(999).map((index) => `{{${kind}:${index}}}`)

/** The kind of thing that a path is about. */
export function kindOf(path: string): Kind {
  if (path.includes('/configs')) return 'config'
  if (path.includes('/tasks')) return 'task'
  if (path.includes('/schedules')) return 'schedule'
  return path.includes('/jobs') ? 'job' : 'artifact'
}

const letters = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const freshUlid = fc
  .array(fc.constantFrom(...letters), { minLength: 20, maxLength: 20 })
  .map((tail) => `01K72P${tail.join('')}`)
const words = fc.constantFrom('a', 'b2', 'rainfall', 'überall', '日本', 'x-y_z', '0')

/** Far off: none of them runs while requests are made up. */
const triggers = fc.constantFrom(
  { type: 'cron', expression: '0 0 1 1 *', zone: 'Africa/Kigali' },
  { type: 'interval', every: 'P300D' },
  { type: 'once', at: '2999-01-01T00:00:00Z' },
)

/** A value that fits a schema, or null where the text of the document is the only one to say what fits. */
function fitting(schema: Schema, name = '', example?: unknown): fc.Arbitrary<unknown> {
  const own = byName(name, schema, example)
  if (own) return own
  if (schema.title === 'DataFrame') return fc.constantFrom(data, future, { columns: [], data: [] })
  if (example !== undefined && name === 'data') return openData(example)
  if (schema.const !== undefined) return fc.constant(schema.const)
  if (schema.enum) return fc.constantFrom(...schema.enum)
  const branches = schema.oneOf ?? schema.anyOf
  if (branches) return fc.oneof(...branches.map((each) => fitting(each, name, example)))
  const types = [schema.type ?? 'any'].flat()
  return fc.oneof(...types.map((type) => ofType(type, schema, example)))
}

function byName(name: string, schema: Schema, example: unknown): fc.Arbitrary<unknown> | undefined {
  switch (name) {
    case 'config_id':
      return place('config')
    case 'task_id':
      return place('task')
    case 'trigger':
      return fc.oneof(triggers, ofType('object', schema, example))
    case 'command':
      return fc.constantFrom('echo', 'echo', 'echo', 'nothing')
    case 'task_type':
      return fc.constantFrom('function', 'function', 'python', 'shell')
    case 'artifact_id':
      return fc.oneof({ weight: 3, arbitrary: place('artifact') }, place('model'))
    case 'parent_id':
      return schema.type === 'string'
        ? place('artifact')
        : fc.oneof(fc.constant(null), place('artifact'))
    case 'tags':
      return schema.type === 'string' ? words : undefined
    case 'after':
      return schema.type === 'string' ? fc.oneof(freshUlid, place('config')) : undefined
    case 'id':
      return fc.oneof({ weight: 4, arbitrary: fc.constant(null) }, freshUlid)
    case 'geo':
      return fc.constantFrom(null, { type: 'FeatureCollection', features: [] })
    default:
      return undefined
  }
}

/** What is kept as it comes. */
function openData(example: unknown): fc.Arbitrary<unknown> {
  const content = fc.jsonValue({ maxDepth: 3, stringUnit: 'grapheme' }).filter(isPlain)
  const isArtifact = JSON.stringify(example).includes('"generic"')
  return fc.oneof(
    fc.constant(example),
    isArtifact
      ? content.map((each) => ({ type: 'generic', metadata: {}, content: each }))
      : fc
          .dictionary(fc.string({ minLength: 1, maxLength: 5, unit: 'grapheme' }), content)
          .filter(isPlain),
  )
}

/** Without what the service refuses in any JSON: keys of prototypes, and numbers that no double holds as they are. */
function isPlain(value: unknown): boolean {
  if (typeof value === 'number') return !Number.isInteger(value) || Number.isSafeInteger(value)
  if (value === null || typeof value !== 'object') return true
  return Object.entries(value).every(
    ([key, each]) => !/^(__proto__|constructor|prototype)$/.test(key) && isPlain(each),
  )
}

function ofType(type: string, schema: Schema, example: unknown): fc.Arbitrary<unknown> {
  switch (type) {
    case 'null':
      return fc.constant(null)
    case 'boolean':
      return fc.boolean()
    case 'integer':
    case 'number': {
      const { minimum = -1e6, maximum = 1e6 } = schema
      const low = Math.ceil(minimum)
      const near = fc.integer({ min: Math.max(low, -3), max: Math.min(Math.floor(maximum), 12) })
      return fc.oneof({ weight: 5, arbitrary: near }, fc.constantFrom(low, maximum))
    }
    case 'string': {
      if (schema.pattern) return words
      const { minLength = 0, maxLength = 40 } = schema
      return fc.string({ unit: 'grapheme', minLength, maxLength: Math.min(maxLength, 40) })
    }
    case 'array':
      return fc.uniqueArray(fitting(schema.items ?? {}), {
        minLength: schema.minItems ?? 0,
        maxLength: Math.min(schema.maxItems ?? 4, 4),
        selector: (each) => JSON.stringify(each),
      })
    case 'object': {
      const examples = (example ?? {}) as Record<string, unknown>
      const members: Record<string, fc.Arbitrary<unknown>> = {}
      for (const [key, each] of Object.entries(schema.properties ?? {})) {
        members[key] = fitting(each, key, examples[key])
      }
      return fc
        .tuple(fc.record(members), fc.array(fc.boolean(), { minLength: 9, maxLength: 9 }))
        .map(([whole, keep]) =>
          Object.fromEntries(
            Object.entries(whole).filter(
              ([key], at) => schema.required?.includes(key) || keep[at % keep.length],
            ),
          ),
        )
    }
    default:
      return fc.jsonValue({ maxDepth: 3 }).filter((value) => value !== null)
  }
}

/** Values that programs stumble over, as JSON and in a URL. */
const odd = fc.constantFrom<unknown>(
  ...[null, true, 0, -1, 1.5, 1e308, 2 ** 53, 2 ** 31, '', ' ', '\u0000', '\ud800', '💥'],
  ...['__proto__', '../../etc/passwd', "'; DROP TABLE config; --", 'NaN', '1e400', '{{nobody:0}}'],
  ...[[], {}, [[]], [null], { content: {} }, 'x'.repeat(5000), '01k72p5n5kcrm6md3bre4p0778'],
  ...['{{job:1}}', '{{artifact:2}}', '{{config:3}}', '{{freedconfig:4}}', '{{freedartifact:5}}'],
)

/** One place of a JSON value changed. */
function changedOnce(value: unknown): fc.Arbitrary<[string, unknown]> {
  const places = placesOf(value)
  return fc
    .record({
      at: fc.constantFrom(...places),
      how: fc.constantFrom('replace', 'remove', 'add', 'wrap', 'huge'),
      by: odd,
    })
    .map(({ at, how, by }) => [
      `${how} at /${at.join('/')}`,
      edit(value, at, (old) => {
        if (how === 'remove') return undefined
        if (how === 'wrap') return [old]
        if (how === 'huge')
          return Array.isArray(old) ? Array(3000).fill(old[0]) : 'y'.repeat(40_000)
        if (how === 'replace' || old === null || typeof old !== 'object') return by
        return Array.isArray(old) ? [...old, by] : { ...old, extra: by }
      }),
    ])
}

type Path = (string | number)[]

function placesOf(value: unknown, path: Path = []): Path[] {
  if (value === null || typeof value !== 'object') return [path]
  return [
    path,
    ...Object.entries(value).flatMap(([key, member]) =>
      placesOf(member, [...path, Array.isArray(value) ? Number(key) : key]),
    ),
  ]
}

function edit(value: unknown, path: Path, change: (old: unknown) => unknown): unknown {
  const [key, ...rest] = path
  if (key === undefined) return change(value)
  if (Array.isArray(value)) {
    return value.map((each, index) => (index === key ? edit(each, rest, change) : each))
  }
  const members = Object.entries(value as object).map(([name, each]) => [
    name,
    name === key ? edit(each, rest, change) : each,
  ])
  return Object.fromEntries(members)
}

const inUrl = (value: unknown) =>
  typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value))

const optional = (members: Record<string, fc.Arbitrary<string>>) =>
  fc.record<Record<string, string>, never>(members, { requiredKeys: [] }) as fc.Arbitrary<
    Record<string, string>
  >

const queryOf = (parameters: Parameter[]) => {
  const values: Record<string, fc.Arbitrary<string>> = {}
  for (const { name, schema } of parameters) values[name] = fitting(schema, name).map(inUrl)
  return optional(values).map((query) => {
    // A list is paged by number or by key: both at once do not fit.
    if (query.page !== undefined) delete query.after
    return Object.entries(query)
  })
}

type Content = [type: string, text: string] | undefined

/** Requests that fit an operation as far as the document says what fits. */
function validPlans(operation: Operation): fc.Arbitrary<Plan> {
  const { method, path, parameters, bodies } = operation
  const target = path.includes('{id}')
    ? place(kindOf(path)).map((id) => path.replace('{id}', id))
    : fc.constant(path)
  const headers = optional(
    Object.fromEntries(
      parameters
        .filter((parameter) => parameter.in === 'header' && parameter.name !== 'Content-Digest')
        .map(({ name }) => [name.toLowerCase(), headerValue(name)]),
    ),
  )
  const body =
    bodies.length === 0
      ? fc.constant<Content>(undefined)
      : fc.oneof(
          ...bodies.map(([type, { schema, example }]) =>
            type === 'application/json'
              ? fitting(schema, '', example).map((value): Content => [type, JSON.stringify(value)])
              : fc.constant<Content>([type, String(example)]),
          ),
        )
  const query = queryOf(parameters.filter((parameter) => parameter.in === 'query'))
  return fc.tuple(target, query, headers, body).map(([url, pairs, extra, content]) => ({
    change: 'valid',
    method,
    path: url,
    query: pairs,
    headers: { ...extra, ...(content && { 'content-type': content[0] }) },
    body: content?.[1],
  }))
}

/** Most keys are new; some are met again, with another body. */
function headerValue(name: string): fc.Arbitrary<string> {
  if (name === 'Prefer') return fc.constantFrom('wait=1', 'respond-async', 'wait=61')
  if (name === 'Range') return fc.constantFrom('bytes=0-', 'bytes=0-3', 'bytes=-2')
  if (name.startsWith('If-')) return fc.constantFrom('"a"', '*')
  const fresh = fc.noBias(fc.nat(2 ** 31)).map((index) => `key-${index}`)
  return fc.oneof({ weight: 4, arbitrary: fresh }, fc.constantFrom('again', '"again"'))
}

const oddHeaders = fc.constantFrom<[string, string]>(
  ['prefer', 'wait=99999999999'],
  ['prefer', ';;,"'],
  ['idempotency-key', ''],
  ['idempotency-key', 'x'.repeat(300)],
  ['idempotency-key', 'always-the-same'],
  ['range', 'bytes=0-'],
  ['range', 'bytes=0-1'],
  ['range', 'bytes=-1'],
  ['range', 'bytes=5-2'],
  ['range', 'bytes=99999999999999999999-'],
  ['range', 'bytes=0-0,2-3'],
  ['range', 'lines=1'],
  ['if-none-match', '*'],
  ['if-range', '"a"'],
  ['accept', 'image/png'],
  ['accept-encoding', 'gzip;q=x'],
  ['content-encoding', 'gzip'],
  ['content-digest', 'sha-256=:AAAA:'],
  ['content-digest', 'nonsense'],
  ['if-match', '"zzz"'],
  ['x-http-method-override', 'DELETE'],
  ['origin', 'https://evil.example'],
  ['expect', '100-continue'],
  ['cookie', 'a=\u00ff'],
)
const oddTypes = fc.constantFrom(
  ...[
    '',
    'text/plain',
    'application/jsonx',
    'APPLICATION/JSON',
    'application/json; charset=utf-16',
  ],
  ...['multipart/form-data; boundary=a', 'text/csv', 'application/octet-stream', '*/*', 'json'],
  'application/json; a="',
)
const oddIds = fc.oneof(
  ...['freedconfig', 'freedartifact', 'freedjob', 'config', 'artifact', 'job', 'model'].map(place),
  fc.constantFrom(
    '{{nobody:0}}',
    '$schema',
    '%00',
    '%2e%2e',
    '%ff',
    '%',
    'x'.repeat(200),
    'ä',
    '+',
  ),
  freshUlid.map((id) => id.toLowerCase()),
  fc.string({ unit: 'grapheme', maxLength: 30 }).map(encodeURIComponent),
)
const oddTexts = fc.constantFrom<(text: string) => string | Uint8Array>(
  (text) => text.slice(0, text.length / 2),
  (text) => `${text}x`,
  (text) => `\ufeff${text}`,
  (text) => `${text}${text}`,
  (text) => text.replace('{', '{"data":1,'),
  (text) => text.replaceAll('"', "'"),
  (text) => text.replace(/\d/, '1e999'),
  (text) => text.replace('{', '{"__proto__":{},'),
  (text) => Buffer.concat([Buffer.from(text), Buffer.from([0xff, 0xfe])]),
  (text) => Buffer.from(text, 'utf16le'),
  () => '',
  () => 'null',
  () => '[]',
  () => '"'.padEnd(100, 'a'),
  () => '['.repeat(5000),
  () => '{"a":'.repeat(70),
  () => `{"data":"${'z'.repeat(300_000)}"}`,
)

/** A request that fits, with one thing changed. */
function changedPlans(operation: Operation): fc.Arbitrary<Plan> {
  const names = operation.parameters.filter((each) => each.in === 'query').map(({ name }) => name)
  return validPlans(operation).chain((plan) => {
    const byHeader = oddHeaders.map(([name, value]) => ({
      ...plan,
      change: `header ${name}`,
      headers: { ...plan.headers, [name]: value },
    }))
    const changes: fc.Arbitrary<Plan>[] = [
      byHeader,
      byHeader,
      fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS').map((method) => ({
        ...plan,
        change: `method ${method}`,
        method,
      })),
      fc
        .tuple(fc.constantFrom(...names, 'unknown', '__proto__', 'a[b]'), odd)
        .map(([name, by]) => ({
          ...plan,
          change: `query ${name}`,
          query: [...plan.query, [name, inUrl(by)] as [string, string]],
        })),
      oddTypes.map((type) => ({
        ...plan,
        change: 'content type',
        headers: { ...plan.headers, 'content-type': type },
      })),
    ]
    if (operation.path.includes('{id}')) {
      const byId = oddIds.map((id) => ({
        ...plan,
        change: 'id',
        path: operation.path.replace('{id}', id),
      }))
      changes.push(byId, byId)
    }
    const { body } = plan
    if (typeof body === 'string') {
      changes.push(oddTexts.map((by) => ({ ...plan, change: 'text', body: by(body) })))
      if (plan.headers['content-type'] === 'application/json') {
        const byValue = changedOnce(JSON.parse(body)).map(([change, value]) => ({
          ...plan,
          change,
          body: JSON.stringify(value) ?? '',
        }))
        changes.push(byValue, byValue, byValue, byValue)
      }
    }
    return fc.oneof(...changes)
  })
}

export const plansFor = (operation: Operation): fc.Arbitrary<Plan> =>
  fc.oneof(
    { weight: 2, arbitrary: validPlans(operation) },
    { weight: 3, arbitrary: changedPlans(operation) },
  )
