import { hostname } from 'node:os'
import { BaseServiceBuilder, MLServiceBuilder, type Service } from 'chapkit'
import { createTestService, type TestService } from 'chapkit/testing'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { createProbe, expectProblem, type Probe, startProbe } from '../compat/fixtures.ts'
import { request, sendRaw } from './raw.ts'

const info = { id: 'named', display_name: 'Named' }

async function start(
  options: Parameters<typeof createTestService>[1] = {},
  service: Service = createProbe().builder.withMonitoring().build() as never,
): Promise<TestService> {
  const run = await createTestService(service, options)
  onTestFinished(() => run.close())
  return run
}
const statusOf = async (run: Pick<TestService, 'request'>, host: string, path = '/api/v1/info') =>
  (await run.request('GET', path, undefined, { host })).status

describe('a service of this machine alone', () => {
  let probe: Probe
  beforeAll(async () => {
    probe = await startProbe()
  })
  afterAll(() => probe.close())

  test.each([
    ...['localhost', 'localhost:8000', 'LOCALHOST:8000', 'localhost.', 'localhost:', 'a.localhost'],
    ...['127.0.0.1:8000', '127.1.2.3', '[::1]:8000', '[::ffff:127.0.0.1]', '0.0.0.0:8000'],
    ...['192.0.2.7:8000', '[2001:db8::7]', '[fe80::1%eth0]:8000', '[fe80::1%25eth0]'],
    ...[hostname(), `${hostname().toUpperCase()}:8000`],
  ])('answers to %s', async (host) => {
    expect(await statusOf(probe, host)).toBe(200)
  })

  test.each([
    ...['evil.example', 'evil.example:8000', 'EVIL.example.', 'localhost.evil.example', 'model'],
    ...['127.0.0.1.nip.io', 'localhost-evil.example', 'xlocalhost', '127.0.0.1.evil.example:80'],
    ...['2130706433', '0x7f000001', '127.1', 'printer.local', 'xn--e1awd7f.example'],
  ])('does not answer to %s, and says what to set', async (host) => {
    for (const path of [
      '/',
      '/docs',
      '/openapi.json',
      '/api/v1/configs',
      '/nothing',
      '/health/x',
    ]) {
      const answer = await probe.request('GET', path, undefined, { host })
      const { detail } = expectProblem(answer, 421, 'misdirected-request')
      expect(detail).toContain(JSON.stringify(host))
      expect(detail).toContain('CHAPKIT_ALLOWED_HOSTS')
    }
  })

  test.each([
    'a b',
    'a@localhost',
    'localhost/a',
    'localhost:8000:8000',
    'localhost:80a',
    '[::1',
    '[1.2.3.4]',
  ])('does not understand %s', async (host) => {
    expectProblem(
      await probe.request('GET', '/api/v1/info', undefined, { host }),
      400,
      'bad-request',
    )
  })

  test('tells probes how it is, whatever they call it', async () => {
    for (const host of ['evil.example', 'a b', '10.1.2.3:8000', 'kube-probe', '']) {
      for (const path of ['/health', '/health/live', '/health/ready']) {
        expect(await statusOf(probe, host, path)).toBe(200)
      }
    }
  })

  test('changes nothing for a page that calls it by a name of its own', async () => {
    const headers = { host: 'evil.example:8000', origin: 'http://evil.example:8000' }
    const answer = await probe.request('POST', '/api/v1/configs', { name: 'a', data: {} }, headers)
    expectProblem(answer, 421, 'misdirected-request')
    expect((await probe.request('GET', '/api/v1/configs/$stats')).json.total).toBe(0)
  })

  test('does not answer to a name that is only like one of its own', () =>
    fc.assert(
      fc.asyncProperty(
        fc.domain(),
        fc.constantFrom('', ':80', ':8000', '.'),
        async (name, rest) => {
          fc.pre(!/(^|\.)localhost$/i.test(name))
          expect(await statusOf(probe, name + rest)).toBe(421)
          expect(await statusOf(probe, `localhost.${name}${rest}`)).toBe(421)
        },
      ),
      { numRuns: 500 },
    ))
})

