import { expect, test } from 'vitest'
import { decideDue } from './due.ts'
import { toSlots } from './slots.ts'

const minute = 60_000
const begin = Date.parse('2026-01-01T00:00:00Z')
const slots = toSlots({ type: 'interval', every: 60, anchor: '2026-01-01T00:00:00.000Z' })
const at = (minutes: number) => begin + minutes * minute

const decide = (options: Partial<Parameters<typeof decideDue>[0]>) =>
  decideDue({
    ...{ slots, cursor: begin, now: at(10), misfire: 'skip', graceMs: 0, limit: 100 },
    ...{ decided: new Set(), knownFrom: begin },
    ...options,
  })

test('a slot that is late by the grace is on time, and by a millisecond more it is not', () => {
  const graceMs = 2 * minute
  expect(decide({ graceMs })).toEqual({
    run: [at(8), at(9), at(10)],
    missed: { first: at(1), last: at(7), count: 7, isMore: false },
    cursor: at(10),
  })
  expect(decide({ graceMs, now: at(10) + 1 }).run).toEqual([at(9), at(10)])
})

test('of what was missed none, the newest or each runs', () => {
  const missed = { now: at(10) + 1 }
  expect(decide({ ...missed, misfire: 'skip' }).run).toEqual([])
  expect(decide({ ...missed, misfire: 'once' })).toMatchObject({
    run: [at(10)],
    missed: { first: at(1), last: at(9), count: 9 },
  })
  const all = decide({ ...missed, misfire: 'all' })
  expect(all.run).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map(at))
  expect(all.missed).toBeNull()
})

test('no more run at once than the limit: the newest, and the others are counted', () => {
  for (const [misfire, graceMs] of [
    ['all', 0],
    ['skip', 1e9],
  ] as const) {
    expect(decide({ misfire, graceMs, limit: 3 })).toMatchObject({
      run: [at(8), at(9), at(10)],
      missed: { first: at(1), last: at(7), count: 7, isMore: false },
    })
  }
})

test('slots that were decided before the clock was set back are neither run nor counted again', () => {
  const decided = new Set([at(1), at(4), at(9)])
  expect(decide({ decided, misfire: 'all' }).run).toEqual([2, 3, 5, 6, 7, 8, 10].map(at))
  expect(decide({ decided, misfire: 'once', now: at(10) + 1 })).toMatchObject({
    run: [at(10)],
    missed: { first: at(2), last: at(8), count: 6 },
  })
})

test('before the first slot nothing is due, and the cursor stays', () => {
  expect(decide({ now: at(0) + 59_999 })).toEqual({ run: [], missed: null, cursor: begin })
})
