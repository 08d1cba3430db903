import { BaseServiceBuilder } from 'chapkit'
import { createTestService } from 'chapkit/testing'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { createConfig, expectProblem, type Probe, startProbe } from '../compat/fixtures.ts'
import { request, sendRaw } from './raw.ts'

let probe: Probe
let url: string
beforeAll(async () => {
  probe = await startProbe()
  url = await probe.listen()
})
afterAll(() => probe.close())

/** A path with each of its characters encoded that are not slashes. */
const encoded = (path: string) =>
  path.replace(/[^/]/g, (character) => `%${character.charCodeAt(0).toString(16)}`)

async function ask(method: string, target: string, headers: string[] = []) {
  const [answer] = await sendRaw(url, request(`${method} ${target} HTTP/1.1`, headers))
  return answer!
}

test('every route is found by every spelling of its path, with the same methods', async () => {
  const { json } = await probe.request('GET', '/openapi.json')
  const paths = Object.keys(json.paths).map((path) =>
    path.replace('{id}', '01K72P5N5KCRM6MD3BRE4P0778'),
  )
  expect(paths.length).toBeGreaterThan(30)
  for (const path of paths.filter((each) => !each.endsWith('$stream'))) {
    const [plain, spelled] = [await ask('GET', path), await ask('GET', encoded(path))]
    expect([path, spelled.status, spelled.headers.allow]).toEqual([
      path,
      plain.status,
      plain.headers.allow,
    ])
    const forbidden = await ask('PATCH', encoded(path))
    expectProblem(forbidden, 405, 'method-not-allowed')
    expect(forbidden.headers.allow).toBe((await ask('PATCH', path)).headers.allow)
  }
})

test('an operation is found by its name with %24', async () => {
  expect((await ask('GET', '/api/v1/configs/%24schema')).status).toBe(200)
  expect((await ask('GET', '/api/v1/configs/%24%73%63hema')).status).toBe(200)
  const train = await sendRaw(
    url,
    request(
      'POST /api/v1/ml/%24train HTTP/1.1',
      ['Content-Type: application/json', 'Content-Length: 2'],
      '{}',
    ),
  )
  expectProblem(train[0]!, 422, 'validation-failed')
})

test('what is encoded twice is decoded once, and a slash in an id is no separator', async () => {
  const id = await createConfig(probe)
  expect((await ask('GET', `/api/v1/configs/${encoded(id)}`)).json.id).toBe(id)
  expectProblem(await ask('GET', '/api/v1/configs/%2524schema'), 400, 'invalid-ulid')
  expectProblem(await ask('GET', '/api/v1/configs%2f%24schema'), 404, 'not-found')
  expectProblem(await ask('GET', `/api/v1/configs/${id}%2F%24artifacts`), 400, 'invalid-ulid')
  expectProblem(await ask('GET', `/api/v1/configs/a%2F..%2F%24schema`), 400, 'invalid-ulid')
})

test('a stream is counted as one however its path is spelled', async () => {
  const service = new BaseServiceBuilder({ info: { id: 'held', display_name: 'Held' } })
    .withRoutes((app) => {
      app.get('/held/$stream', (_request, reply) => {
        reply.raw.writeHead(200, { 'content-type': 'text/plain' }).write('held')
        reply.hijack()
      })
    })
    .build()
  const settings = { port: 0, databaseUrl: ':memory:', logLevel: 'silent', signals: false } as const
  const { url } = await service.listen({ ...settings, maxStreams: 1, drainMs: 0 })
  onTestFinished(() => service.close())
  const held = await fetch(`${url}/held/%24stream`)
  expect(held.status).toBe(200)
  for (const path of ['/held/$stream', '/held/%24stream', '/%68eld/%24%73tream?a']) {
    const [answer] = await sendRaw(url, request(`GET ${path} HTTP/1.1`))
    expectProblem(answer!, 503, 'unavailable')
  }
  await held.body?.cancel()
})

test('no spelling leads around the keys, and those of open routes need none', async () => {
  const service = new BaseServiceBuilder({ info: { id: 'guarded', display_name: 'Guarded' } })
    .withHealth()
    .withMonitoring()
    .withAuth({ openPaths: ['/health', '/api/v1/$open'] })
    .withRoutes((app) => {
      app.get('/api/v1/$open', async () => 'open')
      app.get('/api/v1/$shut', async () => 'shut')
      app.get('/api/v1/é/:name', async ({ params }) => params)
    })
    .build()
  const run = await createTestService(service, { apiKeys: ['only-for-this-test'] })
  onTestFinished(() => run.close())
  const status = async (path: string) => (await run.request('GET', path)).status
  expect(await status('/api/v1/%24open')).toBe(200)
  expect(await status('/%68ealth')).toBe(200)
  for (const path of [
    '/api/v1/%24shut',
    '/api/v1/$open/%2e%2e/$shut',
    '/api/v1/%24open%2F..%2F$shut',
    '/%68ealth/..%2fapi/v1/$shut',
  ]) {
    expect([path, await status(path)]).toEqual([path, 401])
  }

  const key = { 'x-api-key': 'only-for-this-test' }
  const named = await run.request('GET', '/api/v1/%c3%a9/a%2fb%2524', undefined, key)
  expect(named.json).toEqual({ name: 'a/b%24' })
  const wrong = await run.request('DELETE', '/api/v1/%C3%A9/a', undefined, key)
  expect([wrong.status, wrong.headers.allow]).toEqual([405, 'GET, HEAD, OPTIONS'])

  await run.request('GET', '/api/v1/%24shut', undefined, key)
  const { text } = await run.request('GET', '/metrics', undefined, key)
  expect(text).toContain('$shut')
  expect(text).not.toContain('%24')
})
