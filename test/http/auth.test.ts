import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { join } from 'node:path'
import { BaseServiceBuilder, ChapkitError, type Principal } from 'chapkit'
import { createTestService, type TestService } from 'chapkit/testing'
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { createProbe, data, ulid } from '../compat/fixtures.ts'
import { labelsOf, readMetrics } from '../metrics.ts'
import { request as rawRequest, sendRaw } from './raw.ts'

const one = 'one-key-of-this-test'
const two = 'two-key-of-this-test'
const key = { 'x-api-key': one }
const info = { id: 'guarded', display_name: 'Guarded' }

type AuthOptions = Parameters<BaseServiceBuilder['withAuth']>[0]

async function start(options: AuthOptions = { apiKeys: [one, two] }) {
  const service = createProbe()
    .builder.withMonitoring()
    .withCors(['https://maps.example'])
    .withAuth(options)
    .build()
  const running = await createTestService(service, { port: 0 })
  onTestFinished(() => running.close())
  const listen = async () => (await service.listen({ signals: false })).url
  return { ...running, listen }
}

afterEach(() => vi.unstubAllEnvs())

describe('without a key', () => {
  test('a request is refused with a problem that says which header is missing', async () => {
    const { request } = await start()

    const { status, headers, json } = await request('GET', '/api/v1/configs?x=1')

    expect(status).toBe(401)
    expect(json).toEqual({
      type: 'urn:chapkit:error:unauthorized',
      title: 'Unauthorized',
      status: 401,
      detail: 'Missing authentication header: X-API-Key',
      instance: '/api/v1/configs',
      request_id: expect.stringMatching(ulid),
      trace_id: json.request_id,
    })
    expect(headers).toMatchObject({
      'content-type': 'application/problem+json',
      'www-authenticate': 'Bearer realm="chapkit"',
      'x-request-id': json.request_id,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
    })
  })

  test('every route refuses but pages, description and health, whatever the method', async () => {
    const { request } = await start()
    const { json: document } = await request('GET', '/openapi.json')
    const open: string[] = []
    for (const [path, operations] of Object.entries<Record<string, unknown>>(document.paths)) {
      const url = path.replace(/\{\w+\}/g, '01K72P5N5KCRM6MD3BRE4P0778')
      // It never ends by itself.
      if (url === '/health/$stream') continue
      for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
        const { status } = await request(method, url)
        if (status === 401) continue
        expect(status, `${method} ${url}`).toBe(200)
        expect(operations).toHaveProperty('get')
        if (method === 'GET') open.push(url)
        else expect(method).toBe('HEAD')
      }
    }
    expect(open.sort()).toEqual([
      '/',
      '/docs',
      '/docs/start.js',
      '/docs/swagger-ui-bundle.js',
      '/docs/swagger-ui.css',
      '/health',
      '/health/live',
      '/health/ready',
      '/openapi.json',
    ])
    expect((await request('HEAD', '/health/$stream')).status).toBe(200)
  })

  test('what is there and what is not are answered alike', async () => {
    const { request } = await start()
    const paths = [
      '/api/v1/configs',
      '/api/v1/configs/',
      '/api/v1/configs/01K72P5N5KCRM6MD3BRE4P0778',
      `/api/v1/configs/${'x'.repeat(200)}`,
      '/api/v1/nothing',
      '/nothing',
      '/health/nothing',
      '/%zz',
    ]
    for (const method of ['GET', 'POST', 'DELETE', 'OPTIONS']) {
      for (const path of paths) {
        const { status, headers, json } = await request(method, path)
        expect({ path, status, detail: json.detail }).toEqual({
          path,
          status: 401,
          detail: 'Missing authentication header: X-API-Key',
        })
        expect(headers).not.toHaveProperty('allow')
        expect(headers['www-authenticate']).toBe('Bearer realm="chapkit"')
      }
    }
    expect((await request('GET', '/nothing', undefined, key)).status).toBe(404)
    expect((await request('GET', '/%zz', undefined, key)).status).toBe(400)
    expect((await request('POST', '/health', undefined, key)).status).toBe(405)
  })

  test('no spelling of a path leads around it', async () => {
    const service = await start()
    const name = 'seen-only-with-a-key'
    await service.request('POST', '/api/v1/configs', { name, data: {} }, key)
    const url = await service.listen()
    const targets = [
      '//api/v1/configs',
      '/api//v1/configs',
      '/api/v1/configs/',
      '/api/v1/configs//',
      '/api/v1/configs/.',
      '/API/V1/CONFIGS',
      '/api/v1/configs?health',
      '/api/v1/configs#/health',
      '/api/v1/configs;/health',
      '/api/v1/configs%3F/health',
      '/api/v1/config%73',
      '/%61pi/v1/configs',
      '/api%2Fv1%2Fconfigs',
      '/api/v1/configs%00',
      '/api/v1/configs%20',
      '/./api/v1/configs',
      '/health/../api/v1/configs',
      '/health/%2e%2e/api/v1/configs',
      '/health/..%2fapi/v1/configs',
      '/health/..;/api/v1/configs',
      '/health;/../api/v1/configs',
      '/health/..\\api\\v1\\configs',
      '/docs/../../api/v1/configs',
      '/docs/..%5c..%5capi/v1/configs',
      '/docs/%2e%2e%2fapi%2fv1%2fconfigs',
      '/healthy',
      '/docs.json',
      '/openapi.json/../api/v1/configs',
      '/%2Fapi/v1/configs',
      'http://localhost/api/v1/configs',
      'http://localhost/health/../api/v1/configs',
      'api/v1/configs',
      '*',
    ]
    for (const target of targets) {
      for (const method of ['GET', 'HEAD', 'OPTIONS']) {
        const [answer] = await sendRaw(url, rawRequest(`${method} ${target} HTTP/1.1`))
        expect([400, 401], `${method} ${target}`).toContain(answer?.status)
        expect(answer?.text).not.toContain(name)
      }
    }
    const headers = [
      'X-Original-URL: /health',
      'X-Rewrite-URL: /health',
      'X-HTTP-Method-Override: OPTIONS',
      'X-Forwarded-For: 127.0.0.1',
      'Upgrade: h2c',
      'Origin: https://maps.example',
      'X_API_Key: one-key-of-this-test',
    ]
    for (const header of headers) {
      const [answer] = await sendRaw(url, rawRequest('GET /api/v1/configs HTTP/1.1', [header]))
      expect(answer?.status, header).toBe(401)
    }
    const [letIn] = await sendRaw(
      url,
      rawRequest('GET /api/v1/configs HTTP/1.1', [`X-API-Key: ${one}`]),
    )
    expect(letIn?.text).toContain(name)
  })

  test('a body is not waited for', async () => {
    const { listen } = await start()
    const url = new URL(await listen())
    const socket = connect(Number(url.port), url.hostname)
    socket.on('error', () => {})
    onTestFinished(() => void socket.destroy())
    socket.write(
      'POST /api/v1/configs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 60000000\r\n\r\n{',
    )
    const [answer] = await once(socket, 'data')
    expect(String(answer)).toMatch(/^HTTP\/1\.1 401 /)
    // Whoever goes on all the same is cut, long before all of it has come.
    const more = setInterval(() => socket.write('.'), 20)
    onTestFinished(() => clearInterval(more))
    // Whether it is told of that by an error depends on what is on its way.
    await new Promise((resolve) => socket.once('close', resolve))
    expect(socket.bytesWritten).toBeLessThan(1_000_000)
  })

  test('who asks before sending a body is not told to send it', async () => {
    const { listen } = await start()
    const url = await listen()
    const body = '{"name":"a","data":{}}'
    const ask = (...headers: string[]) =>
      sendRaw(
        url,
        [
          'POST /api/v1/configs HTTP/1.1',
          'Host: localhost',
          'Expect: 100-continue',
          'Content-Type: application/json',
          `Content-Length: ${body.length}`,
          ...headers,
          '',
          '',
        ].join('\r\n'),
      )
    const answers = await ask()
    expect(answers.map(({ status }) => status)).toEqual([401])
    expect(answers[0]?.headers.connection).toBe('close')

    const [interim] = await sendRaw(
      url,
      rawRequest(
        'POST /api/v1/configs HTTP/1.1',
        [
          'Expect: 100-continue',
          'Content-Type: application/json',
          `Content-Length: ${body.length}`,
          `X-API-Key: ${one}`,
        ],
        body,
      ),
    )
    expect(interim).toMatchObject({ status: 100, text: expect.stringContaining('HTTP/1.1 201 ') })
  })

  test('a page of another origin may ask whether it may, and read why it may not', async () => {
    const { request } = await start()
    const origin = 'https://maps.example'
    const preflight = await request('OPTIONS', '/api/v1/configs', undefined, {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'x-api-key,authorization',
    })
    expect(preflight.status).toBe(204)
    expect(preflight.headers['access-control-allow-headers']).toBe('x-api-key,authorization')

    const refused = await request('GET', '/api/v1/configs', undefined, { origin })
    expect(refused.status).toBe(401)
    expect(refused.headers['access-control-allow-origin']).toBe(origin)
    const allowed = await request('GET', '/api/v1/configs', undefined, { origin, ...key })
    expect(allowed.status).toBe(200)
  })
})

