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
