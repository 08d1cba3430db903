import { createServer, request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { hostname } from 'node:os'
import type { RegistrationOptions, Service } from 'chapkit'
import { createTestService } from 'chapkit/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import { readMetrics } from '../metrics.ts'
import { createProbe, info } from './fixtures.ts'
import { startOrchestrator } from './orchestrator.ts'

async function until<Value>(ask: () => Value | Promise<Value>): Promise<NonNullable<Value>> {
  for (;;) {
    const value = await ask()
    if (value !== undefined && value !== null && value !== false) return value as never
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

function define(options: RegistrationOptions): Service {
  const service = createProbe()
    .builder.withMonitoring()
    .withRegistration({ host: '127.0.0.1', ...options })
    .build()
  onTestFinished(() => service.close())
  return service
}

async function listen(service: Service, options: Parameters<Service['listen']>[0] = {}) {
  const test = await createTestService(service, { port: 0, ...options })
  const { url } = await service.listen({ signals: false })
  return { ...test, url, port: Number(new URL(url).port) }
}

const { id } = info
const gitRevision = '4bcc9dc0a1f8e7d6c5b4a3928170f6e5d4c3b2a1'

describe('withRegistration', () => {
  test('registers when the service answers: chap-core can read it before it replies', async () => {
    const orchestrator = await startOrchestrator()
    const service = define({ orchestratorUrl: orchestrator.registerUrl })
    const { url, request, close } = await listen(service, { gitRevision })
    const entry = await until(() => orchestrator.service(id))
    expect(entry.url).toBe(url)
    await until(() => orchestrator.asked[0]!.status === 200)
    expect(orchestrator.calls).toEqual([
      { method: 'GET', path: '/api/v1/configs/$schema', status: 200 },
    ])
    expect(orchestrator.templates.get(`${id} 1.2.3`)).toBe(gitRevision)
    const body = await request('GET', '/api/v1/info')
    expect(orchestrator.asked[0]!.body).toBe(`{"id":"${id}","url":"${url}","info":${body.text}}`)
    const registered = async () =>
      readMetrics((await request('GET', '/metrics')).text).get('chapkit_registered')
    await until(async () => (await registered()) === 1)

    await close()
    expect(orchestrator.service(id)).toBeUndefined()
    expect(orchestrator.asked.map(({ method }) => method)).toEqual(['POST', 'DELETE'])
  })

  test('is still answered while it takes itself off the list', async () => {
    const orchestrator = await startOrchestrator()
    const { url, close } = await listen(define({ orchestratorUrl: orchestrator.registerUrl }))
    await until(() => orchestrator.asked[0]?.status === 200)
    let health: Promise<number> | undefined
    orchestrator.trouble((request, response) => {
      if (request.method !== 'DELETE') return false
      health = fetch(`${url}/health`).then(async (answer) => {
        await answer.text()
        return answer.status
      })
      health.finally(() => response.writeHead(204).end())
      return true
    })
    await close()
    expect(await health).toBe(200)
  })

  test('registers nothing without a socket', async () => {
    const orchestrator = await startOrchestrator()
    const service = define({ orchestratorUrl: orchestrator.registerUrl })
    const { request, close } = await createTestService(service)
    expect((await request('GET', '/health')).status).toBe(200)
    const metrics = readMetrics((await request('GET', '/metrics')).text)
    expect(metrics.get('chapkit_registered')).toBe(0)
    await close()
    expect(orchestrator.asked).toEqual([])
  })

  test('stays registered, also with an orchestrator that restarts', async () => {
    const orchestrator = await startOrchestrator({ key: 'hunter2' })
    const { url } = await listen(
      define({
        orchestratorUrl: orchestrator.registerUrl,
        serviceKey: 'hunter2',
        keepaliveInterval: 0.1,
      }),
    )
    await until(() => orchestrator.askedBy('PUT').length >= 2)
    for (const { headers } of orchestrator.asked) {
      expect(headers['x-service-key']).toBe('hunter2')
    }
    await orchestrator.stop()
    await orchestrator.start()
    expect(orchestrator.service(id)).toBeUndefined()
    const again = await until(() => orchestrator.service(id))
    expect(again.url).toBe(url)
  })

  test('does not keep a service from starting, and registers when the orchestrator comes', async () => {
    const orchestrator = await startOrchestrator()
    await orchestrator.stop()
    const { request } = await listen(define({ orchestratorUrl: orchestrator.registerUrl }))
    expect((await request('GET', '/health')).json.status).toBe('healthy')
    await orchestrator.start()
    await until(() => orchestrator.service(id))
    expect((await request('GET', '/health')).json.status).toBe('healthy')
  })

  test('gives the address that it is told, by option before setting', async () => {
    const orchestrator = await startOrchestrator()
    const settings = { advertisedHost: 'from.setting', advertisedPort: 81 }
    const entryOf = async (options: RegistrationOptions, more: object = {}) => {
      orchestrator.forget()
      // The stand-in calls back where nobody is.
      const service = define({ orchestratorUrl: orchestrator.registerUrl, ...options })
      const { port, close } = await listen(service, more)
      const { url } = await until(() => orchestrator.service(id))
      await close()
      return url.replace(`:${port}`, ':PORT')
    }
    expect(await entryOf({ host: undefined }, {})).toBe(`http://${hostname()}:PORT`)
    expect(await entryOf({ host: undefined }, settings)).toBe('http://from.setting:81')
    expect(await entryOf({ port: 9 })).toBe('http://127.0.0.1:9')
    expect(await entryOf({ url: 'https://127.0.0.1:9/models/a/' })).toBe(
      'https://127.0.0.1:9/models/a',
    )
  })
})

/** Forwards what is asked below `/v2/services/{id}/run/`, reads alone, the path as it came. */
async function startProxy(target: string): Promise<string> {
  const prefix = `/v2/services/${id}/run/`
  const server = createServer((request, response) => {
    const path = request.url ?? ''
    const isRead = request.method === 'GET' || request.method === 'HEAD'
    if (!path.startsWith(prefix) || !isRead) {
      response.writeHead(404).end('nothing of the service')
      return
    }
    const { method = 'GET' } = request
    httpRequest(`${target}/${path.slice(prefix.length)}`, { method, agent: false }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response)
    }).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}${prefix}`
}

describe('behind the proxy of the orchestrator', () => {
  test('every page works: what it links, loads and fetches is there, below the proxy', async () => {
    const { url } = await listen(define({}))
    const entry = await startProxy(url)
    const seen = new Map<string, number>()
    const open = [entry, `${entry}docs`]
    for (let page = open.pop(); page !== undefined; page = open.pop()) {
      if (seen.has(page)) continue
      const answer = await fetch(page, { redirect: 'manual' })
      const body = await answer.text()
      seen.set(page, answer.status)
      const type = answer.headers.get('content-type') ?? ''
      const names = type.includes('html')
        ? [...body.matchAll(/(?:href|src|action)="([^"#]+)"/g)]
        : page.endsWith('/start.js')
          ? [...body.matchAll(/url: '([^']+)'/g)]
          : []
      // A script names places relative to the page that loads it.
      const from = page.endsWith('/start.js') ? `${entry}docs` : page
      for (const [, name] of names) open.push(new URL(name!, from).href)
    }
    for (const path of ['', 'docs', 'docs/swagger-ui.css', 'docs/start.js', 'openapi.json']) {
      expect([...seen.keys()]).toContain(`${entry}${path}`)
    }
    expect(seen.size).toBeGreaterThan(10)
    for (const [page, status] of seen) {
      expect({ page, status }).toEqual({ page, status: 200 })
      expect(page.startsWith(entry)).toBe(true)
    }
  })

  test('the document says that the API is where it lies itself, and its reads are answered', async () => {
    const { url } = await listen(define({}))
    const entry = await startProxy(url)
    const document = `${entry}openapi.json`
    const { servers, paths } = (await (await fetch(document)).json()) as {
      servers: { url: string }[]
      paths: Record<string, { get?: unknown }>
    }
    const base = new URL(servers[0]!.url, document).href.replace(/\/$/, '')
    const plain = Object.keys(paths).filter(
      (path) => paths[path]!.get && !/\{|\$stream|sample/.test(path),
    )
    expect(plain.length).toBeGreaterThan(10)
    for (const path of plain) {
      const answer = await fetch(`${base}${path}`, { redirect: 'manual' })
      await answer.text()
      const { status } = answer
      expect({ path, status }).toEqual({ path, status: 200 })
    }
  })
})
