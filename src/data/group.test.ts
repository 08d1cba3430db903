import { expect, test } from 'vitest'
import { DataFrame } from './frame.ts'
import type { Aggregation } from './group.ts'

const frame = DataFrame.fromColumns({
  location: ['b', 'a', 'b', 'a', 'b', null],
  year: [2020, 2020, 2021, 2020, 2020, 2021],
  cases: [1, 2, null, 4, 6, null],
  name: ['z', null, 'x', 'y', 'w', null],
})

function byLocation(column: string, how: Aggregation) {
  return frame
    .groupBy('location')
    .aggregate({ out: [column, how] })
    .toRecords()
    .map((row) => row.out)
}

test.each<[Aggregation, unknown[]]>([
  ['count', [2, 2, 0]],
  ['sum', [7, 6, null]],
  ['mean', [3.5, 3, null]],
  ['min', [1, 2, null]],
  ['max', [6, 4, null]],
  ['median', [3.5, 3, null]],
  ['std', [Math.sqrt(12.5), Math.SQRT2, null]],
  ['first', [1, 2, null]],
  ['last', [6, 4, null]],
])('%s leaves nulls out, and is null of nothing', (how, expected) => {
  expect(byLocation('cases', how)).toEqual(expected)
})

test('text has a first, a last, a smallest and a largest value, but no mean', () => {
  expect(byLocation('name', 'min')).toEqual(['w', 'y', null])
  expect(byLocation('name', 'max')).toEqual(['z', 'y', null])
  expect(byLocation('name', 'first')).toEqual(['z', 'y', null])
  expect(() => byLocation('name', 'mean')).toThrow('Expected numbers in column `name`')
})

test('the smallest and the largest of periods are the first and the last in time', () => {
  const weeks = DataFrame.fromColumns({
    location: ['a', 'a', 'a', 'b'],
    time_period: ['2024W10', '2024W9', null, '2024W11'],
  })
  const ends = weeks
    .groupBy('location')
    .aggregate({ from: ['time_period', 'min'], to: ['time_period', 'max'] })
  expect(ends.toRecords()).toEqual([
    { location: 'a', from: '2024W9', to: '2024W10' },
    { location: 'b', from: '2024W11', to: '2024W11' },
  ])
})

test('groups stand in the order in which their keys first appear', () => {
  const result = frame.groupBy(['location', 'year']).aggregate({ n: ['cases', 'count'] })
  expect(result.toRecords()).toEqual([
    { location: 'b', year: 2020, n: 2 },
    { location: 'a', year: 2020, n: 2 },
    { location: 'b', year: 2021, n: 0 },
    { location: null, year: 2021, n: 0 },
  ])
})

test('a function aggregates the rows of its group', () => {
  const result = frame.groupBy('location').aggregate({ rows: (group) => group.length })
  expect(result.toRecords().map((row) => row.rows)).toEqual([3, 2, 1])
})

test('groups can be walked as frames', () => {
  const grouped = frame.groupBy('location')
  expect(grouped.size).toBe(3)
  expect([...grouped].map((group) => group.unique('location'))).toEqual([['b'], ['a'], [null]])
})

test('a NaN is not hidden by an aggregation', () => {
  const wrong = DataFrame.fromColumns({ k: ['a', 'a'], x: [1, Number.NaN] }).groupBy('k')
  for (const how of ['sum', 'mean', 'min', 'max', 'median', 'std'] as const) {
    expect(wrong.aggregate({ out: ['x', how] }).get(0, 'out')).toBeNaN()
  }
})

test('an unknown aggregation, an unknown column and a result named as a key are refused', () => {
  const grouped = frame.groupBy('location')
  expect(() => grouped.aggregate({ x: ['cases', 'mode' as Aggregation] })).toThrow('got `mode`')
  expect(() => grouped.aggregate({ x: ['nope', 'sum'] })).toThrow('No column `nope`')
  expect(() => grouped.aggregate({ location: ['cases', 'sum'] })).toThrow('it is a key')
})

test('a frame without rows has no groups', () => {
  const grouped = frame.head(0).groupBy('location')
  expect(grouped.aggregate({ n: ['cases', 'sum'] }).toJson()).toEqual({
    columns: ['location', 'n'],
    data: [],
  })
})

test('two texts of one period are one group, and one value', () => {
  const frame = DataFrame.fromColumns({
    time_period: ['2024-W09', '2024W9', '2024-02-26/2024-03-03', '2024W10', null],
    cases: [1, 2, 4, 8, 16],
  })
  expect(
    frame
      .groupBy('time_period')
      .aggregate({ sum: ['cases', 'sum'] })
      .toRecords(),
  ).toEqual([
    { time_period: '2024-W09', sum: 7 },
    { time_period: '2024W10', sum: 8 },
    { time_period: null, sum: 16 },
  ])
  expect(frame.unique('time_period')).toEqual(['2024-W09', '2024W10', null])
})

test('codes of locations are compared by their text, and so are periods among other texts', () => {
  const codes = ['2024W5', '2024-W05', '2024-W05']
  const frame = DataFrame.fromColumns({ location: codes, note: ['2024W5', '2024-W05', 'x'] })
  expect(frame.unique('location')).toEqual(['2024W5', '2024-W05'])
  expect(frame.groupBy('note').size).toBe(3)
})
