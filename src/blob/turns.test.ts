import { expect, test } from 'vitest'
import { createTurns } from './turns.ts'

test('one passes in each turn of the event loop, in the order in which they came', async () => {
  const turn = createTurns()
  let turns = 0
  let counting = true
  const count = () => {
    turns++
    if (counting) setImmediate(count)
  }
  setImmediate(count)
  const passed: { who: string; at: number }[] = []
  await Promise.all(
    ['first', 'second', 'third'].map(async (who) => {
      await turn()
      passed.push({ who, at: turns })
    }),
  )
  counting = false
  expect(passed.map(({ who }) => who)).toEqual(['first', 'second', 'third'])
  expect(new Set(passed.map(({ at }) => at)).size).toBe(3)
})

test('who comes when nobody waits passes in the next turn', async () => {
  const turn = createTurns()
  await turn()
  await turn()
  await expect(turn()).resolves.toBeUndefined()
})
