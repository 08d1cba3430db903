import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  columns,
  createArtifact,
  createConfig,
  data,
  expectProblem,
  future,
  nobody,
  type Probe,
  startProbe,
  train,
  trainAndPredict,
  ulid,
} from './fixtures.ts'

const trainUrl = '/api/v1/ml/$train'
const predictUrl = '/api/v1/ml/$predict'
let probe: Probe
let made: Awaited<ReturnType<typeof trainAndPredict>>
beforeAll(async () => {
  probe = await startProbe()
  made = await trainAndPredict(probe)
})
afterAll(() => probe.close())

const polygon = {
  type: 'FeatureCollection',
  features: [
    {
      type: 'Feature',
      id: 'l0',
      bbox: null,
      properties: null,
      geometry: {
        type: 'Polygon',
        bbox: null,
        coordinates: [
          [
            [0, 0],
            [1, 0],
            [1, 1],
            [0, 0],
          ],
        ],
      },
    },
  ],
}
const predictBody = (artifactId: string) => ({ artifact_id: artifactId, historic: data, future })

describe('submitting', () => {
  test('a training answers 202 with the ids of the job and of the artifact to come', async () => {
    const configId = await createConfig(probe)
    const answer = await probe.request('POST', trainUrl, {
      config_id: configId,
      data,
      run_info: { prediction_length: 1, additional_continuous_covariates: [] },
    })
    const { job_id, artifact_id } = answer.json
    expect(answer.status).toBe(202)
    expect(answer.headers).not.toHaveProperty('location')
    expect([job_id, artifact_id]).toEqual([
      expect.stringMatching(ulid),
      expect.stringMatching(ulid),
    ])
    expect(answer.json).toEqual({
      job_id,
      artifact_id,
      message: `Training job submitted. Job ID: ${job_id}`,
      model_artifact_id: artifact_id,
    })
    expect(await probe.waitForJob(job_id)).toMatchObject({ type: 'train', artifact_id })
    expect((await probe.request('GET', `/api/v1/artifacts/${artifact_id}`)).status).toBe(200)
  })

  test('a prediction answers the same, under either name of the model', async () => {
    for (const name of ['artifact_id', 'model_artifact_id']) {
      const { status, json } = await probe.request('POST', predictUrl, {
        [name]: made.artifactId,
        historic: data,
        future,
        run_info: { prediction_length: 1 },
      })
      expect(status).toBe(202)
      expect(json).toEqual({
        job_id: expect.stringMatching(ulid),
        artifact_id: expect.stringMatching(ulid),
        message: `Prediction job submitted. Job ID: ${json.job_id}`,
        prediction_artifact_id: json.artifact_id,
      })
      const job = await probe.waitForJob(json.job_id)
      expect(job).toMatchObject({ type: 'predict', status: 'completed' })
    }
  })

  test('a prediction accepts a history without rows', async () => {
    const body = { ...predictBody(made.artifactId), historic: { columns, data: [] } }
    const { status, json } = await probe.request('POST', predictUrl, body)
    expect(status).toBe(202)
    expect(await probe.waitForJob(json.job_id)).toMatchObject({ status: 'completed' })
  })

  test('shapes travel with the data, into the workspace and the lineage', async () => {
    const configId = await createConfig(probe)
    const { json } = await probe.request('POST', trainUrl, {
      config_id: configId,
      data,
      geo: polygon,
    })
    expect(await probe.waitForJob(json.job_id)).toMatchObject({ status: 'completed' })
    const zip = await probe.bytes(`/api/v1/artifacts/${json.artifact_id}/$download`)
    expect(zip.body.includes('geo.json')).toBe(true)
    const lineage = await probe.request('GET', `/api/v1/artifacts/${json.artifact_id}/$lineage`)
    expect(lineage.json.inputs.geo).toMatch(/^[0-9a-f]{64}$/)
  })

  test('a frame may come with its schema, under both names, and with keys that say nothing', async () => {
    const fields = columns.map((name) => ({ name, type: 'any', title: null }))
    for (const extra of [
      { schema: { fields } },
      { table_schema: { fields } },
      { schema: null },
      { index: [0, 1], column_types: {} },
    ]) {
      const configId = await createConfig(probe)
      const body = { config_id: configId, data: { ...data, ...extra } }
      expect((await probe.request('POST', trainUrl, body)).status).toBe(202)
    }
  })

  test('the model sees the config with options lifted, hyphens and defaults', async () => {
    await train(probe, { user_option_values: { n_lags: 5, 'learning-rate': 0.1 }, extra: null })
    expect(probe.seen.at(-1)?.config).toEqual({
      prediction_periods: 3,
      additional_continuous_covariates: [],
      n_lags: 5,
      'learning-rate': 0.1,
      behaviour: 'plain',
      extra: null,
    })
  })

  test('a prediction uses the config of its training, though it has changed or gone since', async () => {
    const { configId, artifactId } = await train(probe, { n_lags: 5 })
    await probe.request('POST', `/api/v1/configs/${configId}/$unlink-artifact`, {
      artifact_id: artifactId,
    })
    expect((await probe.request('DELETE', `/api/v1/configs/${configId}`)).status).toBe(204)
    const { json } = await probe.request('POST', predictUrl, predictBody(artifactId), {
      prefer: 'wait=30',
    })
    expect(json.job.status).toBe('completed')
    expect(json.prediction.data[0]).toEqual(['2020-03', 'l0', 2, 5.5])
  })

  test('more than the queue holds is 429 with Retry-After', async () => {
    await using held = await startProbe({ maxQueuedJobs: 1 })
    const configId = await createConfig(held, { behaviour: 'wait' })
    const submit = () => held.request('POST', trainUrl, { config_id: configId, data })
    expect((await submit()).status).toBe(202)
    await held.gate.arrived
    expect((await submit()).status).toBe(202)
    const refused = await submit()
    expectProblem(refused, 429, 'too-many-requests')
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
    held.gate.open()
  })
})