describe('a key', () => {
  test.each([
    ['in its header', { 'x-api-key': one }],
    ['that is the last of all', { 'x-api-key': two }],
    ['as a bearer token', { authorization: `Bearer ${one}` }],
    ['as a bearer token, whatever the case of the word', { authorization: `bearer  ${two}` }],
    ['beside what a proxy asks for', { authorization: 'Basic YTpi', 'x-api-key': one }],
  ] as [string, Record<string, string>][])('%s opens every route', async (_name, headers) => {
    const { request } = await start()
    const created = await request('POST', '/api/v1/configs', { name: 'a', data: {} }, headers)
    expect(created.status).toBe(201)
    const one = await request('GET', `/api/v1/configs/${created.json.id}`, undefined, headers)
    expect(one.status).toBe(200)
    expect(one.headers['cache-control']).toBe('private')
    expect((await request('HEAD', '/api/v1/info', undefined, headers)).status).toBe(200)
    expect((await request('GET', '/metrics', undefined, headers)).status).toBe(200)
    const deleted = await request(
      'DELETE',
      `/api/v1/configs/${created.json.id}`,
      undefined,
      headers,
    )
    expect(deleted.status).toBe(204)
  })

  test.each([
    ['that is another', { 'x-api-key': 'another-key-of-this-test' }],
    ['in another case', { 'x-api-key': one.toUpperCase() }],
    ['with more behind it', { 'x-api-key': `${one}x` }],
    ['that is only the beginning', { 'x-api-key': one.slice(0, -1) }],
    ['twice', { 'x-api-key': `${one}, ${one}` }],
    ['that is no text', { 'x-api-key': '\u00e9' }],
    ['that is very long', { 'x-api-key': 'x'.repeat(10_000) }],
    ['that is another, as a bearer token', { authorization: 'Bearer another' }],
    [
      'that is another, beside a bearer token',
      { 'x-api-key': 'x', authorization: `Bearer ${one}` },
    ],
  ] as [string, Record<string, string>][])('%s is refused', async (_name, headers) => {
    const { request } = await start()
    const { status, json } = await request('GET', '/api/v1/configs', undefined, headers)
    expect(status).toBe(401)
    expect(json.detail).toBe('Invalid API key')
  })

  test.each([
    ['that is empty', { 'x-api-key': '' }],
    ['as a token of no word', { authorization: one }],
    ['as a password', { authorization: `Basic ${Buffer.from(`:${one}`).toString('base64')}` }],
    ['without a token', { authorization: 'Bearer' }],
    ['in a cookie', { cookie: `x-api-key=${one}` }],
  ] as [string, Record<string, string>][])('%s is none', async (_name, headers) => {
    const { request } = await start()
    const { status, json } = await request('GET', '/api/v1/configs', undefined, headers)
    expect(status).toBe(401)
    expect(json.detail).toBe('Missing authentication header: X-API-Key')
  })

  test('in the query is none', async () => {
    const { request } = await start()
    for (const query of [`x-api-key=${one}`, `X-API-Key=${one}`, `api_key=${one}`]) {
      expect((await request('GET', `/api/v1/configs?${query}`)).status).toBe(401)
    }
  })

  test('may come in a header of another name', async () => {
    const { request } = await start({ apiKeys: [one], headerName: 'X-Village-Key' })
    const asked = await request('GET', '/api/v1/info', undefined, key)
    expect(asked.json.detail).toBe('Missing authentication header: X-Village-Key')
    const headers = { 'x-village-key': one }
    expect((await request('GET', '/api/v1/info', undefined, headers)).status).toBe(200)
    const { json } = await request('GET', '/openapi.json')
    expect(json.components.securitySchemes.apiKey.name).toBe('X-Village-Key')
  })

  test('tells its owner apart: keys of requests that are sent again never meet', async () => {
    const { request } = await start()
    const post = (apiKey: string) =>
      request(
        'POST',
        '/api/v1/configs',
        { name: 'a', data: {} },
        { 'idempotency-key': 'same', 'x-api-key': apiKey },
      )
    const first = await post(one)
    const other = await post(two)
    const again = await post(one)
    expect(other.json.id).not.toBe(first.json.id)
    expect(again.json.id).toBe(first.json.id)
    expect(again.headers['idempotency-replayed']).toBe('true')
  })

  test('trains and follows a job', async () => {
    const { request } = await start()
    const config = await request('POST', '/api/v1/configs', { name: 'a', data: {} }, key)
    const body = { config_id: config.json.id, data }
    expect((await request('POST', '/api/v1/ml/$train', body)).status).toBe(401)
    const { status, json } = await request('POST', '/api/v1/ml/$train', body, {
      ...key,
      prefer: 'wait=60',
    })
    expect(status).toBe(200)
    expect(json.job.status).toBe('completed')
    const stream = `/api/v1/jobs/${json.job_id}/$stream`
    expect((await request('GET', stream)).status).toBe(401)
    expect((await request('GET', stream, undefined, key)).text).toContain('completed')
  })
})

