import { expect, test } from 'vitest'
import { assertForecast, createData } from './drive-data.ts'

const info = { id: 'a', display_name: 'A', version: '1.0.0', description: null }
const options = { rows: 50, predictRows: 10, geoType: 'polygon', seed: 1 } as const
const future = { columns: ['time_period', 'location'], data: [['2024-03', 'north']] }

test('the data of a seed is the same again, and other for each training', () => {
  const make = () => createData(info, options, () => 0.5)
  expect(make()(0)).toEqual(make()(0))
  expect(make()(1)).not.toEqual(make()(0))
})

test('what is to be forecast has no cases, and no more periods than the service predicts', () => {
  const data = createData({ ...info, max_prediction_periods: 1 }, options, () => 0.5)(0)
  expect(data.future.columns).not.toContain('disease_cases')
  expect(data.future.data).toHaveLength(5)
  expect(data.train.data).toHaveLength(50)
})

test.each([
  ['no samples', ['time_period', 'location', 'cases'], ['2024-03', 'north', 1], 'sample_0'],
  [
    'another place',
    ['time_period', 'location', 'sample_0'],
    ['2024-03', 'south', 1],
    'north 2024-03',
  ],
  [
    'no number',
    ['time_period', 'location', 'sample_0'],
    ['2024-03', 'north', null],
    'Expected numbers',
  ],
])('a forecast with %s fails', (_name, columns, row, reason) => {
  expect(() => assertForecast({ columns, data: [row] }, future)).toThrow(reason)
})

test('a forecast with a number for each period and location passes', () => {
  const columns = ['location', 'time_period', 'sample_0']
  assertForecast({ columns, data: [['north', '2024-03', 0]] }, future)
})

test('a forecast for the period in another form passes', () => {
  const columns = ['location', 'time_period', 'sample_0']
  assertForecast({ columns, data: [['north', '202403', 0]] }, future)
})
