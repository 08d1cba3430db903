import fc from 'fast-check'
import { sql } from 'kysely'
import { expect, onTestFinished, test } from 'vitest'
import { cases } from '../../test/setup/campaign.ts'
import type { Database } from '../db/database.ts'
import { migrate } from '../db/migrate.ts'
import { openSqlite } from '../db/sqlite.ts'
import type { Queries } from '../db/tables.ts'
import { ChapkitError } from '../errors.ts'
import { createIds } from '../kernel/id.ts'
import { dailyAt, everyMinutes, look } from './fixtures/wall-clock.ts'
import { createSchedules, type ScheduledTasks } from './schedules.ts'
import {
  type MisfirePolicy,
  maximumCatchUp,
  maximumQueue,
  misfirePolicies,
  type OverlapPolicy,
  overlapPolicies,
  type RunOutcome,
  type ScheduleIn,
} from './schema.ts'

/*
 * Against a plain model: histories of a schedule on a clock that goes on, jumps and is set back, in a service that is killed
 * before and after it commits. The model knows every slot by itself, from a clock on the wall, and has neither a cursor nor a
 * row that stands for several slots.
 */

/** How many are played. */
const histories = Number(process.env.CLOCK_HISTORIES ?? cases(10_000))

const taskId = '01M82F0C7XQ3J5V9A1B2C3D4E5'
const hour = 3_600_000
const day = 24 * hour
const begin = Date.parse('2026-03-26T10:20:30Z')
const end = begin + 9 * day
/** The clock may be set back as far. */
const earliest = begin - day

interface World {
  trigger: ScheduleIn['trigger']
  /** Every slot between `earliest` and `end`. */
  slots: number[]
  /** A usual step of the clock. */
  step: number
}

const steps = (every: number, from: number) =>
  Array.from({ length: Math.floor((end - from) / every) + 1 }, (_, index) => from + index * every)

const worlds: World[] = [
  {
    trigger: { type: 'interval', every: 1800, anchor: new Date(begin + hour).toISOString() },
    slots: steps(1800_000, begin + hour),
    step: 1800_000,
  },
  {
    trigger: { type: 'interval', every: 'PT5H', anchor: new Date(begin - 2 * hour).toISOString() },
    slots: steps(5 * hour, begin - 2 * hour),
    step: 5 * hour,
  },
  {
    trigger: { type: 'once', at: new Date(begin + day).toISOString() },
    slots: [begin + day],
    step: 5 * hour,
  },
  // The clocks of Oslo change on 29 March 2026, those of Lord Howe on 5 April.
  {
    trigger: { type: 'cron', expression: '30 2 * * *', zone: 'Europe/Oslo' },
    slots: dailyAt(look('Europe/Oslo', earliest - day, end), 150),
    step: 8 * hour,
  },
  {
    trigger: { type: 'cron', expression: '*/45 * * * *', zone: 'Europe/Oslo' },
    slots: everyMinutes('Europe/Oslo', 1, earliest - day, end).filter(
      // All of these zones have offsets of whole hours.
      (slot) => [0, 45].includes(new Date(slot).getUTCMinutes()),
    ),
    step: hour,
  },
  {
    trigger: { type: 'cron', expression: '45 1 * * *', zone: 'Australia/Lord_Howe' },
    slots: dailyAt(look('Australia/Lord_Howe', earliest - day, end), 105),
    step: 8 * hour,
  },
]

type Crash = 'none' | 'before commit' | 'after commit'
const crash = fc.constantFrom<Crash>(
  'none',
  'none',
  'none',
  'none',
  'before commit',
  'after commit',
)
const policies = fc.record({
  misfire: fc.constantFrom(...misfirePolicies),
  overlap: fc.constantFrom(...overlapPolicies),
  /** In usual steps of the clock. */
  grace: fc.constantFrom(0, 0.01, 1, 4, 1000),
})

