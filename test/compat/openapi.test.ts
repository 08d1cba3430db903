import { Ajv2020 } from 'ajv/dist/2020.js'
import { errorCatalogue, permissionCatalogue } from 'chapkit'
import { createTestService, type TestService } from 'chapkit/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createProbe, timestamp } from './fixtures.ts'

interface Media {
  schema: object
  example?: unknown
}
interface Operation {
  operationId: string
  tags: string[]
  summary: string
  'x-permission': string
  parameters: {
    name: string
    in: string
    required: boolean
    schema: object
    example?: unknown
  }[]
  requestBody?: { required: boolean; content: Record<string, Media> }
  responses: Record<string, { description: string; content?: Record<string, Media> }>
}
interface Document {
  openapi: string
  info: Record<string, unknown>
  servers: { url: string }[]
  tags: { name: string; description: string }[]
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, object> }
}

let probe: TestService
let document: Document
let operations: { name: string; method: string; path: string; operation: Operation }[]
let registered: string[]

beforeAll(async () => {
  const { builder } = createProbe()
  let print = () => ''
  const service = builder
    .withTasks()
    .withSchedules()
    .withRoutes((app) => {
      app.get('/api/v1/own/:name', async () => ({ own: true }))
      print = () => app.printRoutes({ commonPrefix: false })
    })
    .build()
  probe = await createTestService(service)
  document = (await probe.request('GET', '/openapi.json')).json
  operations = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({
      name: `${method.toUpperCase()} ${path}`,
      method: method.toUpperCase(),
      path,
      operation,
    })),
  )
  registered = toRoutes(print())
})
afterAll(() => probe.close())

/** `METHOD /path/{id}` of each line in the framework's own picture of its routes. */
function toRoutes(tree: string): string[] {
  const parents: string[] = []
  const routes: string[] = []
  for (const line of tree.split('\n')) {
    const node = /^([│ ]*)[├└]── (.*?)(?: \(([A-Z, ]+)\))?$/.exec(line)
    if (!node) continue
    const [, indent = '', part = '', methods] = node
    const depth = indent.length / 4
    parents.length = depth
    parents.push(part)
    const path = parents.join('').replace(/:(\w+)/g, '{$1}')
    for (const method of methods?.split(', ') ?? []) {
      if (method !== 'HEAD') routes.push(`${method} ${path}`)
    }
  }
  return routes
}

const contents = (operation: Operation): [string, Media][] => [
  ...Object.entries(operation.requestBody?.content ?? {}),
  ...Object.values(operation.responses).flatMap(({ content }) => Object.entries(content ?? {})),
]

