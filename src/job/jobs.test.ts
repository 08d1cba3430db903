import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { cases } from '../../test/setup/campaign.ts'
import { createBlobs } from '../blob/blobs.ts'
import { memoryBlobs } from '../blob/memory.ts'
import type { Database } from '../db/database.ts'
import { migrate } from '../db/migrate.ts'
import { openSqlite } from '../db/sqlite.ts'
import type { Queries } from '../db/tables.ts'
import type { Engine, Ring } from '../engine/engine.ts'
import { toTimestamp } from '../kernel/clock.ts'
import { createIds } from '../kernel/id.ts'
import type { Happening, Observe } from '../kernel/observe.ts'
import { fakeClock } from '../testing/clock.ts'
import {
  type Claim,
  createJobs,
  isStaleClaim,
  type Jobs,
  maximumHostDeaths,
  maximumServiceDeaths,
  type NewJob,
} from './jobs.ts'
import { canMove, isFinal, type JobStatus, type LogLine } from './schema.ts'

const dayMs = 86_400_000

/** An engine that only writes down what it was told. */
function recordingEngine(): Engine & { rings: Ring[] } {
  const rings: Ring[] = []
  return { rings, notify: (ring) => void rings.push(ring), run: () => {}, close: async () => {} }
}

/** A data folder that services are started on, one after another. */
async function openData() {
  const database = openSqlite(':memory:')
  await migrate(database)
  await database.migrate(async (db) => {
    await sql`create table result (job_id text, attempt integer)`.execute(db)
    await sql`create table move (origin text, target text)`.execute(db)
    await sql`create trigger job_moved after update of status on job
      begin insert into move values (old.status, new.status); end`.execute(db)
  })
  const serviceTime = fakeClock()
  let ahead = 0
  /** The clock on the wall, which goes on with the other and can be set. */
  const now = Object.assign(() => serviceTime() + ahead, {
    advance: serviceTime.advance,
    set: (milliseconds: number) => {
      ahead += milliseconds
    },
  })
  const store = memoryBlobs({ now: serviceTime })
  const blobs = createBlobs({ database, store, now: serviceTime })
  return { database, blobs, now, serviceTime, newId: createIds(now) }
}

type Data = Awaited<ReturnType<typeof openData>>

let boots = 0
function startOn(data: Data, options: { maxQueued?: number; observe?: Observe } = {}) {
  const engine = recordingEngine()
  const jobs = createJobs({
    ...data,
    engine,
    boot: `boot-${++boots}`,
    retentionMs: 30 * dayMs,
    maxQueued: options.maxQueued ?? 100,
    observe: options.observe,
  })
  let tokens = 0
  const prefix = `token-${boots}`
  return { jobs, engine, newToken: () => `${prefix}-${++tokens}` }
}

async function open(options: { maxQueued?: number; observe?: Observe } = {}) {
  const data = await openData()
  onTestFinished(() => data.database.close())
  const service = startOn(data, options)
  const submit = (job: Partial<NewJob> = {}) => submitTo(service.jobs, data.newId(), job)
  const claim = async (type = 'train', controller?: AbortController) =>
    (await service.jobs.claim(type, service.newToken(), controller))!
  return { ...data, ...service, submit, claim, restart: () => startOn(data, options), data }
}

const submitTo = (jobs: Jobs, id: string, job: Partial<NewJob> = {}) =>
  jobs.submit({
    id,
    type: 'train',
    payload: { of: id },
    subjectId: null,
    artifactId: `artifact of ${id}`,
    blobs: [],
    ...job,
  })

const storeResult = (claim: Claim) => async (tx: Queries) => {
  await sql`insert into result values (${claim.id}, ${claim.attempt})`.execute(tx)
}

async function results(database: Database, id: string): Promise<number> {
  const { rows } = await sql`select * from result where job_id = ${id}`.execute(database.read)
  return rows.length
}

const isCode = (code: string) => expect.objectContaining({ code })