describe('open paths', () => {
  const guarded = (options: AuthOptions) => start({ apiKeys: [one], ...options })
  const statuses = async ({ request }: Pick<TestService, 'request'>, ...paths: string[]) =>
    Promise.all(paths.map(async (path) => (await request('GET', path)).status))

  test('of a list take the place of those by default, each with what is below it', async () => {
    const running = await guarded({ openPaths: ['/metrics', '/api/v1/configs', '/api/v1/job'] })
    expect(
      await statuses(running, '/metrics', '/api/v1/configs', '/api/v1/configs/$schema'),
    ).toEqual([200, 200, 200])
    expect(
      await statuses(running, '/', '/docs', '/health', '/api/v1/info', '/api/v1', '/api/v1/jobs'),
    ).toEqual([401, 401, 401, 401, 401, 401])
  })

  test('with / open that page alone', async () => {
    const running = await guarded({ openPaths: ['/'] })
    expect(await statuses(running, '/', '/api/v1/info', '/health')).toEqual([200, 401, 401])
  })

  test('may be none', async () => {
    const running = await guarded({ openPaths: [] })
    expect(await statuses(running, '/', '/health', '/openapi.json')).toEqual([401, 401, 401])
  })

  test('include routes of a user that say they are public, and the moved health', async () => {
    const seen: (Principal | undefined)[] = []
    const service = new BaseServiceBuilder({ info })
      .withHealth('/status')
      .withAuth({ apiKeys: [one] })
      .withRoutes((app) => {
        app.get('/open', { config: { permission: 'public' } }, async (request) => {
          seen.push(request.principal)
          return 'open'
        })
        app.get('/closed', async (request) => {
          seen.push(request.principal)
          return 'closed'
        })
        app.register(
          async (scope) => {
            scope.setNotFoundHandler(() => {
              throw new ChapkitError('not-found', 'of its own')
            })
          },
          { prefix: '/mine' },
        )
      })
      .build()
    await using running = await createTestService(service)
    expect(await statuses(running, '/open', '/status', '/status/live')).toEqual([200, 200, 200])
    expect(await statuses(running, '/closed', '/nothing', '/mine/nothing')).toEqual([401, 401, 401])
    const nothing = await running.request('GET', '/mine/nothing', undefined, key)
    expect(nothing.json.detail).toBe('of its own')
    expect((await running.request('GET', '/closed', undefined, key)).text).toBe('closed')
    expect(seen).toEqual([
      undefined,
      { kind: 'key', name: 'key-1', id: expect.stringMatching(/^[0-9a-f]{64}$/) },
    ])
  })
})

