import { describe, expect, test } from 'vitest'
import type { Cell, FrameJson } from '../data/schema.ts'
import { checkForecast } from './forecast.ts'

const frame = (columns: string, ...data: Cell[][]): FrameJson => ({
  columns: columns.split(','),
  data,
})
const keys = 'time_period,location'
const future = frame(keys, ['2024-03', 'north'], ['2024-04', 'north'])
const good: Cell[][] = [
  ['2024-03', 'north', 1],
  ['2024-04', 'north', 2],
]
const check = (prediction: FrameJson, asked = future) => checkForecast(prediction, asked)

test('a row with samples for each location and period is an answer, in any order and with more columns', () => {
  const rows = good.map((row) => [...row, 5, 'note']).reverse()
  expect(check(frame(`${keys},sample_0,sample_1,note`, ...rows))).toEqual({
    error: null,
    warnings: [],
  })
})

test('a column that chap-core would count as a sample is warned of', () => {
  const rows = good.map((row) => [...row, 5, 'x'])
  expect(check(frame(`${keys},sample_0,sample_mean,sample_01`, ...rows))).toEqual({
    error: null,
    warnings: [
      '`sample_mean` and `sample_01` are no samples, and chap-core counts every column that begins with sample_ as one',
    ],
  })
})

test('periods are compared by what they mean', () => {
  expect(
    check(frame(`${keys},sample_0`, ['202403', 'north', 1], ['202404', 'north', 2])).error,
  ).toBeNull()
  const weeks = frame(keys, ['2003-12-29/2004-01-04', 'a'])
  expect(check(frame(`${keys},sample_0`, ['2004-W01', 'a', 1]), weeks).error).toBeNull()
})

describe('a prediction is refused', () => {
  test.each<[string, FrameJson, string]>([
    [
      'without samples',
      frame(`${keys},prediction`, ...good),
      'expected columns sample_0, sample_1, … with the samples of the forecast, got "time_period", "location", "prediction"',
    ],
    [
      "with the names of R's data.frame()",
      frame(`${keys},sample.0`, ...good),
      "R's data.frame() has changed the names: give it check.names = FALSE",
    ],
    [
      'without location',
      frame('sample_0', [1], [2]),
      'expected the columns `time_period` and `location` of the future data, got "sample_0"',
    ],
    [
      'with blanks in the names',
      frame('time_period, location, sample_0', ...good),
      'expected the columns `location` of the future data, got "time_period", " location", " sample_0"',
    ],
    [
      'with a gap in the samples',
      frame(`${keys},sample_0,sample_2`, ...good.map((row) => [...row, 1])),
      'expected a column sample_1 before sample_2, got none',
    ],
    [
      'with text as a sample',
      frame(`${keys},sample_0`, ['2024-03', 'north', 'NaN'], good[1]!),
      'expected a number in column sample_0, row 0, got "NaN"',
    ],
    [
      'with no value at all',
      frame(`${keys},sample_0`, ['2024-03', 'north', null], ['2024-04', 'north', null]),
      'expected numbers as samples, got none in any of 2 rows',
    ],
    [
      'with fewer rows',
      frame(`${keys},sample_0`, good[0]!),
      'expected a row for each location and period of the future data, got none for ("2024-04", "north")',
    ],
    [
      'for another location',
      frame(`${keys},sample_0`, ['2024-03', 'n<U+00F6>rth', 1], good[1]!),
      'got none for ("2024-03", "north"); instead there is ("2024-03", "n<U+00F6>rth")',
    ],
    [
      'for a later period',
      frame(`${keys},sample_0`, ...good, ['2024-05', 'north', 3]),
      'expected rows for the locations and periods of the future data only, got ("2024-05", "north")',
    ],
    [
      'for an earlier period of a place that nobody asked about',
      frame(`${keys},sample_0`, ...good, ['2024-01', 'south', 3]),
      'got ("2024-01", "south")',
    ],
    [
      'with a row twice',
      frame(`${keys},sample_0`, ...good, ['2024-04', 'north', 3]),
      'expected one row for each location and period, got several for ("2024-04", "north")',
    ],
  ])('%s', (_name, prediction, error) => {
    expect(check(prediction).error).toContain(error)
  })

  test('whose location codes were read as numbers, with that as the reason', () => {
    const asked = frame(keys, ['2024-03', '007'])
    expect(check(frame(`${keys},sample_0`, ['2024-03', '7', 1]), asked).error).toBe(
      'expected a row for each location and period of the future data, got none for ("2024-03", "007"); instead there is ("2024-03", "7"); read the column `location` as text',
    )
  })

  test('naming three rows and the count of the others', () => {
    const asked = frame(keys, ...['a', 'b', 'c', 'd', 'e'].map((place) => ['2024-03', place]))
    expect(check(frame(`${keys},sample_0`, ['2024-03', 'a', 1]), asked).error).toContain(
      'got none for ("2024-03", "b"), ("2024-03", "c"), ("2024-03", "d") and 1 more',
    )
  })
})

describe('a prediction is taken with a warning', () => {
  test('with rows before the future: some models fill in the past', () => {
    expect(check(frame(`${keys},sample_0`, ['2024-01', 'north', 3], ...good))).toEqual({
      error: null,
      warnings: ['1 row before the future data: ("2024-01", "north")'],
    })
  })

  test('with rows that have no value', () => {
    expect(check(frame(`${keys},sample_0`, ['2024-03', 'north', null], good[1]!))).toEqual({
      error: null,
      warnings: ['1 row of 2 have samples without a value'],
    })
  })
})

test('future data without keys is answered row by row', () => {
  const asked = frame('rainfall', [1], [2])
  expect(check(frame('sample_0', [1], [2]), asked).error).toBeNull()
  expect(check(frame('sample_0', [1]), asked).error).toBe(
    'expected 2 rows as in the future data, got 1',
  )
})

test('twenty thousand rows are compared without a look at every pair', () => {
  const many = Array.from({ length: 20_000 }, (_, row): Cell[] => ['2024-03', `place ${row}`, 1])
  const past = Array.from({ length: 20_000 }, (_, row): Cell[] => ['2024-02', `place ${row}`, 1])
  const asked = frame(keys, ...many.map(([period, place]) => [period!, place!]))
  const { error, warnings } = check(
    { columns: [...keys.split(','), 'sample_0'], data: [...past, ...many] },
    asked,
  )
  expect({ error, warnings: warnings.length }).toEqual({ error: null, warnings: 1 })
})

test('a prediction with more columns than a frame may have, or with longer names, is refused in a short message', () => {
  const wide = frame(`${keys},${Array.from({ length: 20_000 }, (_, at) => `sample_${at}`)}`)
  expect(check(wide).error).toBe('expected at most 20000 columns, got 20002')
  const long = frame(`${keys},sample_0,${'x'.repeat(251)}`, ['2024-03', 'north', 1, 1])
  expect(check(long).error).toMatch(/^expected names of columns of at most 250 characters, got 251/)
  const others = frame(`${keys},${Array.from({ length: 9998 }, (_, at) => `mean_${at}`)}`)
  expect(check(others).error).toMatch(/"mean_17" and 9980 more$/)
})
