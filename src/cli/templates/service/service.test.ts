import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { DataFrame, type FrameJson } from 'chapkit'
import { createTestService, type TestService } from 'chapkit/testing'
import service from './service.ts'

/** A table of the folder `sample`. */
function sample(name: string): DataFrame {
  return DataFrame.fromCsv(readFileSync(new URL(`sample/${name}`, import.meta.url)))
}

/** Trains a model and answers its id. */
async function train(app: TestService, options: object = {}): Promise<string> {
  const config = await app.request('POST', '/api/v1/configs', { name: 'test', data: options })
  assert.equal(config.status, 201, config.text)
  const training = await app.request('POST', '/api/v1/ml/$train', {
    config_id: config.json.id,
    data: sample('data.csv').toJson(),
  })
  assert.equal(training.status, 202, training.text)
  const job = await app.waitForJob(training.json.job_id)
  assert.equal(job.error, null)
  return training.json.artifact_id
}

/** Forecasts the rows of future.csv. */
async function predict(app: TestService, model: string): Promise<DataFrame> {
  const prediction = await app.request('POST', '/api/v1/ml/$predict', {
    artifact_id: model,
    historic: sample('historic.csv').toJson(),
    future: sample('future.csv').toJson(),
  })
  assert.equal(prediction.status, 202, prediction.text)
  const job = await app.waitForJob(prediction.json.job_id)
  assert.equal(job.error, null)
  const artifact = await app.request('GET', `/api/v1/artifacts/${prediction.json.artifact_id}`)
  return DataFrame.fromJson(artifact.json.data.content as FrameJson)
}

test('trains on the sample data, and forecasts each row of the future', async () => {
  await using app = await createTestService(service)
  const forecast = await predict(app, await train(app))

  const future = sample('future.csv')
  for (const column of ['time_period', 'location'])
    assert.deepEqual(forecast.strings(column), future.strings(column))
  for (let at = 0; at < 100; at++)
    assert.ok(forecast.numbers(`sample_${at}`).every((count) => count >= 0))
})

test('heeds its options: as many samples as asked for, the same ones for the same seed', async () => {
  await using app = await createTestService(service)
  const model = await train(app, { n_samples: 7, seed: 3 })
  const first = await predict(app, model)

  assert.equal(first.columns.length, 2 + 7)
  assert.deepEqual((await predict(app, model)).toRecords(), first.toRecords())
})

test('a training without counts fails, and says what is missing', async () => {
  await using app = await createTestService(service)
  const config = await app.request('POST', '/api/v1/configs', { name: 'test', data: {} })
  const training = await app.request('POST', '/api/v1/ml/$train', {
    config_id: config.json.id,
    data: sample('data.csv').drop('disease_cases').toJson(),
  })
  const job = await app.waitForJob(training.json.job_id)
  assert.equal(job.status, 'failed')
  assert.match(String(job.error), /disease_cases/)
})
// {{#validation}}

test('a count below 0 is refused, and a short history warned of', async () => {
  await using app = await createTestService(service)
  const config = await app.request('POST', '/api/v1/configs', { name: 'test', data: {} })
  const data = sample('data.csv').head(5)
  const validate = async (frame: DataFrame) => {
    const body = { type: 'train', config_id: config.json.id, data: frame.toJson() }
    const { json } = await app.request('POST', '/api/v1/ml/$validate', body)
    const codes = (json.diagnostics as { code: string }[]).map(({ code }) => code)
    return { valid: json.valid as boolean, codes }
  }

  assert.deepEqual(await validate(data), { valid: true, codes: ['few_cases'] })
  const { valid, codes } = await validate(data.derive('disease_cases', () => -1))
  assert.equal(valid, false)
  assert.ok(codes.includes('negative_cases'))
})

test('a location without history is warned of', async () => {
  await using app = await createTestService(service)
  const { json } = await app.request('POST', '/api/v1/ml/$validate', {
    type: 'predict',
    artifact_id: await train(app),
    historic: sample('historic.csv')
      .filter(({ location }) => location !== 'Riverbend')
      .toJson(),
    future: sample('future.csv').toJson(),
  })
  assert.equal(json.valid, true)
  assert.match(json.diagnostics[0].message, /There is no history of Riverbend/)
})
// {{/validation}}
