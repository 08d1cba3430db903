import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  createConfig,
  data,
  expectProblem,
  future,
  type Probe,
  startProbe,
  train,
} from './fixtures.ts'

let probe: Probe
let trained: Awaited<ReturnType<typeof train>>
beforeAll(async () => {
  probe = await startProbe()
  trained = await train(probe)
})
afterAll(() => probe.close())

let keys = 0
const newKey = () => `key-${++keys}`
const send = (url: string, body: object, key: string, headers: Record<string, string> = {}) =>
  probe.request('POST', url, body, { 'idempotency-key': key, ...headers })

const cases: [string, () => object][] = [
  ['/api/v1/configs', () => ({ name: 'a', data: {} })],
  ['/api/v1/artifacts', () => ({ data: { content: { a: 1 } } })],
  ['/api/v1/ml/$train', () => ({ config_id: trained.configId, data })],
  ['/api/v1/ml/$predict', () => ({ artifact_id: trained.artifactId, historic: data, future })],
]

describe.each(cases)('POST %s with a key', (url, body) => {
  test('again answers the same again, and creates nothing', async () => {
    const key = newKey()
    const first = await send(url, body(), key)
    expect(first.status).toBeLessThan(300)
    expect(first.headers).not.toHaveProperty('idempotency-replayed')
    const again = await send(url, body(), key)
    expect(again).toMatchObject({ status: first.status, text: first.text })
    expect(again.headers['idempotency-replayed']).toBe('true')
    expect(again.headers.location).toBe(first.headers.location)
    const other = await send(url, body(), newKey())
    expect(other.text).not.toBe(first.text)
  })

  test('and another body is 422', async () => {
    const key = newKey()
    await send(url, body(), key)
    const answer = await send(url, { ...body(), extra: 1 }, key)
    expectProblem(answer, 422, 'idempotency-mismatch')
  })
})

test('a key of one route says nothing to another', async () => {
  const key = newKey()
  const config = await send('/api/v1/configs', { name: 'a', data: {} }, key)
  const artifact = await send('/api/v1/artifacts', { data: 1 }, key)
  expect([config.status, artifact.status]).toEqual([201, 201])
})

test('a request that was refused may be repaired under its key', async () => {
  const key = newKey()
  expectProblem(await send('/api/v1/configs', { name: 'a' }, key), 422, 'validation-failed')
  const missing = { config_id: '01K72P5N5KCRM6MD3BRE4P0003', data }
  expectProblem(await send('/api/v1/ml/$train', missing, key), 404, 'not-found')
  expect((await send('/api/v1/configs', { name: 'a', data: {} }, key)).status).toBe(201)
  const body = { config_id: trained.configId, data }
  expect((await send('/api/v1/ml/$train', body, key)).status).toBe(202)
})

test('while the first request runs, the second is 409 with Retry-After', async () => {
  const key = newKey()
  // Above 256 KiB a thread reads the body: the first request is under way for long enough.
  const rows = Array.from({ length: 20_000 }, (_, n) => ['2020-01', `place ${n}`, 1])
  const large = { columns: ['time_period', 'location', 'humidity'], data: rows }
  const body = { config_id: trained.configId, data: large }
  const [first, second] = await Promise.all([
    send('/api/v1/ml/$train', body, key),
    send('/api/v1/ml/$train', body, key),
  ])
  const [accepted, refused] = first.status === 202 ? [first, second] : [second, first]
  expect(accepted.status).toBe(202)
  expectProblem(refused, 409, 'conflict')
  expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
  const third = await send('/api/v1/ml/$train', body, key)
  expect(third).toMatchObject({ status: 202, text: accepted.text })
})

test('with Prefer: wait a repeated submit waits on the job of the first', async () => {
  const key = newKey()
  const body = { config_id: await createConfig(probe), data }
  const first = await send('/api/v1/ml/$train', body, key)
  const again = await send('/api/v1/ml/$train', body, key, { prefer: 'wait=30' })
  expect(again.status).toBe(200)
  expect(again.headers).toMatchObject({
    'idempotency-replayed': 'true',
    'preference-applied': 'wait=30',
  })
  expect(again.json).toMatchObject({ ...first.json, job: { status: 'completed' } })
})

test('a replayed submit whose job is gone answers the 202 that it was', async () => {
  const key = newKey()
  const body = { config_id: await createConfig(probe), data }
  const first = await send('/api/v1/ml/$train', body, key)
  await probe.request('DELETE', `/api/v1/jobs/${first.json.job_id}`)
  const again = await send('/api/v1/ml/$train', body, key)
  expect(again).toMatchObject({ status: 202, text: first.text })
  const waiting = await send('/api/v1/ml/$train', body, key, { prefer: 'wait=5' })
  expect(waiting.status).toBeLessThan(500)
})

test('a key may be quoted, and must be 1 to 255 printable characters', async () => {
  const key = newKey()
  const body = { name: 'a', data: {} }
  const first = await send('/api/v1/configs', body, key)
  expect((await send('/api/v1/configs', body, `"${key}"`)).text).toBe(first.text)
  for (const bad of ['', '""', 'x'.repeat(256), 'ü', 'a\tb']) {
    const problem = expectProblem(await send('/api/v1/configs', body, bad), 400, 'bad-request')
    expect(problem.detail).toContain('1 to 255 printable')
  }
})
