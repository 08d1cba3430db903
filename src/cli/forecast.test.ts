import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decimalsOf, quantile, summarize } from './forecast.ts'

const number = fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e9, max: 1e9 })
const sorted = fc
  .array(number, { minLength: 1, maxLength: 50 })
  .map((values) => values.sort((a, b) => a - b))

test('a quantile lies between its neighbours and grows with its part', () => {
  fc.assert(
    fc.property(sorted, fc.double({ min: 0, max: 1, noNaN: true }), (values, part) => {
      const at = (values.length - 1) * part
      const found = quantile(values, part)!
      expect(found).toBeGreaterThanOrEqual(values[Math.floor(at)]!)
      expect(found).toBeLessThanOrEqual(values[Math.ceil(at)]!)
    }),
    { numRuns: 10_000 },
  )
})

test('the quantiles are those of R', () => {
  // quantile(c(1, 2, 3, 4, 10), c(.05, .5, .95))
  for (const [part, value] of [
    [0.05, 1.2],
    [0.5, 3],
    [0.95, 8.8],
  ] as const)
    expect(quantile([1, 2, 3, 4, 10], part)).toBeCloseTo(value, 10)
})

test('a forecast is summed up by location and period, missing samples left out', () => {
  const frame = {
    columns: ['time_period', 'location', 'sample_0', 'sample_1', 'rainfall'],
    data: [
      ['2024-02', 'b', 4, 6, 1],
      ['2024-01', 'b', 1, null, 1],
      ['2024-01', 'a', null, null, 1],
    ],
  }
  expect(summarize(frame, 50)).toEqual([
    { location: 'a', time_period: '2024-01', samples: 0, median: null, low: null, high: null },
    { location: 'b', time_period: '2024-01', samples: 1, median: 1, low: 1, high: 1 },
    { location: 'b', time_period: '2024-02', samples: 2, median: 5, low: 4.5, high: 5.5 },
  ])
})

test('a frame without samples is no forecast', () => {
  expect(summarize({ columns: ['time_period', 'location', 'value'], data: [] }, 90)).toBeNull()
})

test('numbers have the digits that their size deserves', () => {
  expect([[1234.5], [12.3], [1.23], [0.123], [3, 4]].map(decimalsOf)).toEqual([0, 1, 2, 4, 0])
})