describe('what cannot be run is refused at submit', () => {
  test('an unknown config or model is 404', async () => {
    const training = await probe.request('POST', trainUrl, { config_id: nobody, data })
    expect(expectProblem(training, 404, 'not-found').detail).toBe(`Config ${nobody} not found`)
    const prediction = await probe.request('POST', predictUrl, predictBody(nobody))
    expect(expectProblem(prediction, 404, 'not-found').detail).toBe(
      `Training artifact ${nobody} not found`,
    )
  })

  test('an artifact that is no training is 409', async () => {
    const generic = await createArtifact(probe, { data: { a: 1 } })
    for (const id of [generic, made.predictionId]) {
      const answer = await probe.request('POST', predictUrl, predictBody(id))
      expect(expectProblem(answer, 409, 'conflict').detail).toBe(
        `Artifact ${id} is not a training artifact`,
      )
    }
  })

  test.each([
    [0, 'prediction_periods (0, from config) is below the minimum allowed value (1)'],
    [99, 'prediction_periods (99, from config) exceeds the maximum allowed value (10)'],
  ])('%i periods are 422', async (periods, message) => {
    const configId = await createConfig(probe, { prediction_periods: periods })
    const answer = await probe.request('POST', trainUrl, { config_id: configId, data })
    const problem = expectProblem(answer, 422, 'validation-failed', [
      'body',
      'config',
      'prediction_periods',
    ])
    expect(problem.detail).toContain(message)
  })

  test('data and a future without rows are 422', async () => {
    const configId = await createConfig(probe)
    const none = { columns, data: [] }
    const training = await probe.request('POST', trainUrl, { config_id: configId, data: none })
    expectProblem(training, 422, 'validation-failed', ['body', 'data'])
    const body = { ...predictBody(made.artifactId), future: none }
    expectProblem(await probe.request('POST', predictUrl, body), 422, 'validation-failed', [
      'body',
      'future',
    ])
  })

  test('nothing that is refused leaves a job', async () => {
    await using fresh = await startProbe()
    await fresh.request('POST', trainUrl, { config_id: nobody, data })
    await fresh.request('POST', trainUrl, { config_id: nobody })
    expect((await fresh.request('GET', '/api/v1/jobs')).json).toEqual([])
  })
})