describe('submitting', () => {
  test('stores the job with its inputs and what comes along, or nothing of them', async () => {
    const { jobs, blobs, database, newId, now } = await open()
    const input = await blobs.stage(Buffer.from('frame'))
    const id = newId()
    const refused = submitTo(jobs, id, { blobs: [input] })
    expect(await refused).toEqual({
      id,
      type: 'train',
      status: 'pending',
      submitted_at: toTimestamp(now()),
      started_at: null,
      finished_at: null,
      error: null,
      error_traceback: null,
      artifact_id: `artifact of ${id}`,
      progress: null,
    })
    expect(await blobs.read(input.hash)).toEqual(Buffer.from('frame'))

    const other = { ...(await blobs.stage(Buffer.from('other'))) }
    const failing = jobs.submit(
      {
        id: newId(),
        type: 'train',
        payload: {},
        subjectId: null,
        artifactId: null,
        blobs: [other],
      },
      () => Promise.reject(new Error('not remembered')),
    )
    await expect(failing).rejects.toThrow('not remembered')
    expect(await jobs.list({}, { kind: 'all' })).toHaveLength(1)
    await expect(blobs.read(other.hash)).rejects.toThrow('missing')
    expect(await database.read.selectFrom('blob_ref').selectAll().execute()).toHaveLength(1)
  })

  test('rings after the commit, never before or without it', async () => {
    const { engine, jobs, newId } = await open()
    const submitting = submitTo(jobs, newId())
    expect(engine.rings).toEqual([])
    await submitting
    expect(engine.rings).toHaveLength(1)
    await expect(
      jobs.submit(
        { id: newId(), type: 'train', payload: 1, subjectId: null, artifactId: null, blobs: [] },
        () => Promise.reject(new Error('no')),
      ),
    ).rejects.toThrow()
    expect(engine.rings).toHaveLength(1)
  })

  test('is refused when too many of the type are waiting, also when they come together', async () => {
    const { submit, claim } = await open({ maxQueued: 3 })
    const outcomes = await Promise.allSettled(Array.from({ length: 6 }, () => submit()))
    expect(outcomes.map(({ status }) => status === 'fulfilled')).toEqual([
      ...[true, true, true],
      ...[false, false, false],
    ])
    expect(outcomes[5]).toMatchObject({
      reason: { code: 'too-many-requests', headers: { 'retry-after': '10' } },
    })
    await submit({ type: 'predict' })
    await claim()
    await submit()
    await expect(submit()).rejects.toMatchObject({ code: 'too-many-requests' })
  })

  test('is refused for about as long as places took to become free', async () => {
    const { submit, claim, jobs, now } = await open({ maxQueued: 2 })
    const refusal = () =>
      jobs.assertRoom('train').then(
        () => null,
        ({ headers }) => headers,
      )
    for (let round = 0; round < 3; round++) {
      await submit()
      await claim()
      now.advance(4000)
    }
    await submit()
    expect(await refusal()).toBeNull()
    await submit()
    expect(await refusal()).toEqual({ 'retry-after': '4' })
    now.advance(3_600_000)
    expect(await refusal()).toEqual({ 'retry-after': '60' })
  })
})

describe('claiming', () => {
  test('goes by priority, then by age, and waits for the time of a job', async () => {
    const { submit, claim, jobs, now, engine } = await open()
    const late = await submit({ delayMs: 1000, priority: 9 })
    expect(engine.rings.at(-1)).toMatchObject({ runAt: now() + 1000 })
    const first = await submit()
    const second = await submit()
    const urgent = await submit({ priority: 1 })
    expect([(await claim()).id, (await claim()).id, (await claim()).id]).toEqual([
      urgent.id,
      first.id,
      second.id,
    ])
    expect(await jobs.claim('train', 'x')).toBeUndefined()
    now.advance(1000)
    expect(await claim()).toMatchObject({ id: late.id, attempt: 1, payload: { of: late.id } })
  })

  test('gives a job to one only, however many ask at once', async () => {
    const { submit, jobs } = await open()
    await Promise.all(Array.from({ length: 5 }, () => submit()))
    const claims = await Promise.all(
      Array.from({ length: 9 }, (_, index) => jobs.claim('train', `token ${index}`)),
    )
    const ids = claims.flatMap((each) => each?.id ?? [])
    expect(ids).toHaveLength(5)
    expect(new Set(ids).size).toBe(5)
  })
})

describe('ending', () => {
  test('commits result and final state together: none without the other', async () => {
    const { submit, claim, jobs, database } = await open()
    const { id } = await submit()
    const held = await claim()
    const failing = jobs.complete(held, async (tx) => {
      await storeResult(held)(tx)
      throw new Error('no room for the result')
    })
    await expect(failing).rejects.toThrow('no room')
    expect(await jobs.get(id)).toMatchObject({ status: 'running' })
    expect(await results(database, id)).toBe(0)

    await jobs.complete(held, storeResult(held))
    expect(await jobs.get(id)).toMatchObject({ status: 'completed' })
    expect(await results(database, id)).toBe(1)
  })

  test('accepts nothing from a run whose job was taken over', async () => {
    const { submit, claim, jobs, database, restart } = await open()
    const { id } = await submit()
    const old = await claim()
    const next = restart()
    expect(await next.jobs.takeOver()).toEqual({ resumed: 1, givenUp: 0 })
    const current = (await next.jobs.claim('train', next.newToken()))!
    expect(current).toMatchObject({ id, attempt: 2 })

    const late = [
      () => jobs.complete(old, storeResult(old)),
      () => jobs.fail(old, 'late', null, storeResult(old)),
      () => jobs.handBack(old),
      () => jobs.hostDied(old, 'late'),
      () => jobs.report(old, { fraction: 1, message: 'late' }, []),
    ]
    for (const write of late) {
      const error = await write().catch((thrown: unknown) => thrown)
      expect(isStaleClaim(error)).toBe(true)
    }
    expect(await results(database, id)).toBe(0)
    expect(await jobs.get(id)).toMatchObject({ status: 'running', progress: null })

    await next.jobs.complete(current, storeResult(current))
    for (const write of late) await expect(write()).rejects.toThrow(isCode('conflict'))
    expect(await results(database, id)).toBe(1)
    expect(await jobs.get(id)).toMatchObject({ status: 'completed', error: null })
  })

  test('gives up a job that killed its host three times, with the reason', async () => {
    const { submit, claim, jobs, engine } = await open()
    const { id } = await submit()
    for (let death = 1; death < maximumHostDeaths; death++) {
      await jobs.hostDied(await claim(), 'killed by SIGSEGV')
      expect(await jobs.get(id)).toMatchObject({ status: 'pending', started_at: null })
      expect(engine.rings).toHaveLength(1 + death)
    }
    await jobs.hostDied(await claim(), 'killed by SIGSEGV')
    expect(await jobs.get(id)).toMatchObject({
      status: 'failed',
      error:
        "ModelHostDied: the model's process died 3 times under this job; last: killed by SIGSEGV",
      finished_at: expect.any(String),
    })
    expect(engine.rings).toHaveLength(maximumHostDeaths)
  })

  test('hands a job back for later, and rings for then', async () => {
    const { submit, claim, jobs, engine, now } = await open()
    const { id } = await submit()
    const held = await claim()
    await jobs.report(held, { fraction: 0.5, message: 'half' }, [])
    await jobs.handBack(held, undefined, 2000)
    expect(await jobs.get(id)).toMatchObject({ status: 'pending', progress: null })
    expect(engine.rings.at(-1)).toMatchObject({ jobId: id, runAt: now() + 2000 })
    expect(await jobs.claim('train', 'early')).toBeUndefined()
    now.advance(2000)
    expect(await claim()).toMatchObject({ id, attempt: 2 })
  })
})

