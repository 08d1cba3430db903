import { BaseConfig, errorCatalogue, FunctionalModelRunner, MLServiceBuilder } from 'chapkit'
import { createTestService, type TestService } from 'chapkit/testing'
import { expect } from 'vitest'
import { z } from 'zod'

export type Answer = Awaited<ReturnType<TestService['request']>>

export const ulid = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/
export const timestamp = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/
export const nobody = '01K72P5N5KCRM6MD3BRE4P0778'
export const frameType = 'application/vnd.chapkit.dataframe+json'

/** A place where a model waits until the test lets it go on, or its job is canceled. */
export interface Gate {
  /** Resolves when a run has arrived. */
  arrived: Promise<void>
  open: () => void
}

export const info = {
  id: 'probe-svc',
  display_name: 'Probe',
  version: '1.2.3',
  description: 'd',
  model_metadata: {
    author: 'A',
    author_assessed_status: 'yellow',
    contact_email: 'a@example.com',
    repository_url: 'https://example.com/x',
  },
  period_type: 'monthly',
  min_prediction_periods: 1,
  max_prediction_periods: 10,
  required_covariates: ['humidity'],
} as const

const Config = BaseConfig.extend({
  n_lags: z.int().min(1).default(3),
  'learning-rate': z.number().default(0.5),
  /** What the model is to do besides forecasting. */
  behaviour: z.enum(['plain', 'wait', 'throw', 'chatter']).default('plain'),
})

/** A model whose runs can be held at a gate, fail, or talk, as its config says. */
export function createProbe() {
  const arrivals = Promise.withResolvers<void>()
  const opened = Promise.withResolvers<void>()
  const gate: Gate = { arrived: arrivals.promise, open: () => opened.resolve() }
  const seen: { config: unknown }[] = []

  const runner = new FunctionalModelRunner({
    config: Config,
    onTrain: async ({ config, data, log, progress, metrics, signal }) => {
      seen.push({ config })
      if (config.behaviour === 'throw') throw new RangeError('too few rows')
      if (config.behaviour === 'chatter') {
        for (const line of ['one', 'two', 'three']) log(line)
        progress(0.5, 'half way')
      }
      if (config.behaviour === 'wait') {
        arrivals.resolve()
        await new Promise<void>((resolve, reject) => {
          opened.promise.then(resolve)
          signal.addEventListener('abort', () => reject(signal.reason), { once: true })
        })
      }
      metrics({ mae: 9 })
      metrics({ mae: 3.2, rows: data.length })
      return { rows: data.length, lags: config.n_lags }
    },
    onPredict: ({ model, future }) =>
      future
        .select(['time_period', 'location'])
        .derive('sample_0', () => model.rows)
        .derive('sample_1', () => model.lags + 0.5),
  })
  const builder = new MLServiceBuilder({ info, runner })
  return { runner, builder, gate, seen }
}

export interface Probe extends TestService {
  gate: Gate
  /** Configs that the model was trained with. */
  seen: { config: unknown }[]
  /** An answer whose body is bytes. */
  bytes(
    url: string,
    headers?: Record<string, string>,
    method?: 'GET' | 'HEAD',
  ): Promise<{ status: number; headers: Answer['headers']; body: Buffer }>
  /** Opens a socket on a free port and answers its URL. */
  listen(): Promise<string>
}

export async function startProbe(
  options: Parameters<typeof createTestService>[1] = {},
): Promise<Probe> {
  const { builder, gate, seen } = createProbe()
  const service = builder.build()
  const test = await createTestService(service, { port: 0, ...options })
  return {
    ...test,
    gate,
    seen,
    bytes: async (url, headers = {}, method = 'GET') => {
      const response = await service.inject({ method, url, headers })
      return {
        status: response.statusCode,
        headers: response.headers,
        body: response.rawPayload,
      }
    },
    listen: async () => (await service.listen({ signals: false })).url,
  }
}

