import {
  BaseServiceBuilder,
  errorCatalogue,
  MLServiceBuilder,
  MLServiceInfo,
  version,
} from 'chapkit'
import { createTestService, type TestService } from 'chapkit/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  createProbe,
  eventsOf,
  expectProblem,
  info,
  nobody,
  type Probe,
  startProbe,
  timestamp,
  ulid,
} from './fixtures.ts'

let probe: Probe
beforeAll(async () => {
  probe = await startProbe()
})
afterAll(() => probe.close())

describe('health', () => {
  test('is healthy with the database checked, live and ready', async () => {
    const healthy = '{"status":"healthy","checks":{"database":{"state":"healthy"}}}'
    expect(await probe.request('GET', '/health')).toMatchObject({ status: 200, text: healthy })
    expect((await probe.request('GET', '/health/live')).json).toEqual({ status: 'healthy' })
    expect(await probe.request('GET', '/health/ready')).toMatchObject({
      status: 200,
      text: healthy,
    })
  })

  test('is 503 when a check is unhealthy; the worst of them is the state of the whole', async () => {
    const { builder } = createProbe()
    const service = builder
      .withHealthCheck('slow', () => ({ state: 'degraded', message: 'behind' }))
      .withHealthCheck('broken', () => {
        throw new Error('no answer')
      })
      .build()
    await using test = await createTestService(service)
    const { status, json, headers } = await test.request('GET', '/health')
    expect(status).toBe(503)
    expect(headers['content-type']).toBe('application/json')
    expect(json).toEqual({
      status: 'unhealthy',
      checks: {
        database: { state: 'healthy' },
        slow: { state: 'degraded', message: 'behind' },
        broken: { state: 'unhealthy', message: 'Check failed: no answer' },
      },
    })
    const ready = await test.request('GET', '/health/ready')
    expect(expectProblem(ready, 503, 'unavailable').detail).toContain('broken')
    expect(Number(ready.headers['retry-after'])).toBeGreaterThan(0)
    expect((await test.request('GET', '/health/live')).status).toBe(200)
  })

  test('degraded is ready', async () => {
    const service = createProbe()
      .builder.withHealthCheck('slow', async () => ({ state: 'degraded' }))
      .build()
    await using test = await createTestService(service)
    expect(await test.request('GET', '/health')).toMatchObject({
      status: 200,
      json: { status: 'degraded' },
    })
    expect((await test.request('GET', '/health/ready')).status).toBe(200)
  })

  test('can be followed: an event at once, then one every poll_interval', async () => {
    await using fresh = await startProbe()
    const url = await fresh.listen()
    const response = await fetch(`${url}/health/$stream?poll_interval=0.1`)
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
    const events: string[] = []
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      events.push(...eventsOf(chunk))
      if (events.length === 3) break
    }
    const { text } = await fresh.request('GET', '/health')
    expect(events).toEqual([text, text, text])
    const head = await fresh.request('HEAD', '/health/$stream')
    expect(head).toMatchObject({ status: 200, text: '' })
  })

  test.each(['x', '0', '-1', '0.09', '61', 'Infinity', ''])(
    'refuses a poll_interval of %j',
    async (interval) => {
      const answer = await probe.request('GET', `/health/$stream?poll_interval=${interval}`)
      expectProblem(answer, 422, 'validation-failed', ['query', 'poll_interval'])
    },
  )

  test('ends its streams when the service stops', async () => {
    const fresh = await startProbe()
    const url = await fresh.listen()
    const response = await fetch(`${url}/health/$stream?poll_interval=60`)
    const reader = response.body!.getReader()
    await reader.read()
    const closed = fresh.close()
    expect((await reader.read()).done).toBe(true)
    await closed
  })
})

