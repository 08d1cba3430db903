import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { BaseServiceBuilder } from 'chapkit'
import { createTestService, type TestService } from 'chapkit/testing'
import type { FastifyInstance } from 'fastify'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import {
  createConfig,
  createProbe,
  expectProblem,
  type Probe,
  startProbe,
} from '../compat/fixtures.ts'
import { request, sendRaw } from './raw.ts'

type Headers = Record<string, string>

let probe: Probe
beforeAll(async () => {
  probe = await startProbe()
})
afterAll(() => probe.close())

async function start(options: Parameters<typeof createTestService>[1]): Promise<TestService> {
  const run = await createTestService(createProbe().builder.build() as never, options)
  onTestFinished(() => run.close())
  return run as never
}
const create = (headers: Headers, run: Pick<TestService, 'request'> = probe) =>
  run.request('POST', '/api/v1/configs', { name: 'a', data: {} }, headers)

const foreign: [string, Headers][] = [
  ['another site', { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }],
  ['a form of another site without an origin', { 'sec-fetch-site': 'cross-site' }],
  [
    'another host of the same site',
    { origin: 'http://a.localhost', 'sec-fetch-site': 'same-site' },
  ],
  ['another port', { origin: 'http://localhost:3000', 'sec-fetch-site': 'same-site' }],
  ['another site, in a browser that says only the origin', { origin: 'https://evil.example' }],
  ['another port, in such a browser', { origin: 'http://localhost:3000' }],
  ['a page without an origin', { origin: 'null' }],
  ['a file or a frame in a sandbox', { origin: 'null', 'sec-fetch-site': 'cross-site' }],
  ['an origin that only begins alike', { origin: 'http://localhost:80.evil.example' }],
  ['an extension', { origin: 'chrome-extension://abc' }],
  ['two origins', { origin: 'http://localhost, https://evil.example' }],
]

describe('a change that a page asks for', () => {
  test.each(foreign)('is refused from %s', async (_name, headers) => {
    const total = async () => (await probe.request('GET', '/api/v1/artifacts/$stats')).json.total
    const before = await total()
    const id = await createConfig(probe)
    for (const [method, path, body] of [
      ['POST', '/api/v1/configs', { name: 'a', data: {} }],
      ['PUT', `/api/v1/configs/${id}`, { name: 'b', data: {} }],
      ['DELETE', `/api/v1/configs/${id}`, undefined],
      ['POST', '/api/v1/artifacts/$upload', 'bytes'],
      ['POST', '/api/v1/jobs/01K72P5N5KCRM6MD3BRE4P0778/$cancel', undefined],
      ['POST', '/nothing', undefined],
      ['POST', '/health', undefined],
    ] as const) {
      const plain = typeof body === 'string' ? { 'content-type': 'text/plain' } : {}
      const answer = await probe.request(method, path, body, { ...plain, ...headers } as Headers)
      const { detail } = expectProblem(answer, 403, 'forbidden')
      expect(detail).toContain('CHAPKIT_CORS_ORIGINS')
    }
    expect((await probe.request('GET', `/api/v1/configs/${id}`)).json.name).toBe('c')
    expect(await total()).toBe(before)
  })

  test.each([
    ['a program', {}],
    ['a program that says how it fetches', { 'sec-fetch-mode': 'cors' }],
    ['its own page', { origin: 'http://localhost:80', 'sec-fetch-site': 'same-origin' }],
    [
      'its own page behind a proxy that keeps its name to itself',
      { origin: 'https://a.example', 'sec-fetch-site': 'same-origin' },
    ],
    ['its own page, in a browser that says only the origin', { origin: 'http://localhost' }],
    [
      'its own page behind a proxy that speaks TLS',
      { origin: 'https://localhost', host: 'localhost' },
    ],
    ['whoever typed the address', { 'sec-fetch-site': 'none' }],
  ] as [string, Headers][])('is done for %s', async (_name, headers) => {
    expect((await create(headers)).status).toBe(201)
  })

  test('is done for the origins that CORS allows, and for no others', async () => {
    const run = await start({ corsOrigins: ['https://maps.example.org'] })
    const site = { 'sec-fetch-site': 'cross-site' }
    expect((await create({ ...site, origin: 'https://maps.example.org' }, run)).status).toBe(201)
    for (const origin of [
      'http://maps.example.org',
      'https://maps.example.org.evil.example',
      'null',
    ]) {
      expectProblem(await create({ ...site, origin }, run), 403, 'forbidden')
    }
    expectProblem(await create(site, run), 403, 'forbidden')
    const all = await start({ corsOrigins: ['*'] })
    for (const [, headers] of foreign) expect((await create(headers, all)).status).toBe(201)
  })

  test('is done for the page at the public address, whatever name the proxy hands on', async () => {
    const run = await start({ publicUrl: 'http://forecast.example.org/service' })
    const headers = { origin: 'http://forecast.example.org', host: '127.0.0.1:8000' }
    expect((await create(headers, run)).status).toBe(201)
    const other = { ...headers, origin: 'http://forecast.example.org:81' }
    expectProblem(await create(other, run), 403, 'forbidden')
  })
})