describe('canceling', () => {
  test('a pending job ends it at once and lets go of its inputs', async () => {
    const { submit, jobs, blobs, database, claim } = await open()
    const { id } = await submit({ blobs: [await blobs.stage(Buffer.from('x'))] })
    expect(await jobs.cancel(id)).toMatchObject({ status: 'canceled' })
    expect(await jobs.get(id)).toMatchObject({
      status: 'canceled',
      finished_at: expect.any(String),
    })
    expect(await database.read.selectFrom('blob_ref').selectAll().execute()).toEqual([])
    expect(await claim()).toBeUndefined()
    await expect(jobs.cancel(id)).rejects.toThrow(isCode('conflict'))
  })

  test('a running job tells its run, and whatever ends that run then cancels the job', async () => {
    const { submit, jobs, claim } = await open()
    for (const end of [
      (held: Claim) => jobs.handBack(held),
      (held: Claim) => jobs.hostDied(held, 'died on the way out'),
    ]) {
      const { id } = await submit()
      const controller = new AbortController()
      const held = await claim('train', controller)
      expect(await jobs.cancel(id)).toMatchObject({ status: 'running' })
      expect(controller.signal.aborted).toBe(true)
      await end(held)
      jobs.detach(held, controller)
      expect(await jobs.get(id)).toMatchObject({ status: 'canceled', error: null })
    }
  })

  test('a job that is canceled in the commit of its claim tells its run', async () => {
    const { submit, jobs, claim } = await open()
    const { id } = await submit()
    const controller = new AbortController()
    const claimed = claim('train', controller)
    // Until its write is in line; the commit comes with the next turn of the event loop.
    for (let steps = 0; steps < 100; steps++) await Promise.resolve()
    const [held, record] = await Promise.all([claimed, jobs.cancel(id)])
    expect(held.id).toBe(id)
    expect(record.status).toBe('running')
    expect(controller.signal.aborted).toBe(true)
  })

  test('a finished job is a conflict, one that is not there a 404', async () => {
    const { submit, jobs, claim, newId } = await open()
    const { id } = await submit()
    const held = await claim()
    await jobs.fail(held, 'Error: x', null)
    await expect(jobs.cancel(id)).rejects.toThrow(/is failed already/)
    await expect(jobs.cancel(newId())).rejects.toThrow(isCode('not-found'))
    await expect(jobs.get(newId())).rejects.toThrow(isCode('not-found'))
  })

  test('by a restart: what was to be canceled when the service died is canceled', async () => {
    const { submit, jobs, claim, restart } = await open()
    const { id } = await submit()
    await claim()
    await jobs.cancel(id)
    expect(await restart().jobs.takeOver()).toEqual({ resumed: 0, givenUp: 0 })
    expect(await jobs.get(id)).toMatchObject({ status: 'canceled' })
  })

  test('an old run that ends does not unhook the run that came after it', async () => {
    const { submit, jobs, claim } = await open()
    const { id } = await submit()
    const old = new AbortController()
    const held = await claim('train', old)
    await jobs.handBack(held)
    const current = new AbortController()
    await claim('train', current)
    jobs.detach(held, old)
    await jobs.cancel(id)
    expect(current.signal.aborted).toBe(true)
  })
})

describe('removing', () => {
  test('a finished or a pending job forgets it with its log and its inputs', async () => {
    const { submit, jobs, claim, database, blobs } = await open()
    const done = await submit({ blobs: [await blobs.stage(Buffer.from('x'))] })
    const held = await claim()
    await jobs.report(held, null, [{ seq: 1, time: 'now', stream: 'log', line: 'hello' }])
    await jobs.complete(held, async () => {})
    const pending = await submit()
    await jobs.remove(done.id)
    await jobs.remove(pending.id)
    for (const table of ['job', 'job_log', 'blob_ref'] as const)
      expect(await database.read.selectFrom(table).selectAll().execute()).toEqual([])
    await expect(jobs.remove(done.id)).rejects.toThrow(isCode('not-found'))
  })

  test('a running job cancels it and waits for its end', async () => {
    const { submit, jobs, claim } = await open()
    const { id } = await submit()
    const controller = new AbortController()
    const held = await claim('train', controller)
    let removed = false
    const removing = jobs.remove(id).then(() => {
      removed = true
    })
    await vi.waitUntil(() => controller.signal.aborted, { timeout: 90_000 })
    await turn()
    expect(removed).toBe(false)
    await jobs.handBack(held)
    await removing
    await expect(jobs.get(id)).rejects.toThrow(isCode('not-found'))
  })
})