describe('info', () => {
  test('has exactly the known keys, in their order, nulls included', async () => {
    const { status, text } = await probe.request('GET', '/api/v1/info')
    expect(status).toBe(200)
    expect(text).toBe(
      JSON.stringify({
        id: 'probe-svc',
        display_name: 'Probe',
        version: '1.2.3',
        description: 'd',
        model_metadata: {
          author: 'A',
          author_note: null,
          author_assessed_status: 'yellow',
          contact_email: 'a@example.com',
          organization: null,
          organization_logo_url: null,
          citation_info: null,
          repository_url: 'https://example.com/x',
          documentation_url: null,
        },
        git_revision: null,
        chapkit_version: version,
        servicekit_version: null,
        period_type: 'monthly',
        min_prediction_periods: 1,
        max_prediction_periods: 10,
        allow_free_additional_continuous_covariates: false,
        required_covariates: ['humidity'],
        requires_geo: false,
        target: 'disease_cases',
        hpo_search_space: null,
      }),
    )
    expect(MLServiceInfo.safeParse(JSON.parse(text)).success).toBe(true)
  })

  test('has defaults for everything but id, name and period', async () => {
    const { runner } = createProbe()
    const service = new MLServiceBuilder({
      info: { id: 'a', display_name: 'A', period_type: 'weekly' },
      runner,
    }).build()
    await using test = await createTestService(service)
    expect((await test.request('GET', '/api/v1/info')).json).toMatchObject({
      version: '1.0.0',
      description: null,
      model_metadata: { author: null, author_assessed_status: null },
      period_type: 'weekly',
      min_prediction_periods: 0,
      max_prediction_periods: 100,
      required_covariates: [],
      target: 'disease_cases',
      hpo_search_space: null,
    })
  })

  test('tells the commit of the environment, unless its author has set another', async () => {
    const infoOf = async (changes: object, gitRevision: string | null) => {
      const { runner } = createProbe()
      const service = new MLServiceBuilder({ info: { ...info, ...changes }, runner }).build()
      await using test = await createTestService(service, { gitRevision })
      return (await test.request('GET', '/api/v1/info')).json
    }
    expect(await infoOf({}, 'abc1234')).toMatchObject({ git_revision: 'abc1234' })
    expect(await infoOf({ git_revision: '' }, 'abc1234')).toMatchObject({ git_revision: 'abc1234' })
    expect(await infoOf({ git_revision: 'fed4321' }, 'abc1234')).toMatchObject({
      git_revision: 'fed4321',
    })
    const versions = { chapkit_version: '2.4.1', servicekit_version: '3.0.1' }
    expect(await infoOf(versions, null)).toMatchObject({ ...versions, git_revision: null })
  })

  test('takes a target, a search space, and a model of weeks and months', async () => {
    const { runner } = createProbe()
    const more = {
      period_type: 'any',
      target: 'malaria_cases',
      hpo_search_space: { n_lags: { low: 1, high: 6 }, rate: [0.1, 0.5] },
    } as const
    const service = new MLServiceBuilder({ info: { ...info, ...more }, runner }).build()
    await using test = await createTestService(service)
    expect((await test.request('GET', '/api/v1/info')).json).toMatchObject(more)
    const periods = async (query: string) => {
      const { json } = await test.request('GET', `/api/v1/ml/$generate-sample-data${query}`)
      return json.data.data[0][0]
    }
    expect(await periods('')).toBe('2020-01')
    expect(await periods('?period_type=weekly')).toBe('2020-W01')
  })

  test('of a service without a model has four keys', async () => {
    const service = new BaseServiceBuilder({ info: { id: 'a-b', display_name: 'A' } }).build()
    await using test = await createTestService(service)
    expect((await test.request('GET', '/api/v1/info')).text).toBe(
      '{"id":"a-b","display_name":"A","version":"1.0.0","description":null}',
    )
    expectProblem(await test.request('GET', '/api/v1/jobs'), 404, 'not-found')
    expectProblem(await test.request('GET', '/health'), 404, 'not-found')
  })
})

describe('system', () => {
  test('says where the service runs', async () => {
    const { json } = await probe.request('GET', '/api/v1/system')
    expect(Object.keys(json)).toEqual([
      'current_time',
      'timezone',
      'python_version',
      'platform',
      'hostname',
    ])
    expect(json.current_time).toMatch(timestamp)
    expect(json.python_version).toBe(process.versions.node)
  })

  test('lists the apps, with a schema', async () => {
    expect((await probe.request('GET', '/api/v1/system/apps')).json).toEqual([])
    const { json } = await probe.request('GET', '/api/v1/system/apps/$schema')
    expect(Object.keys(json.items.properties)).toEqual([
      'name',
      'version',
      'prefix',
      'description',
      'author',
      'entry',
      'is_package',
    ])
  })
})

