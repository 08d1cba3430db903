import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import { sql } from 'kysely'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { createBlobs } from '../blob/blobs.ts'
import { memoryBlobs } from '../blob/memory.ts'
import type { Database } from '../db/database.ts'
import { migrate } from '../db/migrate.ts'
import { openSqlite } from '../db/sqlite.ts'
import { embeddedEngine } from '../engine/embedded.ts'
import { ChapkitError } from '../errors.ts'
import { createIds } from '../kernel/id.ts'
import { createDispatcher, type JobContext, type JobHandler } from './dispatcher.ts'
import { type Claim, createJobs, type NewJob } from './jobs.ts'

const never = new AbortController().signal
const done: JobHandler = async () => ({ status: 'completed', along: async () => {} })

interface Options {
  handlers: Record<string, { run: JobHandler; concurrency: number }>
  /** Puts something between the jobs and their database. */
  around?: (database: Database) => Database
}

async function open({ handlers, around = (database) => database }: Options) {
  const own = openSqlite(':memory:')
  await migrate(own)
  const database = around(own)
  const now = Date.now
  const engine = embeddedEngine({ now })
  const newId = createIds(now)
  const errors: string[] = []
  const blobs = createBlobs({ database: own, store: memoryBlobs(), now })
  const jobs = createJobs({
    ...{ database, blobs, engine, now, serviceTime: now, newId },
    ...{ boot: 'boot', retentionMs: 1e9, maxQueued: 1000 },
  })
  const dispatcher = createDispatcher({
    ...{ jobs, engine, handlers, now },
    newToken: createIds(now),
    onError: (error, event) => void errors.push(`${event}: ${error}`),
  })
  const close = async () => {
    await dispatcher.stop(0, AbortSignal.abort())
    await engine.close()
    await own.close()
  }
  const submit = (job: Partial<NewJob> = {}) =>
    jobs.submit({
      ...{ id: newId(), type: 'train', payload: {}, subjectId: null, artifactId: null, blobs: [] },
      ...job,
    })
  const ends = async (id: string, milliseconds = 90_000) => {
    const job = await jobs.waitFor(id, milliseconds)
    if (!job) throw new Error(`Job ${id} is gone`)
    return job
  }
  return { own, jobs, engine, dispatcher, errors, submit, ends, close }
}

async function start(options: Options) {
  const opened = await open(options)
  onTestFinished(opened.close)
  opened.dispatcher.start()
  return opened
}

/** A handler whose runs wait for the test. */
function gate() {
  const runs: { claim: Claim; context: JobContext; open: () => void }[] = []
  const run: JobHandler = (claim, context) => {
    const { promise, resolve } = Promise.withResolvers<Awaited<ReturnType<JobHandler>>>()
    context.signal.addEventListener('abort', () => resolve({ status: 'aborted' }))
    if (context.signal.aborted) resolve({ status: 'aborted' })
    runs.push({
      claim,
      context,
      open: () => resolve({ status: 'completed', along: async () => {} }),
    })
    return promise
  }
  return {
    run,
    runs,
    reaches: (count: number) => vi.waitUntil(() => runs.length === count, { timeout: 90_000 }),
  }
}

test('each type runs as many jobs at once as it may, and no type waits for another', async () => {
  const train = gate()
  const predict = gate()
  const { submit, dispatcher, ends } = await start({
    handlers: {
      train: { run: train.run, concurrency: 2 },
      predict: { run: predict.run, concurrency: 3 },
    },
  })
  const trainings = await Promise.all(Array.from({ length: 5 }, () => submit()))
  await train.reaches(2)
  await Promise.all(Array.from({ length: 4 }, () => submit({ type: 'predict' })))
  await predict.reaches(3)
  for (let turns = 0; turns < 50; turns++) await turn()
  expect(dispatcher.active()).toEqual({ train: 2, predict: 3 })
  expect(train.runs).toHaveLength(2)
  for (let opened = 0; opened < 5; opened++) {
    await vi.waitUntil(() => train.runs.length > opened, { timeout: 90_000 })
    train.runs[opened]?.open()
  }
  for (const { id } of trainings) expect(await ends(id)).toMatchObject({ status: 'completed' })
  expect(predict.runs).toHaveLength(3)
})