describe('a CSV file as training data', () => {
  const csv =
    'time_period,location,disease_cases,humidity\r\n2020-01,007,1,70\r\n2020-02,"a,b",,71.5\r\n'
  const send = (body: string, query: string, type = 'text/csv', headers = {}) =>
    probe.request('POST', `${trainUrl}${query}`, body, { 'content-type': type, ...headers })

  test.each(['text/csv', 'text/csv; charset=utf-8', 'TEXT/CSV'])('is taken as %s', async (type) => {
    const configId = await createConfig(probe)
    const answer = await send(csv, `?config_id=${configId}`, type)
    expect(answer.status).toBe(202)
    expect(await probe.waitForJob(answer.json.job_id)).toMatchObject({ status: 'completed' })
    const zip = await probe.bytes(`/api/v1/artifacts/${answer.json.artifact_id}/$download`)
    // As scripts get it.
    expect(zip.body.includes(csv.replaceAll('\r\n', '\n'))).toBe(true)
  })

  test('needs a config in the query', async () => {
    for (const query of ['', '?config_id=zz']) {
      const answer = await send(csv, query)
      expectProblem(answer, 422, 'validation-failed', ['query', 'config_id'])
    }
  })

  test('that is none is refused', async () => {
    const configId = await createConfig(probe)
    for (const body of ['a,b\n1\n', 'a,a\n1,2\n', 'a,\n1,2\n', 'a,b\n"1,2\n']) {
      const answer = await send(body, `?config_id=${configId}`)
      expectProblem(answer, 422, 'validation-failed')
    }
  })

  test('is for training only', async () => {
    for (const url of [predictUrl, '/api/v1/ml/$validate']) {
      const answer = await probe.request('POST', url, csv, { 'content-type': 'text/csv' })
      const problem = expectProblem(answer, 415, 'unsupported-media-type')
      expect(problem.detail).toBe('Expected `Content-Type: application/json`, got "text/csv"')
    }
  })

  test('for another config under the same idempotency key is another request', async () => {
    const [a, b] = [await createConfig(probe), await createConfig(probe)]
    const headers = { 'idempotency-key': 'csv-1' }
    const first = await send(csv, `?config_id=${a}`, 'text/csv', headers)
    expect(first.status).toBe(202)
    expect((await send(csv, `?config_id=${a}`, 'text/csv', headers)).text).toBe(first.text)
    const other = await send(csv, `?config_id=${b}`, 'text/csv', headers)
    expectProblem(other, 422, 'idempotency-mismatch')
  })
})

describe('Prefer: wait', () => {
  test('answers a training with its end', async () => {
    const configId = await createConfig(probe)
    const answer = await probe.request(
      'POST',
      trainUrl,
      { config_id: configId, data },
      { prefer: 'respond-async, wait=30' },
    )
    expect(answer.status).toBe(200)
    expect(answer.headers['preference-applied']).toBe('wait=30')
    expect(Object.keys(answer.json)).toEqual([
      'job_id',
      'artifact_id',
      'message',
      'model_artifact_id',
      'job',
    ])
    const { json: job } = await probe.request('GET', `/api/v1/jobs/${answer.json.job_id}`)
    expect(answer.json.job).toEqual(job)
    expect(job.status).toBe('completed')
  })

  test('answers a prediction with its frame', async () => {
    const answer = await probe.request('POST', predictUrl, predictBody(made.artifactId), {
      prefer: 'wait=30',
    })
    expect(answer.status).toBe(200)
    const stored = await probe.request('GET', `/api/v1/artifacts/${answer.json.artifact_id}`)
    expect(answer.json.prediction).toEqual(stored.json.data.content)
    expect(Object.keys(answer.json)).toEqual([
      'job_id',
      'artifact_id',
      'message',
      'prediction_artifact_id',
      'job',
      'prediction',
    ])
  })

  test('answers a job that failed with 200 and its status', async () => {
    const configId = await createConfig(probe, { behaviour: 'throw' })
    const { status, json } = await probe.request(
      'POST',
      trainUrl,
      { config_id: configId, data },
      { prefer: 'wait=30' },
    )
    expect(status).toBe(200)
    expect(json.job).toMatchObject({ status: 'failed', error: 'RangeError: too few rows' })
  })

  test('answers 202 when the job takes longer, or when the wait is none of ours', async () => {
    await using held = await startProbe()
    const configId = await createConfig(held, { behaviour: 'wait' })
    for (const prefer of ['wait=1', 'wait=0', 'wait=61', 'wait=x', 'wait=-1', 'return=minimal']) {
      const body = { config_id: configId, data }
      const answer = await held.request('POST', trainUrl, body, { prefer })
      expect(answer.status).toBe(202)
      expect(answer.headers).not.toHaveProperty('preference-applied')
    }
    held.gate.open()
  })
})