describe('starting on what another start left', () => {
  test('a job under which the service died too often is given up', async () => {
    const { submit, data, jobs } = await open()
    const { id } = await submit()
    for (let death = 1; death < maximumServiceDeaths; death++) {
      const service = startOn(data)
      await service.jobs.takeOver()
      expect(await service.jobs.claim('train', service.newToken())).toMatchObject({
        id,
        attempt: death,
      })
    }
    await jobs.takeOver()
    expect(await jobs.get(id)).toMatchObject({ status: 'pending' })
    const last = startOn(data)
    await last.jobs.claim('train', last.newToken())
    expect(await startOn(data).jobs.takeOver()).toEqual({ resumed: 0, givenUp: 1 })
    expect(await jobs.get(id)).toMatchObject({
      status: 'failed',
      error: 'ServiceDied: the service ended 20 times while this job was running',
    })
  })

  test('its own running jobs are left alone', async () => {
    const { submit, jobs, claim } = await open()
    const { id } = await submit()
    await claim()
    expect(await jobs.takeOver()).toEqual({ resumed: 0, givenUp: 0 })
    expect(await jobs.get(id)).toMatchObject({ status: 'running' })
  })

  test('every time at which a pending job may run is rung for, not only the first', async () => {
    const { submit, now, restart } = await open()
    await submit()
    await submit()
    await submit({ delayMs: 60_000 })
    await submit({ delayMs: 3_600_000 })
    await submit({ type: 'predict', delayMs: 5000 })
    const { jobs, engine } = restart()
    await jobs.takeOver()
    const times = engine.rings.map(({ type, runAt }) => [type, (runAt ?? 0) - now()])
    expect(times.sort()).toEqual([
      ['predict', 5000],
      ['train', 0],
      ['train', 3_600_000],
      ['train', 60_000],
    ])
  })
})

test('finished jobs are forgotten when their time is over, others never', async () => {
  const { submit, jobs, claim, now } = await open({ maxQueued: 1000 })
  const running = await submit({ type: 'predict' })
  await claim('predict')
  const ended = []
  for (let index = 0; index < 450; index++) ended.push(submit())
  await Promise.all(ended)
  for (let index = 0; index < 450; index++) {
    const held = await claim()
    await jobs.report(held, null, [{ seq: 1, time: 'now', stream: 'log', line: 'x' }])
    if (index % 3 === 0) await jobs.complete(held, async () => {})
    if (index % 3 === 1) await jobs.fail(held, 'x', null)
    if (index % 3 === 2) {
      await jobs.cancel(held.id)
      await jobs.handBack(held)
    }
  }
  const pending = await submit()
  now.advance(30 * dayMs)
  expect(await jobs.sweep()).toBe(0)
  now.advance(1)
  expect(await jobs.sweep()).toBe(450)
  const left = await jobs.list({}, { kind: 'all' })
  expect(left.map(({ id }) => id).sort()).toEqual([running.id, pending.id].sort())
})

test('a job that works on something keeps it from being deleted until it ends', async () => {
  const { submit, jobs, claim, database } = await open()
  const free = () => database.write((tx) => jobs.assertFree(tx, 'config'))
  await free()
  await submit({ subjectId: 'config' })
  await expect(free()).rejects.toThrow(/The train job .* works on config/)
  const held = await claim()
  await expect(free()).rejects.toThrow(isCode('conflict'))
  await jobs.complete(held, async () => {})
  await free()
})

describe('following', () => {
  test('gives the record at once, on every change, and ends with the job; no timer stays behind', async () => {
    const { submit, jobs, claim } = await open()
    const { id } = await submit()
    // Only timers that are set from here on count: others of this process come and go.
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    const follower = jobs.changes(id, 60_000, new AbortController().signal)
    const next = async () => (await follower.next()).value?.status
    expect(await next()).toBe('pending')
    expect(vi.getTimerCount()).toBe(1)
    const running = next()
    const held = await claim()
    expect(await running).toBe('running')
    const final = next()
    await jobs.complete(held, async () => {})
    expect(await final).toBe('completed')
    expect(await follower.next()).toEqual({ value: undefined, done: true })
    expect(vi.getTimerCount()).toBe(0)
  })

  test('ends when the job is removed, and when the follower goes', async () => {
    const { submit, jobs } = await open()
    const { id } = await submit()
    const other = await submit()
    const gone = new AbortController()
    const follower = jobs.changes(id, 60_000, gone.signal)
    await follower.next()
    const removed = follower.next()
    await jobs.remove(id)
    let last = await removed
    while (!last.done && last.value !== undefined) last = await follower.next()
    expect(last.value).toBeUndefined()

    const leaving = jobs.changes(other.id, 60_000, gone.signal)
    await leaving.next()
    const end = leaving.next()
    gone.abort()
    expect(await end).toMatchObject({ done: true })
  })

  test('waiting for a job answers its record when the time is over', async () => {
    const { submit, jobs } = await open()
    const { id } = await submit()
    expect(await jobs.waitFor(id, 20)).toMatchObject({ id, status: 'pending' })
  })
})