describe('the description', () => {
  test('says how to say who asks, where that is needed', async () => {
    const { request } = await start()
    const { json } = await request('GET', '/openapi.json')
    expect(json.components.securitySchemes).toMatchObject({
      apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
      bearer: { type: 'http', scheme: 'bearer' },
    })
    const closed = json.paths['/api/v1/configs'].post
    expect(closed.security).toEqual([{ apiKey: [] }, { bearer: [] }])
    expect(closed.responses['401'].headers).toHaveProperty('WWW-Authenticate')
    expect(closed.responses['401'].content['application/problem+json'].example.type).toBe(
      'urn:chapkit:error:unauthorized',
    )
    const open = json.paths['/health'].get
    expect(open).not.toHaveProperty('security')
    expect(open.responses).not.toHaveProperty('401')
  })

  test('says nothing of it where nobody is asked', async () => {
    await using running = await createTestService(new BaseServiceBuilder({ info }).build())
    const { text } = await running.request('GET', '/openapi.json')
    expect(text).not.toMatch(/securitySchemes|"security"|"401"/)
  })
})

test('refused requests are counted by their route', async () => {
  const { request } = await start()
  await request('GET', '/api/v1/configs')
  await request('GET', '/nothing')
  const { text } = await request('GET', '/metrics', undefined, key)
  const refused = labelsOf(readMetrics(text), 'http_request_duration_seconds_count').filter(
    ({ status }) => status === '401',
  )
  expect(refused.map(({ route }) => route).sort()).toEqual(['/api/v1/configs', 'unmatched'])
})

