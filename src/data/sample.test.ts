import fc from 'fast-check'
import { expect, test } from 'vitest'
import { DataFrame } from './frame.ts'
import { checkFrame } from './frame-json.ts'
import { checkGeoJson } from './geojson.ts'
import { nextPeriod } from './periods.ts'
import { generateSample, type SampleOptions, sampleCells } from './sample.ts'

const options = {
  kind: 'train',
  numLocations: 3,
  numPeriods: 4,
  numFeatures: 2,
  periodType: 'monthly',
  geoType: 'polygon',
  includeGeo: false,
  requiredCovariates: [],
  seed: 42,
} as const satisfies SampleOptions

test('rows stand by period, then location, from 2020 on', () => {
  const frame = DataFrame.fromJson(generateSample(options).data)
  expect(frame.columns).toEqual([
    'time_period',
    'location',
    'disease_cases',
    'population',
    'rainfall',
    'mean_temperature',
    'feature_0',
    'feature_1',
  ])
  expect(frame.strings('time_period').slice(0, 4)).toEqual([
    '2020-01',
    '2020-01',
    '2020-01',
    '2020-02',
  ])
  expect(frame.strings('location').slice(0, 4)).toEqual([
    'location_0',
    'location_1',
    'location_2',
    'location_0',
  ])
  expect(frame.schema?.fields.map(({ type }) => type)).toEqual([
    'string',
    'string',
    'number',
    'integer',
    'number',
    'number',
    'number',
    'number',
  ])
})

test('future begins where historic ends, knows no cases and keeps the populations', () => {
  const sample = generateSample({
    ...options,
    kind: 'predict',
    periodType: 'weekly',
    numPeriods: 60,
  })
  const historic = DataFrame.fromJson(sample.historic)
  const future = DataFrame.fromJson(sample.future)
  expect(future.get(0, 'time_period')).toBe(
    nextPeriod(String(historic.get(historic.length - 1, 'time_period'))),
  )
  expect(future.unique('disease_cases')).toEqual([null])
  const populations = (frame: DataFrame) => frame.head(3).strings('population')
  expect(populations(future)).toEqual(populations(historic))
  expect(
    historic
      .groupBy('location')
      .aggregate({ n: (rows) => rows.unique('population').length })
      .unique('n'),
  ).toEqual([1])
})

test('equal seeds give equal data and others do not', () => {
  expect(generateSample(options)).toEqual(generateSample(options))
  expect(generateSample({ ...options, seed: 43 })).not.toEqual(generateSample(options))
})

test('cases are plausible: some in every year, and fewer than people', () => {
  const frame = DataFrame.fromJson(generateSample({ ...options, numPeriods: 120 }).data)
  const cases = frame.numbers('disease_cases')
  const population = frame.numbers('population')
  expect(cases.every((value, row) => value >= 0 && value < 0.1 * population[row]!)).toBe(true)
  expect(new Set(cases).size).toBeGreaterThan(50)
})

test('required covariates are columns once', () => {
  const { data } = generateSample({
    ...options,
    requiredCovariates: ['rainfall', 'feature_1', 'humidity', 'humidity'],
  })
  expect(data.columns.slice(6)).toEqual(['feature_0', 'feature_1', 'humidity'])
})

test('no locations give no rows, and at least one period is made', () => {
  expect(generateSample({ ...options, numLocations: 0 }).data.data).toEqual([])
  expect(generateSample({ ...options, numPeriods: 0 }).data.data).toHaveLength(3)
})

test('places are squares or points in a box', () => {
  const polygons = generateSample({ ...options, includeGeo: true }).geo
  expect(polygons?.features.map(({ properties }) => properties)).toEqual([
    { id: 'location_0' },
    { id: 'location_1' },
    { id: 'location_2' },
  ])
  expect(polygons?.bbox).toEqual([36.8, -1.3, 38.4, 0.3])
  const points = generateSample({ ...options, includeGeo: true, geoType: 'point' }).geo
  expect(points?.features[0]?.geometry).toEqual({ type: 'Point', coordinates: [37.2, -0.9] })
  expect('geo' in generateSample(options)).toBe(false)
})

test('whatever is asked for passes the checks of the HTTP edge and has the announced size', () => {
  const asked = fc.record({
    kind: fc.constant('predict' as const),
    numLocations: fc.nat(5),
    numPeriods: fc.nat(5),
    numFeatures: fc.nat(3),
    periodType: fc.constantFrom('monthly' as const, 'weekly' as const),
    geoType: fc.constantFrom('polygon' as const, 'point' as const),
    includeGeo: fc.constant(true),
    requiredCovariates: fc.array(
      fc.constantFrom('rainfall', 'feature_0', 'feature_2', 'humidity', 'ndvi'),
    ),
    seed: fc.integer(),
  })
  fc.assert(
    fc.property(asked, (sample) => {
      const { historic, future, geo } = generateSample(sample)
      expect(checkFrame(historic, [])).toHaveProperty('frame')
      expect(checkFrame(future, [])).toHaveProperty('frame')
      expect(checkGeoJson(geo, [])).toHaveProperty('geo')
      const cells = [historic, future].flatMap(({ data }) => data.flat()).length
      expect(sampleCells(sample)).toBe(cells)
    }),
    { numRuns: 2_000 },
  )
})
