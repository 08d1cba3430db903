import { describe, expect, test } from 'vitest'
import { createRandom } from './random.ts'
import { coverage, crps, median, quantile, scoresOf } from './score.ts'

const random = createRandom(7)
const draw = (count: number, scale: number) =>
  Array.from({ length: count }, () => Math.round(random() * scale))

describe('crps', () => {
  test('of one member is the absolute error', () => {
    for (const [sample, observed] of [
      [3, 10],
      [10, 3],
      [0, 0],
    ] as const) {
      expect(crps([sample], observed)).toBe(Math.abs(sample - observed))
    }
  })

  test('of members that all agree is the absolute error', () => {
    expect(crps(new Array(100).fill(12), 20)).toBeCloseTo(8, 10)
  })

  test('is what its definition says, pair by pair', () => {
    for (let trial = 0; trial < 20; trial++) {
      const samples = draw(1 + trial, 50)
      const observed = draw(1, 50)[0]!
      const distance = samples.reduce((sum, x) => sum + Math.abs(x - observed), 0) / samples.length
      const pairs = samples.flatMap((x) => samples.map((other) => Math.abs(x - other)))
      const spread = pairs.reduce((sum, x) => sum + x, 0) / pairs.length
      expect(crps(samples, observed)).toBeCloseTo(distance - spread / 2, 10)
    }
  })

  test('is never negative and does not depend on the order of the samples', () => {
    for (let trial = 0; trial < 50; trial++) {
      const samples = draw(30, 1000)
      const observed = draw(1, 1000)[0]!
      expect(crps(samples, observed)).toBeGreaterThanOrEqual(0)
      expect(crps(samples.toReversed(), observed)).toBe(crps(samples, observed))
    }
  })

  test('is lower for the sharper of two forecasts that are right', () => {
    expect(crps([9, 10, 11], 10)).toBeLessThan(crps([0, 10, 20], 10))
  })

  test('is lower for the wider of two forecasts that are equally wrong', () => {
    expect(crps([0, 10, 20], 25)).toBeLessThan(crps([10, 10, 10], 25))
  })

  test('is lowest, on average, for the distribution that the counts come from', () => {
    const truth = draw(400, 100)
    const honest = draw(400, 100)
    const score = (samples: number[]) =>
      scoresOf(truth.map((observed) => ({ samples, observed }))).crps

    expect(score(honest)).toBeLessThan(score(honest.map((x) => x / 2 + 25)))
    expect(score(honest)).toBeLessThan(score(honest.map((x) => x * 2 - 50)))
    expect(score(honest)).toBeLessThan(score(honest.map((x) => x + 20)))
  })
})

test('quantiles interpolate between samples', () => {
  expect(median([4, 1, 3, 2])).toBe(2.5)
  expect(quantile([10, 20], 0.25)).toBe(12.5)
  expect(quantile([7], 0.9)).toBe(7)
  expect(() => median([])).toThrow('at least one sample')
})

test('mae is that of the median, averaged over all counts', () => {
  const forecasts = [
    { samples: [1, 2, 30], observed: 4 },
    { samples: [10], observed: 6 },
  ]
  expect(scoresOf(forecasts).mae).toBe(3)
})

test('coverage counts the observations within the interval, its ends included', () => {
  const samples = Array.from({ length: 101 }, (_, value) => value)
  const forecasts = [5, 95, 4, 96, 50].map((observed) => ({ samples, observed }))
  expect(coverage(forecasts, 0.9)).toBe(0.6)
})