describe('a service that others reach', () => {
  test('answers to what names it in its network, and to no name of the Internet', async () => {
    const run = await start({ host: '0.0.0.0' })
    for (const host of [
      ...['model:8000', 'stack_model', 'forecast-1', '10.0.0.7:8000', '[fd00::7]:8000'],
      ...['model.forecast.svc.cluster.local:8000', 'model.forecast.svc', 'pi.local', 'localhost'],
      ...['host.docker.internal:8000', 'model.home.arpa', 'MODEL.LAN'],
    ]) {
      expect([host, await statusOf(run, host)]).toEqual([host, 200])
    }
    for (const host of [
      'evil.example',
      'model.evil.example:8000',
      'local.example',
      'svc.example',
    ]) {
      expect([host, await statusOf(run, host)]).toEqual([host, 421])
      expect(await statusOf(run, host, '/metrics')).toBe(421)
    }
  })

  test('answers to the names that it was given', async () => {
    const builder = createProbe().builder.withRegistration({ url: 'https://one.example.net/base' })
    const run = await start(
      {
        host: '0.0.0.0',
        publicUrl: 'https://two.example.net:8443/forecast',
        advertisedHost: 'three.example.net',
        allowedHosts: ['Four.example.net.', '*.example.org'],
      },
      builder.build() as never,
    )
    for (const host of ['one', 'two', 'three', 'four']) {
      expect([host, await statusOf(run, `${host}.example.net:9000`)]).toEqual([host, 200])
    }
    expect(await statusOf(run, 'a.b.example.org')).toBe(200)
    expect(await statusOf(run, 'example.org')).toBe(421)
    expect(await statusOf(run, 'badexample.org')).toBe(421)
    expect(await statusOf(run, 'five.example.net')).toBe(421)
  })

  test('answers to the name that it listens at', async () => {
    const run = await start({ host: 'forecast.example.org' })
    expect(await statusOf(run, 'forecast.example.org:8000')).toBe(200)
  })

  test('answers to every name where that is allowed', async () => {
    const run = await start({ allowedHosts: ['*'] })
    expect(await statusOf(run, 'any.example')).toBe(200)
    const host = 'a b'
    const broken = await run.request('GET', '/api/v1/info', undefined, { host })
    expectProblem(broken, 400, 'bad-request')
  })
})

test('web apps, pages and routes of its own are behind the same check', async () => {
  const service = new BaseServiceBuilder({ info })
    .withApp('test/http/fixtures/app')
    .withRoutes((app) => {
      app.get('/own', async () => ({}))
      app.post('/own', async () => ({}))
    })
    .build()
  const run = await start({}, service as never)
  for (const path of ['/own', '/app/', '/app/main.js', '/app']) {
    expect([path, await statusOf(run, 'evil.example', path)]).toEqual([path, 421])
    expect(await statusOf(run, 'localhost', path)).toBeLessThan(400)
  }
})

describe('on the wire', () => {
  let probe: Probe
  let url: string
  beforeAll(async () => {
    probe = await startProbe()
    url = await probe.listen()
  })
  afterAll(() => probe.close())
  const ask = async (...lines: string[]) => {
    const [answer] = await sendRaw(url, [...lines, 'Connection: close', '', ''].join('\r\n'))
    return answer!
  }

  test('HTTP/1.0 needs no Host, and an empty one is none', async () => {
    expect((await ask('GET /api/v1/info HTTP/1.0')).status).toBe(200)
    expect((await ask('GET /health HTTP/1.0', 'Host: evil.example')).status).toBe(200)
    expect((await ask('GET /api/v1/info HTTP/1.0', 'Host: evil.example')).status).toBe(421)
    expect((await ask('GET /api/v1/info HTTP/1.1', 'Host:')).status).toBe(200)
  })

  test('what is created is where the client found the service, or at its path alone', async () => {
    const body = '{"name":"a","data":{}}'
    const create = async (version: string, ...headers: string[]) => {
      const all = ['Content-Type: application/json', `Content-Length: ${body.length}`, ...headers]
      const head = [`POST /api/v1/configs HTTP/${version}`, ...all, 'Connection: close', '', body]
      const [answer] = await sendRaw(url, head.join('\r\n'))
      return answer!.headers.location
    }
    expect(await create('1.1', 'Host: localhost:81')).toMatch(/^http:\/\/localhost:81\/api\/v1\//)
    expect(await create('1.0')).toMatch(/^\/api\/v1\/configs\/[0-9A-Z]{26}$/)
    expect(await create('1.1', 'Host:')).toMatch(/^\/api\/v1\/configs\/[0-9A-Z]{26}$/)
    expect(await create('1.1', 'Host: evil.example')).toBeUndefined()
  })

  test('a target in absolute form is answered, and its host counts instead of the header', async () => {
    const own = await ask(`GET ${url}/api/v1/info HTTP/1.1`, 'Host: evil.example')
    expect(own.json.id).toBe('probe-svc')
    expect((await ask('GET http://localhost/health?a=b HTTP/1.1', 'Host: localhost')).status).toBe(
      200,
    )
    expect((await ask('GET HTTPS://LOCALHOST HTTP/1.1', 'Host: localhost')).status).toBe(200)
    expect((await ask('GET http://localhost?a HTTP/1.1', 'Host: localhost')).status).toBe(200)
    for (const target of ['http://evil.example/api/v1/info', 'https://evil.example:443/']) {
      const answer = await ask(`GET ${target} HTTP/1.1`, 'Host: localhost')
      expectProblem(answer, 421, 'misdirected-request')
    }
    for (const target of ['http://a@localhost/', 'http://localhost:a/api/v1/info', 'http://']) {
      expect((await ask(`GET ${target} HTTP/1.1`, 'Host: localhost')).status).toBe(400)
    }
    const without = await sendRaw(url, request('GET http://localhost/ HTTP/1.1', ['Host:']))
    expect(without[0]?.status).toBe(200)
  })
})

test('no host beyond the names of the service gets into the API description', async () => {
  const service = new MLServiceBuilder({
    info: { ...info, period_type: 'monthly' },
    runner: createProbe().runner,
  }).build()
  const run = await start({ allowedHosts: ['*'] }, service as never)
  const { text } = await run.request('GET', '/openapi.json', undefined, { host: 'evil.example' })
  expect(text).not.toContain('evil')
})
