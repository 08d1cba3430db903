import fc from 'fast-check'
import { expect, test } from 'vitest'
import { DataFrame } from './frame.ts'

const sorted = (values: (string | number | boolean | null)[], descending = false) =>
  DataFrame.fromColumns({ x: values })
    .sort({ column: 'x', descending })
    .toRecords()
    .map((row) => row.x)

test('nulls stand last and NaN before them, up and down', () => {
  expect(sorted([null, 2, Number.NaN, 1])).toEqual([1, 2, Number.NaN, null])
  expect(sorted([null, 2, Number.NaN, 1], true)).toEqual([2, 1, Number.NaN, null])
  expect(sorted(['b', null, 'a'], true)).toEqual(['b', 'a', null])
  expect(sorted([true, null, false])).toEqual([false, true, null])
})

test('text sorts by code unit, not by the language of the machine', () => {
  expect(sorted(['b', 'B', 'ä', 'a'])).toEqual(['B', 'a', 'b', 'ä'])
})

test('periods of one type sort along the calendar, up and down', () => {
  expect(sorted(['2024W10', null, '2024W9', '2023-W52'])).toEqual([
    '2023-W52',
    '2024W9',
    '2024W10',
    null,
  ])
  expect(sorted(['2024SunW9', '2024SunW10'], true)).toEqual(['2024SunW10', '2024SunW9'])
  expect(sorted(['2024-W01', '2023-12-25/2023-12-31'])).toEqual([
    '2023-12-25/2023-12-31',
    '2024-W01',
  ])
})

test('where one text is no such period, all sort as text', () => {
  expect(sorted(['2024W10', '2024W9', 'total'])).toEqual(['2024W10', '2024W9', 'total'])
  expect(sorted(['2024W10', '2024W9', '2024-03'])).toEqual(['2024-03', '2024W10', '2024W9'])
})

test('mixed values stand by kind', () => {
  expect(sorted([true, 'a', 2, null, 1.5])).toEqual([1.5, 2, 'a', true, null])
})

test('rows sort by several columns, each in its direction', () => {
  const frame = DataFrame.fromColumns({ a: ['x', 'y', 'x'], b: [1, 2, 3] })
  expect(frame.sort(['a', { column: 'b', descending: true }]).toRecords()).toEqual([
    { a: 'x', b: 3 },
    { a: 'x', b: 1 },
    { a: 'y', b: 2 },
  ])
})

test('a sort puts every row in order, loses none and keeps equal rows in theirs', () => {
  const rows = fc.array(
    fc.tuple(fc.option(fc.integer({ min: 0, max: 3 })), fc.constantFrom('a', 'b')),
  )
  fc.assert(
    fc.property(rows, fc.boolean(), (pairs, descending) => {
      const frame = DataFrame.fromColumns({
        a: pairs.map(([a]) => a),
        b: pairs.map(([, b]) => b),
        at: pairs.map((_, index) => index),
      })
      const rank = (a: number | null) => (a === null ? 99 : descending ? -a : a)
      const expected = pairs
        .map(([a, b], at) => ({ a, b, at }))
        .sort((x, y) => rank(x.a) - rank(y.a) || x.b.localeCompare(y.b) || x.at - y.at)
      expect(frame.sort([{ column: 'a', descending }, 'b']).toRecords()).toEqual(expected)
    }),
    { numRuns: 10_000 },
  )
})
