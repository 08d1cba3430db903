import type { FrameJson } from 'chapkit'
import { createTestService } from 'chapkit/testing'
import { runnerSuite } from 'chapkit/testing/suites'
import { describe, expect, test } from 'vitest'
import { runner } from './altitude.ts'
import service from './service.ts'

const data = {
  columns: ['time_period', 'location', 'disease_cases'],
  data: [
    ['2024-01', 'coast', 200],
    ['2024-02', 'coast', null],
    ['2024-03', 'coast', 180],
    ['2024-01', 'hills', 30],
    ['2024-02', 'hills', 40],
  ],
}
const future = {
  columns: ['time_period', 'location'],
  data: [
    ['2024-04', 'coast'],
    ['2024-04', 'hills'],
    ['2024-04', 'summit'],
  ],
}

/** The service with stations at three places, of which one has no history. */
async function start() {
  const run = await createTestService(service)
  const library = run.client.entity('station')
  await library.create({ code: 'C1', location: 'coast', altitude: 0 })
  await library.create({ code: 'C2', location: 'coast', altitude: 20 })
  await library.create({ code: 'C3', location: 'coast', altitude: 3000, active: false })
  await library.create({ code: 'H1', location: 'hills', altitude: 1500 })
  await library.create({ code: 'S1', location: 'summit', altitude: 3000 })
  const addAltitude = async (frame: object): Promise<FrameJson> => {
    const call = { method: 'POST', json: frame, repeatable: true }
    const answer = await run.client.request('/api/v1/stations/$add-altitude', call)
    return (await answer.json()) as FrameJson
  }
  return { run, client: run.client, library, addAltitude }
}

test('the library adds its altitudes to data, and a place without a history is forecast by its own', async () => {
  const { run, client, addAltitude } = await start()
  await using _ = run
  const config = await client.configs.create({ name: 'a', data: { samples: 5 } })

  const { artifact_id, job } = await client.ml.trainAndWait({
    config_id: config.id,
    data: await addAltitude(data),
  })
  const historic = await addAltitude(data)
  const { prediction } = await client.ml.predictAndWait({
    artifact_id,
    historic,
    future: await addAltitude(future),
  })

  expect(job.status).toBe('completed')
  expect(historic.data[0]).toEqual(['2024-01', 'coast', 200, 10])
  const median = prediction.columns.indexOf('sample_2')
  const [coast, hills, summit] = prediction.data.map((row) => row[median] as number)
  expect(coast).toBeGreaterThan(hills as number)
  expect(hills).toBeGreaterThan(summit as number)
  expect((await client.artifacts.lineage(artifact_id)).metrics).toMatchObject({
    slope: expect.any(Number),
  })
})

test('a place without a station is named, and so is what to do', async () => {
  const { run, addAltitude } = await start()
  await using _ = run
  const moon = { columns: ['location'], data: [['coast'], ['moon']] }
  await expect(addAltitude(moon)).rejects.toMatchObject({
    status: 422,
    detail:
      'Expected an active station for each location; there is none for moon. Create it with POST /api/v1/stations',
  })
  for (const wrong of [
    { columns: ['place'], data: [['coast']] },
    { columns: ['location', 'cases'], data: [['coast']] },
  ])
    await expect(addAltitude(wrong)).rejects.toMatchObject({
      code: expect.stringMatching(/^(bad-request|validation-failed)$/),
    })
})

test('stations are told by place, lowest first, and codes are unique', async () => {
  const { run, client, library } = await start()
  await using _ = run
  expect(await (await client.request('/api/v1/stations/$places')).json()).toEqual([
    { location: 'coast', altitude: 10 },
    { location: 'hills', altitude: 1500 },
    { location: 'summit', altitude: 3000 },
  ])
  await expect(
    library.create({ code: 'C1', location: 'hills', altitude: 5 }),
  ).rejects.toMatchObject({ code: 'conflict' })
  await expect(
    library.create({ code: 'X', location: 'x', altitude: 'high' as never }),
  ).rejects.toMatchObject({ issues: [{ loc: ['body', 'altitude'] }] })
})

test('data without the altitude is refused before anything runs', async () => {
  const { run, client } = await start()
  await using _ = run
  const { id: config_id } = await client.configs.create({ name: 'a', data: {} })
  await expect(client.ml.train({ config_id, data })).rejects.toMatchObject({
    status: 422,
    detail: expect.stringContaining('Expected the covariates `altitude` in data'),
  })
  const unknown = {
    columns: [...data.columns, 'altitude'],
    data: data.data.map((row) => [...row, null]),
  }
  await expect(client.ml.train({ config_id, data: unknown })).rejects.toMatchObject({
    status: 422,
    detail: expect.stringContaining('/api/v1/stations/$add-altitude'),
  })
  expect(await client.jobs.list()).toEqual([])
})

describe('the model', () =>
  runnerSuite(() => runner, {
    info: { required_covariates: ['altitude'] },
    config: { samples: 10 },
  }))
