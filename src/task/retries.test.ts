import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { createBlobs } from '../blob/blobs.ts'
import { memoryBlobs } from '../blob/memory.ts'
import { migrate } from '../db/migrate.ts'
import { openSqlite } from '../db/sqlite.ts'
import type { Engine, Ring } from '../engine/engine.ts'
import { createDispatcher } from '../job/dispatcher.ts'
import { createJobs } from '../job/jobs.ts'
import { createIds } from '../kernel/id.ts'
import { fakeClock } from '../testing/clock.ts'
import { retryAfter } from './retries.ts'
import { createTaskRuns } from './runs.ts'
import { Retries } from './schema.ts'
import { toTasksSpec } from './spec.ts'
import { createTasks } from './tasks.ts'

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

test('each attempt follows when its time has come, and not before', async () => {
  const now = fakeClock()
  await using database = openSqlite(':memory:')
  await migrate(database)
  const newId = createIds(now)
  let ring = (_: Ring) => {}
  const rings: Ring[] = []
  const engine: Engine = {
    notify: (each) => void rings.push(each),
    run: (handler) => {
      ring = handler
    },
    close: async () => {},
  }
  const blobs = createBlobs({ database, store: memoryBlobs(), now })
  const jobs = createJobs({
    ...{ database, blobs, engine, now, serviceTime: now, newId },
    ...{ boot: 'boot', retentionMs: 1e9, maxQueued: 10 },
  })
  const retries = { attempts: 4, delaySeconds: 10, factor: 3, maxDelaySeconds: 60 }
  const spec = toTasksSpec({ shell: { fail: { command: 'false', retries } } }, '.')
  const tasks = createTasks({ database, spec, jobs, now, newId })
  await tasks.declare()
  const began: number[] = []
  const run = createTaskRuns({
    ...{ spec, hosts: null, random: () => 0.5, redact: (text: string) => text },
    artifacts: { stage: async () => ({}), insertStaged: async () => {} } as never,
    serve: (() => {}) as never,
    commands: {
      run: async () => {
        began.push(now())
        return {
          failure: 'ended',
          kind: 'ended',
          exitCode: 1,
          signal: null,
          stdout: '',
          stderr: '',
        }
      },
    },
  })
  const onError = (error: unknown) => {
    throw error
  }
  const dispatcher = createDispatcher({
    ...{ jobs, engine, now, newToken: newId, onError },
    handlers: { task: { run, concurrency: 1 } },
  })
  dispatcher.start()
  const [task] = await tasks.list({}, { kind: 'all' })
  const started = now()
  const { jobId } = await tasks.execute(task!.id, {})

  // Seconds after the start: waits of 10, 30 and, at most, 60.
  for (const [index, seconds] of [0, 10, 40, 100].entries()) {
    const due = started + seconds * 1000
    if (index > 0) {
      now.advance(due - now() - 1)
      expect(await jobs.claim('task', 'too early')).toBe(undefined)
      now.advance(1)
    }
    ring({ jobId, type: 'task' })
    const hasEnded = async () =>
      began.length === index + 1 && (await jobs.get(jobId)).status !== 'running'
    await vi.waitUntil(hasEnded, { timeout: 90_000 })
    expect(began.at(-1)).toBe(due)
    expect((await jobs.get(jobId)).status).toBe(index < 3 ? 'pending' : 'failed')
  }
  expect(rings.slice(1).map(({ runAt }) => runAt! - started)).toEqual([10_000, 40_000, 100_000])
  expect(await jobs.waitFor(jobId, 1000)).toMatchObject({
    status: 'failed',
    error: 'The command ended',
  })
  await dispatcher.stop(0, AbortSignal.abort())
})