const action = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('advance' as const),
      by: fc.constantFrom(0.001, 0.5, 1, 1.3, 3),
      isSeen: fc.boolean(),
      crash,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('jump' as const),
      by: fc.oneof(fc.integer({ min: -12, max: 12 }), fc.constantFrom(130, -130, 60)),
      isSeen: fc.boolean(),
      crash,
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom('start' as const, 'finish' as const),
      which: fc.nat(5),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom('pause' as const, 'resume' as const, 'trigger' as const),
      crash,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('policies' as const), policies, crash }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('task' as const),
      state: fc.constantFrom<TaskState>('fine', 'fine', 'disabled', 'full'),
    }),
  },
)
type TaskState = 'fine' | 'disabled' | 'full'
interface Policies {
  misfire: MisfirePolicy
  overlap: OverlapPolicy
  grace: number
}

interface ModelJob {
  state: 'pending' | 'running' | 'canceling' | 'ended' | 'canceled'
}
const isActive = ({ state }: ModelJob) => !['ended', 'canceled'].includes(state)

/** The whole truth about a schedule, slot by slot. */
function createModel(world: World, first: Policies, isPaused: boolean) {
  const outcomes = new Map<number, RunOutcome>()
  const jobs: ModelJob[] = []
  const queue: number[] = []
  let policies = first
  let horizon = begin
  /** Slots up to here came before the schedule: late ones are passed over. */
  let knownFrom = begin
  const passedOver = new Set<number>()
  let paused = isPaused

  function observe(now: number, task: TaskState) {
    if (paused) return
    // What is in the future has not been missed yet, and is its own.
    horizon = Math.min(horizon, now)
    for (const [slot, outcome] of outcomes) {
      if (outcome === 'missed' && slot > now) outcomes.delete(slot)
    }
    const isLate = (slot: number) => now - slot > policies.grace * world.step
    for (const slot of passedOver) if (slot > now) passedOver.delete(slot)
    const came = world.slots.filter((slot) => slot > horizon && slot <= now && !outcomes.has(slot))
    for (const slot of came) if (slot <= knownFrom && isLate(slot)) passedOver.add(slot)
    const due = came.filter((slot) => !passedOver.has(slot))
    const newestLate = due.filter(isLate).at(-1)
    const wanted = due.filter(
      (slot) =>
        !isLate(slot) ||
        policies.misfire === 'all' ||
        (policies.misfire === 'once' && slot === newestLate),
    )
    const run = wanted.slice(-maximumCatchUp)
    for (const slot of due) if (!run.includes(slot)) outcomes.set(slot, 'missed')
    let others = jobs.filter(isActive)
    const add = () => {
      if (task !== 'fine') return task
      const job: ModelJob = { state: 'pending' }
      jobs.push(job)
      others.push(job)
      return job
    }
    let isStuck = false
    for (const slot of run) {
      const isBusy = others.length + queue.length > 0
      if (isBusy && policies.overlap === 'skip') outcomes.set(slot, 'skipped')
      else if (isBusy && policies.overlap === 'queue') {
        const isLong = queue.length >= maximumQueue
        outcomes.set(slot, isLong ? 'skipped' : 'queued')
        if (!isLong) queue.push(slot)
      } else {
        const before = others
        others = []
        const added = add()
        if (typeof added === 'string') others = before
        else {
          for (const job of before) job.state = job.state === 'pending' ? 'canceled' : 'canceling'
        }
        isStuck = added === 'full'
        if (isStuck) break
        outcomes.set(slot, added === 'disabled' ? 'failed' : 'submitted')
      }
    }
    while (!isStuck && others.length === 0 && queue.length > 0) {
      const added = add()
      if (added === 'full') break
      outcomes.set(queue.shift() as number, added === 'disabled' ? 'failed' : 'submitted')
    }
  }

  return {
    outcomes,
    jobs,
    isPaused: () => paused,
    observe,
    pause(now: number, task: TaskState) {
      observe(now, task)
      paused = true
    },
    resume(now: number) {
      if (!paused) return
      paused = false
      for (const [slot, outcome] of outcomes) {
        if (outcome === 'missed' && slot > now) outcomes.delete(slot)
      }
      // Those still come, and then they come behind the schedule.
      for (const slot of passedOver) if (slot > now) passedOver.delete(slot)
      horizon = now
      knownFrom = now
    },
    change(now: number, task: TaskState, next: Policies) {
      observe(now, task)
      policies = next
    },
    trigger: () => void jobs.push({ state: 'pending' }),
  }
}