test('a job that is submitted just behind the look of the last free run is not overlooked', async () => {
  let late: Promise<{ id: string }> | undefined
  const looks = new WeakSet<object>()
  const { submit, ends } = await start({
    handlers: { train: { run: done, concurrency: 1 } },
    around: (database) => ({
      ...database,
      read: database.read.withPlugin({
        transformQuery({ node, queryId }) {
          // Only the look for something to do asks when jobs may run.
          if (JSON.stringify(node).includes('"run_at"')) looks.add(queryId)
          return node
        },
        async transformResult({ result, queryId }) {
          // It has found nothing; the job is there before the run that looked can give itself back.
          if (looks.has(queryId) && result.rows.length === 0 && !late) {
            late = submit()
            await late
          }
          return result
        },
      }),
    }),
  })
  await submit()
  await vi.waitUntil(() => late, { timeout: 90_000 })
  expect(await ends((await late!).id)).toMatchObject({ status: 'completed' })
})

test('no job is left lying, however submits, claims and ends interleave', async () => {
  const step = fc.record({
    type: fc.constantFrom('a', 'b'),
    turnsBefore: fc.nat(3),
    turnsOfRun: fc.nat(4),
    delay: fc.constantFrom(0, 0, 0, 0, 3),
    outcome: fc.constantFrom('done', 'throw', 'die once', 'retry once', 'aborted once'),
  })
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: 25 }),
      fc.integer({ min: 1, max: 3 }),
      async (steps, concurrency) => {
        let most = 0
        const running = new Map<string, number>()
        const run: JobHandler = async ({ payload, attempt, type }) => {
          const { turnsOfRun, outcome } = payload as (typeof steps)[number]
          running.set(type, (running.get(type) ?? 0) + 1)
          most = Math.max(most, running.get(type) ?? 0)
          for (let turns = 0; turns < turnsOfRun; turns++) await turn()
          running.set(type, (running.get(type) ?? 0) - 1)
          if (outcome === 'throw') throw new Error('own')
          if (attempt === 1 && outcome === 'die once') return { status: 'host-died', reason: 'x' }
          if (attempt === 1 && outcome === 'retry once') return { status: 'retry', afterMs: 2 }
          if (attempt === 1 && outcome === 'aborted once') return { status: 'aborted' }
          return { status: 'completed', along: async () => {} }
        }
        const service = await open({
          handlers: { a: { run, concurrency }, b: { run, concurrency: 1 } },
        })
        service.dispatcher.start()
        const submitted = []
        for (const each of steps) {
          for (let turns = 0; turns < each.turnsBefore; turns++) await turn()
          const { type, delay: delayMs } = each
          submitted.push(service.submit({ type, payload: each as never, delayMs }))
        }
        for (const [index, job] of (await Promise.all(submitted)).entries()) {
          const { status } = await service.ends(job.id, 3000)
          expect(status).toBe(steps[index]?.outcome === 'throw' ? 'failed' : 'completed')
        }
        expect(most).toBeLessThanOrEqual(concurrency)
        await service.close()
      },
    ),
    { numRuns: 150 },
  )
})

test('a handler that throws fails its job with what it threw', async () => {
  const { submit, ends, errors } = await start({
    handlers: {
      train: { run: () => Promise.reject(new TypeError('no model file')), concurrency: 1 },
    },
  })
  const { id } = await submit()
  expect(await ends(id)).toMatchObject({ status: 'failed', error: 'TypeError: no model file' })
  expect(errors).toEqual(['job.handler.failed: TypeError: no model file'])
})