describe('pages', () => {
  test('/ names the service, escapes what it says and leads on', async () => {
    const service = new BaseServiceBuilder({
      info: { id: 'a', display_name: '<b>A</b>', description: '"x" & <script>' },
    }).build()
    await using test = await createTestService(service)
    const { status, headers, text } = await test.request('GET', '/')
    expect(status).toBe(200)
    expect(headers['content-type']).toBe('text/html; charset=utf-8')
    expect(headers['content-security-policy']).toContain("default-src 'none'")
    expect(text).toContain('&lt;b&gt;A&lt;/b&gt;')
    expect(text).not.toContain('<b>A')
    expect(text).not.toContain('<script>')
    expect(text).toContain('href="openapi.json"')
  })

  test('every link of / leads somewhere', async () => {
    const { text } = await probe.request('GET', '/')
    const links = [...text.matchAll(/href="([^"]+)"/g)].map(([, href]) => href!)
    expect(links.length).toBeGreaterThan(5)
    for (const href of links) {
      expect(href).not.toMatch(/^\/|^https?:/)
      expect((await probe.request('GET', `/${href}`)).status).toBe(200)
    }
  })

  test('/docs loads nothing from elsewhere', async () => {
    const { status, text, headers } = await probe.request('GET', '/docs')
    expect(status).toBe(200)
    expect(headers['content-type']).toBe('text/html; charset=utf-8')
    const assets = [...text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path]) => path!)
    expect(assets).toContain('docs/swagger-ui-bundle.js')
    for (const path of assets) {
      expect(path).not.toMatch(/^\/|:/)
      const asset = await probe.request('GET', `/${path}`)
      expect(asset.status).toBe(200)
      expect(asset.text.length).toBeGreaterThan(10)
    }
  })
})

describe('every answer', () => {
  test('carries a request id of the service’s own, and no guessing of types', async () => {
    const seen = new Set<unknown>()
    for (const [method, url] of [
      ['GET', '/health'],
      ['GET', '/api/v1/configs'],
      ['GET', '/nope'],
      ['PATCH', '/api/v1/configs'],
      ['OPTIONS', '/api/v1/configs'],
      ['POST', '/api/v1/configs'],
      ['GET', '/%zz'],
      ['GET', '/docs'],
    ] as const) {
      const { headers } = await probe.request(method, url, undefined, { 'x-request-id': nobody })
      expect(headers['x-request-id'], url).toMatch(ulid)
      expect(headers['x-request-id']).not.toBe(nobody)
      expect(headers['x-content-type-options'], url).toBe('nosniff')
      seen.add(headers['x-request-id'])
    }
    expect(seen.size).toBe(8)
  })

  test('is never a redirect: a slash at the end is another path', async () => {
    for (const path of ['/api/v1/configs/', '/health/', '/docs/', '//health', '/api/v1', '/API']) {
      expectProblem(await probe.request('GET', path), 404, 'not-found')
    }
    expectProblem(await probe.request('GET', '/API/v1/info'), 404, 'not-found')
  })

  test('of an error has its title and status from the one catalogue', async () => {
    const problem = expectProblem(await probe.request('GET', '/nope?a=1'), 404, 'not-found')
    expect(problem).toEqual({
      type: 'urn:chapkit:error:not-found',
      ...errorCatalogue['not-found'],
      detail: expect.any(String),
      instance: '/nope',
      request_id: expect.stringMatching(ulid),
      trace_id: problem.request_id,
    })
  })
})

describe('methods', () => {
  test.each([
    ['PATCH', '/api/v1/configs', 'GET, HEAD, OPTIONS, POST'],
    ['DELETE', '/api/v1/configs', 'GET, HEAD, OPTIONS, POST'],
    ['POST', `/api/v1/configs/${nobody}`, 'DELETE, GET, HEAD, OPTIONS, PUT'],
    ['GET', '/api/v1/ml/$train', 'OPTIONS, POST'],
    ['POST', '/api/v1/info', 'GET, HEAD, OPTIONS'],
    ['PUT', `/api/v1/jobs/${nobody}`, 'DELETE, GET, HEAD, OPTIONS'],
    ['GET', `/api/v1/jobs/${nobody}/$cancel`, 'OPTIONS, POST'],
    ['DELETE', '/api/v1/configs/$schema', 'GET, HEAD, OPTIONS'],
    ['TRACE', '/health', 'GET, HEAD, OPTIONS'],
  ])('%s %s is 405 with Allow: %s', async (method, url, allow) => {
    const answer = await probe.request(method, url)
    expectProblem(answer, 405, 'method-not-allowed')
    expect(answer.headers.allow).toBe(allow)
  })

  test('a header that names another method changes nothing', async () => {
    const answer = await probe.request('POST', '/api/v1/info', undefined, {
      'x-http-method-override': 'GET',
    })
    expectProblem(answer, 405, 'method-not-allowed')
  })

  test('OPTIONS answers 204 with Allow; of an unknown path 404', async () => {
    const answer = await probe.request('OPTIONS', '/api/v1/configs')
    expect(answer).toMatchObject({ status: 204, text: '' })
    expect(answer.headers.allow).toBe('GET, HEAD, OPTIONS, POST')
    expectProblem(await probe.request('OPTIONS', '/nope'), 404, 'not-found')
  })

  test.each([
    '/',
    '/health',
    '/api/v1/info',
    '/api/v1/configs',
    '/api/v1/artifacts?page=1&size=5',
    '/api/v1/configs/$schema',
    '/openapi.json',
    '/docs',
  ])('HEAD %s answers the headers of GET alone', async (url) => {
    const get = await probe.request('GET', url)
    const head = await probe.request('HEAD', url)
    expect(head).toMatchObject({ status: 200, text: '' })
    for (const name of ['content-type', 'content-length']) {
      expect(head.headers[name]).toBe(get.headers[name])
    }
    expect(Number(head.headers['content-length'])).toBeGreaterThan(0)
  })

  test('verbs that a service leaves out are 405', async () => {
    const { builder } = createProbe()
    const service = builder
      .withArtifacts({ linking: true, verbs: { delete: false, create: false } })
      .build()
    await using test = await createTestService(service)
    const created = await test.request('POST', '/api/v1/artifacts', { data: 1 })
    expectProblem(created, 405, 'method-not-allowed')
    expect(created.headers.allow).toBe('GET, HEAD, OPTIONS')
    const removed = await test.request('DELETE', `/api/v1/artifacts/${nobody}`)
    expect(removed.headers.allow).toBe('GET, HEAD, OPTIONS, PUT')
  })
})

