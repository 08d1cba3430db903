import fc from 'fast-check'
import { expect, test } from 'vitest'
import { retryAfter } from './retries.ts'
import { Retries } from './schema.ts'

const retries = fc.record({
  attempts: fc.integer({ min: 1, max: 100 }),
  delay_seconds: fc.double({ min: 0, max: 86_400, noNaN: true }),
  factor: fc.double({ min: 1, max: 10, noNaN: true }),
  max_delay_seconds: fc.double({ min: 0, max: 86_400, noNaN: true }),
})

test('a task is tried again as often as it may be, after waits that grow to their bound', () => {
  fc.assert(
    fc.property(retries, fc.double({ min: 0, max: 0.999, noNaN: true }), (given, chance) => {
      const options = Retries.parse(given)
      const random = () => chance
      const waits = Array.from({ length: options.attempts }, (_, index) =>
        retryAfter(options, { failures: index + 1, random }),
      )
      expect(waits.at(-1)).toBe(null)
      const kept = waits.slice(0, -1).map(Number)
      expect(kept).toEqual(kept.toSorted((a, b) => a - b))
      for (const wait of kept)
        expect(wait).toBeLessThanOrEqual(options.max_delay_seconds * 1200 + 1)
    }),
    { numRuns: 10_000 },
  )
})

test('waits double by default, and differ by a fifth at most', () => {
  const options = Retries.parse({ attempts: 5, delay_seconds: 10 })
  const after = (failures: number, chance: number) =>
    retryAfter(options, { failures, random: () => chance })
  expect([1, 2, 3, 4].map((failures) => after(failures, 0.5))).toEqual([
    10_000, 20_000, 40_000, 80_000,
  ])
  expect([after(1, 0), after(1, 1)]).toEqual([8000, 12_000])
})

test('nothing is tried again without being told to', () => {
  expect(retryAfter(null, { failures: 1, random: () => 0 })).toBe(null)
})