describe('a result that cannot be stored', () => {
  test('fails its job, and the next one runs', async () => {
    let first = true
    const { submit, ends, own } = await start({
      handlers: {
        train: {
          concurrency: 1,
          run: async () => {
            const broken = first
            first = false
            return {
              status: 'completed',
              along: async (tx) => {
                if (broken) await sql`insert into config (id) values ('x')`.execute(tx)
              },
            }
          },
        },
      },
    })
    const [broken, fine] = await Promise.all([submit(), submit()])
    const job = await ends(broken.id)
    expect(job.status).toBe('failed')
    // What the database said is for the log only.
    expect(job.error).toMatch(/^ResultNotStored: .*the log of the service/)
    expect(job.error).not.toContain('NOT NULL')
    expect(await ends(fine.id)).toMatchObject({ status: 'completed' })
    expect(await own.read.selectFrom('config').selectAll().execute()).toEqual([])
  })

  test('for want of space is kept until there is some', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    let full = true
    const { submit, jobs, errors } = await start({
      handlers: {
        train: {
          concurrency: 1,
          run: async () => ({
            status: 'completed',
            along: async () => {
              if (full) throw new ChapkitError('storage-full', 'full')
            },
          }),
        },
      },
    })
    const { id } = await submit()
    while (errors.length < 1) await turn()
    expect(await jobs.get(id)).toMatchObject({ status: 'running' })
    full = false
    await vi.advanceTimersByTimeAsync(2000)
    while ((await jobs.get(id)).status === 'running') await turn()
    expect(await jobs.get(id)).toMatchObject({ status: 'completed' })
    expect(errors).toHaveLength(1)
  })
})

test.each([
  ['is written', true],
  ['cannot be written before the service stops', false],
])('`afterwards` of an outcome is called when it %s', async (_, isWritten) => {
  const told: boolean[] = []
  const { submit, jobs, dispatcher, errors, ends } = await start({
    handlers: {
      train: {
        concurrency: 1,
        run: async () => ({
          status: 'completed',
          along: async () => {
            if (!isWritten) throw new ChapkitError('storage-full', 'full')
          },
          afterwards: async (isSettled) => void told.push(isSettled),
        }),
      },
    },
  })
  const { id } = await submit()
  if (isWritten) await ends(id)
  else while (errors.length < 1) await turn()
  await dispatcher.stop(0, AbortSignal.abort())
  expect(told).toEqual([isWritten])
  expect((await jobs.get(id)).status).toBe(isWritten ? 'completed' : 'running')
})

test('a claim that the database refuses is tried again', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
  let refusals = 1
  const { submit, jobs, errors } = await start({
    handlers: { train: { run: done, concurrency: 1 } },
    around: (database) => ({
      ...database,
      write: (step, options) =>
        options?.durable === false && refusals-- > 0
          ? Promise.reject(new ChapkitError('unavailable', 'busy'))
          : database.write(step, options),
    }),
  })
  const { id } = await submit()
  while (errors.length < 1) await turn()
  expect(await jobs.get(id)).toMatchObject({ status: 'pending' })
  await vi.advanceTimersByTimeAsync(1000)
  while ((await jobs.get(id)).status !== 'completed') await turn()
})

