import { expect, onTestFinished, test } from 'vitest'
import { migrate } from '../db/migrate.ts'
import { openSqlite } from '../db/sqlite.ts'
import { ChapkitError } from '../errors.ts'
import { createIds } from '../kernel/id.ts'
import { fakeClock } from '../testing/clock.ts'
import { createSchedules, type ScheduledTasks } from './schedules.ts'
import type { ScheduleIn } from './schema.ts'

const minute = 60_000
const day = 86_400_000

/** Schedules whose tasks are done by `execute`; jobs end at once. */
async function open(execute: (taskId: string) => void = () => {}) {
  const database = openSqlite(':memory:')
  onTestFinished(() => database.close())
  await migrate(database)
  const serviceTime = fakeClock()
  let ahead = 0
  /** Goes on with the service time, and can be set. */
  const now = Object.assign(() => serviceTime() + ahead, {
    advance: serviceTime.advance,
    set: (instant: string) => {
      ahead = Date.parse(instant) - serviceTime()
    },
  })
  const newId = createIds(now)
  const announced: string[] = []
  const warnings: Record<string, unknown>[] = []
  const errors: unknown[] = []
  const work: ScheduledTasks = {
    async submit(_, { taskId }) {
      execute(taskId)
      return { jobId: newId() }
    },
    announce: ({ jobId }) => void announced.push(jobId),
    isActive: async () => false,
    cancel: async () => {},
    tellCanceled: () => {},
    check: async () => {},
    findDeclared: async () => undefined,
  }
  const schedules = createSchedules({
    ...{ database, spec: new Map(), work, now, serviceTime, newId, retentionMs: 7 * day },
    warn: (fields) => void warnings.push(fields),
    onError: (error) => void errors.push(error),
  })
  const create = (taskId: string, changes: Partial<ScheduleIn> = {}) =>
    schedules.create({
      ...{ name: taskId, task_id: taskId, trigger: { type: 'interval', every: 60 } },
      ...changes,
    })
  return { schedules, create, now, announced, warnings, errors }
}

test('jobs are announced after the commit, and the next slot is told', async () => {
  const { schedules, create, now, announced } = await open()
  const { id } = await create('one')
  expect(await schedules.tick()).toEqual({ next: now() + minute, isWaiting: false })
  now.advance(minute)
  expect(await schedules.tick()).toEqual({ next: now() + minute, isWaiting: false })
  const [run] = await schedules.runs(id, { kind: 'all' })
  expect(announced).toEqual([run?.job_id])
  expect(run).toMatchObject({ scheduled_at: '2026-01-01T00:01:00.000Z', outcome: 'submitted' })
})

test('a schedule that cannot be looked at is told of, and does not hold up the others', async () => {
  let isBroken = true
  const { schedules, create, now, errors, announced } = await open((taskId) => {
    if (taskId === 'broken' && isBroken) throw new Error('disk')
  })
  const broken = await create('broken')
  await create('whole')
  now.advance(minute)
  await schedules.tick()
  expect(errors).toEqual([new Error('disk')])
  expect(announced).toHaveLength(1)
  // Nothing of it was written: the slot is still to be decided.
  isBroken = false
  await schedules.tick()
  expect(await schedules.runs(broken.id, { kind: 'all' })).toMatchObject([{ outcome: 'submitted' }])
})

test('a task that cannot be executed fails its slot with the reason, and one that is gone pauses its schedule', async () => {
  const { schedules, create, now, warnings } = await open((taskId) => {
    throw taskId === 'gone'
      ? new ChapkitError('not-found', 'Task gone not found')
      : new ChapkitError('conflict', 'Cannot execute disabled task')
  })
  const disabled = await create('disabled')
  const gone = await create('gone')
  now.advance(minute)
  await schedules.tick()
  expect(await schedules.runs(disabled.id, { kind: 'all' })).toMatchObject([
    { outcome: 'failed', reason: 'Cannot execute disabled task', job_id: null },
  ])
  expect(await schedules.get(disabled.id)).toMatchObject({ paused: false })
  expect(await schedules.get(gone.id)).toMatchObject({
    ...{ paused: true, paused_reason: 'Task gone not found', next_run_at: null },
  })
  expect(warnings).toMatchObject([
    { event: 'schedule.failed', schedule: disabled.id },
    { event: 'schedule.failed', schedule: gone.id },
  ])
})

