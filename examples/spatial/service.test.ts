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

const test = testWith('python3')

const geo = JSON.parse(readFileSync(new URL('regions.geojson', import.meta.url), 'utf8'))
/** As many equal squares as there are names, side by side. */
const squares = (...names: string[]) => ({
  type: 'FeatureCollection',
  features: names.map((id, x) => ({
    type: 'Feature',
    properties: { id },
    geometry: { type: 'Polygon', coordinates: [square(x)] },
  })),
})
const square = (x: number) => [
  [x, 0],
  ...[
    [x + 1, 0],
    [x + 1, 1],
  ],
  ...[
    [x, 1],
    [x, 0],
  ],
]

/** Counts of a year, the same in each month, and the month after it. */
function steady(cases: Record<string, number | null>) {
  const columns = ['time_period', 'location', 'population', 'disease_cases']
  const months = Array.from({ length: 12 }, (_, at) => `2023-${String(at + 1).padStart(2, '0')}`)
  const rows = (months: string[]) =>
    months.flatMap((month) =>
      Object.entries(cases).map(([name, count]) => [month, name, 100_000, count]),
    )
  const future = without({ columns, data: rows(['2024-01']) }, 'disease_cases')
  return { historic: { columns, data: rows(months) }, future }
}

test('forecasts real counts with their places, the same ones for the same seed', async () => {
  const frames = brazil()
  const run = await startForecasts(service)
  const first = await run.forecast(frames, {}, { geo })
  expectForecast(first, frames.future)
  expect(await run.forecast(frames, {}, { geo })).toEqual(first)
  expect(await run.forecast(frames, { seed: 2 }, { geo })).not.toEqual(first)
  for (const median of medians(first)) expect(median).toBeLessThan(1000)
  const [january, , , , , june] = medians(first)
  expect(january).toBeGreaterThan(june!)
})

test('draws a location towards those beside it, the more the less is known of it', async () => {
  // The unknown one lies between the two with many cases; the one with few lies at the end.
  const frames = steady({ few: 10, many: 400, unknown: null, more: 400 })
  const places = squares('few', 'many', 'unknown', 'more')
  const run = await startForecasts(service)
  const forecast = async (smoothing: number) =>
    medians(await run.forecast(frames, { smoothing }, { geo: places }))
  const [few, many, unknown] = (await forecast(6)) as [number, number, number]
  expect(few).toBeGreaterThan(100)
  expect(few).toBeLessThan(many)
  expect(unknown).toBeGreaterThan(300)
  const [alone] = await forecast(0)
  expect(alone).toBeLessThan(30)
})

test('gives a location that is new the rate of those beside it', async () => {
  const { historic, future } = steady({ few: 10, many: 400 })
  const run = await startForecasts(service)
  const { id } = await run.train(historic, { smoothing: 0 }, { geo: squares('few', 'many') })
  const asked = changed(future, (cell) => (cell === 'few' ? 'new' : cell))
  const ask = async (places: unknown) => {
    const prediction = await run.predict(id, { historic, future: asked }, { geo: places })
    expect(prediction.job).toMatchObject({ status: 'completed', error: null })
    const { json } = await run.request('GET', `/api/v1/artifacts/${prediction.id}`)
    return medians(json.data.content)[0]
  }
  expect(await ask(squares('many', 'few', 'new'))).toBeLessThan(30)
  expect(await ask(squares('few', 'many', 'new'))).toBeGreaterThan(300)
  // Without places it is like all of them.
  const overall = await ask(null)
  expect(overall).toBeGreaterThan(150)
  expect(overall).toBeLessThan(300)
})

test('knows the nearest for a location that touches nobody, and places in several parts', async () => {
  const frames = steady({ island: null, coast: 400, inland: 10 })
  const places = squares('island', 'coast', 'inland', 'far', 'further')
  places.features[0]!.geometry = {
    type: 'MultiPolygon',
    coordinates: [[square(-9)], [square(-7)]],
  } as never
  const run = await startForecasts(service)
  const { lines } = await run.train(frames.historic, {}, { geo: places })
  expect(lines).toContainEqual(
    expect.stringMatching(/^island: 0 counts.*neighbours coast, inland /),
  )
  expectForecast(await run.forecast(frames, {}, { geo: places }), frames.future)
})

test('forecasts weeks', async () => {
  const frames = weekly()
  const run = await startForecasts(service)
  const places = squares('007', 'Rondônia, "west"')
  expectForecast(await run.forecast(frames, {}, { geo: places }), frames.future)
})

test('refuses a training without the place of a location, and says which', async () => {
  const { historic } = brazil()
  const run = await startForecasts(service)
  const config = await run.request('POST', '/api/v1/configs', { name: 'one', data: {} })
  const ask = async (places: unknown) => {
    const body = { config_id: config.json.id, data: historic, geo: places }
    const verdict = await run.request('POST', '/api/v1/ml/$validate', { type: 'train', ...body })
    const { status, json } = await run.request('POST', '/api/v1/ml/$train', body)
    expect(status).toBe(422)
    expect(json.errors[0].type).toBe('geometry_missing')
    expect(verdict.json).toMatchObject({
      ...{ valid: false, diagnostics: [{ code: 'geometry_missing', field: 'geo' }] },
    })
    return verdict.json.diagnostics[0].message
  }
  expect(await ask(null)).toBe('Expected GeoJSON with the polygon of each location')
  const [first, second, ...others] = geo.features
  const some = { ...geo, features: [{ ...first, geometry: null }, ...others] }
  expect(second.properties.id).toBe('11002')
  expect(await ask(some)).toBe(
    'Expected a feature with a geometry and the location as properties.id for each location; missing: 11001, 11002',
  )
  const info = await run.request('GET', '/api/v1/info')
  expect(info.json.requires_geo).toBe(true)
})

test('what the data lack is the error of the job, in the words of the script', async () => {
  const { historic } = brazil()
  const run = await startForecasts(service)
  const { job } = await run.train(without(historic, 'disease_cases'), {}, { geo })
  expect(job.error).toContain(
    'Expected the columns time_period, location, disease_cases, population in data.csv; missing: disease_cases',
  )
})
