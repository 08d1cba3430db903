import { type Diagnostic, FunctionalModelRunner, MLServiceBuilder } from 'chapkit'
import { createTestService } from 'chapkit/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  columns,
  createArtifact,
  createConfig,
  createProbe,
  data,
  expectProblem,
  future,
  info,
  nobody,
  type Probe,
  startProbe,
  trainAndPredict,
} from './fixtures.ts'

const url = '/api/v1/ml/$validate'
const empty = { columns, data: [] }
let probe: Probe
let made: Awaited<ReturnType<typeof trainAndPredict>>
beforeAll(async () => {
  probe = await startProbe()
  made = await trainAndPredict(probe)
})
afterAll(() => probe.close())

const validateTrain = (configId: string, fields: object = {}) =>
  probe.request('POST', url, { type: 'train', config_id: configId, data, ...fields })
const validatePredict = (artifactId: string, fields: object = {}) =>
  probe.request('POST', url, {
    type: 'predict',
    artifact_id: artifactId,
    historic: data,
    future,
    ...fields,
  })

/** Verdict with these findings, of which `field` and `message` are as the contract words them. */
function verdict(...findings: [code: string, message: string, field: string, severity?: string][]) {
  return {
    valid: !findings.some(([, , , severity = 'error']) => severity === 'error'),
    diagnostics: findings.map(([code, message, field, severity = 'error']) => ({
      severity,
      code,
      message,
      field,
    })),
  }
}

describe('a training', () => {
  test('that can run is valid, and nothing is run', async () => {
    const { total } = (await probe.request('GET', '/api/v1/jobs?page=1&size=1')).json
    const answer = await validateTrain(await createConfig(probe), { run_info: {} })
    expect(answer).toMatchObject({ status: 200, text: '{"valid":true,"diagnostics":[]}' })
    const after = await probe.request('GET', '/api/v1/jobs?page=1&size=1')
    expect(after.json.total).toBe(total)
  })

  test('of an unknown config: config_not_found, and nothing else', async () => {
    const answer = await validateTrain(nobody, { data: empty })
    expect(answer.status).toBe(200)
    expect(answer.json).toEqual(
      verdict(['config_not_found', `Config ${nobody} not found`, 'config_id']),
    )
    expect(Object.keys(answer.json.diagnostics[0])).toEqual([
      'severity',
      'code',
      'message',
      'field',
    ])
  })

  test('with two faults tells both', async () => {
    const configId = await createConfig(probe, { prediction_periods: 99 })
    const { json } = await validateTrain(configId, { data: empty })
    expect(json).toEqual(
      verdict(
        [
          'prediction_periods_out_of_bounds',
          'prediction_periods (99, from config) exceeds the maximum allowed value (10)',
          'config.prediction_periods',
        ],
        ['data_empty', 'Training data is empty', 'data'],
      ),
    )
  })

  test('below the bounds says so', async () => {
    const { json } = await validateTrain(await createConfig(probe, { prediction_periods: -5 }))
    expect(json).toEqual(
      verdict([
        'prediction_periods_out_of_bounds',
        'prediction_periods (-5, from config) is below the minimum allowed value (1)',
        'config.prediction_periods',
      ]),
    )
  })
})

describe('a prediction', () => {
  test('that can run is valid', async () => {
    expect((await validatePredict(made.artifactId)).json).toEqual(verdict())
  })

  test('of an unknown model: training_artifact_not_found', async () => {
    const { json } = await validatePredict(nobody, { future: empty })
    expect(json).toEqual(
      verdict([
        'training_artifact_not_found',
        `Training artifact ${nobody} not found`,
        'artifact_id',
      ]),
    )
  })

  test('of what is no training: invalid_training_artifact', async () => {
    const generic = await createArtifact(probe, { data: { type: 'generic', content: {} } })
    for (const id of [generic, made.predictionId]) {
      expect((await validatePredict(id)).json).toEqual(
        verdict([
          'invalid_training_artifact',
          `Artifact ${id} is not a training artifact`,
          'artifact_id',
        ]),
      )
    }
  })

  test('without rows: an empty history warns, an empty future is an error', async () => {
    const warned = await validatePredict(made.artifactId, { historic: empty })
    expect(warned.json).toEqual(
      verdict(['historic_empty', 'Historic data is empty', 'historic', 'warning']),
    )
    const refused = await validatePredict(made.artifactId, { historic: empty, future: empty })
    expect(refused.json).toEqual(
      verdict(
        ['historic_empty', 'Historic data is empty', 'historic', 'warning'],
        ['future_empty', 'Future data is empty', 'future'],
      ),
    )
  })
})