test('thousands of lines are kept with one report, and are read in pages', async () => {
  const { submit, jobs, claim } = await open()
  const { id } = await submit()
  const held = await claim()
  const lines = Array.from({ length: 20_000 }, (_, index) => ({
    seq: index + 1,
    time: 'now',
    stream: 'log' as const,
    line: `line ${index}`,
  }))
  await jobs.report(held, null, lines)
  const { items, next } = await jobs.logs(id, 19_990, 5)
  expect(items.map(({ seq }) => seq)).toEqual([19_991, 19_992, 19_993, 19_994, 19_995])
  expect(next).toBe(19_995)
  expect(await jobs.logs(id, 20_000, 5)).toEqual({ items: [], next: 20_000 })
  await jobs.handBack(held)
  expect((await claim()).lastSeq).toBe(20_000)
})

/*
 * The state machine as a whole: what a plain model of it expects, after any sequence of what clients, models, hosts and
 * crashes do. Claims that became stale are used again and again: nothing they say may count.
 */

interface ModelJob {
  id: string
  type: string
  status: JobStatus
  priority: number
  runAt: number
  attempt: number
  token: string | null
  cancel: boolean
  hostDeaths: number
  serviceDeaths: number
  /** On the wall. */
  finishedAt: number
  /** In service time. */
  startedAt: number
  endedAt: number
  results: number
}

interface Model {
  jobs: ModelJob[]
  claims: Claim[]
}

interface Real {
  data: Data
  service: ReturnType<typeof startOn>
  claims: Claim[]
}

const maxQueued = 4
/** What a clock is set by: a correction, an hour, ten years. */
const leaps = [300, -300, 3_600_000, -3_600_000, 3650 * dayMs, -3650 * dayMs]
const active = (model: Model) => model.jobs.filter(({ status }) => status === 'running')

type Command = fc.AsyncCommand<Model, Real>
const command = (name: string, run: (model: Model, real: Real) => Promise<void>): Command => ({
  check: () => true,
  run,
  toString: () => name,
})

const submitCommand = (type: string, priority: number, delay: number) =>
  command(`submit ${type} priority ${priority} in ${delay}`, async (model, { data, service }) => {
    const waiting = model.jobs.filter((job) => job.status === 'pending' && job.type === type)
    const id = data.newId()
    const runAt = data.serviceTime() + delay
    const input = await data.blobs.stage(Buffer.from(`input of ${type}`))
    const submitting = submitTo(service.jobs, id, {
      type,
      priority,
      delayMs: delay,
      blobs: [input],
    })
    if (waiting.length >= maxQueued) {
      await expect(submitting).rejects.toThrow(isCode('too-many-requests'))
      return
    }
    await submitting
    model.jobs.push({
      ...{ id, type, status: 'pending', priority, runAt, attempt: 0, token: null, cancel: false },
      ...{ hostDeaths: 0, serviceDeaths: 0, finishedAt: 0, startedAt: 0, endedAt: 0, results: 0 },
    })
  })

const claimCommand = (type: string) =>
  command(`claim ${type}`, async (model, real) => {
    const { data, service } = real
    const [expected] = model.jobs
      .filter((job) => job.status === 'pending' && job.type === type)
      .filter((job) => job.runAt <= data.serviceTime())
      // In the order of submits, where they are equal.
      .sort((a, b) => b.priority - a.priority)
    const token = service.newToken()
    const claim = await service.jobs.claim(type, token)
    expect(claim?.id).toBe(expected?.id)
    if (!claim || !expected) return
    const startedAt = data.serviceTime()
    Object.assign(expected, { status: 'running', attempt: expected.attempt + 1, token, startedAt })
    expect(claim.attempt).toBe(expected.attempt)
    real.claims.push(claim)
  })

/** Something that the holder of any claim there ever was says. Counts only if the claim is still good. */
const endCommand = (
  name: string,
  which: number,
  say: (jobs: Jobs, claim: Claim) => Promise<void>,
  expected: (job: ModelJob, now: number) => void,
) =>
  command(`${name} #${which}`, async (model, { data, service, claims }) => {
    const claim = claims[which % claims.length]
    if (!claim) return
    const job = model.jobs.find(({ id, token }) => id === claim.id && token === claim.token)
    const saying = say(service.jobs, claim)
    if (!job) {
      await expect(saying).rejects.toSatisfy(isStaleClaim)
      return
    }
    await saying
    expected(job, data.serviceTime())
    if (job.status !== 'running') job.token = null
    if (!isFinal(job.status)) return
    end(job, data)
    const { started_at, finished_at } = await service.jobs.get(job.id)
    const seconds = (Date.parse(finished_at!) - Date.parse(started_at!)) / 1000
    expect(Math.abs(seconds - (job.endedAt - job.startedAt) / 1000)).toBeLessThan(1)
  })

const end = (job: ModelJob, { now, serviceTime }: Data) =>
  Object.assign(job, { finishedAt: now(), endedAt: serviceTime() })

const back = (job: ModelJob) => {
  job.status = job.cancel ? 'canceled' : 'pending'
}

