import {
  BaseConfig,
  BaseModelRunner,
  FunctionalModelRunner,
  MLServiceBuilder,
  type TrainContext,
} from 'chapkit'
import { createTestService, type TestService } from 'chapkit/testing'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import { startScripts } from '../../src/script/fixtures/project.ts'
import { createConfig, data, expectProblem, info } from './fixtures.ts'

const columns = ['time_period', 'location', 'rainfall']
const periods = (count: number, location = 'a') =>
  Array.from({ length: count }, (_, at) => [`2020-${String(at + 1).padStart(2, '0')}`, location, 1])
const futureOf = (count: number) => ({ columns, data: periods(count) })

/** Starts a service whose model tells the horizon that it is given. */
async function start(changes: object = {}, config = BaseConfig as never) {
  const seen: { train: unknown[]; predict: unknown[]; checks: unknown[] } = {
    ...{ train: [], predict: [], checks: [] },
  }
  const runner = new FunctionalModelRunner<BaseConfig, number>({
    config,
    onTrain: ({ config }) => {
      seen.train.push(config.prediction_periods)
      return 1
    },
    onPredict: ({ config, future }) => {
      seen.predict.push(config.prediction_periods)
      return future.select(['time_period', 'location']).derive('sample_0', () => 1)
    },
    onValidateTrain: ({ config }) => {
      seen.checks.push(config.prediction_periods)
      return []
    },
    onValidatePredict: ({ config }) => {
      seen.checks.push(config.prediction_periods)
      return []
    },
  })
  const builder = new MLServiceBuilder({
    info: { ...info, required_covariates: [], ...changes },
    runner,
  })
  const service = await createTestService(builder.build())
  onTestFinished(() => service.close())
  return { service, seen }
}

const wait = { prefer: 'wait=30' }
const submit = (service: TestService, operation: string, body: object) =>
  service.request('POST', `/api/v1/ml/${operation}`, body, wait)

async function trainOne(service: TestService, config: object = {}, more: object = {}) {
  const configId = await createConfig(service, config)
  const answer = await submit(service, '$train', { config_id: configId, data, ...more })
  return { configId, answer, id: answer.json.artifact_id as string }
}

const lineageOf = async (service: TestService, id: string) =>
  (await service.request('GET', `/api/v1/artifacts/${id}/$lineage`)).json

/** A file of a workspace. */
async function configFileOf(service: TestService, id: string): Promise<string> {
  const { bytes } = await service.request('GET', `/api/v1/artifacts/${id}/$download`)
  const { unzip } = await import('../../src/script/fixtures/project.ts')
  return unzip(bytes).get('config.yml') ?? ''
}

describe('the horizon of a training', () => {
  test('is what run_info asks for, else that of the config; the stored config stays as it is', async () => {
    const { service, seen } = await start()
    const asked = await trainOne(service, {}, { run_info: { prediction_periods: 6 } })
    const { id: without } = await trainOne(service, { prediction_periods: 5 })
    expect(seen).toEqual({ train: [6, 5], predict: [], checks: [6, 5] })

    const { json } = await service.request('GET', `/api/v1/configs/${asked.configId}`)
    expect(json.data.prediction_periods).toBe(3)
    expect(await lineageOf(service, asked.id)).toMatchObject({
      config: { prediction_periods: 3 },
      horizon: { prediction_periods: 6, source: 'run_info' },
    })
    expect(await lineageOf(service, without)).toMatchObject({
      horizon: { prediction_periods: 5, source: 'config' },
    })
    expect(await configFileOf(service, asked.id)).toContain('prediction_periods: 6\n')
  })

  test('may lie where the default of the config does not', async () => {
    const { service, seen } = await start({ min_prediction_periods: 6 })
    const { answer } = await trainOne(service, {}, { run_info: { prediction_periods: 6 } })
    expect(answer.json.job).toMatchObject({ status: 'completed', error: null })
    expect(seen.train).toEqual([6])
    const { answer: refused } = await trainOne(service)
    const loc = ['body', 'config', 'prediction_periods']
    expect(expectProblem(refused, 422, 'validation-failed', loc).detail).toContain(
      'prediction_periods (3, from config) is below the minimum allowed value (6)',
    )
  })

  test('is given with a CSV file in the query, and is part of what an idempotency key stands for', async () => {
    const { service, seen } = await start()
    const configId = await createConfig(service)
    const csv = 'time_period,location,disease_cases\n2020-01,a,1\n'
    const post = (query: string, headers = {}) =>
      service.request('POST', `/api/v1/ml/$train?config_id=${configId}${query}`, csv, {
        'content-type': 'text/csv',
        ...wait,
        ...headers,
      })
    const { json } = await post('&prediction_periods=7')
    expect(seen.train).toEqual([7])
    expect(await lineageOf(service, json.artifact_id)).toMatchObject({
      horizon: { prediction_periods: 7, source: 'query' },
    })
    const refused = await post('&prediction_periods=11')
    expectProblem(refused, 422, 'validation-failed', ['query', 'prediction_periods'])
    expectProblem(await post('&prediction_periods=soon'), 422, 'validation-failed', [
      'query',
      'prediction_periods',
    ])
    const key = { 'idempotency-key': 'one' }
    const first = await post('&prediction_periods=4', key)
    expect((await post('&prediction_periods=4', key)).json.job_id).toBe(first.json.job_id)
    expectProblem(await post('&prediction_periods=5', key), 422, 'idempotency-mismatch')
  })
})