export const columns = [
  'time_period',
  'location',
  'rainfall',
  'mean_temperature',
  'disease_cases',
  'population',
  'humidity',
]
export const data = {
  columns,
  data: [
    ['2020-01', 'l0', 210.5, 26.1, 12, 426640, 71],
    ['2020-02', 'l0', 180.2, 26.4, null, 426640, 68.5],
  ],
}
export const future = {
  columns: columns.filter((name) => name !== 'disease_cases'),
  data: [['2020-03', 'l0', 190, 26.2, 426640, 70]],
}

type Ask = Pick<TestService, 'request' | 'waitForJob'>

export async function createConfig(test: Ask, options: object = {}): Promise<string> {
  const answer = await test.request('POST', '/api/v1/configs', { name: 'c', data: options })
  expect(answer.status).toBe(201)
  return answer.json.id
}

export async function submitTraining(test: Ask, options: object = {}) {
  const configId = await createConfig(test, options)
  const { status, json } = await test.request('POST', '/api/v1/ml/$train', {
    config_id: configId,
    data,
  })
  expect(status).toBe(202)
  return { configId, jobId: json.job_id as string, artifactId: json.artifact_id as string }
}

export async function train(test: Ask, options: object = {}) {
  const submitted = await submitTraining(test, options)
  const job = await test.waitForJob(submitted.jobId)
  expect(job).toMatchObject({ status: 'completed', error: null })
  return submitted
}

/** A model and a prediction made with it. */
export async function trainAndPredict(test: Ask) {
  const trained = await train(test)
  const { status, json } = await test.request('POST', '/api/v1/ml/$predict', {
    artifact_id: trained.artifactId,
    historic: data,
    future,
  })
  expect(status).toBe(202)
  expect(await test.waitForJob(json.job_id)).toMatchObject({ status: 'completed' })
  return { ...trained, predictionId: json.artifact_id as string, predictJobId: json.job_id }
}

export async function createArtifact(test: Ask, body: object): Promise<string> {
  const answer = await test.request('POST', '/api/v1/artifacts', body)
  expect(answer.status).toBe(201)
  return answer.json.id
}

const inside = [
  /(?:^|[\s('"`])\/(?:work|home|usr|tmp|root|var|opt)\//,
  /node_modules|\.ts:\d+|\.js:\d+|file:\/\//,
  /\bat .+:\d+:\d+/,
  /SQLITE|\b(?:select|insert|update|delete)\b.+\b(?:from|into|set)\b.+\b(?:where|values)\b/i,
]

/** Checks that an answer is a problem document as every refusal must be, and answers it. */
export function expectProblem(
  answer: Pick<Answer, 'status' | 'headers' | 'json'>,
  status: number,
  code: keyof typeof errorCatalogue,
  loc?: (string | number)[],
) {
  const { json: problem } = answer
  expect({ status: answer.status, type: problem?.type, detail: problem?.detail }).toMatchObject({
    status,
    type: `urn:chapkit:error:${code}`,
  })
  expect(answer.headers['content-type']).toBe('application/problem+json')
  const keys = ['type', 'title', 'status', 'detail', 'instance', 'request_id', 'trace_id']
  expect(Object.keys(problem).filter((key) => key !== 'errors')).toEqual(keys)
  expect(problem).toMatchObject(errorCatalogue[code])
  expect(problem.detail).toEqual(expect.stringMatching(/\S/))
  expect(typeof problem.instance).toBe('string')
  expect(problem.request_id).toBe(answer.headers['x-request-id'])
  expect(problem.trace_id).toBe(problem.request_id)
  for (const pattern of inside) expect(JSON.stringify(problem)).not.toMatch(pattern)
  for (const issue of problem.errors ?? []) {
    expect(Object.keys(issue)).toEqual(['loc', 'msg', 'type'])
    expect(issue.msg).toEqual(expect.stringMatching(/\S/))
  }
  if (loc) {
    expect(problem.errors.map((issue: { loc: unknown }) => issue.loc)).toContainEqual(loc)
  }
  return problem
}

/** Frames of an event stream, each as the text behind `data: `. */
export function eventsOf(text: string): string[] {
  expect(text.endsWith('\n\n') || text === '').toBe(true)
  return text
    .split('\n\n')
    .slice(0, -1)
    .map((frame) => {
      expect(frame).toMatch(/^data: [^\n]+$/)
      return frame.slice(6)
    })
}