describe('sample data', () => {
  const sample = async (query = '') => {
    const answer = await probe.request('GET', `/api/v1/ml/$generate-sample-data${query}`)
    expect(answer.status).toBe(200)
    return answer.json
  }
  const canonical = [
    'time_period',
    'location',
    'disease_cases',
    'population',
    'rainfall',
    'mean_temperature',
  ]

  test('for training: 5 locations, 50 months, 3 features and what the model requires', async () => {
    const json = await sample()
    expect(Object.keys(json)).toEqual(['data'])
    expect(json.data.columns).toEqual([
      ...canonical,
      'feature_0',
      'feature_1',
      'feature_2',
      'humidity',
    ])
    expect(json.data.data).toHaveLength(250)
    expect(json.data.data.slice(0, 6).map((row: unknown[]) => row.slice(0, 2))).toEqual([
      ['2020-01', 'location_0'],
      ['2020-01', 'location_1'],
      ['2020-01', 'location_2'],
      ['2020-01', 'location_3'],
      ['2020-01', 'location_4'],
      ['2020-02', 'location_0'],
    ])
    expect(json.data.schema.fields.map(({ name }: { name: string }) => name)).toEqual(
      json.data.columns,
    )
  })

  test('for predicting: a history and the periods behind it, without cases', async () => {
    const json = await sample('?kind=predict&num_locations=1&num_periods=3&num_features=0&seed=1')
    expect(Object.keys(json)).toEqual(['historic', 'future'])
    const periods = (frame: { data: unknown[][] }) => frame.data.map((row) => row[0])
    expect(periods(json.historic)).toEqual(['2020-01', '2020-02', '2020-03'])
    expect(periods(json.future)).toEqual(['2020-04', '2020-05', '2020-06'])
    expect(json.future.data.map((row: unknown[]) => row[2])).toEqual([null, null, null])
    const populations = [...json.historic.data, ...json.future.data].map((row) => row[3])
    expect(new Set(populations).size).toBe(1)
  })

  test('is the same for the same seed and other without one', async () => {
    expect(await sample('?seed=7')).toEqual(await sample('?seed=7'))
    expect(await sample('?seed=7')).not.toEqual(await sample('?seed=8'))
    expect(await sample()).not.toEqual(await sample())
    expect(await sample('?seed=-1')).not.toEqual(await sample('?seed=-1'))
  })

  test('comes with shapes, weeks and the config that was asked for', async () => {
    const id = await createConfig(probe)
    const json = await sample(
      `?include_geo=true&geo_type=point&period_type=weekly&config_id=${id}&num_locations=2&num_periods=1`,
    )
    expect(Object.keys(json).toSorted()).toEqual(['config_id', 'data', 'geo'])
    expect(json.config_id).toBe(id)
    expect(json.data.data[0][0]).toBe('2020-W01')
    expect(json.geo).toMatchObject({
      type: 'FeatureCollection',
      features: [
        { geometry: { type: 'Point' }, properties: { id: 'location_0' } },
        { geometry: { type: 'Point' }, properties: { id: 'location_1' } },
      ],
      bbox: [expect.any(Number), expect.any(Number), expect.any(Number), expect.any(Number)],
    })
    expect((await sample('?include_geo=true')).geo.features[0].geometry.type).toBe('Polygon')
  })

  test('has the covariates of its config, and a future that the service takes', async () => {
    const id = await createConfig(probe, {
      additional_continuous_covariates: ['mobility', 'humidity', 'rainfall'],
    })
    const { data } = await sample(`?config_id=${id}&num_features=0`)
    const all = [...columns.slice(0, 2), 'disease_cases', 'population', 'rainfall']
    expect(data.columns).toEqual([...all, 'mean_temperature', 'humidity', 'mobility'])
    const asked = await sample(`?kind=predict&config_id=${id}&num_features=0&num_locations=1`)
    expect(Object.keys(asked)).toEqual(['historic', 'future'])
    for (const frame of [asked.historic, asked.future]) expect(frame.columns).toEqual(data.columns)
    expect([asked.historic.data.length, asked.future.data.length]).toEqual([50, 10])
    const few = await sample('?kind=predict&num_periods=0&num_locations=1')
    expect([few.historic.data.length, few.future.data.length]).toEqual([1, 1])
    for (const kind of ['train', 'predict']) {
      const of = (config: string) =>
        probe.request('GET', `/api/v1/ml/$generate-sample-data?kind=${kind}&config_id=${config}`)
      expectProblem(await of('mine'), 400, 'invalid-ulid')
      expectProblem(await of(nobody), 404, 'not-found')
      expect((await of('')).status).toBe(200)
    }
  })

  test('may have no location, and at least one period', async () => {
    expect((await sample('?num_locations=0')).data.data).toEqual([])
    expect((await sample('?num_periods=0&num_locations=1')).data.data).toHaveLength(1)
  })

  test('can be sent as it is', async () => {
    const configId = await createConfig(probe)
    const body = await sample(`?config_id=${configId}&include_geo=true`)
    const trained = await probe.request('POST', trainUrl, body, { prefer: 'wait=30' })
    expect(trained.json.job.status).toBe('completed')
    const asked = await sample('?kind=predict&include_geo=true')
    const predicted = await probe.request(
      'POST',
      predictUrl,
      { ...asked, artifact_id: trained.json.artifact_id },
      { prefer: 'wait=30' },
    )
    // Ten periods are the most that the model forecasts.
    expect(asked.historic.data).toHaveLength(250)
    expect(predicted.json.prediction.data).toHaveLength(50)
  })

  test.each(['num_locations=200&num_periods=100', 'kind=predict&num_locations=200&num_periods=90'])(
    'has up to 200 000 cells: %s',
    async (query) => {
      const json = await sample(`?${query}`)
      const cells = [json.data ?? json.historic, json.future]
        .filter((frame) => frame !== undefined)
        .reduce((sum, frame) => sum + frame.columns.length * frame.data.length, 0)
      expect(cells).toBe(200_000)
    },
  )

  test.each([
    'num_locations=200&num_periods=101',
    'kind=predict&num_locations=200&num_periods=91',
    'num_locations=1000000&num_periods=1000000&num_features=1000000',
    'num_locations=0&num_features=1000000',
    'num_locations=0&num_periods=1000000',
    'num_periods=0&num_locations=1&num_features=200000',
  ])('is refused beyond: %s', async (query) => {
    const answer = await probe.request('GET', `/api/v1/ml/$generate-sample-data?${query}`)
    const problem = expectProblem(answer, 422, 'validation-failed')
    expect(problem.detail).toContain('200000 cells')
  })

  test.each([
    ['kind=other', 'kind'],
    ['period_type=daily', 'period_type'],
    ['geo_type=line', 'geo_type'],
    ['num_locations=-1', 'num_locations'],
    ['num_periods=1.5', 'num_periods'],
    ['num_features=x', 'num_features'],
    ['num_locations=1000001', 'num_locations'],
    ['seed=1e400', 'seed'],
    ['include_geo=maybe', 'include_geo'],
  ])('refuses %s', async (query, name) => {
    const answer = await probe.request('GET', `/api/v1/ml/$generate-sample-data?${query}`)
    expectProblem(answer, 422, 'validation-failed', ['query', name])
  })
})
