import { readFileSync } from 'node:fs'
import { DataFrame, type FrameJson, type Service } from 'chapkit'
import { createTestService, type TestService } from 'chapkit/testing'
import { expect, onTestFinished } from 'vitest'

/** Real counts, by month: what is known, and the months to forecast. */
export function brazil(): Frames {
  const file = new URL('../../examples/dengue/dengue_brazil_monthly.csv', import.meta.url)
  const all = DataFrame.fromCsv(readFileSync(file))
  const in2019 = (period: unknown) => String(period) >= '2019-01'
  const historic = all.filter(({ time_period }) => !in2019(time_period)).toJson()
  const future = all.filter(({ time_period }) => in2019(time_period) && time_period! <= '2019-06')
  return { historic, future: without(future.toJson(), 'disease_cases') }
}

/** Made-up counts of two locations, by week: five years, with a wave in each, and the weeks to forecast. */
export function weekly(): Frames {
  const columns = ['time_period', 'location', 'disease_cases', 'rainfall', 'population']
  const rows = (years: readonly number[], weeks: number) =>
    years.flatMap((year) =>
      Array.from({ length: weeks }, (_, week) => week).flatMap((week) =>
        ['007', 'Rondônia, "west"'].map((location, at) => {
          const wave = 1 + Math.sin((2 * Math.PI * week) / 52)
          const cases = Math.round(20 * (at + 1) * wave) + ((week * 7 + year) % 5)
          const period = `${year}-W${String(week + 1).padStart(2, '0')}`
          return [period, location, cases, Math.round(100 * wave), 100_000]
        }),
      ),
    )
  return {
    historic: { columns, data: rows([2019, 2020, 2021, 2022, 2023], 52) },
    future: without({ columns, data: rows([2024], 8) }, 'disease_cases'),
  }
}

export interface Frames {
  historic: FrameJson
  future: FrameJson
}

export function without(frame: FrameJson, column: string): FrameJson {
  const at = frame.columns.indexOf(column)
  const drop = <Cell>(cells: readonly Cell[]) => cells.filter((_, index) => index !== at)
  return { columns: drop(frame.columns), data: frame.data.map(drop) }
}

/** A copy of a frame with cells replaced: `change` is given each cell with its column and row. */
export function changed(
  { columns, data }: FrameJson,
  change: (cell: Cell, column: string, row: Record<string, Cell>) => Cell,
): FrameJson {
  return {
    columns,
    data: data.map((cells) => {
      const row = Object.fromEntries(cells.map((cell, at) => [columns[at]!, cell]))
      return cells.map((cell, at) => change(cell, columns[at]!, row))
    }),
  }
}

type Cell = FrameJson['data'][number][number]

/** A service that forecasts. */
export async function startForecasts(service: Service) {
  const test = await createTestService(service)
  onTestFinished(() => test.close())
  return { ...test, ...forecasting(test) }
}

function forecasting(test: Pick<TestService, 'request' | 'waitForJob'>) {
  async function submit(path: string, body: object) {
    const answer = await test.request('POST', `/api/v1/ml/${path}`, body)
    expect(answer.text).toContain('job_id')
    const job = await test.waitForJob(answer.json.job_id)
    const { items } = (await test.request('GET', `/api/v1/jobs/${answer.json.job_id}/$logs`)).json
    const lines = (items as { line: string }[]).map(({ line }) => line)
    return { job, id: answer.json.artifact_id as string, lines }
  }

  const train = async (data: FrameJson, options: object = {}, more: object = {}) => {
    const config = await test.request('POST', '/api/v1/configs', { name: 'one', data: options })
    expect(config.text).toContain('"id"')
    return submit('$train', { config_id: config.json.id, data, ...more })
  }

  const predict = (artifact_id: string, { historic, future }: Frames, more: object = {}) =>
    submit('$predict', { artifact_id, historic, future, ...more })

  /** The samples of a forecast, after a training with its history. */
  async function forecast(frames: Frames, options: object = {}, more: object = {}) {
    const training = await train(frames.historic, options, more)
    expect(training.job).toMatchObject({ status: 'completed', error: null })
    const prediction = await predict(training.id, frames, more)
    expect(prediction.job).toMatchObject({ status: 'completed', error: null })
    const { json } = await test.request('GET', `/api/v1/artifacts/${prediction.id}`)
    return json.data.content as FrameJson
  }
  return { train, predict, forecast }
}

/** Expects samples for every row of `future`, in its order: whole counts from 0 that are not all the same. */
export function expectForecast(prediction: FrameJson, future: FrameJson, samples = 100): void {
  expect(prediction.columns).toEqual([
    ...['time_period', 'location'],
    ...Array.from({ length: samples }, (_, at) => `sample_${at}`),
  ])
  const keys = ['time_period', 'location'].map((name) => future.columns.indexOf(name))
  expect(prediction.data.map((row) => row.slice(0, 2))).toEqual(
    future.data.map((row) => keys.map((at) => row[at])),
  )
  const values = prediction.data.flatMap((row) => row.slice(2))
  expect(values.filter((value) => !Number.isInteger(value) || (value as number) < 0)).toEqual([])
  expect(new Set(values).size).toBeGreaterThan(1)
}

/** The middle sample of each row. */
export function medians(prediction: FrameJson): number[] {
  return prediction.data.map((row) => {
    const samples = (row.slice(2) as number[]).sort((a, b) => a - b)
    return samples[Math.floor(samples.length / 2)]!
  })
}