describe('the horizon of a prediction', () => {
  test('is what run_info asks for, else as many periods as one location of future has', async () => {
    const { service, seen } = await start()
    const { id } = await trainOne(service, { prediction_periods: 5 })
    const predict = async (more: object) => {
      const { json } = await submit(service, '$predict', {
        artifact_id: id,
        historic: data,
        ...more,
      })
      expect(json.job).toMatchObject({ status: 'completed', error: null })
      return json.artifact_id as string
    }
    const made = [
      await predict({ future: futureOf(2) }),
      await predict({ future: futureOf(2), run_info: { prediction_periods: 7 } }),
      await predict({
        future: { columns, data: [...periods(2), ...periods(4, 'b'), ...periods(4, 'b')] },
      }),
      await predict({ future: futureOf(5) }),
    ]
    expect(seen.predict).toEqual([2, 7, 4, 5])
    const lineages = await Promise.all(made.map((each) => lineageOf(service, each)))
    expect(lineages.map(({ horizon }) => horizon)).toEqual([
      { prediction_periods: 2, source: 'future' },
      { prediction_periods: 7, source: 'run_info' },
      { prediction_periods: 4, source: 'future' },
      { prediction_periods: 5, source: 'future' },
    ])
    for (const [at, each] of made.entries()) {
      const { json } = await service.request('GET', `/api/v1/artifacts/${each}/$tree`)
      const [workspace] = json.children
      expect(await configFileOf(service, workspace.id)).toContain(
        `prediction_periods: ${seen.predict[at]}\n`,
      )
    }
    expect(await configFileOf(service, id)).toContain('prediction_periods: 5\n')
  })

  test('beyond the bounds is refused at once, and says which part of the request asked for it', async () => {
    const { service, seen } = await start()
    const { id } = await trainOne(service)
    const body = { artifact_id: id, historic: data, future: futureOf(12) }
    const many = await submit(service, '$predict', body)
    expect(expectProblem(many, 422, 'validation-failed', ['body', 'future']).detail).toContain(
      'prediction_periods (12, from future) exceeds the maximum allowed value (10)',
    )
    const loc = ['body', 'run_info', 'prediction_periods']
    const asked = { ...body, future: futureOf(2), run_info: { prediction_periods: 0 } }
    expect(
      expectProblem(await submit(service, '$predict', asked), 422, 'validation-failed', loc).detail,
    ).toContain('prediction_periods (0, from run_info) is below the minimum allowed value (1)')
    expect(seen.predict).toEqual([])
  })
})

describe('$validate', () => {
  test('checks the horizon that the run would have, and warns of a future with another one', async () => {
    const { service, seen } = await start()
    const { id, configId } = await trainOne(service)
    const validate = async (body: object) =>
      (await service.request('POST', '/api/v1/ml/$validate', body)).json
    const training = { type: 'train', config_id: configId, data }
    const prediction = { type: 'predict', artifact_id: id, historic: data, future: futureOf(3) }
    expect(await validate({ ...training, run_info: { prediction_periods: 12 } })).toEqual({
      valid: false,
      diagnostics: [
        {
          severity: 'error',
          code: 'prediction_periods_out_of_bounds',
          message: 'prediction_periods (12, from run_info) exceeds the maximum allowed value (10)',
          field: 'run_info.prediction_periods',
        },
      ],
    })
    expect(await validate({ ...prediction, run_info: { prediction_periods: 5 } })).toEqual({
      valid: true,
      diagnostics: [
        {
          severity: 'warning',
          code: 'prediction_periods_mismatch',
          message: expect.stringContaining('(5)'),
          field: 'future',
        },
      ],
    })
    expect(await validate({ ...prediction, run_info: { prediction_periods: 3 } })).toEqual({
      valid: true,
      diagnostics: [],
    })
    expect(seen.checks).toEqual([3, 5, 3])
  })
})