describe('pages of other origins', () => {
  const allowed = 'https://a.example'
  let open: TestService
  beforeAll(async () => {
    open = await createTestService(createProbe().builder.withCors([allowed]).build())
  })
  afterAll(() => open.close())

  test('that are allowed may read answers, refusals too, and their headers', async () => {
    for (const url of ['/health', '/nope', '/api/v1/configs/zz']) {
      const { headers } = await open.request('GET', url, undefined, { origin: allowed })
      expect(headers['access-control-allow-origin']).toBe(allowed)
      for (const name of ['location', 'etag', 'x-request-id', 'retry-after']) {
        expect(headers['access-control-expose-headers']).toContain(name)
      }
    }
  })

  test('that are not allowed may not, nor any when none is named', async () => {
    const headers = { origin: 'https://b.example' }
    const other = await open.request('GET', '/health', undefined, headers)
    expect(other.headers).not.toHaveProperty('access-control-allow-origin')
    const closed = await probe.request('GET', '/health', undefined, { origin: allowed })
    expect(closed.headers).not.toHaveProperty('access-control-allow-origin')
  })

  test('may use every verb, when they ask before', async () => {
    for (const method of ['GET', 'POST', 'PUT', 'DELETE']) {
      const answer = await open.request('OPTIONS', '/api/v1/configs', undefined, {
        origin: allowed,
        'access-control-request-method': method,
        'access-control-request-headers': 'content-type,idempotency-key',
      })
      expect(answer.status).toBe(204)
      expect(answer.headers['access-control-allow-origin']).toBe(allowed)
      expect(answer.headers['access-control-allow-methods']).toContain(method)
      expect(answer.headers['access-control-allow-headers']).toContain('idempotency-key')
    }
  })

  test('change nothing in what OPTIONS, 404 and 405 answer otherwise', async () => {
    const options = await open.request('OPTIONS', '/api/v1/configs')
    expect(options).toMatchObject({ status: 204, headers: { allow: 'GET, HEAD, OPTIONS, POST' } })
    expectProblem(await open.request('OPTIONS', '/nope'), 404, 'not-found')
    const patch = await open.request('PATCH', '/api/v1/configs')
    expectProblem(patch, 405, 'method-not-allowed')
    const { paths } = (await open.request('GET', '/openapi.json')).json
    expect(Object.keys(paths)).not.toContain('*')
  })
})

test('info that does not fit is refused when the service is built', () => {
  const build = (changes: object) => () =>
    new BaseServiceBuilder({ info: { ...info, ...changes } as typeof info }).build()
  expect(build({})).not.toThrow()
  for (const changes of [
    { id: 'Not a slug' },
    { period_type: 'daily' },
    { git_revision: 7 },
    { revision: 'abc1234' },
    { target: '' },
    { hpo_search_space: ['n_lags'] },
    { model_metadata: { contact_email: 'nobody' } },
    { model_metadata: { repository_url: 'not a url' } },
    { model_metadata: { author_assessed_status: 'white' } },
  ]) {
    expect(build(changes), JSON.stringify(changes)).toThrow('The info of the service does not fit')
  }
})