/** Tasks whose jobs are rows of the same database: what is not committed never was. */
function createTasks(taskState: () => TaskState, newId: () => string): ScheduledTasks {
  const state = async (db: Queries, id: string) => {
    const { rows } = await sql<{
      state: ModelJob['state']
    }>`select state from made where id = ${id}`.execute(db)
    return rows[0]?.state ?? 'ended'
  }
  return {
    async submit(tx) {
      if (taskState() === 'full') throw new ChapkitError('too-many-requests', 'full')
      if (taskState() === 'disabled') throw new ChapkitError('conflict', 'disabled')
      const jobId = newId()
      await sql`insert into made values (${jobId}, 'pending')`.execute(tx)
      return { jobId }
    },
    announce: () => {},
    isActive: async (tx, id) => isActive({ state: await state(tx, id) }),
    async cancel(tx, id) {
      const next = (await state(tx, id)) === 'pending' ? 'canceled' : 'canceling'
      await sql`update made set state = ${next} where id = ${id}`.execute(tx)
    },
    tellCanceled: () => {},
    check: async () => {},
    findDeclared: async () => undefined,
  }
}

/** A database whose process is killed: its write is not there, or is there and nobody hears of it; then nothing more happens. */
function mortal(database: Database) {
  let next: Crash = 'none'
  let isDead = false
  const write: Database['write'] = async (step, options) => {
    if (isDead) throw new Error('dead')
    const how = next
    next = 'none'
    if (how === 'none') return database.write(step, options)
    isDead = true
    await database
      .write(async (tx) => {
        const result = await step(tx)
        if (how === 'before commit') throw new Error('killed')
        return result
      }, options)
      .catch(() => {})
    throw new Error('killed')
  }
  return {
    database: { ...database, read: database.read, write },
    kill(how: Crash) {
      next = how
    },
    isDead: () => isDead,
    restart() {
      isDead = false
      next = 'none'
    },
  }
}

async function open() {
  const database = openSqlite(':memory:')
  onTestFinished(() => database.close())
  await migrate(database)
  await database.migrate(
    async (db) => void (await sql`create table made (id text primary key, state text)`.execute(db)),
  )
  return database
}