describe('reports', () => {
  test('of a run are written while it runs, and the rest with its end', async () => {
    const held = gate()
    const { submit, jobs, ends } = await start({
      handlers: { train: { run: held.run, concurrency: 1 } },
    })
    const { id } = await submit()
    await held.reaches(1)
    const { context, open: finish } = held.runs[0]!
    context.log('stdout', 'early')
    context.progress({ fraction: 0.1, message: null })
    context.progress({ fraction: 0.5, message: 'half' })
    await vi.waitUntil(async () => (await jobs.get(id)).progress?.fraction === 0.5, {
      timeout: 90_000,
    })
    expect((await jobs.logs(id, 0, 10)).items).toMatchObject([{ seq: 1, line: 'early' }])
    context.log('log', 'late')
    finish()
    await ends(id)
    context.log('log', 'after the end')
    context.progress({ fraction: 1, message: 'after the end' })
    expect((await jobs.logs(id, 0, 10)).items).toMatchObject([
      { seq: 1, stream: 'stdout', line: 'early' },
      { seq: 2, stream: 'log', line: 'late' },
    ])
  })

  test('beyond 20 000 lines are cut, and the log says so', async () => {
    const { submit, jobs, ends } = await start({
      handlers: {
        train: {
          concurrency: 1,
          run: async (claim, context) => {
            for (let line = 0; line < 30_000; line++) context.log('log', `line ${line}`)
            return done(claim, context)
          },
        },
      },
    })
    const { id } = await submit()
    expect(await ends(id)).toMatchObject({ status: 'completed' })
    const { items } = await jobs.logs(id, 19_998, 100)
    expect(items.map(({ line }) => line)).toEqual([
      'line 19998',
      'line 19999',
      'output truncated after 20000 lines',
    ])
  })

  test('are written in portions, so that requests wait for one of them only', async () => {
    const { submit, jobs, ends } = await start({
      handlers: {
        train: {
          concurrency: 1,
          run: async (claim, context) => {
            for (let line = 0; line < 3000; line++) context.log('log', `line ${line}`)
            return done(claim, context)
          },
        },
      },
    })
    const report = vi.spyOn(jobs, 'report')
    const append = vi.spyOn(jobs, 'appendReport')
    const { id } = await submit()
    await ends(id)
    const portions = [
      ...report.mock.calls.map(([, , lines]) => lines),
      ...append.mock.calls.map(([, , { lines }]) => lines),
    ].map((lines) => lines.length)
    expect(portions.reduce((sum, each) => sum + each, 0)).toBe(3000)
    expect(Math.max(...portions)).toBeLessThanOrEqual(500)
    const { items } = await jobs.logs(id, 0, 3000)
    expect(items.map(({ line }) => line)).toEqual(
      Array.from({ length: 3000 }, (_, line) => `line ${line}`),
    )
  })

  test('of a second run go on where those of the first one ended', async () => {
    const { submit, jobs, ends } = await start({
      handlers: {
        train: {
          concurrency: 1,
          run: async (claim, context) => {
            context.log('log', `attempt ${claim.attempt}`)
            if (claim.attempt === 1) return { status: 'host-died', reason: 'killed' }
            return done(claim, context)
          },
        },
      },
    })
    const { id } = await submit()
    await ends(id)
    expect((await jobs.logs(id, 0, 10)).items.map(({ seq, line }) => [seq, line])).toEqual([
      [1, 'attempt 1'],
      [2, 'attempt 2'],
    ])
  })
})

describe('stopping', () => {
  test('waits for what runs and claims nothing more', async () => {
    const held = gate()
    const { submit, jobs, dispatcher } = await start({
      handlers: { train: { run: held.run, concurrency: 1 } },
    })
    const running = await submit()
    const waiting = await submit()
    await held.reaches(1)
    const stopped = dispatcher.stop(60_000, never)
    held.runs[0]?.open()
    await stopped
    expect(await jobs.get(running.id)).toMatchObject({ status: 'completed' })
    expect(await jobs.get(waiting.id)).toMatchObject({ status: 'pending' })
    expect(held.runs).toHaveLength(1)
  })

  test('hands back what does not end in time, or at once when it is in a hurry', async () => {
    for (const hurry of [false, true]) {
      const held = gate()
      const { submit, jobs, dispatcher } = await start({
        handlers: { train: { run: held.run, concurrency: 1 } },
      })
      const { id } = await submit()
      await held.reaches(1)
      const now = new AbortController()
      const stopped = dispatcher.stop(hurry ? 60_000 : 20, now.signal)
      if (hurry) now.abort()
      await stopped
      expect(await jobs.get(id)).toMatchObject({ status: 'pending', started_at: null })
    }
  })
})

test('a cancel that comes as the run begins is not missed', async () => {
  for (let turnsBefore = 0; turnsBefore < 6; turnsBefore++) {
    const held = gate()
    const { submit, jobs, ends } = await start({
      handlers: { train: { run: held.run, concurrency: 1 } },
    })
    const { id } = await submit()
    for (let turns = 0; turns < turnsBefore; turns++) await turn()
    await jobs.cancel(id)
    expect(await ends(id)).toMatchObject({ status: 'canceled' })
  }
})