const commands = [
  fc
    .tuple(fc.constantFrom('train', 'predict'), fc.nat(2), fc.constantFrom(0, 0, 0, 500))
    .map((args) => submitCommand(...args)),
  fc.constantFrom('train', 'predict').map(claimCommand),
  fc.nat(20).map((which) =>
    endCommand(
      'complete',
      which,
      (jobs, claim) => jobs.complete(claim, storeResult(claim)),
      (job) => {
        job.status = 'completed'
        job.results++
      },
    ),
  ),
  fc.nat(20).map((which) =>
    endCommand(
      'fail',
      which,
      (jobs, claim) => jobs.fail(claim, 'Error: own', null),
      (job) => {
        job.status = 'failed'
      },
    ),
  ),
  fc
    .nat(20)
    .map((which) => endCommand('hand back', which, (jobs, claim) => jobs.handBack(claim), back)),
  fc.nat(20).map((which) =>
    endCommand(
      'retry later',
      which,
      (jobs, claim) => jobs.handBack(claim, undefined, 300),
      (job, now) => {
        back(job)
        if (job.status === 'pending') job.runAt = now + 300
      },
    ),
  ),
  fc.nat(20).map((which) =>
    endCommand(
      'host died',
      which,
      (jobs, claim) => jobs.hostDied(claim, 'killed'),
      (job) => {
        if (!job.cancel) job.hostDeaths++
        back(job)
        if (!job.cancel && job.hostDeaths >= maximumHostDeaths) job.status = 'failed'
      },
    ),
  ),
  fc.nat(20).map((which) =>
    endCommand(
      'report',
      which,
      (jobs, claim) => jobs.report(claim, { fraction: 0.5, message: null }, []),
      () => {},
    ),
  ),
  fc.nat(20).map((which) =>
    command(`cancel #${which}`, async (model, { data, service }) => {
      const job = model.jobs[which % model.jobs.length]
      if (!job) return
      const canceling = service.jobs.cancel(job.id)
      if (isFinal(job.status)) return expect(canceling).rejects.toThrow(isCode('conflict'))
      await canceling
      job.cancel = true
      if (job.status === 'pending') end(Object.assign(job, { status: 'canceled' }), data)
    }),
  ),
  fc.nat(20).map((which) =>
    command(`remove #${which}`, async (model, { service, claims }) => {
      const job = model.jobs[which % model.jobs.length]
      if (!job) return
      const holder = claims.find(({ token }) => token === job.token)
      const removing = service.jobs.remove(job.id)
      if (holder) {
        // The removal waits for the run, which has been told to stop by the time it says something.
        for (let said = 0; said < 2; said++) await service.jobs.report(holder, null, [])
        expect(await service.jobs.get(job.id)).toMatchObject({ status: 'running' })
        await service.jobs.handBack(holder)
      }
      await removing
      model.jobs = model.jobs.filter((each) => each !== job)
    }),
  ),
  fc.constant(
    command('restart', async (model, real) => {
      real.service = startOn(real.data, { maxQueued })
      const expected = { resumed: 0, givenUp: 0 }
      for (const job of active(model)) {
        job.token = null
        if (job.cancel) end(Object.assign(job, { status: 'canceled' }), real.data)
        else if (++job.serviceDeaths >= maximumServiceDeaths) {
          expected.givenUp++
          end(Object.assign(job, { status: 'failed' }), real.data)
        } else {
          expected.resumed++
          job.status = 'pending'
        }
      }
      expect(await real.service.jobs.takeOver()).toEqual(expected)
    }),
  ),
  fc.constantFrom(1, 400, 20 * dayMs).map((milliseconds) =>
    command(`${milliseconds} ms pass`, async (_model, { data }) => {
      data.now.advance(milliseconds)
    }),
  ),
  fc.constantFrom(...leaps).map((milliseconds) =>
    command(`the clock is set by ${milliseconds} ms`, async (_model, { data }) => {
      data.now.set(milliseconds)
    }),
  ),
  fc.constant(
    command('sweep', async (model, { data, service }) => {
      const isOld = ({ status, endedAt }: ModelJob) =>
        isFinal(status) && endedAt < data.serviceTime() - 30 * dayMs
      expect(await service.jobs.sweep()).toBe(model.jobs.filter(isOld).length)
      model.jobs = model.jobs.filter((job) => !isOld(job))
    }),
  ),
]

/** A job as those who speak at once should find it. */
interface HeardJob extends ReturnType<typeof fresh> {
  id: string
  type: string
}

const fresh = () => ({
  status: 'pending' as JobStatus,
  attempt: 0,
  token: null as string | null,
  cancel: false,
  hostDeaths: 0,
  progress: null as string | null,
  lines: [] as number[],
})

/** A claim, and the start of the service that it was made on: one that is long gone may still speak. */
type Held = Claim & { jobs: Jobs }

type Said = 'complete' | 'fail' | 'hand back' | 'host died' | 'progress' | 'lines' | 'heartbeat'

const withLine = (claim: Claim, line: LogLine, jobs: Jobs) => (tx: Queries) =>
  jobs.appendReport(tx, claim, { lines: [line], progress: null })

const sayingsOf: Record<Said, (jobs: Jobs, claim: Claim, line: LogLine) => Promise<void>> = {
  complete: (jobs, claim, line) =>
    jobs.complete(claim, async (tx) => {
      await withLine(claim, line, jobs)(tx)
      await storeResult(claim)(tx)
    }),
  fail: (jobs, claim, line) => jobs.fail(claim, 'Error: own', null, withLine(claim, line, jobs)),
  'hand back': (jobs, claim, line) => jobs.handBack(claim, withLine(claim, line, jobs)),
  'host died': (jobs, claim, line) => jobs.hostDied(claim, 'killed', withLine(claim, line, jobs)),
  progress: (jobs, claim, { seq }) => jobs.report(claim, { fraction: null, message: `${seq}` }, []),
  lines: (jobs, claim, line) => jobs.report(claim, null, [line]),
  heartbeat: (jobs, claim) => jobs.report(claim, null, []),
}

