import { expect, onTestFinished, test, vi } from 'vitest'
import { migrate } from './migrate.ts'
import { openServiceTime } from './service-time.ts'
import { openSqlite } from './sqlite.ts'

async function open() {
  const database = openSqlite(':memory:')
  onTestFinished(() => database.close())
  await migrate(database)
  let at = 1000
  const monotonic = () => at
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
  return {
    start: () => openServiceTime(database, { monotonic }),
    /** Time passes, for the clock and for the timers. */
    async pass(milliseconds: number) {
      at += milliseconds
      await vi.advanceTimersByTimeAsync(milliseconds)
      // What the timers began to write has been written.
      await database.write(async () => {})
    },
  }
}

test('runs while a service runs, and stands still in between', async () => {
  const { start, pass } = await open()
  const first = await start()
  const begin = first.now()
  await pass(5000)
  expect(first.now() - begin).toBe(5000)
  await first.close()
  await pass(3_600_000)
  const second = await start()
  expect(second.now() - begin).toBe(5000)
  await pass(10)
  expect(second.now() - begin).toBe(5010)
  await second.close()
})

test('never goes back, and after a crash has gone on by little more than the service ran', async () => {
  const { start, pass } = await open()
  let ran = 0
  let last = 0
  let begin = Number.NaN
  // Each is left alone, as one that is killed.
  for (const life of [0, 1, 400, 999, 1500, 30_000, 200_000, 5]) {
    const { now } = await start()
    if (Number.isNaN(begin)) begin = now()
    expect(now()).toBeGreaterThanOrEqual(last)
    vi.clearAllTimers()
    const running = await start()
    for (let passed = 0; passed < life; passed += 100) await pass(Math.min(100, life - passed))
    last = running.now()
    ran += life
    vi.clearAllTimers()
  }
  const { now } = await start()
  expect(now()).toBeGreaterThanOrEqual(last)
  expect(now() - begin).toBeLessThanOrEqual(2 * ran + 17 * 2000)
  vi.clearAllTimers()
})
