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

test('without periods there is no lag, unless the order of rows is asked for', () => {
  const frame = DataFrame.fromColumns({ location: ['a', 'b', 'a', 'b'], x: [1, 2, 3, 4] })
  expect(() => lagged(frame, 1)).toThrow(
    'No column `time_period` to lag by; the columns are "location, x". Name that of the periods with `order`',
  )
  expect(lagged(frame, 1, { along: 'rows' })).toEqual([null, null, 1, 2])
  const named = frame.withColumn('step', ['first', 'first', 'second', 'second'])
  expect(() => lagged(named, 1, { order: 'step' })).toThrow(
    'Expected a period such as 2024-01 or 2024-W05 in every row of `step`, got "first" in row 0; for the order of rows instead, lag with `along: \'rows\'`',
  )
  expect(() => lagged(named, 1, { order: 'step', along: 'rows' })).toThrow('got both')
})

test('the order of rows is taken for that of time where it is asked for, whatever the periods are', () => {
  const frame = DataFrame.fromColumns({ time_period: ['2020-01', '2020-05'], x: [1, 2] })
  expect(lagged(frame, 1)).toEqual([null, null])
  expect(lagged(frame, 1, { along: 'rows' })).toEqual([null, 1])
})

test.each([
  ['weeks of one and two digits', ['2024W9', '2024W10', '2024W12']],
  ['weeks from Sunday', ['2024SunW9', '2024SunW10', '2024SunW12']],
  ['weeks as days', ['2024-02-26/2024-03-03', '2024-W10', '2024W12']],
  ['two weeks', ['2020BiW27', '2021BiW1', '2021BiW3']],
  ['days', ['20240229', '2024-03-01', '2024-03-03T00:00:00Z']],
  ['months as numbers', [202312, 202401, 202403]],
  ['two months', ['202306B', '202401B', '202403B']],
  ['quarters', ['2023Q4', '2024Q1', '2024Q3']],
  ['half-years', ['2023S2', '2024S1', '2025S1']],
  ['half-years from April', ['2023AprilS2', '2024AprilS1', '2025AprilS1']],
  ['financial years', ['2023July', '2024July', '2026July']],
  ['years as numbers', [2023, 2024, 2026]],
])('%s lag along the calendar, in whichever order their rows stand', (_, [a, b, afterGap]) => {
  const frame = DataFrame.fromColumns({ time_period: [afterGap!, b!, a!], x: [3, 2, 1] })
  expect(lagged(frame, 1)).toEqual([null, 1, null])
  expect(lagged(frame, 2)).toEqual([2, null, null])
})

test('a period written in two ways is the same period', () => {
  const frame = DataFrame.fromColumns({ time_period: ['2024W5', '2024-W05'], x: [1, 2] })
  expect(() => lagged(frame, 1)).toThrow('"2024-W05" again in row 1')
})

test('where no row has a period, no row has a lag', () => {
  const frame = DataFrame.fromColumns({ time_period: [null, null], x: [1, 2] })
  expect(lagged(frame, 1)).toEqual([null, null])
})

test('a lag is a whole number of periods', () => {
  const frame = DataFrame.fromColumns({ time_period: ['2020'], x: [1] })
  expect(() => frame.lag('x', 0.5)).toThrow('Expected a whole number of periods, got 0.5')
  expect(() => frame.lag('x', Number.NaN)).toThrow('Expected a whole number of periods, got NaN')
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

test('a period that cannot be read among others is refused, with the first such row', () => {
  const frame = (...time_period: string[]) =>
    DataFrame.fromColumns({ time_period, x: time_period.map((_, row) => row) })
  expect(() => lagged(frame('2020-01', 'oops', '2020-13'), 1)).toThrow(
    'Expected a period such as 2024-01 or 2024-W05 in every row of `time_period`, got "oops" in row 1',
  )
  expect(() => lagged(frame('2023-W52', '2023-W53'), 1)).toThrow('got "2023-W53" in row 1')
  expect(() => lagged(frame('2023-02-28', '2023-02-29'), 1)).toThrow('got "2023-02-29" in row 1')
})

test.each([
  [
    '2020-01',
    '2020-W01',
    'Expected periods of one type in `time_period` (Monthly as before), got "2020-W01" in row 1, which is Weekly',
  ],
  ['2024SunW1', '2024SatW2', 'which is WeeklySaturday'],
  ['2024-W01', '2024-01-07/2024-01-13', 'which is WeeklySunday'],
  ['2024-S01', '2024SunW3', 'which is WeeklySunday'],
  ['2024April', '2025July', 'which is FinancialJuly'],
  ['2024', '2025-01', 'which is Monthly'],
])('%s and %s do not go into one column', (a, b, message) => {
  const frame = DataFrame.fromColumns({ time_period: [a, b], x: [1, 2] })
  expect(() => lagged(frame, 1)).toThrow(message)
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
    '20200220',
    '2020W1',
    '2014SunW50',
    '2014-S50',
    '2020BiW20',
    '202003B',
    '2020Q2',
    '2020S1',
    '2020AprilS2',
    '2020Nov',
    '2020-01-31T00:00:00Z',
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