const backOrCanceled = (job: HeardJob) =>
  Object.assign(job, {
    status: job.cancel ? 'canceled' : 'pending',
    token: null,
    ...(!job.cancel && { progress: null }),
  })

/** What the holder of a job says. */
function hear(job: HeardJob, what: Said, { seq }: LogLine) {
  if (what === 'heartbeat') return
  if (what === 'progress') {
    job.progress = JSON.stringify({ fraction: null, message: `${seq}` })
    return
  }
  job.lines.push(seq)
  if (what === 'lines') return
  job.token = null
  if (what === 'complete') job.status = 'completed'
  else if (what === 'fail') job.status = 'failed'
  else if (what === 'host died' && !job.cancel && ++job.hostDeaths >= maximumHostDeaths)
    job.status = 'failed'
  else backOrCanceled(job)
}

const round = fc.record({
  claimants: fc.array(fc.constantFrom('train', 'predict'), { maxLength: 3 }),
  sayings: fc.array(
    fc.record({
      what: fc.constantFrom<Said | 'cancel' | 'restart'>(
        ...(Object.keys(sayingsOf) as Said[]),
        'cancel',
        'restart',
      ),
      who: fc.nat(7),
      whose: fc.option(fc.nat(7), { freq: 4 }),
    }),
    { maxLength: 5 },
  ),
})

describe('whatever happens', () => {
  let data: Data
  beforeAll(async () => {
    data = await openData()
  })
  afterAll(() => data.database.close())

  async function clear() {
    await data.database.write(async (tx) => {
      for (const table of ['job', 'job_log', 'blob', 'blob_ref', 'result', 'move'])
        await sql`delete from ${sql.table(table)}`.execute(tx)
    })
  }

  async function expectLegalMoves() {
    const { rows } = await sql<{ origin: JobStatus; target: JobStatus }>`
      select distinct origin, target from move`.execute(data.database.read)
    expect(rows.filter(({ origin, target }) => !canMove(origin, target))).toEqual([])
  }

  async function compare(model: Model) {
    const { database } = data
    const rows = await database.read.selectFrom('job').selectAll().orderBy('id').execute()
    expect(
      rows.map((row) => ({
        ...{ id: row.id, status: row.status, attempt: row.attempt, token: row.token },
        ...{ hostDeaths: row.host_deaths, serviceDeaths: row.service_deaths },
        ...{ cancel: row.cancel_requested === 1, finishedAt: row.finished_at },
        runAt: Date.parse(row.run_at),
      })),
    ).toEqual(
      model.jobs
        .map(({ type, priority, results: _, finishedAt, startedAt, endedAt, ...job }) => ({
          ...job,
          finishedAt: isFinal(job.status) ? toTimestamp(finishedAt) : null,
        }))
        .sort((a, b) => (a.id < b.id ? -1 : 1)),
    )
    await expectLegalMoves()
    for (const job of model.jobs) {
      expect(await results(database, job.id)).toBe(job.results)
      expect(job.results).toBe(job.status === 'completed' ? 1 : 0)
    }
    const kept = await database.read.selectFrom('blob_ref').select('owner').execute()
    expect(kept.map(({ owner }) => owner).sort()).toEqual(
      model.jobs
        .filter(({ status }) => !isFinal(status))
        .map(({ id }) => `job:${id}`)
        .sort(),
    )
  }

  test('every job is in the state it should be in, and ends once with one accepted result', async () => {
    await fc.assert(
      fc.asyncProperty(fc.commands(commands, { maxCommands: 40, size: 'max' }), async (run) => {
        await clear()
        const model: Model = { jobs: [], claims: [] }
        const real: Real = { data, service: startOn(data, { maxQueued }), claims: [] }
        await fc.asyncModelRun(() => ({ model, real }), run)
        await compare(model)

        // Then all that is left is run to its end: none is lost, none runs twice.
        real.service = startOn(data, { maxQueued })
        await real.service.jobs.takeOver()
        data.now.advance(1000)
        for (const type of ['train', 'predict']) {
          for (;;) {
            const claim = await real.service.jobs.claim(type, real.service.newToken())
            if (!claim) break
            await real.service.jobs.complete(claim, storeResult(claim))
          }
        }
        for (const { id, status } of await real.service.jobs.list({}, { kind: 'all' })) {
          expect(isFinal(status)).toBe(true)
          expect(await results(data.database, id)).toBe(status === 'completed' ? 1 : 0)
        }
        await expectLegalMoves()
      }),
      // A removal that waits for ever is told with its history.
      { numRuns: cases(10_000), timeout: 10_000 },
    )
  }, 600_000)

  test('of all who ever held a job only the one who holds it now is heard, however many speak at once', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(round, { minLength: 1, maxLength: 5 }), async (rounds) => {
        await clear()
        let service = startOn(data)
        const held: Held[] = []
        const jobs = await Promise.all(
          ['train', 'predict'].map(async (type) => {
            const { id } = await submitTo(service.jobs, data.newId(), { type })
            return { id, type, ...fresh() }
          }),
        )
        let lines = 0
        for (const { claimants, sayings } of rounds) {
          const claims = await Promise.all(
            claimants.map((type) => service.jobs.claim(type, service.newToken())),
          )
          for (const [index, claim] of claims.entries()) {
            const job = jobs.find(({ type }) => type === claimants[index])
            const isFree = job?.status === 'pending'
            expect(claim?.id).toBe(isFree ? job.id : undefined)
            if (!claim || !job) continue
            Object.assign(job, { status: 'running', attempt: job.attempt + 1, progress: null })
            job.token = claim.token
            expect(claim.attempt).toBe(job.attempt)
            held.push({ ...claim, jobs: service.jobs })
          }

          const expected: boolean[] = []
          const said = sayings.map(({ what, who, whose }) => {
            if (what === 'restart') {
              service = startOn(data)
              for (const job of jobs) if (job.status === 'running') backOrCanceled(job)
              expected.push(true)
              return service.jobs.takeOver()
            }
            const speaker = held[who % held.length]
            if (!speaker) return undefined
            const job = jobs.find(({ id }) => id === speaker.id)!
            if (what === 'cancel') {
              expected.push(!isFinal(job.status))
              const { status } = job
              if (!isFinal(status)) job.cancel = true
              if (status === 'pending') job.status = 'canceled'
              return service.jobs.cancel(job.id)
            }
            // Mostly with the claim that they got; else with another's, as old or as new as it may be.
            const { token, attempt } = held[whose ?? who % held.length] ?? speaker
            const line = { seq: ++lines, time: 'now', stream: 'log', line: what } as const
            const isHeard = job.status === 'running' && job.token === token
            expected.push(isHeard)
            if (isHeard) hear(job, what, line)
            return sayingsOf[what](speaker.jobs, { ...speaker, token, attempt }, line)
          })
          const outcomes = await Promise.allSettled(said.filter((saying) => saying !== undefined))
          expect(outcomes.map(({ status }) => status === 'fulfilled')).toEqual(expected)
          for (const outcome of outcomes)
            if (outcome.status === 'rejected') expect(outcome.reason.code).toBe('conflict')
          await compareHeard(jobs)
        }
      }),
      { numRuns: cases(10_000) },
    )
  }, 600_000)

  /** Nothing of what was refused has left a trace, and all that was heard is there. */
  async function compareHeard(jobs: HeardJob[]) {
    const { read } = data.database
    const rows = await read.selectFrom('job').selectAll().orderBy('id').execute()
    expect(
      rows.map(({ id, type, status, attempt, token, host_deaths, progress }) => ({
        ...{ id, type, status, attempt, token, hostDeaths: host_deaths, progress },
      })),
    ).toEqual(
      jobs.map(({ id, type, status, attempt, token, hostDeaths, progress }) => ({
        ...{ id, type, status, attempt, token, hostDeaths, progress },
      })),
    )
    const kept = await read.selectFrom('job_log').select(['job_id', 'seq']).orderBy('seq').execute()
    expect(kept).toEqual(
      jobs
        .flatMap(({ id, lines }) => lines.map((seq) => ({ job_id: id, seq })))
        .sort((a, b) => a.seq - b.seq),
    )
    const { rows: stored } = await sql<{ job_id: string }>`
      select job_id from result order by job_id`.execute(read)
    expect(stored.map(({ job_id }) => job_id)).toEqual(
      jobs.filter(({ status }) => status === 'completed').map(({ id }) => id),
    )
    await expectLegalMoves()
  }
})

