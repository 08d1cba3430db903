import { PerformanceObserver } from 'node:perf_hooks'
import { setTimeout } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { createMeters } from './meters.ts'
import { memoryOf, watchProcess } from './process.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void
const turn = () => new Promise((resolve) => setImmediate(resolve))

test('what is watched is watched until it is closed, and not longer', async () => {
  const meters = createMeters()
  const watch = watchProcess(meters)
  const collections = () => {
    const family = meters.read().find(({ name }) => name === 'nodejs_gc_duration_seconds')
    const counts = family?.samples.filter(({ name }) => name.endsWith('_count')) ?? []
    return counts.reduce((sum, { value }) => sum + value, 0)
  }

  while (collections() === 0) {
    collectGarbage()
    await turn()
  }
  watch.close()
  const before = collections()
  // Another observer hears of it, so it has been told.
  const heard = new Promise<void>((resolve) => {
    const observer = new PerformanceObserver(() => {
      observer.disconnect()
      resolve()
    })
    observer.observe({ entryTypes: ['gc'] })
  })
  collectGarbage()
  await heard
  await turn()

  expect(collections()).toBe(before)
})

test('the delay of the event loop is how long it was held up', async () => {
  const meters = createMeters()
  const watch = watchProcess(meters)
  const value = (name: string) =>
    meters.read().find((each) => each.name === name)?.samples[0]?.value ?? 0

  while (value('nodejs_eventloop_lag_max_seconds') < 0.2) {
    // The first look only begins the first pause.
    await setTimeout(50)
    holdUp(300)
    await setTimeout(50)
    await watch.read()
  }

  const utilization = value('nodejs_eventloop_utilization_ratio')
  expect(utilization).toBeGreaterThan(0)
  expect(utilization).toBeLessThanOrEqual(1)
  watch.close()
})

function holdUp(milliseconds: number): void {
  const end = performance.now() + milliseconds
  while (performance.now() < end);
}

test('memory of a process that is not there is unknown', async () => {
  expect(await memoryOf(2 ** 22 + 1)).toBeUndefined()
})