describe('run_info', () => {
  test('takes both names of the horizon, null, and members that it does not know', async () => {
    const { service, seen } = await start()
    const train = async (run_info: unknown) => {
      const { answer } = await trainOne(service, {}, { run_info })
      expect(answer.json.job?.status, JSON.stringify(run_info)).toBe('completed')
      return seen.train.at(-1)
    }
    expect(await train({ prediction_length: 4 })).toBe(4)
    expect(await train({ prediction_periods: 5, prediction_length: 4 })).toBe(5)
    expect(await train({ prediction_periods: null, prediction_length: 4 })).toBe(4)
    expect(await train({ prediction_periods: 6.0, future_covariate_origin: null })).toBe(6)
    expect(
      await train({
        additional_continuous_covariates: ['humidity'],
        future_covariate_origin: 'climatology',
        something: { else: 1 },
      }),
    ).toBe(3)
    expect(await train({})).toBe(3)
    expect(await train(null)).toBe(3)
  })

  test.each<[unknown, ...(string | number)[]]>([
    ['soon'],
    [[]],
    [{ prediction_periods: '6' }, 'prediction_periods'],
    [{ prediction_periods: 2.5 }, 'prediction_periods'],
    [{ prediction_periods: true }, 'prediction_periods'],
    [{ prediction_length: '6' }, 'prediction_length'],
    [{ additional_continuous_covariates: 'rain' }, 'additional_continuous_covariates'],
    [{ additional_continuous_covariates: [1] }, 'additional_continuous_covariates', 0],
    [{ future_covariate_origin: 1 }, 'future_covariate_origin'],
  ])('of a wrong type is 422: %j', async (run_info, ...path) => {
    const { service } = await start()
    const { id, configId } = await trainOne(service)
    const bodies: [string, object][] = [
      ['$train', { config_id: configId, data }],
      ['$predict', { artifact_id: id, historic: data, future: futureOf(1) }],
      ['$validate', { type: 'train', config_id: configId, data }],
    ]
    for (const [operation, body] of bodies) {
      const answer = await submit(service, operation, { ...body, run_info })
      expectProblem(answer, 422, 'validation-failed', ['body', 'run_info', ...path])
    }
  })
})

test('run_info comes before future, and future before the config, whatever they say', async () => {
  const { service, seen } = await start({ min_prediction_periods: 2, max_prediction_periods: 5 })
  const { id } = await trainOne(service)
  const count = fc.integer({ min: 1, max: 7 })
  await fc.assert(
    fc.asyncProperty(
      fc.option(count),
      fc.array(count, { minLength: 1, maxLength: 3 }),
      async (asked, counts) => {
        const future = { columns, data: counts.flatMap((each, at) => periods(each, `l${at}`)) }
        const wanted = asked ?? Math.max(...counts)
        const before = seen.predict.length
        const answer = await submit(service, '$predict', {
          ...{ artifact_id: id, historic: data, future },
          ...(asked !== null && { run_info: { prediction_periods: asked } }),
        })
        expect(answer.status).toBe(wanted >= 2 && wanted <= 5 ? 200 : 422)
        expect(seen.predict.slice(before)).toEqual(answer.status === 200 ? [wanted] : [])
      },
    ),
    { numRuns: 40 },
  )
})

test('a model as a class is given the horizon of the run', async () => {
  const given: number[] = []
  class Telling extends BaseModelRunner<BaseConfig, number> {
    onTrain({ config }: TrainContext<BaseConfig>) {
      given.push(config.prediction_periods)
      return 1
    }
    onPredict(): never {
      throw new Error('not asked')
    }
  }
  const service = await createTestService(
    new MLServiceBuilder({
      info: { ...info, required_covariates: [] },
      runner: new Telling(),
    }).build(),
  )
  onTestFinished(() => service.close())
  await trainOne(service, {}, { run_info: { prediction_periods: 9 } })
  expect(given).toEqual([9])
})

test.each(['flat', 'chap_core'] as const)(
  'scripts find the horizon of the run in config.yml, in the layout %s, and the workspace keeps it',
  async (configFormat) => {
    const service = await startScripts(
      {
        'train.sh': 'grep prediction_periods config.yml; echo spoiled: 1 >> config.yml',
        'predict.sh':
          'cat config.yml; awk -F, \'NR == 1 { print "time_period,location,sample_0" } NR > 1 { print $1 "," $2 ",1" }\' "$1" > "$2"',
      },
      { configFormat },
    )
    const trained = await service.train({}, { run_info: { prediction_length: 6 } })
    const model = await service.request('GET', `/api/v1/artifacts/${trained.id}`)
    expect(model.json.data.metadata.stdout).toBe('prediction_periods: 6\n')

    const predicted = await service.predict(trained.id)
    expect(predicted.job).toMatchObject({ status: 'completed' })
    const { json } = await service.request('GET', `/api/v1/artifacts/${predicted.id}/$tree`)
    const workspace = await service.request('GET', `/api/v1/artifacts/${json.children[0].id}`)
    const { stdout } = workspace.json.data.metadata
    expect(stdout).toBe('additional_continuous_covariates: []\nprediction_periods: 2\n')
    expect((await service.workspace(json.children[0].id)).get('config.yml')).toBe(stdout)
    expect(await lineageOf(service, predicted.id)).toMatchObject({
      config: { prediction_periods: 3 },
      horizon: { prediction_periods: 2, source: 'future' },
    })
  },
)