describe('a service does not start', () => {
  const starting = (options?: AuthOptions, given?: Parameters<typeof createTestService>[1]) =>
    createTestService(new BaseServiceBuilder({ info }).withAuth(options).build(), given)

  test('without any key, and says where it looked', async () => {
    await expect(starting()).rejects.toThrow(
      /no API keys.*\(CHAPKIT_API_KEYS, SERVICEKIT_API_KEYS\)/,
    )
    await expect(starting({ env: 'VILLAGE_KEYS' })).rejects.toThrow(/VILLAGE_KEYS/)
    await expect(starting({ apiKeys: [] })).rejects.toThrow(/the list `apiKeys`/)
    vi.stubEnv('CHAPKIT_API_KEYS', ' , ,')
    await expect(starting()).rejects.toThrow(/no API keys/)
  })

  test('with a file that is not there', async () => {
    vi.stubEnv('CHAPKIT_API_KEYS', one)
    await expect(starting({ apiKeyFile: '/nowhere/keys' })).rejects.toThrow(
      /\/nowhere\/keys.*cannot be read: ENOENT/,
    )
  })

  test('with keys for a service that asks for none', async () => {
    const service = new BaseServiceBuilder({ info }).build()
    await expect(createTestService(service, { apiKeys: [one] })).rejects.toThrow(/withAuth\(\)/)
  })

  test('and starts with keys of the environment, or with those of a test', async () => {
    vi.stubEnv('SERVICEKIT_API_KEYS', ` ${one} ,x`)
    await using fromEnvironment = await starting()
    expect((await fromEnvironment.request('GET', '/api/v1/info', undefined, key)).status).toBe(200)
    await using fromTest = await starting({}, { apiKeys: ['test-key'] })
    const status = async (apiKey: string) =>
      (await fromTest.request('GET', '/api/v1/info', undefined, { 'x-api-key': apiKey })).status
    expect(await status('test-key')).toBe(200)
    expect(await status(one)).toBe(401)
  })
})

