import { expect, test } from 'vitest'
import { MLServiceBuilder } from '../builder.ts'
import type { Client, PredictSample, SampleQuery } from '../client/index.ts'
import type { Cell, FrameJson } from '../data/schema.ts'
import type { MLServiceInfoInput } from '../ml/info.ts'
import type { ModelRunner } from '../ml/runner.ts'
import { createTestService } from './test-service.ts'

export interface RunnerSuiteOptions {
  /** `data` of the config that the model is trained with. @default {} */
  config?: Record<string, unknown>
  /** What the service says about the model, such as `period_type` and `required_covariates`. @default monthly */
  info?: Partial<MLServiceInfoInput>
  /** How much data is generated. @default 3 locations, 36 periods */
  sample?: Pick<SampleQuery, 'num_locations' | 'num_periods' | 'num_features' | 'include_geo'>
  /** Periods that are predicted. @default 3 */
  horizon?: number
}

/** What is agreed about every forecast: one row for each row of `future`, and at least one sample in it. */
function assertForecast(prediction: FrameJson, future: FrameJson): void {
  expect(prediction.columns).toEqual(expect.arrayContaining(['time_period', 'location']))
  const samples = prediction.columns.filter((name) => /^sample_\d+$/.test(name))
  expect(samples).toContain('sample_0')
  expect(keysOf(prediction)).toEqual(keysOf(future))
  for (const name of samples) {
    const wrong = column(prediction, name).filter((cell) => !Number.isFinite(cell))
    expect(wrong, `cells of ${name} that are no numbers`).toEqual([])
  }
}

/**
 * What every model must do, tried with generated data through a service of its own: `runnerSuite(() => new MyRunner())`.
 * Commands run as they do in production; functions run in the process of the test.
 */
export function runnerSuite<Config, Model, Input>(
  create: () => ModelRunner<Config, Model, Input>,
  options: RunnerSuiteOptions = {},
): void {
  const { config = {}, info, sample, horizon = 3 } = options

  const behaves = (name: string, check: (model: Trial) => Promise<void>) =>
    test(name, async () => {
      const service = new MLServiceBuilder({
        info: { id: 'runner-suite', display_name: 'Runner suite', period_type: 'monthly', ...info },
        runner: create(),
      }).build()
      await using run = await createTestService(service)
      const client = run.client as unknown as Client
      await check(await prepare(client))
    })

  async function prepare(client: Client) {
    const { id: config_id } = await client.configs.create({ name: 'suite', data: config })
    const query = { num_locations: 3, num_periods: 36, num_features: 0, seed: 7, ...sample }
    const train = await client.ml.sampleData(query)
    const ask = firstPeriods(await client.ml.sampleData({ ...query, kind: 'predict' }), horizon)
    return { client, config_id, train, ask }
  }

  behaves('trains, and forecasts each place and period that it is asked for', async (model) => {
    const { client, config_id, train, ask } = model
    const { artifact_id } = await client.ml.trainAndWait({ config_id, ...train })
    const { prediction } = await client.ml.predictAndWait({ artifact_id, ...ask })
    assertForecast(prediction, ask.future)
  })

  behaves('is asked again and again, with forecasts of the same form', async (model) => {
    const { client, config_id, train, ask } = model
    const { artifact_id } = await client.ml.trainAndWait({ config_id, ...train })
    const predict = () => client.ml.predictAndWait({ artifact_id, ...ask })
    const [first, second] = [await predict(), await predict()]
    expect(second.prediction.columns).toEqual(first.prediction.columns)
    expect(keysOf(second.prediction)).toEqual(keysOf(first.prediction))
  })

  behaves('is asked about one place of those that it was trained with', async (model) => {
    const { client, config_id, train, ask } = model
    const { artifact_id } = await client.ml.trainAndWait({ config_id, ...train })
    const [place] = column(ask.future, 'location')
    const only = (frame: FrameJson) => keep(frame, (row) => row.location === place)
    const future = only(ask.future)
    const { prediction } = await client.ml.predictAndWait({
      ...ask,
      artifact_id,
      historic: only(ask.historic),
      future,
    })
    assertForecast(prediction, future)
  })

  behaves('bears covariates and cases that are missing', async (model) => {
    const { client, config_id, train, ask } = model
    const { artifact_id } = await client.ml.trainAndWait({
      config_id,
      ...train,
      data: withGaps(train.data),
    })
    const future = withGaps(ask.future)
    const { prediction } = await client.ml.predictAndWait({
      ...ask,
      artifact_id,
      historic: withGaps(ask.historic),
      future,
    })
    assertForecast(prediction, future)
  })

  behaves('says why when it cannot do with what it gets', async (model) => {
    const { client, config_id, train } = model
    const data = keep(
      train.data,
      () => true,
      (name) => name !== 'disease_cases',
    )
    // It may do with it: then there is nothing to say.
    const failure = await client.ml
      .trainAndWait({ config_id, ...train, data })
      .catch((error) => error)
    if (!(failure instanceof Error)) return
    expect(failure).toMatchObject({
      name: 'ChapkitClientError',
      detail: expect.stringMatching(/\w{3}/),
    })
    expect(failure.message).not.toMatch(
      /undefined is not|Cannot read propert|is not a function|\[object/,
    )
  })

  behaves('stops when it is told to, and can be trained afterwards', async (model) => {
    const { client, config_id, train } = model
    const { job_id } = await client.ml.train({ config_id, ...train })
    // A quick model has ended by then.
    await client.jobs.cancel(job_id).catch(() => undefined)
    const { status } = await client.jobs.wait(job_id, { mustComplete: false })
    expect(['canceled', 'completed']).toContain(status)

    await client.ml.trainAndWait({ config_id, ...train })
  })
}

type Trial = { client: Client; config_id: string; train: { data: FrameJson }; ask: PredictSample }

const indexOf = ({ columns }: FrameJson, name: string): number => columns.indexOf(name)

const column = (frame: FrameJson, name: string): (Cell | undefined)[] =>
  frame.data.map((row) => row[indexOf(frame, name)])

/** Place and period of each row, in an order of their own. */
const keysOf = (frame: FrameJson): string[] =>
  column(frame, 'location')
    .map((place, row) => `${place} ${column(frame, 'time_period')[row]}`)
    .sort()

function keep(
  frame: FrameJson,
  isKept: (row: Record<string, Cell | undefined>) => boolean,
  hasColumn: (name: string) => boolean = () => true,
): FrameJson {
  const places = frame.columns.flatMap((name, index) => (hasColumn(name) ? [index] : []))
  return {
    columns: places.map((index) => frame.columns[index] as string),
    data: frame.data
      .filter((row) => isKept(Object.fromEntries(frame.columns.map((name, at) => [name, row[at]]))))
      .map((row) => places.map((index) => row[index] ?? null)),
  }
}

function firstPeriods(sample: PredictSample, count: number): PredictSample {
  const periods = [...new Set(column(sample.future, 'time_period'))].slice(0, count)
  return {
    ...sample,
    future: keep(sample.future, (row) => periods.includes(row.time_period ?? '')),
  }
}

/** Every seventh cell that is not a place or a period is missing. */
function withGaps(frame: FrameJson): FrameJson {
  const isKey = (index: number) => ['time_period', 'location'].includes(frame.columns[index] ?? '')
  const data = frame.data.map((row, at) =>
    row.map((cell, index) => (!isKey(index) && (at + 3 * index) % 7 === 0 ? null : cell)),
  )
  return { ...frame, data }
}
