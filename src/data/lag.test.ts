import fc from 'fast-check'
import { expect, test } from 'vitest'
import { DataFrame } from './frame.ts'
import { nextPeriod, parsePeriod } from './periods.ts'

const lagged = (frame: DataFrame, periods: number, options = {}) =>
  [...frame.lag('x', periods, { ...options, as: 'lag' }).rows()].map((row) => row.lag)

test('a lag goes along the calendar: a missing month gives null, not the row before', () => {
  const frame = DataFrame.fromColumns({
    location: ['a', 'a', 'a', 'b'],
    time_period: ['2020-11', '2020-12', '2021-02', '2021-01'],
    x: [1, 2, 4, 9],
  })
  expect(lagged(frame, 1)).toEqual([null, 1, null, null])
  expect(lagged(frame, 2)).toEqual([null, null, 2, null])
  expect(lagged(frame, -1)).toEqual([2, null, null, null])
})

test('the new column is named for the lag, or as asked', () => {
  const frame = DataFrame.fromColumns({ time_period: ['2020'], x: [1] })
  expect(frame.lag('x', 3).columns).toEqual(['time_period', 'x', 'x_lag3'])
  expect(frame.lag('x', 3, { as: 'x' }).columns).toEqual(['time_period', 'x'])
})

test('weeks go over the end of a year with 53 of them', () => {
  const frame = DataFrame.fromColumns({
    location: ['a', 'a', 'a'],
    time_period: ['2020-W52', '2020-W53', '2021-W01'],
    x: [1, 2, 3],
  })
  expect(lagged(frame, 1)).toEqual([null, 1, 2])
})

test('without periods the lag goes along the rows of a series', () => {
  const frame = DataFrame.fromColumns({ location: ['a', 'b', 'a', 'b'], x: [1, 2, 3, 4] })
  expect(lagged(frame, 1)).toEqual([null, null, 1, 2])
  const named = frame.withColumn('step', ['first', 'first', 'second', 'second'])
  expect(lagged(named, 1, { order: 'step' })).toEqual([null, null, 1, 2])
})

test('series can be told apart by several columns', () => {
  const frame = DataFrame.fromColumns({
    location: ['a', 'a', 'a', 'a'],
    sex: ['f', 'm', 'f', 'm'],
    time_period: ['2020-01', '2020-01', '2020-02', '2020-02'],
    x: [1, 2, 3, 4],
  })
  expect(lagged(frame, 1, { by: ['location', 'sex'] })).toEqual([null, null, 1, 2])
  expect(() => lagged(frame, 1)).toThrow('"2020-01" again in row 1; name all keys in `by`')
})

test('a period that cannot be read among others is refused', () => {
  const frame = DataFrame.fromColumns({ time_period: ['2020-01', 'oops', '2020-03'], x: [1, 2, 3] })
  expect(() => lagged(frame, 1)).toThrow(
    'Expected a month in every row of `time_period`, got "oops" in row 1',
  )
  const mixed = DataFrame.fromColumns({ time_period: ['2020-01', '2020-W01'], x: [1, 2] })
  expect(() => lagged(mixed, 1)).toThrow('got "2020-W01" in row 1')
})

test('a row without a period has no lag', () => {
  const frame = DataFrame.fromColumns({ time_period: ['2020-01', null, '2020-02'], x: [1, 2, 3] })
  expect(lagged(frame, 1)).toEqual([null, null, 1])
})

test('text and booleans lag too', () => {
  const frame = DataFrame.fromColumns({ time_period: ['2020', '2021'], x: ['a', 'b'] })
  expect(lagged(frame, 1)).toEqual([null, 'a'])
  expect(lagged(frame.withColumn('x', [true, false]), 1)).toEqual([null, true])
})

test('each lag is the value that a search through all rows finds', () => {
  const row = fc.record({
    location: fc.constantFrom('a', 'b', 'c'),
    step: fc.nat(30),
    x: fc.option(fc.integer()),
  })
  const rows = fc.uniqueArray(row, {
    selector: ({ location, step }) => `${location}${step}`,
    maxLength: 30,
  })
  const start = fc.constantFrom(
    '2019-11',
    '2020-W40',
    '201911',
    '2003-12-29/2004-01-04',
    '2000',
    '2020-02-20',
  )
  fc.assert(
    fc.property(rows, start, fc.integer({ min: -5, max: 5 }), (records, first, periods) => {
      fc.pre(records.length > 0)
      const frame = DataFrame.fromRecords(
        records.map(({ location, step, x }) => ({
          location,
          time_period: nextPeriod(first, step),
          x,
        })),
      )
      const expected = records.map(
        ({ location, step }) =>
          records.find((other) => other.location === location && other.step === step - periods)
            ?.x ?? null,
      )
      expect(lagged(frame, periods)).toEqual(expected)
      expect(parsePeriod(first)).not.toBeNull()
    }),
    { numRuns: 10_000 },
  )
})
