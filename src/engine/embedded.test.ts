import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { engineSuite } from '../testing/engine-suite.ts'
import { embeddedEngine } from './embedded.ts'
import type { Ring } from './engine.ts'

describe('embeddedEngine', () => engineSuite(embeddedEngine))

const ring = (jobId: string, runAt?: number): Ring => ({
  jobId,
  type: 'train',
  ...(runAt !== undefined && { runAt }),
})

/** An engine that is rung, with the jobs it has passed on. */
function create({ runs = true } = {}) {
  const heard: string[] = []
  const engine = embeddedEngine({ now: Date.now })
  const run = () => engine.run(({ jobId }) => void heard.push(jobId))
  if (runs) run()
  return { engine, heard, run }
}

describe('rings exactly', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  test('passes a ring on at once', () => {
    const { engine, heard } = create()
    engine.notify(ring('a'))
    engine.notify(ring('b', Date.now() - 5))
    expect(heard).toEqual(['a', 'b'])
  })

  test('keeps rings that come before there is a handler', () => {
    const { engine, heard, run } = create({ runs: false })
    engine.notify(ring('a'))
    engine.notify(ring('later', Date.now() + 1000))
    run()
    expect(heard).toEqual(['a'])
    vi.advanceTimersByTime(1000)
    expect(heard).toEqual(['a', 'later'])
  })

  test('holds a later ring until its time, also one further away than timers reach', () => {
    const { engine, heard } = create()
    const days = 60 * 86_400_000
    engine.notify(ring('soon', Date.now() + 500))
    engine.notify(ring('in two months', Date.now() + days))
    vi.advanceTimersByTime(499)
    expect(heard).toEqual([])
    vi.advanceTimersByTime(1)
    expect(heard).toEqual(['soon'])
    vi.advanceTimersByTime(days - 501)
    expect(heard).toEqual(['soon'])
    vi.advanceTimersByTime(1)
    expect(heard).toEqual(['soon', 'in two months'])
  })

  test('is silent after it was closed, and holds no timer', async () => {
    const { engine, heard } = create()
    engine.notify(ring('later', Date.now() + 1000))
    await engine.close()
    expect(vi.getTimerCount()).toBe(0)
    engine.notify(ring('after'))
    engine.notify(ring('long after', Date.now() + 10))
    vi.advanceTimersByTime(5000)
    expect(heard).toEqual([])
  })
})
