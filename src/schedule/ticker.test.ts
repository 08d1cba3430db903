import { expect, test } from 'vitest'
import { fakeClock } from '../testing/clock.ts'
import { createTicker } from './ticker.ts'

/** A ticker whose pauses end when the test says so. */
function open(answers: (() => { next: number | null; isWaiting: boolean })[]) {
  const now = fakeClock()
  const begin = now()
  const pauses: number[] = []
  const errors: unknown[] = []
  let end = () => {}
  let looks = 0
  const ticker = createTicker({
    schedules: {
      async tick() {
        const answer = answers[Math.min(looks, answers.length - 1)] as (typeof answers)[number]
        looks++
        return answer()
      },
    },
    now,
    onError: (error) => void errors.push(error),
    after(milliseconds, call) {
      pauses.push(milliseconds)
      end = call
      return () => {
        end = () => {}
      }
    },
  })
  return {
    ...{ ticker, now, begin, pauses, errors },
    looks: () => looks,
    /** Ends the pause and waits for the look. */
    async look() {
      end()
      await new Promise((resolve) => setImmediate(resolve))
    },
  }
}

const idle = () => ({ next: null, isWaiting: false })

test('it looks when the next slot comes, and every few seconds in case the clock jumps', async () => {
  const begin = fakeClock()()
  const slot = begin + 12_000
  const { ticker, now, pauses, look } = open([() => ({ next: slot, isWaiting: false })])
  ticker.start()
  await look()
  expect(pauses).toEqual([5000])
  now.advance(5000)
  await look()
  now.advance(5000)
  await look()
  expect(pauses).toEqual([5000, 5000, 2000])
  // The clock jumps back: the pause is no longer than the usual one.
  now.advance(-3_600_000)
  await look()
  expect(pauses.at(-1)).toBe(5000)
  await ticker.stop()
})

test('slots that wait for a job are looked at every second', async () => {
  const { ticker, pauses, look } = open([() => ({ next: null, isWaiting: true })])
  ticker.start()
  await look()
  expect(pauses).toEqual([1000])
  await ticker.stop()
})

test('a slot that could not be decided is not tried again at once', async () => {
  const { ticker, pauses, look, begin } = open([() => ({ next: begin - 5, isWaiting: false })])
  ticker.start()
  await look()
  expect(pauses).toEqual([1000])
  await ticker.stop()
})

test('a new schedule is looked at without waiting', async () => {
  const { ticker, looks, look } = open([idle])
  ticker.start()
  await look()
  const before = looks()
  ticker.wake()
  await new Promise((resolve) => setImmediate(resolve))
  expect(looks()).toBe(before + 1)
  await ticker.stop()
})

test('a database that fails is told of, and asked again', async () => {
  const fail = () => {
    throw new Error('disk')
  }
  const { ticker, pauses, errors, look, looks } = open([fail, idle])
  ticker.start()
  await new Promise((resolve) => setImmediate(resolve))
  expect(errors).toHaveLength(1)
  expect(pauses).toEqual([5000])
  await look()
  expect(looks()).toBe(2)
  await ticker.stop()
})

test('after a stop it looks no more', async () => {
  const { ticker, look, looks } = open([idle])
  ticker.start()
  await look()
  const before = looks()
  await ticker.stop()
  ticker.wake()
  await look()
  expect(looks()).toBe(before)
})
