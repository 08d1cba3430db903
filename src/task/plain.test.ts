import fc from 'fast-check'
import { expect, test } from 'vitest'
import { DataFrame } from '../data/index.ts'
import { toPlain } from './plain.ts'

test('whatever JSON can say arrives as it was', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 5, stringUnit: 'grapheme' }), (value) => {
      expect(JSON.stringify(toPlain(value, 'x'))).toBe(JSON.stringify(value))
    }),
    { numRuns: 10_000 },
  )
})

test('what says itself what it is in JSON does so, and members that are undefined are left out', () => {
  const value = { at: new Date(0), frame: DataFrame.fromRecords([{ a: 1 }]), none: undefined }
  expect(toPlain(value, 'x')).toEqual({
    at: '1970-01-01T00:00:00.000Z',
    frame: { columns: ['a'], data: [[1]] },
  })
})

class Tree {}
const circle: Record<string, unknown> = {}
circle.self = circle

test.each([
  [{ model: [{ predict: () => 1 }] }, 'x.model[0].predict', 'a function'],
  [{ map: new Map() }, 'x.map', 'a Map'],
  [{ tree: new Tree() }, 'x.tree', 'a Tree'],
  [[Number.NaN], 'x[0]', 'NaN'],
  [[1n], 'x[0]', '1'],
  [{ half: '\ud800' }, 'x.half', 'half of a surrogate pair'],
  [circle, 'x.self', 'a circle'],
])('anything else is refused with its place: %o', (value, place, what) => {
  expect(() => toPlain(value, 'x')).toThrow(place)
  expect(() => toPlain(value, 'x')).toThrow(what)
})