test('what changes nothing is answered to links and loads of other sites', async () => {
  const headers = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }
  for (const path of ['/', '/docs', '/api/v1/info']) {
    const answer = await probe.request('GET', path, undefined, headers)
    expect(answer.status).toBe(200)
    expect(answer.headers).not.toHaveProperty('access-control-allow-origin')
  }
  expect((await probe.request('HEAD', '/', undefined, headers)).status).toBe(200)
  const preflight = { ...headers, 'access-control-request-method': 'POST' }
  const asked = await probe.request('OPTIONS', '/api/v1/configs', undefined, preflight)
  expect(asked.status).toBe(204)
  expect(asked.headers).not.toHaveProperty('access-control-allow-origin')
})

test('routes of its own are behind the same check', async () => {
  let changes = 0
  const service = new BaseServiceBuilder({ info: { id: 'own', display_name: 'Own' } })
    .withRoutes((app) => {
      app.addContentTypeParser('text/plain', { parseAs: 'string' }, (_request, body, done) =>
        done(null, body),
      )
      app.post('/own', async () => ({ changes: ++changes }))
    })
    .build()
  await using run = await createTestService(service)
  const type = { 'content-type': 'text/plain' }
  for (const [, headers] of foreign) {
    expectProblem(await run.request('POST', '/own', 'a', { ...type, ...headers }), 403, 'forbidden')
  }
  expect((await run.request('POST', '/own', 'a', type)).json).toEqual({ changes: 1 })
})

test('an upgrade, which browsers let every page ask for, is refused before its plugin sees it', async () => {
  const upgraded: (string | undefined)[] = []
  const plugin = (app: FastifyInstance) => {
    app.server.on('upgrade', (asked: IncomingMessage, socket) => {
      upgraded.push(asked.url)
      socket.end('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\n')
    })
  }
  const service = new BaseServiceBuilder({ info: { id: 'live', display_name: 'Live' } })
    .withRoutes(plugin)
    .build()
  const { url } = await service.listen({
    port: 0,
    databaseUrl: ':memory:',
    logLevel: 'silent',
    signals: false,
  })
  onTestFinished(() => service.close())
  const ask = async (path: string, ...headers: string[]) => {
    const lines = ['Upgrade: websocket', 'Connection: Upgrade', ...headers]
    const host = headers.some((header) => header.startsWith('Host')) ? [] : ['Host: localhost']
    const text = [`GET ${path} HTTP/1.1`, ...host, ...lines, '', ''].join('\r\n')
    const [answer] = await sendRaw(url, text)
    return answer!
  }
  expectProblem(await ask('/live', 'Origin: https://evil.example'), 403, 'forbidden')
  expectProblem(await ask('/live', 'Sec-Fetch-Site: cross-site'), 403, 'forbidden')
  expectProblem(await ask('/live', 'Host: evil.example'), 421, 'misdirected-request')
  expect(upgraded).toEqual([])
  expect((await ask('/%6Cive', 'Origin: http://localhost')).status).toBe(101)
  expect((await ask('/live')).status).toBe(101)
  expect(upgraded).toEqual(['/live', '/live'])
})

test('an upgrade that nobody listens for is refused from another site, and else a request', async () => {
  const url = await probe.listen()
  const ask = async (...headers: string[]) => {
    const lines = ['Upgrade: websocket', ...headers]
    return (await sendRaw(url, request('GET /api/v1/info HTTP/1.1', lines)))[0]!
  }
  expectProblem(await ask('Origin: https://evil.example'), 403, 'forbidden')
  expect((await ask()).status).toBe(200)
})

/** A server between the client and the service, as a proxy is: it gives the service another name and path. */
test('a proxy with a path of its own before it changes nothing for its pages', async () => {
  const run = await startProbe({ publicUrl: 'http://127.0.0.1/forecast' })
  onTestFinished(() => run.close())
  const behind = await run.listen()
  const proxy = createServer(async (asked, answer) => {
    const chunks = await Array.fromAsync(asked as AsyncIterable<Buffer>)
    const { host: _, connection: _c, ...headers } = asked.headers as Headers
    const response = await fetch(behind + asked.url!.replace(/^\/forecast/, ''), {
      method: asked.method!,
      headers: { ...headers, 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https' },
      ...(chunks.length > 0 && { body: Buffer.concat(chunks) }),
    })
    answer.writeHead(response.status, Object.fromEntries(response.headers))
    answer.end(await response.text())
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void proxy.close())
  const at = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}/forecast`

  const answer = await fetch(`${at}/api/v1/configs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: 'http://127.0.0.1' },
    body: '{"name":"a","data":{}}',
  })
  expect(answer.status).toBe(201)
  expect(answer.headers.get('location')).toMatch(
    /^http:\/\/127\.0\.0\.1\/forecast\/api\/v1\/configs\//,
  )
})
