import { expect, test } from 'vitest'
import { MLServiceBuilder } from '../builder.ts'
import { createTestService } from '../testing/index.ts'
import { FunctionalModelRunner } from './functional.ts'

const data = { columns: ['time_period', 'location'], data: [['2020-01', 'a']] }

/** A service whose checks wait until they are let go: what happens meanwhile is up to the test. */
async function start() {
  const checking = Promise.withResolvers<void>()
  const goOn = Promise.withResolvers<void>()
  const held = async () => {
    checking.resolve()
    await goOn.promise
    return []
  }
  const runner = new FunctionalModelRunner({
    onTrain: () => ({}),
    onPredict: ({ future }) => future.derive('sample_0', () => 0),
    onValidateTrain: ({ data: { length } }) => (length > 1 ? held() : []),
    onValidatePredict: held,
  })
  const info = { id: 'held', display_name: 'Held', period_type: 'monthly' } as const
  const service = await createTestService(new MLServiceBuilder({ info, runner }).build())
  const config = await service.request('POST', '/api/v1/configs', { name: 'a', data: {} })
  return { service, configId: config.json.id as string, checking: checking.promise, goOn }
}

test('the column that a service forecasts holds numbers under every name', async () => {
  const seen: unknown[] = []
  const runner = new FunctionalModelRunner({
    onTrain: ({ data: frame }) => seen.push(frame.toRecords().map(({ cases }) => cases)),
    onPredict: ({ future }) => future.derive('sample_0', () => 0),
  })
  const info = { id: 'a', display_name: 'A', period_type: 'monthly', target: 'cases' } as const
  await using test = await createTestService(new MLServiceBuilder({ info, runner }).build())
  const { json: config } = await test.request('POST', '/api/v1/configs', { name: 'a', data: {} })
  const columns = ['time_period', 'location', 'cases']
  const train = (...cases: unknown[]) => ({
    config_id: config.id,
    data: { columns, data: cases.map((each, at) => [`2020-0${at + 1}`, 'a', each]) },
  })
  const wait = { prefer: 'wait=30' }

  await test.request('POST', '/api/v1/ml/$train', train('12', 3, null), wait)
  expect(seen).toEqual([[12, 3, null]])
  const refused = await test.request('POST', '/api/v1/ml/$train', train('12', '<5'))
  expect(refused).toMatchObject({ status: 422, json: { detail: expect.stringContaining('"<5"') } })
  const send = (csv: string) =>
    test.request('POST', `/api/v1/ml/$train?config_id=${config.id}`, csv, {
      'content-type': 'text/csv',
    })
  const file = await send('time_period,location,cases\n2020-01,a,nan\n')
  expect(file).toMatchObject({ status: 422, json: { detail: expect.stringContaining('`cases`') } })
  // A file without it is a matter of the model, as one without disease_cases is.
  const without = await send('time_period,location\n2020-01,a\n')
  expect(without.status).toBe(202)
})

test('a training whose config is deleted while it is checked is refused, and leaves no job', async () => {
  const { service, configId, checking, goOn } = await start()
  await using test = service
  const two = { ...data, data: [...data.data, ['2020-02', 'a']] }
  const submitted = test.request('POST', '/api/v1/ml/$train', { config_id: configId, data: two })
  await checking
  expect((await test.request('DELETE', `/api/v1/configs/${configId}`)).status).toBe(204)
  goOn.resolve()
  expect((await submitted).status).toBe(404)
  expect((await test.request('GET', '/api/v1/jobs')).json).toEqual([])
})

test('a prediction whose model is deleted while it is checked is refused, and leaves no job', async () => {
  const { service, configId, checking, goOn } = await start()
  await using test = service
  const body = { config_id: configId, data }
  const trained = await test.request('POST', '/api/v1/ml/$train', body, { prefer: 'wait=30' })
  const model = trained.json.artifact_id
  const asked = { artifact_id: model, historic: data, future: data }
  const submitted = test.request('POST', '/api/v1/ml/$predict', asked)
  await checking
  expect((await test.request('DELETE', `/api/v1/artifacts/${model}`)).status).toBe(204)
  goOn.resolve()
  expect((await submitted).status).toBe(404)
  expect((await test.request('GET', '/api/v1/jobs?type=predict')).json).toEqual([])
})
