import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createBodies } from './body-budget.ts'

const second = 1000
const KiB = 1024

/** Bodies whose clock stands still until it is moved. */
function start(maxBytes: number) {
  let time = 0
  const bodies = createBodies(maxBytes, () => time)
  const refused: string[] = []
  return {
    ...bodies,
    refused,
    wait: (milliseconds: number) => {
      time += milliseconds
    },
    open: (name: string) => bodies.begin(() => refused.push(name)),
  }
}

test('those who send a little now and then make room for who sends, however long they have been there', () => {
  const { open, take, wait, refused } = start(128 * KiB)
  const slow = ['a', 'b'].map(open)
  // 1.5 KiB/s until there is no more room.
  for (let at = 0; at < 35; at++) {
    for (const body of slow) expect(take(body, 1.5 * KiB)).toBe(true)
    wait(second)
  }
  const fast = open('fast')
  for (let at = 0; at < 10; at++) expect(take(fast, 12 * KiB)).toBe(true)
  expect(refused).toEqual(['a', 'b'])
})

test('one that came quickly and then stands still makes room as well, and no more counts as fast for what it was', () => {
  const { open, take, wait, refused } = start(128 * KiB)
  const burst = open('burst')
  expect(take(burst, 100 * KiB)).toBe(true)
  const other = open('other')
  expect(take(other, 64 * KiB)).toBe(false)
  expect(refused).toEqual(['other'])

  wait(10 * second)
  expect(take(burst, 2 * KiB)).toBe(true)
  expect(take(open('third'), 64 * KiB)).toBe(true)
  expect(refused).toEqual(['other', 'burst'])
})

test('a slow body is left alone as long as nobody needs its room', () => {
  const { open, take, complete, wait, refused, held } = start(2048 * KiB)
  const slow = open('slow')
  for (let at = 0; at < 128; at++) {
    expect(take(slow, 8 * KiB)).toBe(true)
    wait(second)
  }
  complete(slow)
  expect(refused).toEqual([])
  expect(held()).toBeGreaterThanOrEqual(1024 * KiB)
})

test('what has come whole is worked on, and is not refused for others', () => {
  const { open, take, complete, wait, release, refused } = start(128 * KiB)
  const whole = open('whole')
  take(whole, 100 * KiB)
  complete(whole)
  wait(60 * second)
  expect(take(open('other'), 100 * KiB)).toBe(false)
  expect(refused).toEqual(['other'])
  release(whole)
  expect(take(open('third'), 100 * KiB)).toBe(true)
})

test('a body that is alone fits, however large it is', () => {
  const { open, take } = start(10 * KiB)
  const body = open('alone')
  for (let at = 0; at < 100; at++) expect(take(body, 64 * KiB)).toBe(true)
})

test('a body of single bytes counts with what its pieces take', () => {
  const { open, take, held } = start(1024 * KiB)
  const body = open('bytes')
  for (let at = 0; at < 100; at++) take(body, 1)
  expect(held()).toBeGreaterThanOrEqual(100 * 200)
})

test('whatever comes, no more than the bound is held by several, the fastest is never refused for a slower one, and nothing stays', () => {
  const step = fc.record({
    who: fc.nat(7),
    bytes: fc.integer({ min: 1, max: 64 * KiB }),
    wait: fc.constantFrom(0, 1, 100, 5000),
    end: fc.constantFrom('no', 'no', 'no', 'complete', 'close'),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const maxBytes = 256 * KiB
      const { open, take, complete, release, wait, held } = start(maxBytes)
      const there = new Map<number, ReturnType<typeof open>>()
      for (const { who, bytes, wait: pause, end } of steps) {
        wait(pause)
        const body = there.get(who) ?? open(String(who))
        there.set(who, body)
        if (body.refuse === undefined && body.held > 0) continue
        const taken = take(body, bytes)
        if (!taken) there.delete(who)
        const own = Math.max(0, ...[...there.values()].map((each) => each.held))
        expect(held()).toBeLessThanOrEqual(Math.max(maxBytes, own))
        expect(held()).toBe([...there.values()].reduce((sum, each) => sum + each.held, 0))
        if (taken && end === 'complete') complete(body)
        if (end === 'close') {
          release(body)
          there.delete(who)
        }
      }
      for (const body of there.values()) release(body)
      expect(held()).toBe(0)
    }),
    { numRuns: 2000 },
  )
})