describe('a training artifact that is damaged', () => {
  type Entry = { path: string; mode: number; size: number; crc32: number; sha256: string }

  /** Stores a training as only the service itself could, wrong in one way. */
  async function forge({
    metadata = {},
    entries,
  }: {
    metadata?: Record<string, unknown>
    entries?: Entry[]
  }): Promise<string> {
    const { artifacts, blobs, database, jobs } = probe.parts
    const id = jobs.newId()
    const staged =
      entries && (await blobs.stage(Buffer.from(JSON.stringify({ version: 1, entries }))))
    await database.write((tx) =>
      artifacts.insertMl(tx, {
        id,
        parentId: null,
        type: 'ml_training_workspace',
        metadata: { status: 'success', config_id: nobody, exit_code: null, ...metadata },
        content: staged ? { staged, kind: 'workspace', type: 'application/zip', size: 1 } : null,
        keeps: [],
        refers: [],
        lineage: { config: { prediction_periods: 3 } },
      }),
    )
    return id
  }
  const absent = 'a'.repeat(64)
  const entry = (path: string): Entry => ({
    path,
    mode: 0o644,
    size: 1,
    crc32: 0,
    sha256: absent,
  })

  test('by a failed run: training_artifact_failed', async () => {
    const id = await forge({ metadata: { status: 'failed', exit_code: 3 } })
    const message = `Training artifact ${id} failed training (exit_code=3); cannot predict with it`
    const { json } = await validatePredict(id, { future: empty })
    expect(json).toEqual(verdict(['training_artifact_failed', message, 'artifact_id']))
    const submitted = await probe.request('POST', '/api/v1/ml/$predict', {
      artifact_id: id,
      historic: data,
      future,
    })
    expect(expectProblem(submitted, 409, 'conflict').detail).toBe(message)
  })

  test.each([
    [undefined, 'is missing config_id in metadata'],
    ['zz', "has a malformed config_id in metadata: 'zz'"],
  ])('by its config_id %s: invalid_training_artifact', async (configId, text) => {
    const id = await forge({ metadata: { config_id: configId } })
    expect((await validatePredict(id)).json).toEqual(
      verdict(['invalid_training_artifact', `Training artifact ${id} ${text}`, 'artifact_id']),
    )
  })

  test('by its content: training_workspace_corrupted, beside other findings', async () => {
    const id = await forge({})
    expect((await validatePredict(id, { future: empty })).json).toEqual(
      verdict(
        [
          'training_workspace_corrupted',
          `Training artifact ${id} has empty or non-binary workspace content`,
          'artifact_id',
        ],
        ['future_empty', 'Future data is empty', 'future'],
      ),
    )
  })

  test('by its model: model_pickle_missing, model_pickle_corrupted', async () => {
    const without = await forge({ entries: [entry('config.yml')] })
    const gone = await forge({ entries: [entry('model.chapkit')] })
    const codes = []
    for (const id of [without, gone]) {
      const { json } = await validatePredict(id)
      codes.push(json.diagnostics.map(({ code }: Diagnostic) => code))
      const submitted = await probe.request('POST', '/api/v1/ml/$predict', {
        artifact_id: id,
        historic: data,
        future,
      })
      expectProblem(submitted, 409, 'conflict')
    }
    expect(codes).toEqual([['model_pickle_missing'], ['model_pickle_corrupted']])
  })
})

describe('a request that is none', () => {
  test('without a type, or with another one, is 422 at `type`', async () => {
    const missing = await probe.request('POST', url, { config_id: nobody, data })
    const none = expectProblem(missing, 422, 'validation-failed', ['body', 'type'])
    expect(none.errors[0].type).toBe('union_tag_not_found')
    for (const type of ['zzz', 5, null]) {
      const answer = await probe.request('POST', url, { type, config_id: nobody, data })
      const problem = expectProblem(answer, 422, 'validation-failed', ['body', 'type'])
      expect(problem.errors[0]).toMatchObject({
        type: 'union_tag_invalid',
        msg: expect.stringContaining('Expected "train" or "predict"'),
      })
    }
  })

  test('tells every field that is missing', async () => {
    const training = await probe.request('POST', url, { type: 'train' })
    for (const name of ['config_id', 'data']) {
      expectProblem(training, 422, 'validation-failed', ['body', name])
    }
    const prediction = await probe.request('POST', url, { type: 'predict' })
    for (const name of ['artifact_id', 'historic', 'future']) {
      expectProblem(prediction, 422, 'validation-failed', ['body', name])
    }
  })
})

describe('findings of the model’s own', () => {
  const own: Diagnostic = {
    severity: 'warning',
    code: 'few_rows',
    message: 'Only 2 rows',
    field: 'data',
  }

  async function startWith(onValidateTrain: () => Diagnostic[]) {
    const { runner } = createProbe()
    const asked: number[] = []
    const model = new FunctionalModelRunner({
      config: runner.config,
      onTrain: runner.train,
      onPredict: runner.predict,
      onValidateTrain: ({ data: frame }) => {
        asked.push(frame.length)
        return onValidateTrain()
      },
      onValidatePredict: () => [{ ...own, severity: 'error', code: 'no', field: null }],
    })
    const service = await createTestService(new MLServiceBuilder({ info, runner: model }).build())
    return { service, asked }
  }

  test('come behind those of the service, and only when those are no errors', async () => {
    const { service, asked } = await startWith(() => [own])
    await using test = service
    const configId = await createConfig(test)
    const ask = (frame: object) =>
      test.request('POST', url, { type: 'train', config_id: configId, data: frame })
    expect((await ask(data)).json).toEqual({ valid: true, diagnostics: [own] })
    const { json } = await ask(empty)
    expect(json.diagnostics.map(({ code }: Diagnostic) => code)).toEqual(['data_empty'])
    expect(asked).toEqual([2])
  })

  test('refuse a submit when they are errors', async () => {
    const { service } = await startWith(() => [{ ...own, severity: 'error' }])
    await using test = service
    const body = { config_id: await createConfig(test), data }
    const answer = await test.request('POST', '/api/v1/ml/$train', body)
    const problem = expectProblem(answer, 422, 'validation-failed', ['body', 'data'])
    expect(problem.errors[0]).toMatchObject({ msg: 'Only 2 rows', type: 'few_rows' })
  })

  test('that cannot be made are a failure of the service, named by its kind only', async () => {
    const { service } = await startWith(() => {
      throw new TypeError('secret /home/me')
    })
    await using test = service
    const body = { type: 'train', config_id: await createConfig(test), data }
    const problem = expectProblem(await test.request('POST', url, body), 500, 'internal')
    expect(problem.detail).toBe('Validation failed: TypeError')
  })
})
