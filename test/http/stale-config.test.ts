import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BaseConfig, FunctionalModelRunner, MLServiceBuilder } from 'chapkit'
import { createTestService } from 'chapkit/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import { data, expectProblem, future, info } from '../compat/fixtures.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'chapkit-stale-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

/** A service over the same database, with a schema of its own. */
function start(options: z.ZodRawShape) {
  const runner = new FunctionalModelRunner({
    config: BaseConfig.extend(options),
    onTrain: () => ({ fitted: true }),
    onPredict: ({ future: frame }) =>
      frame.select(['time_period', 'location']).derive('sample_0', () => 1),
  })
  const service = new MLServiceBuilder({ info, runner }).build()
  return createTestService(service, { databaseUrl: join(folder, 'chapkit.db') })
}

test('a config of an older schema is read and listed, refused for training, and repaired by PUT', async () => {
  let id = ''
  let model = ''
  {
    await using before = await start({ n_lags: z.int().default(3) })
    const made = await before.request('POST', '/api/v1/configs', { name: 'old', data: {} })
    id = made.json.id
    const trained = await before.request(
      'POST',
      '/api/v1/ml/$train',
      { config_id: id, data },
      { prefer: 'wait=30' },
    )
    model = trained.json.artifact_id
    expect(trained.json.job.status).toBe('completed')
  }

  await using after = await start({ n_lags: z.string(), horizon: z.int() })
  const url = `/api/v1/configs/${id}`
  const { json: read } = await after.request('GET', url)
  expect(read).toMatchObject({ id, name: 'old', data: { n_lags: 3, prediction_periods: 3 } })
  expect((await after.request('GET', '/api/v1/configs')).json).toEqual([read])
  expect((await after.request('GET', `/api/v1/artifacts/${model}/$config`)).json).toEqual(read)

  const body = { config_id: id, data }
  const refused = await after.request('POST', '/api/v1/ml/$train', body)
  const problem = expectProblem(refused, 422, 'validation-failed', ['body', 'config', 'n_lags'])
  expect(problem.errors.map(({ loc }: { loc: string[] }) => loc.at(-1))).toEqual([
    'n_lags',
    'horizon',
  ])
  expect((await after.request('GET', '/api/v1/jobs?status_filter=failed')).json).toEqual([])
  const { json: verdict } = await after.request('POST', '/api/v1/ml/$validate', {
    type: 'train',
    ...body,
  })
  expect(verdict.valid).toBe(false)
  expect(verdict.diagnostics).toEqual([
    expect.objectContaining({ code: 'config_invalid', field: 'config.n_lags' }),
    expect.objectContaining({ code: 'config_invalid', field: 'config.horizon' }),
  ])

  // A model carries the config that it was trained with: it goes on.
  const predicted = await after.request(
    'POST',
    '/api/v1/ml/$predict',
    { artifact_id: model, historic: data, future },
    { prefer: 'wait=30' },
  )
  expect(predicted.json.job.status).toBe('completed')

  const repaired = await after.request('PUT', url, {
    name: 'new',
    data: { n_lags: 'three', horizon: 3 },
  })
  expect(repaired.status).toBe(200)
  expect((await after.request('POST', '/api/v1/ml/$train', body)).status).toBe(202)
})