test('a long absence is one entry, however many slots it had', async () => {
  const { schedules, create, now, warnings } = await open()
  const every = await create('every', {
    trigger: { type: 'interval', every: 1 },
    misfire: 'skip',
    misfire_grace_seconds: 1,
  })
  const cron = await create('cron', {
    trigger: { type: 'cron', expression: '* * * * *' },
    misfire: 'skip',
    misfire_grace_seconds: 1,
  })
  now.advance(365 * day + 10_500)
  await schedules.tick()
  const [newest, older] = await schedules.runs(every.id, { kind: 'all' })
  expect(older).toMatchObject({ outcome: 'missed', count: 365 * 86_400 + 9, is_more: false })
  expect(newest).toMatchObject({ outcome: 'submitted', scheduled_at: '2027-01-01T00:00:10.000Z' })
  expect(await schedules.runs(cron.id, { kind: 'all' })).toMatchObject([
    { outcome: 'missed', count: 1000, is_more: true, scheduled_at: '2027-01-01T00:00:00.000Z' },
  ])
  expect(warnings).toHaveLength(2)
})

test('what was decided is forgotten with the jobs', async () => {
  const { schedules, create, now } = await open()
  const { id } = await create('one')
  now.advance(minute)
  await schedules.tick()
  now.advance(7 * day)
  await schedules.sweep()
  expect(await schedules.runs(id, { kind: 'all' })).toHaveLength(1)
  // Its job has not been seen to end: looking closes it.
  await schedules.tick()
  now.advance(1)
  await schedules.sweep()
  const kept = await schedules.runs(id, { kind: 'all' })
  expect(kept.map(({ scheduled_at }) => scheduled_at)).not.toContain('2026-01-01T00:01:00.000Z')
  expect(kept.at(-1)).toMatchObject({ outcome: 'missed', count: 7 * 1440 - 3 })
})

test('an interval that nobody anchored goes on when the clock that was ahead is set right', async () => {
  const { schedules, create, now } = await open()
  now.set('2036-01-01T00:00:20Z')
  const free = await create('free')
  const anchored = await create('anchored', {
    trigger: { type: 'interval', every: 60, anchor: '2036-01-01T00:00:20Z' },
  })
  now.advance(minute)
  await schedules.tick()
  now.set('2026-03-01T00:00:00Z')
  await schedules.tick()
  expect(await schedules.get(free.id)).toMatchObject({ next_run_at: '2026-03-01T00:00:20.000Z' })
  // Whoever named an instant wants nothing before it.
  expect(await schedules.get(anchored.id)).toMatchObject({
    next_run_at: '2036-01-01T00:00:20.000Z',
  })
  now.advance(minute)
  await schedules.tick()
  expect(await schedules.runs(free.id, { kind: 'all' })).toContainEqual(
    expect.objectContaining({ outcome: 'submitted', scheduled_at: '2026-03-01T00:00:20.000Z' }),
  )
})

test.each(['once', 'all'] as const)(
  'a clock that is at 1970 for a while brings back no slot from before the schedule, and none that is forgotten (%s)',
  async (misfire) => {
    const { schedules, create, now, announced, warnings } = await open()
    const trigger = { type: 'cron' as const, expression: '0 6 * * *' }
    const { id } = await create('daily', { trigger, misfire })
    for (let days = 0; days < 20; days++) {
      now.advance(day)
      await schedules.tick()
    }
    expect(announced).toHaveLength(20)
    // The first ones are forgotten by now.
    await schedules.sweep()
    expect((await schedules.runs(id, { kind: 'all' })).length).toBeLessThan(10)
    const right = new Date(now()).toISOString()
    now.set('1970-01-01T00:00:00Z')
    await schedules.tick()
    now.advance(minute)
    await schedules.tick()
    now.set(right)
    await schedules.tick()
    expect(announced).toHaveLength(20)
    expect(warnings).toEqual([])
    expect(await schedules.get(id)).toMatchObject({ next_run_at: '2026-01-21T06:00:00.000Z' })
    now.advance(day)
    await schedules.tick()
    expect(announced).toHaveLength(21)
  },
)