test('however the clock jumps and the service dies, every slot becomes what its policies say, once', async () => {
  const database = await open()
  const process = mortal(database)

  await fc.assert(
    fc.asyncProperty(
      fc.nat(worlds.length - 1),
      policies,
      fc.boolean(),
      fc.array(action, { minLength: 5, maxLength: 25, size: 'max' }),
      async (place, first, isPaused, actions) => {
        const world = worlds[place] as World
        await database.write(async (tx) => {
          for (const table of ['schedule', 'schedule_run', 'made'])
            await sql`delete from ${sql.table(table)}`.execute(tx)
        })
        process.restart()
        let at = begin
        let task: TaskState = 'fine'
        const now = () => at
        const serviceTime = () => begin
        const newId = createIds(now)
        const tasks = createTasks(() => task, newId)
        const errors: unknown[] = []
        const start = () =>
          createSchedules({
            ...{
              database: process.database,
              spec: new Map(),
              work: tasks,
              now,
              serviceTime,
              newId,
            },
            retentionMs: 365 * day,
            warn: () => {},
            onError: (error) => void errors.push(error),
          })
        let schedules = start()
        const toInput = ({ misfire, overlap, grace }: Policies): ScheduleIn => ({
          ...{ name: 'it', task_id: taskId, trigger: world.trigger, misfire, overlap },
          misfire_grace_seconds: Math.floor((grace * world.step) / 1000),
        })
        const { id } = await schedules.create({ ...toInput(first), paused: isPaused })
        const model = createModel(world, first, isPaused)

        /** Does something to both, unless the process is killed before it has been committed. */
        async function both(how: Crash, real: () => Promise<unknown>, told: () => void) {
          process.kill(how)
          await real().catch((error: Error) => {
            if (!process.isDead()) throw error
          })
          // Where nothing was to be written, nothing was killed.
          const isLost = process.isDead() && how === 'before commit'
          if (!isLost) told()
          if (!process.isDead()) process.kill('none')
          else {
            errors.length = 0
            process.restart()
            schedules = start()
          }
        }
        const see = (how: Crash) =>
          both(
            how,
            () => schedules.tick(),
            () => model.observe(at, task),
          )

        for (const each of actions) {
          if (each.do === 'advance' || each.do === 'jump') {
            const by = Math.round(each.by * world.step)
            at = Math.min(end, Math.max(earliest, at + by))
            if (each.isSeen) await see(each.crash)
          } else if (each.do === 'restart') {
            schedules = start()
            await see('none')
          } else if (each.do === 'task') task = each.state
          else if (each.do === 'start' || each.do === 'finish') {
            const states = await jobStates(database.read)
            const able = states.filter(
              ({ state }) => isActive({ state }) && (each.do === 'finish' || state === 'pending'),
            )
            const chosen = able[each.which % Math.max(1, able.length)]
            if (!chosen) continue
            const state =
              each.do === 'start' ? 'running' : chosen.state === 'canceling' ? 'canceled' : 'ended'
            await database.write(
              async (tx) =>
                void (await sql`update made set state = ${state} where id = ${chosen.id}`.execute(
                  tx,
                )),
            )
            ;(model.jobs[states.indexOf(chosen)] as ModelJob).state = state
          } else if (each.do === 'pause') {
            await both(
              each.crash,
              () => schedules.pause(id),
              () => model.pause(at, task),
            )
          } else if (each.do === 'resume') {
            await both(
              each.crash,
              () => schedules.resume(id),
              () => model.resume(at),
            )
          } else if (each.do === 'trigger') {
            if (task === 'fine') await both(each.crash, () => schedules.trigger(id), model.trigger)
          } else if (each.do === 'policies') {
            const { policies: next } = each
            await both(
              each.crash,
              () => schedules.update(id, { ...toInput(next), paused: model.isPaused() }),
              () => model.change(at, task, next),
            )
          }
          expect(errors).toEqual([])
        }
        await see('none')

        const states = await jobStates(database.read)
        expect(states.map(({ state }) => state)).toEqual(model.jobs.map(({ state }) => state))
        expect(await outcomesOf(database.read, world)).toEqual(
          new Map([...model.outcomes].sort(([a], [b]) => a - b)),
        )
      },
    ),
    { numRuns: histories },
  )
}, 900_000)

/** In the order in which they were submitted. */
async function jobStates(db: Queries) {
  const { rows } = await sql<{
    id: string
    state: ModelJob['state']
  }>`select id, state from made order by rowid`.execute(db)
  return rows
}

/** What became of every slot, those that a row counts spelled out. */
async function outcomesOf(db: Queries, { slots }: World): Promise<Map<number, RunOutcome>> {
  const rows = await db
    .selectFrom('schedule_run')
    .selectAll()
    .where('slot', 'is not', null)
    .execute()
  const found = new Map<number, RunOutcome>()
  for (const { slot, outcome, job_id } of rows) {
    if (outcome === 'missed') continue
    expect(job_id !== null).toBe(outcome === 'submitted')
    expect(found.has(Date.parse(slot as string))).toBe(false)
    found.set(Date.parse(slot as string), outcome)
  }
  const own = new Set(found.keys())
  for (const { slot, first_slot, outcome, count } of rows) {
    if (outcome !== 'missed') continue
    const last = Date.parse(slot as string)
    const first = first_slot === null ? last : Date.parse(first_slot)
    const missed = slots.filter((each) => each >= first && each <= last && !own.has(each))
    expect(count).toBe(missed.length)
    for (const each of missed) {
      expect(found.has(each)).toBe(false)
      found.set(each, 'missed')
    }
  }
  return new Map([...found].sort(([a], [b]) => a - b))
}