describe('an observer', () => {
  async function observed() {
    const told: Happening[] = []
    const opened = await open({ observe: (happening) => void told.push(happening) })
    return { ...opened, told: () => told.splice(0) }
  }
  const type = 'train'

  test('is told how long a job waited and ran, and how each run ended', async () => {
    const { jobs, submit, claim, now, told } = await observed()
    await submit()
    now.advance(5000)
    const first = await claim()
    now.advance(3000)
    await jobs.hostDied(first, 'gone')
    now.advance(1000)
    const second = await claim()
    now.advance(2000)
    await jobs.complete(second, async () => {})

    expect(told()).toEqual([
      { kind: 'job.submitted', type },
      { kind: 'job.started', type, waitedSeconds: 5 },
      { kind: 'run.ended', type, state: 'pending', seconds: 3 },
      { kind: 'host.died', type },
      { kind: 'job.started', type, waitedSeconds: null },
      { kind: 'run.ended', type, state: 'completed', seconds: 2 },
    ])
  })

  test('is told of nothing that was rolled back', async () => {
    const { jobs, submit, claim, newId, told } = await observed()
    await submit()
    const run = await claim()
    told()
    const refused = jobs.complete(run, () => Promise.reject(new Error('no room')))
    await expect(refused).rejects.toThrow('no room')
    const job = { id: newId(), type, payload: {}, subjectId: null, artifactId: null, blobs: [] }
    const unsubmitted = jobs.submit(job, () => Promise.reject(new Error('no room')))
    await expect(unsubmitted).rejects.toThrow('no room')
    expect(told()).toEqual([])
  })

  test('is told of jobs that end without a run: canceled in the queue, or by a start that takes over', async () => {
    const { jobs, submit, claim, restart, told } = await observed()
    const { id: waiting } = await submit()
    await jobs.cancel(waiting)
    const { id: running } = await submit()
    await claim()
    await jobs.cancel(running)
    told()
    await restart().jobs.takeOver()

    expect(told()).toEqual([{ kind: 'job.dropped', type, state: 'canceled' }])
  })

  test('is told of no negative time when the clock is set back', async () => {
    const { jobs, submit, claim, now, told } = await observed()
    await submit()
    const run = await claim()
    now.set(-60_000)
    await jobs.complete(run, async () => {})
    expect(told().at(-1)).toEqual({ kind: 'run.ended', type, state: 'completed', seconds: 0 })
  })
})
