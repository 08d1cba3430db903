import { createTestService } from 'chapkit/testing'
import { runnerSuite } from 'chapkit/testing/suites'
import { describe, expect, test } from 'vitest'
import { runner } from './model.ts'
import service from './service.ts'

const key = 'a-key-of-the-test'

/** The service, and requests with its key; its client has the key by itself. */
async function start() {
  const run = await createTestService(service, { apiKeys: [key] })
  const request = (method: string, url: string, body?: unknown) =>
    run.request(method, url, body, { 'x-api-key': key })
  return { run, client: run.client, request }
}

/** What two districts report over two years: many cases in January, few in July. */
async function fill(request: Awaited<ReturnType<typeof start>>['request']): Promise<number> {
  let count = 0
  for (const district of ['coast', 'hills']) {
    for (let month = 0; month < 24; month++) {
      const name = `${2022 + Math.floor(month / 12)}-${String((month % 12) + 1).padStart(2, '0')}`
      const season = Math.round(50 * (1 + Math.cos((month / 6) * Math.PI)))
      const cases = district === 'coast' ? 2 * season : season
      const made = await request('POST', '/api/v1/reports', { district, month: name, cases })
      expect(made.status).toBe(201)
      count++
    }
  }
  return count
}

test('reports become a table, the table a model, and the model a forecast with the season in it', async () => {
  const { run, client, request } = await start()
  await using _ = run
  const count = await fill(request)
  const snapshot = await request('POST', '/api/v1/reports/$snapshot')
  expect(snapshot).toMatchObject({ status: 201, json: { rows: count } })

  const { result } = (await client.tasks.executeAndWait('retrain')).data
  expect(result).toMatchObject({ snapshot: snapshot.json.id, reports: count })

  const { content } = (await request('GET', `/api/v1/artifacts/${snapshot.json.id}`)).json.data
  const { prediction } = await client.ml.predictAndWait({
    artifact_id: result.trained as string,
    historic: content,
    future: {
      columns: ['time_period', 'location'],
      data: [
        ['2024-01', 'coast'],
        ['2024-07', 'coast'],
        ['2024-01', 'hills'],
      ],
    },
  })
  const sample = prediction.columns.indexOf('sample_10')
  expect(prediction.data.map((row) => row[sample])).toEqual([200, 0, 100])
})

test('without reports a training has nothing to do, and says so', async () => {
  const { run, client } = await start()
  await using _ = run
  const { data } = await client.tasks.executeAndWait('retrain')
  expect(data.result).toEqual({ trained: null, reason: 'there is no table of reports yet' })
})

test('a district reports a month once, and a month is a month', async () => {
  const { run, request } = await start()
  await using _ = run
  const report = { district: 'coast', month: '2024-01', cases: 3 }
  expect((await request('POST', '/api/v1/reports', report)).status).toBe(201)
  expect((await request('POST', '/api/v1/reports', { ...report, cases: 4 })).status).toBe(409)
  for (const wrong of [{ month: '2024-13' }, { cases: -1 }, { district: ' ' }])
    expect((await request('POST', '/api/v1/reports', { ...report, ...wrong })).status).toBe(422)
})

test('the training of each month is planned in the time of Nairobi', async () => {
  const { run, request } = await start()
  await using _ = run
  const { json } = await request('GET', '/api/v1/schedules')
  const monthly = json.find(({ name }: { name: string }) => name === 'monthly')
  const next = await request('GET', `/api/v1/schedules/${monthly.id}/$next?count=3`)
  // Four in the morning there is one here.
  expect(JSON.stringify(next.json).match(/-05T01:00:00\.000Z/g)).toHaveLength(3)
})

test('health, pages and metrics are there; without a key the rest is closed', async () => {
  const { run, client, request } = await start()
  await using _ = run
  expect((await client.health.check()).checks).toHaveProperty('room')
  expect((await run.request('GET', '/reports/')).text).toContain('<h1>Reports</h1>')
  expect((await request('GET', '/metrics')).text).toContain('chapkit')
  for (const url of ['/api/v1/reports', '/api/v1/configs', '/metrics'])
    expect((await run.request('GET', url)).status).toBe(401)
})

describe('the model', () => runnerSuite(() => runner))