test('no key reaches the log, nor a model', async () => {
  const program = spawn(
    process.execPath,
    ['--conditions=chapkit-source', join(import.meta.dirname, 'fixtures/keys-service.ts')],
    {
      env: {
        ...process.env,
        PORT: '0',
        LOG_FORMAT: 'json',
        LOG_LEVEL: 'debug',
        CHAPKIT_API_KEYS: `${one},short`,
        OTHER: 'something else',
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  onTestFinished(() => void program.kill('SIGKILL'))
  let log = ''
  const url = await new Promise<string>((resolve, reject) => {
    program.on('exit', (code) => reject(new Error(`it ended with ${code}: ${log}`)))
    program.stdout.on('data', (chunk) => {
      log += chunk
      const found = /"url":"(http:[^"]+)"/.exec(log)
      if (found) resolve(found[1]!)
    })
  })
  const wrong = 'wrong-key-of-this-test'
  const ask = (path: string, headers: Record<string, string>, body?: unknown) =>
    fetch(url + path, {
      method: body ? 'POST' : 'GET',
      headers: { ...headers, ...(body ? { 'content-type': 'application/json' } : {}) },
      ...(body ? { body: JSON.stringify(body) } : {}),
    })
  const mine = { 'x-village-key': one }
  expect((await ask('/headers', { 'x-village-key': wrong })).status).toBe(401)
  expect((await ask('/headers', { authorization: `Bearer ${wrong}` })).status).toBe(401)
  expect((await ask('/%zz', { 'x-village-key': wrong })).status).toBe(401)
  expect(await (await ask('/headers', mine)).text()).toBe('key-1')
  expect((await ask('/headers', { authorization: `Bearer ${one}` })).status).toBe(200)
  const config = (await (await ask('/api/v1/configs', mine, { name: 'a', data: {} })).json()) as {
    id: string
  }
  const training = await ask(
    '/api/v1/ml/$train',
    { ...mine, prefer: 'wait=60' },
    {
      config_id: config.id,
      data: { columns: ['time_period', 'location', 'disease_cases'], data: [['2024-01', 'a', 1]] },
    },
  )
  const { job } = (await training.json()) as { job: { id: string } }
  const logs = await (await ask(`/api/v1/jobs/${job.id}/$logs`, mine)).text()
  expect(JSON.stringify(job) + logs).toContain('keys: undefined, other: something else')
  program.kill('SIGTERM')
  await once(program, 'close')

  expect(log).toContain('"event":"test"')
  expect(log).toContain('[redacted]')
  expect(log).toContain('"status_code":401')
  expect(log).toContain('"event":"auth.weak_keys","keys":1')
  expect(log).not.toContain(one)
  expect(log).not.toContain(wrong)
  expect(log).not.toContain('short')
})
