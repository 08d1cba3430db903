import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createIds, isUlid, parseUlid } from './id.ts'

test('ids grow strictly whatever the clock does', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: -5000, max: 5000 }), { minLength: 2, maxLength: 50 }),
      (steps) => {
        let at = Date.UTC(2026, 0, 1)
        const newId = createIds(() => at)
        const ids = steps.map((step) => {
          at += step
          return newId()
        })
        expect(ids.every(isUlid)).toBe(true)
        expect(ids).toEqual(ids.toSorted())
        expect(new Set(ids).size).toBe(ids.length)
      },
    ),
  )
})

test('more ids than one millisecond has room for grow strictly too', () => {
  const newId = createIds(() => 1)
  let last = newId()
  for (let count = 0; count < 1_200_000; count++) {
    const id = newId()
    if (!(id > last)) throw new Error(`${id} after ${last}`)
    last = id
  }
  expect(isUlid(last)).toBe(true)
})

test('two sources at the same time give different ids', () => {
  const now = () => 1
  expect(createIds(now)()).not.toBe(createIds(now)())
})

test('an id in a path is 26 characters of upper-case Crockford base32, or a 400', () => {
  const id = createIds(Date.now)()
  expect(parseUlid(id)).toBe(id)
  for (const bad of [
    '',
    'x',
    id.toLowerCase(),
    `${id}0`,
    `8${id.slice(1)}`,
    id.replace(/.$/, 'I'),
  ]) {
    expect(isUlid(bad)).toBe(false)
    expect(() => parseUlid(bad)).toThrow(expect.objectContaining({ code: 'invalid-ulid' }))
  }
  expect(isUlid(undefined)).toBe(false)
  expect(() => parseUlid('x'.repeat(10_000))).toThrow(/^.{1,150}$/)
})
