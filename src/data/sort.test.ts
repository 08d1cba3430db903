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
