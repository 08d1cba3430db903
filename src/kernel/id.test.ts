import fc from 'fast-check'
import { decodeTime } from 'ulid'
import { expect, test } from 'vitest'
import { createIds, isUlid, parseUlid } from './id.ts'

test('ids grow strictly while the clock goes on or is corrected by a second', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: -1000, max: 5000 }), { minLength: 2, maxLength: 50 }),
      (steps) => {
        let at = Date.UTC(2026, 0, 1)
        let latest = at
        const newId = createIds(() => at)
        const ids = steps.map((step) => {
          latest = Math.max(latest, at)
          at = Math.max(at + step, latest - 1000)
          return newId()
        })
        expect(ids.every(isUlid)).toBe(true)
        expect(ids).toEqual(ids.toSorted())
        expect(new Set(ids).size).toBe(ids.length)
      },
    ),
  )
})

test('when the clock is set, ids are of the new time, and none comes twice', () => {
  const years = 3650 * 86_400_000
  const steps = fc.constantFrom(0, 1, 5000, -5000, years, -years)
  fc.assert(
    fc.property(fc.array(steps, { minLength: 2, maxLength: 50 }), (history) => {
      let at = Date.UTC(2026, 0, 1)
      const newId = createIds(() => at)
      const ids = history.map((step) => {
        at += step
        const id = newId()
        expect(isUlid(id)).toBe(true)
        // No clock says a time before 1970, but a wrong driver.
        expect(decodeTime(id)).toBe(Math.max(0, at))
        return id
      })
      expect(new Set(ids).size).toBe(ids.length)
    }),
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
