import { readFileSync } from 'node:fs'
import { expect } from 'vitest'
import {
  brazil,
  changed,
  expectForecast,
  medians,
  startForecasts,
  weekly,
  without,
} from '../../test/setup/forecasts.ts'
import { testWith } from '../../test/setup/needs.ts'
import service from './service.ts'

const test = testWith('Rscript')

test('forecasts real counts, the same ones for the same seed', async () => {
  const frames = brazil()
  const run = await startForecasts(service)
  const first = await run.forecast(frames)
  expectForecast(first, frames.future)
  expect(await run.forecast(frames)).toEqual(first)
  expect(await run.forecast(frames, { seed: 2 })).not.toEqual(first)

  // 2019 had between 0 and 48 cases a month; the largest count before it was 3 000.
  for (const median of medians(first)) expect(median).toBeLessThan(150)
  // The season falls from January to June.
  const [january, , , , , june] = medians(first)
  expect(january).toBeGreaterThan(june!)
})

test('heeds its options', async () => {
  const frames = brazil()
  const run = await startForecasts(service)
  const prediction = await run.forecast(frames, { n_lags: 1, n_samples: 7 })
  expectForecast(prediction, frames.future, 7)
  expect(medians(await run.forecast(frames, { n_lags: 12 }))).not.toEqual(medians(prediction))
})

test('forecasts weeks, for locations whose names are codes or have letters of their own', async () => {
  const frames = weekly()
  const run = await startForecasts(service)
  const prediction = await run.forecast(frames)
  expectForecast(prediction, frames.future)

  const codes = (frame: typeof frames.future) => ({
    ...frame,
    data: frame.data.filter(([, location]) => location === '007'),
  })
  const alone = { historic: codes(frames.historic), future: codes(frames.future) }
  expectForecast(await run.forecast(alone), alone.future)

  // A wave with its middle at 20 and 40, in the weeks where it rises.
  const [code, name] = medians(prediction)
  expect(code).toBeGreaterThan(10)
  expect(code).toBeLessThan(40)
  expect(name).toBeGreaterThan(25)
  expect(name).toBeLessThan(80)
})

test('learns from the rainfall that went before, where it changes', async () => {
  const month = (at: number) =>
    `${2010 + Math.floor(at / 12)}-${String((at % 12) + 1).padStart(2, '0')}`
  // Rain at random, and cases that follow it by a month.
  const rain = Array.from({ length: 121 }, (_, at) => ((at * 7919) % 13) * 20)
  const rows = rain.map((rainfall, at) => [
    ...[month(at), 'north'],
    ...[rainfall, at === 0 ? null : 10 + rain[at - 1]!],
  ])
  const columns = ['time_period', 'location', 'rainfall', 'disease_cases']
  const run = await startForecasts(service)
  const after = (rainfall: number) => ({
    historic: {
      columns,
      data: rows.slice(0, 120).map((row, at) => (at === 119 ? row.with(2, rainfall) : row)),
    },
    future: { columns: columns.slice(0, 3), data: [[month(120), 'north', 0]] },
  })
  const { id, lines } = await run.train(after(0).historic)
  expect(lines).toContain('north: 119 known counts, with rainfall')
  const read = async (rainfall: number) => {
    const prediction = await run.predict(id, after(rainfall))
    const { json } = await run.request('GET', `/api/v1/artifacts/${prediction.id}`)
    return medians(json.data.content)[0]!
  }
  expect(await read(240)).toBeGreaterThan(3 * (await read(0)))
})

test('gets along with what is unknown, and with locations of which it knows little or nothing', async () => {
  const { historic, future } = brazil()
  const unknown = changed(historic, (cell, column, { location, time_period }) => {
    if (column === 'rainfall' && String(time_period).endsWith('-03')) return null
    if (column !== 'disease_cases') return cell
    if (location === '11002') return null
    if (location === '11003' && String(time_period) < '2018-01') return null
    return String(time_period) > '2018-09' || String(time_period).endsWith('-05') ? null : cell
  })
  const asked = changed(future, (cell, column) =>
    cell === '11005' && column === 'location' ? 'new' : column === 'rainfall' ? null : cell,
  )
  const run = await startForecasts(service)
  expectForecast(await run.forecast({ historic: unknown, future: asked }), asked)
  const { lines } = await run.train(unknown)
  expect(lines).toContain('11002: 0 known counts, too few for a regression')
  expect(lines).toContain('11003: 8 known counts, too few for a regression')
})

test('forecasts from the data of the training where no history is sent', async () => {
  const { historic, future } = brazil()
  const run = await startForecasts(service)
  const { id } = await run.train(historic)
  const read = async (columns: string[]) => {
    const { job, id: prediction } = await run.predict(id, {
      historic: { columns, data: [] },
      future,
    })
    expect(job).toMatchObject({ status: 'completed', error: null })
    return (await run.request('GET', `/api/v1/artifacts/${prediction}`)).json.data.content
  }
  const whole = await run.forecast({ historic, future })
  expect(await read(historic.columns)).toEqual(whole)
  expect(await read(['time_period', 'location'])).toEqual(whole)
})

test('what the data lack is the error of the job, in the words of R', async () => {
  const { historic } = brazil()
  const run = await startForecasts(service)
  const error = async (data: typeof historic) => {
    const { job } = await run.train(data)
    expect(job.status).toBe('failed')
    return job.error
  }
  expect(await error(without(historic, 'disease_cases'))).toBe(
    'The train command ended with exit code 1:\n' +
      'Error: Expected the columns time_period, location, disease_cases, rainfall in data.csv; missing: disease_cases ' +
      '(it has time_period, location, rainfall, mean_temperature, population)\n' +
      'Execution halted',
  )
  const put = (column: string, value: string | number | null) =>
    changed(historic, (cell, name, row) =>
      name === column && row.time_period === '2001-02' ? value : cell,
    )
  expect(await error(put('disease_cases', -1))).toContain(
    'Expected numbers from 0 in column disease_cases of data.csv, got "-1" in row 2',
  )
  expect(await error(put('time_period', 'May'))).toContain('got "May"')
  expect(await error(put('time_period', '2001-03'))).toContain(
    'Location 11001 has the period 2001-03 twice in data.csv',
  )
  expect(await error(put('time_period', '2001-W03'))).toContain(
    'Expected only months or only weeks',
  )
  expect(
    await error(changed(historic, (cell, name) => (name === 'disease_cases' ? null : cell))),
  ).toContain('No count is known in disease_cases')

  const { id } = await run.train(historic)
  const { job } = await run.predict(id, { historic, future: weekly().future })
  expect(job.error).toContain('The model was trained with months, and future.csv has weeks')
})

test('writes names as they are in a locale that knows no letters but those of English', async () => {
  const { LC_ALL } = process.env
  process.env.LC_ALL = 'C'
  try {
    const frames = weekly()
    const run = await startForecasts(service)
    expectForecast(await run.forecast(frames), frames.future)
  } finally {
    if (LC_ALL === undefined) delete process.env.LC_ALL
    else process.env.LC_ALL = LC_ALL
  }
})

test('needs R and none of its packages', () => {
  for (const name of ['tables.R', 'model.R', 'train.R', 'predict.R']) {
    const text = readFileSync(new URL(name, import.meta.url), 'utf8')
    expect(text).not.toMatch(/library\(|require\(|::/)
  }
})
