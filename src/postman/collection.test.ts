import fc from 'fast-check'
import { expect, test } from 'vitest'
import { toCollection } from './collection.ts'
import { endpointsOf, isPage, parseOpenApi } from './document.ts'
import { singular, variableFor } from './requests.ts'
import type { Collection, Item, OpenApi, Operation } from './schema.ts'

const problem = { description: 'Bad', content: { 'application/problem+json': { example: {} } } }

const document = (paths: OpenApi['paths'], more: Partial<OpenApi> = {}): OpenApi =>
  parseOpenApi({ openapi: '3.1.0', info: { title: 'Service', version: '1.2.3' }, paths, ...more })

const itemsOf = ({ item }: Collection): Item[] => item.flatMap((folder) => folder.item)

function find(collection: Collection, name: string): Item {
  const item = itemsOf(collection).find((each) => each.name === name)
  if (!item) throw new Error(`No request ${name}: ${itemsOf(collection).map((each) => each.name)}`)
  return item
}

const job: Operation = {
  tags: ['Jobs'],
  summary: 'Get a job',
  description: 'The record.',
  parameters: [
    { name: 'id', in: 'path', required: true, description: 'Its id' },
    { name: 'format', in: 'query', schema: { enum: ['short', 'long'] } },
    { name: 'fields', in: 'query', required: true, example: 'id,status' },
    { name: 'Prefer', in: 'header', description: 'How long to wait' },
  ],
  responses: {
    200: {
      description: 'The job',
      content: { 'application/json': { schema: { required: ['id'] }, example: { id: 'x' } } },
    },
    404: problem,
    500: problem,
  },
}

test('a request has its description, ids as variables, and what may be left out switched off', () => {
  const { request } = find(toCollection(document({ '/jobs/{id}': { get: job } })), 'Get a job')
  expect(request).toEqual({
    method: 'GET',
    description: 'Get a job\n\nThe record.',
    header: [
      { key: 'Accept', value: 'application/json' },
      { key: 'Prefer', value: 'wait=30', description: 'How long to wait', disabled: true },
    ],
    url: {
      raw: '{{base_url}}/jobs/:id?fields=id,status',
      host: ['{{base_url}}'],
      path: ['jobs', ':id'],
      query: [
        { key: 'format', value: 'short', disabled: true },
        { key: 'fields', value: 'id,status' },
      ],
      variable: [{ key: 'id', value: '{{job_id}}', description: 'Its id' }],
    },
  })
})

test('the answers of a document are shown, but for refusals that are the same everywhere', () => {
  const { response } = find(toCollection(document({ '/jobs/{id}': { get: job } })), 'Get a job')
  expect(response.map(({ name, code, body }) => ({ name, code, body }))).toEqual([
    { name: '200 The job', code: 200, body: '{\n  "id": "x"\n}' },
    { name: '404 Bad', code: 404, body: '{}' },
  ])
})

test('ids in an example body give way to variables, and each media type has a request', () => {
  const example = { config_id: '01K', data: [{ parent_id: '01K', name: 'a' }] }
  const train: Operation = {
    summary: 'Train',
    parameters: [{ name: 'config_id', in: 'query' }],
    requestBody: {
      content: { 'application/json': { example }, 'text/csv': { example: 'a,b\n1,2\n' } },
    },
    responses: { 202: { description: 'Stored' } },
  }
  const collection = toCollection(document({ '/train': { post: train } }))
  expect(JSON.parse(find(collection, 'Train').request.body?.raw ?? '')).toEqual({
    config_id: '{{config_id}}',
    data: [{ parent_id: '{{parent_id}}', name: 'a' }],
  })
  const csv = find(collection, 'Train (text/csv)').request
  expect(csv.body?.raw).toBe('a,b\n1,2\n')
  expect(csv.url.raw).toBe('{{base_url}}/train?config_id={{config_id}}')
  expect(csv.header).toContainEqual({ key: 'Content-Type', value: 'text/csv' })
})

test('a key is sent where it is asked for, and only there', () => {
  const open: Operation = { summary: 'Open', responses: { 200: { description: '' } } }
  const closed: Operation = { ...open, summary: 'Closed', security: [{ apiKey: [] }] }
  const collection = toCollection(
    document(
      { '/open': { get: open }, '/closed': { get: closed } },
      {
        components: {
          securitySchemes: {
            bearer: { type: 'http' },
            apiKey: { type: 'apiKey', in: 'header', name: 'X-Ours' },
          },
        },
      },
    ),
  )
  expect(collection.auth).toMatchObject({ type: 'apikey' })
  expect(JSON.stringify(collection.auth)).toContain('"X-Ours"')
  expect(find(collection, 'Open').request.auth).toEqual({ type: 'noauth' })
  expect(find(collection, 'Closed').request.auth).toBeUndefined()
  expect(collection.variable.map(({ key }) => key)).toContain('api_key')
})

test('the service is looked for where it is said to be, else where the document says, else here', () => {
  const base = (more: Partial<OpenApi>, options = {}) =>
    toCollection(document({}, more), options).variable[0]?.value
  expect(base({ servers: [{ url: '.' }] })).toBe('http://127.0.0.1:8000')
  expect(base({ servers: [{ url: 'https://a.example/x/' }] })).toBe('https://a.example/x')
  expect(base({ servers: [{ url: 'https://a.example' }] }, { baseUrl: 'http://b' })).toBe(
    'http://b',
  )
})