describe('the OpenAPI document', () => {
  test('is 3.1 and says what the service is', () => {
    expect(Object.keys(document)).toEqual([
      'openapi',
      'info',
      'servers',
      'tags',
      'paths',
      'components',
    ])
    // Relative to where the document came from, so that it also works behind a path of a proxy.
    expect(document.servers).toEqual([{ url: '.' }])
    expect(document.openapi).toBe('3.1.0')
    expect(document.info).toEqual({ title: 'Probe', version: '1.2.3', description: 'd' })
    expect(document.tags.map(({ name }) => name).toSorted()).toEqual([
      'Artifacts',
      'Config',
      'Jobs',
      'ML',
      'Observability',
      'Schedules',
      'Service',
      'Tasks',
    ])
  })

  test('names the address that clients use, when it is set', async () => {
    const service = createProbe().builder.build()
    await using test = await createTestService(service, { publicUrl: 'https://a.example' })
    const { json } = await test.request('GET', '/openapi.json')
    expect(json.servers).toEqual([{ url: 'https://a.example' }])
  })

  test('has every route that is registered, and no other', () => {
    expect(registered.length).toBeGreaterThan(35)
    expect(operations.map(({ name }) => name).toSorted()).toEqual(registered.toSorted())
    expect(registered).toContain('GET /api/v1/own/{name}')
  })

  test('has the routes of the contract', () => {
    const names = operations.map(({ name }) => name)
    for (const name of [
      'GET /health',
      'GET /health/$stream',
      'GET /api/v1/info',
      'GET /api/v1/system',
      'GET /api/v1/system/apps',
      'GET /api/v1/system/apps/$schema',
      'GET /api/v1/jobs',
      'GET /api/v1/jobs/$schema',
      'GET /api/v1/jobs/{id}',
      'DELETE /api/v1/jobs/{id}',
      'GET /api/v1/jobs/{id}/$stream',
      'POST /api/v1/ml/$train',
      'POST /api/v1/ml/$predict',
      'POST /api/v1/ml/$validate',
      'GET /api/v1/ml/$generate-sample-data',
      'GET /api/v1/configs/{id}/$artifacts',
      'POST /api/v1/configs/{id}/$link-artifact',
      'POST /api/v1/configs/{id}/$unlink-artifact',
      'POST /api/v1/tasks/{id}/$execute',
      ...['configs', 'artifacts', 'tasks'].flatMap((noun) => [
        `POST /api/v1/${noun}`,
        `GET /api/v1/${noun}`,
        `GET /api/v1/${noun}/$schema`,
        `GET /api/v1/${noun}/$stats`,
        `GET /api/v1/${noun}/{id}`,
        `PUT /api/v1/${noun}/{id}`,
        `DELETE /api/v1/${noun}/{id}`,
      ]),
      ...['expand', 'tree', 'config', 'download', 'metadata'].map(
        (operation) => `GET /api/v1/artifacts/{id}/$${operation}`,
      ),
    ]) {
      expect(names).toContain(name)
    }
  })

  test('names every operation once, with a tag, a summary and a permission of the catalogue', () => {
    const ids = operations.map(({ operation }) => operation.operationId)
    expect(new Set(ids).size).toBe(ids.length)
    const tags = document.tags.map(({ name }) => name)
    for (const { name, operation } of operations) {
      expect(operation.operationId, name).toMatch(/^[a-z][a-z0-9_]*$/i)
      expect(operation.summary, name).toMatch(/\S/)
      expect(Object.keys(permissionCatalogue), name).toContain(operation['x-permission'])
      for (const tag of operation.tags) expect(tags).toContain(tag)
    }
  })

  test('declares every parameter of a path, and each parameter once', () => {
    for (const { name, path, operation } of operations) {
      const inPath = operation.parameters.filter((parameter) => parameter.in === 'path')
      const wanted = [...path.matchAll(/\{(\w+)\}/g)].map(([, each]) => each)
      expect(
        inPath.map((parameter) => parameter.name),
        name,
      ).toEqual(wanted)
      for (const parameter of inPath) expect(parameter.required).toBe(true)
      const keys = operation.parameters.map((parameter) => `${parameter.in} ${parameter.name}`)
      expect(new Set(keys).size, name).toBe(keys.length)
      for (const parameter of operation.parameters) {
        expect(['path', 'query', 'header'], name).toContain(parameter.in)
        expect(parameter.schema, name).toBeTypeOf('object')
      }
    }
  })

  test('declares answers with descriptions, a success among them, and refusals as problems', () => {
    const problem = { $ref: '#/components/schemas/Problem' }
    for (const { name, operation } of operations) {
      const statuses = Object.keys(operation.responses)
      expect(
        statuses.some((status) => /^20\d$/.test(status)),
        name,
      ).toBe(true)
      for (const [status, response] of Object.entries(operation.responses)) {
        expect(response.description, name).toMatch(/\S/)
        if (Number(status) < 400) continue
        // The state of an unhealthy service is its answer, and no refusal.
        if (name === 'GET /health' && status === '503') continue
        const media = response.content?.['application/problem+json']
        expect(media?.schema, name).toEqual(problem)
        expect(Object.values(errorCatalogue).map((entry) => entry.status)).toContain(Number(status))
      }
    }
    expect(document.components.schemas).toHaveProperty('Problem')
  })

  test('says of what takes an id and a body how it can fail', () => {
    for (const { name, path, operation } of operations) {
      if (path.startsWith('/api/v1/own')) continue
      const statuses = Object.keys(operation.responses)
      if (path.includes('{id}') && !path.endsWith('$artifacts'))
        expect(statuses, name).toContain('404')
      if (operation.requestBody) {
        for (const status of ['400', '413', '415', '422']) {
          if (path.endsWith('$upload') && status !== '400' && status !== '422') continue
          expect(statuses, name).toContain(status)
        }
      }
      if (operation.parameters.some((parameter) => parameter.in === 'query')) {
        expect(statuses, name).toContain('422')
      }
    }
  })

  test('has an example of every body, and each fits its schema', () => {
    const ajv = new Ajv2020({ strict: false, allErrors: true })
    ajv.addFormat('date-time', timestamp)
    ajv.addFormat('binary', true)
    ajv.addKeyword('components')
    ajv.addSchema({ $id: 'document', components: document.components })
    const resolve = (schema: object) =>
      JSON.parse(JSON.stringify(schema).replaceAll('"#/components/', '"document#/components/'))
    let checked = 0
    for (const { name, operation } of operations) {
      for (const [type, { schema, example }] of contents(operation)) {
        expect(example, `${name} ${type}`).toBeDefined()
        const validate = ajv.compile(resolve(schema))
        expect(validate(example) ? [] : validate.errors, `${name} ${type}`).toEqual([])
        checked++
      }
      for (const { schema } of operation.parameters) ajv.compile(resolve(schema))
    }
    expect(checked).toBeGreaterThan(80)
  })

  test('describes what is really answered', async () => {
    const ajv = new Ajv2020({ strict: false, allErrors: true })
    ajv.addFormat('date-time', timestamp)
    const config = await probe.request('POST', '/api/v1/configs', { name: 'a', data: {} })
    const artifact = await probe.request('POST', '/api/v1/artifacts', { data: { content: 1 } })
    const answers: [string, string, unknown][] = [
      ['/api/v1/configs', 'post', config.json],
      ['/api/v1/artifacts', 'post', artifact.json],
    ]
    for (const [path, url] of [
      ['/health', '/health'],
      ['/health/live', '/health/live'],
      ['/api/v1/info', '/api/v1/info'],
      ['/api/v1/system', '/api/v1/system'],
      ['/api/v1/system/apps', '/api/v1/system/apps'],
      ['/api/v1/configs', '/api/v1/configs'],
      ['/api/v1/configs', '/api/v1/configs?page=1&size=1'],
      ['/api/v1/configs/{id}', `/api/v1/configs/${config.json.id}`],
      ['/api/v1/configs/$schema', '/api/v1/configs/$schema'],
      ['/api/v1/configs/$stats', '/api/v1/configs/$stats'],
      ['/api/v1/artifacts', '/api/v1/artifacts'],
      ['/api/v1/artifacts', '/api/v1/artifacts?page=1&size=1'],
      ['/api/v1/artifacts/{id}', `/api/v1/artifacts/${artifact.json.id}`],
      ['/api/v1/artifacts/{id}/$tree', `/api/v1/artifacts/${artifact.json.id}/$tree`],
      ['/api/v1/artifacts/{id}/$expand', `/api/v1/artifacts/${artifact.json.id}/$expand`],
      ['/api/v1/jobs', '/api/v1/jobs'],
      ['/api/v1/jobs', '/api/v1/jobs?page=1&size=1'],
      ['/api/v1/ml/$generate-sample-data', '/api/v1/ml/$generate-sample-data?include_geo=true'],
    ] as const) {
      answers.push([path, 'get', (await probe.request('GET', url)).json])
    }
    for (const [path, method, json] of answers) {
      const { responses } = document.paths[path]![method]!
      const { schema } = (responses['200'] ?? responses['201'])!.content!['application/json']!
      const validate = ajv.compile(schema)
      expect(validate(json) ? [] : validate.errors, `${method} ${path}`).toEqual([])
    }
  })
})