test('streams are not tested, as they do not end, and pages are left out', () => {
  const page = (type: string) => ({
    summary: type,
    responses: { 200: { description: '', content: { [type]: {} } } },
  })
  const collection = toCollection(
    document({
      '/docs': { get: page('text/html') },
      '/style.css': { get: page('text/css') },
      '/events': { get: page('text/event-stream') },
    }),
  )
  expect(itemsOf(collection).map(({ name }) => name)).toEqual(['text/event-stream'])
  expect(itemsOf(collection)[0]?.event).toEqual([])
})

test.each([
  ['jobs', 'id', 'job_id'],
  ['countries', 'id', 'country_id'],
  ['status', 'id', 'status_id'],
  ['address', 'id', 'address_id'],
  ['jobs', 'job_id', 'job_id'],
  ['data-sets', 'id', 'data_set_id'],
])('/%s/{%s} is asked with {{%s}}', (collection, parameter, variable) => {
  expect(variableFor(collection, parameter)).toBe(variable)
  expect(singular(collection)).toMatch(/^[a-z-]+$/)
})

test.each([
  [null, 'which has a member "openapi"'],
  [[], 'which has a member "openapi"'],
  [{ openapi: '2.0' }, 'got version 2.0'],
  [{ openapi: '3.1.0' }, 'with a title'],
  [{ openapi: '3.1.0', info: { title: 'a' } }, 'with "paths"'],
])('%j is no document', (value, reason) => {
  expect(() => parseOpenApi(value)).toThrow(reason)
})

const name = fc.constantFrom('jobs', 'configs', 'artifacts', 'users', '$tree', 'info', 'health')
const path = fc
  .array(fc.oneof(name, fc.constantFrom('{id}', '{name}', '{job_id}')), {
    minLength: 1,
    maxLength: 5,
  })
  .map((parts) => `/${parts.join('/')}`)
const text = fc.string({ maxLength: 12 })
const media = fc.record({ example: fc.jsonValue({ maxDepth: 2 }) })
const type = fc.constantFrom(
  'application/json',
  'text/csv',
  'text/html',
  'text/event-stream',
  '*/*',
)
const operation: fc.Arbitrary<Operation> = fc.record(
  {
    tags: fc.array(fc.constantFrom('A', 'B', 'C'), { maxLength: 2 }),
    summary: text,
    description: text,
    security: fc.constantFrom([], [{ apiKey: [] }]),
    parameters: fc.array(
      fc.record({
        name: fc.constantFrom('id', 'name', 'config_id', 'format'),
        in: fc.constantFrom('path', 'query', 'header'),
        required: fc.boolean(),
      }),
    ),
    requestBody: fc.record({ content: fc.dictionary(type, media, { minKeys: 1, maxKeys: 2 }) }),
    responses: fc.dictionary(
      fc.constantFrom('200', '201', '202', '204', '403', '404', '409', 'default'),
      fc.record({ description: text, content: fc.dictionary(type, media, { maxKeys: 2 }) }),
    ),
  },
  { requiredKeys: [] },
)
const method = fc.constantFrom('get', 'post', 'put', 'delete', 'trace')
const anyDocument = fc
  .dictionary(path, fc.dictionary(method, operation, { maxKeys: 2 }), { maxKeys: 3 })
  .map((paths) => document(paths))

test('whatever the document, every operation has its requests and every variable its place', () => {
  fc.assert(
    fc.property(anyDocument, (any) => {
      const before = JSON.stringify(any)
      const collection = toCollection(any)
      const isUntouched = JSON.stringify(any) === before
      const again = JSON.stringify(toCollection(JSON.parse(before)))
      return isUntouched && again === JSON.stringify(collection) && isWhole(any, collection)
    }),
    { numRuns: 10_000 },
  )
})

function isWhole(any: OpenApi, collection: Collection): boolean {
  const [first, ...others] = collection.item
  const folders = first?.name === 'Walk through' ? others : collection.item
  const listed = folders.flatMap(({ item }) => item)
  const wanted = endpointsOf(any)
    .filter((endpoint) => !isPage(endpoint.operation))
    .map(({ operation: { requestBody } }) => Object.keys(requestBody?.content ?? { '': 0 }).length)
    .reduce((sum, count) => sum + count, 0)
  for (const { request } of listed)
    if (request.body?.options.raw.language === 'json') JSON.parse(request.body.raw)

  const known = new Set(collection.variable.map(({ key }) => key))
  return (
    listed.length === wanted &&
    itemsOf(collection).every(({ request: { url } }) => {
      const named = [...url.path.join('/').matchAll(/:(\w+)/g)].map(([, each]) => each)
      const used = [...JSON.stringify(url).matchAll(/\{\{(\w+)\}\}/g)].map(([, each]) => each ?? '')
      const placed = url.variable?.map(({ key }) => key) ?? []
      return String(placed) === String(named) && used.every((variable) => known.has(variable))
    })
  )
}
