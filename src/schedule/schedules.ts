import type { Along, Database } from '../db/database.ts'
import { inSteps } from '../db/steps.ts'
import type { Queries } from '../db/tables.ts'
import { ChapkitError, validationError } from '../errors.ts'
import { type Clock, toTimestamp } from '../kernel/clock.ts'
import { type Page, type PageRequest, toPage } from '../kernel/page.ts'
import { nextOf } from './cursor.ts'
import { createDeclaredSchedules } from './declared.ts'
import { createScheduleRuns, type Effects, type ScheduledWork } from './runs.ts'
import type { ScheduleIn, ScheduleOut, ScheduleRun } from './schema.ts'
import { completed, toRow, toRunOut, toScheduleOut } from './shape.ts'
import type { ScheduleSpec } from './spec.ts'
import { scheduleRunStore as runStore, type ScheduleRow, scheduleStore as store } from './store.ts'

/** What a schedule needs of tasks and their jobs. */
export interface ScheduledTasks extends ScheduledWork {
  /** Throws 404 for a task that is not there, and 422 for parameters that do not fit it. */
  check(taskId: string, parameters: Record<string, unknown> | null): Promise<void>
  /** The task of this name in the service file. */
  findDeclared(name: string): Promise<string | undefined>
}

export interface SchedulesDeps {
  database: Database
  /** By name, from the service file. */
  spec: ReadonlyMap<string, ScheduleSpec>
  work: ScheduledTasks
  now: Clock
  /** What became of slots is kept by this clock. */
  serviceTime: Clock
  newId: () => string
  retentionMs: number
  warn: (fields: Record<string, unknown>, message: string) => void
  onError: (error: unknown, event: string) => void
  /** Called when the next slot may have become another one. */
  changed?: () => void
}

export type Schedules = ReturnType<typeof createSchedules>

/** Schedules: what may be stored, and that each of their slots yields one job, whatever crashes. */
export function createSchedules(deps: SchedulesDeps) {
  const { database, spec, work, now, serviceTime, newId, retentionMs, warn, onError } = deps
  const { changed } = deps
  const runs = createScheduleRuns({ now, serviceTime, newId, work, warn })

  async function getRow(id: string, db: Queries = database.read): Promise<ScheduleRow> {
    const row = await store.find(db, id)
    if (!row) throw new ChapkitError('not-found', `Schedule ${id} not found`)
    return row
  }

  /** A write of schedules; what it has to tell is told after its commit. */
  async function write<Result>(
    step: (tx: Queries, effects: Effects) => Promise<Result>,
  ): Promise<Result> {
    const effects: Effects = { after: [] }
    const result = await database.write((tx) => step(tx, effects))
    for (const tell of effects.after) tell()
    return result
  }

  /** As `write`, for what may move the next slot. */
  async function change<Result>(step: Parameters<typeof write<Result>>[0]): Promise<Result> {
    const result = await write(step)
    changed?.()
    return result
  }

  async function checkTask({ task_id, parameters }: ScheduleIn): Promise<void> {
    await work.check(task_id, parameters ?? null).catch((error: unknown) => {
      if (!(error instanceof ChapkitError && error.code === 'not-found')) throw error
      throw validationError([
        {
          loc: ['body', 'task_id'],
          msg: `Expected the id of a task, got "${task_id}", which is none; GET the tasks to find it`,
          type: 'unknown_task',
        },
      ])
    })
  }

  /** Changes a schedule. What has come until now is decided by what it was. */
  async function replace(
    tx: Queries,
    known: ScheduleRow,
    input: ScheduleIn,
    effects: Effects,
  ): Promise<ScheduleRow> {
    const settled = await runs.advance(tx, known, effects)
    const at = now()
    const sent = toRow(completed(input, settled), { known: settled, now: at, id: known.id })
    const reason = input.paused === undefined ? settled.paused_reason : null
    const row = { ...sent, paused_reason: reason }
    const isSame = row.timing === settled.timing && row.paused === settled.paused
    const moved = isSame ? row : await runs.skipTo(tx, row, at)
    await store.update(tx, moved)
    return moved
  }

  function assertOwn(row: ScheduleRow, doing: string) {
    if (row.declared === 0 || !spec.has(row.name)) return
    throw new ChapkitError(
      'conflict',
      `The schedule "${row.name}" stands in the service file and cannot be ${doing} over HTTP; change it there, or $pause it`,
    )
  }

  const setPaused = (id: string, isPaused: boolean): Promise<ScheduleOut> =>
    change(async (tx, effects) => {
      const known = await getRow(id, tx)
      const wanted = isPaused ? 1 : 0
      if (known.paused === wanted && known.paused_reason === null) return toScheduleOut(known)
      const settled = await runs.advance(tx, known, effects)
      const at = now()
      const row = {
        ...settled,
        paused: wanted,
        paused_reason: null,
        updated_at: toTimestamp(at),
        next_run_at: null,
      }
      const moved = isPaused ? row : await runs.skipTo(tx, row, at)
      await store.update(tx, moved)
      return toScheduleOut(moved)
    })

  const declared = createDeclaredSchedules({ spec, runs, now, newId })

  return {
    get: async (id: string, db: Queries = database.read): Promise<ScheduleOut> =>
      toScheduleOut(await getRow(id, db)),

    /** Stores a schedule. An id that is there already is a conflict. */
    async create(input: ScheduleIn, along?: Along<ScheduleOut>): Promise<ScheduleOut> {
      toRow(input, { now: now(), id: '' })
      await checkTask(input)
      return change(async (tx) => {
        if (input.id && (await store.find(tx, input.id))) {
          throw new ChapkitError(
            'conflict',
            `Schedule ${input.id} exists already; replace it with PUT, or leave the id out`,
          )
        }
        const at = now()
        const row = await runs.skipTo(tx, toRow(input, { now: at, id: input.id ?? newId() }), at)
        await store.insert(tx, row)
        const schedule = toScheduleOut(row)
        await along?.(tx, schedule)
        return schedule
      })
    },

    /** Replaces a schedule, all but the slots that have been decided. What is left out stays as it is. */
    async update(id: string, input: ScheduleIn): Promise<ScheduleOut> {
      const stored = await getRow(id)
      assertOwn(stored, 'changed')
      const whole = completed(input, stored)
      toRow(whole, { known: stored, now: now(), id })
      await checkTask(whole)
      return change(async (tx, effects) =>
        toScheduleOut(await replace(tx, await getRow(id, tx), input, effects)),
      )
    },

    /** Deletes a schedule and what it knows of its slots. Its jobs stay, those that run as well. */
    async remove(id: string): Promise<void> {
      await change(async (tx) => {
        assertOwn(await getRow(id, tx), 'deleted')
        await store.remove(tx, id)
      })
      // Nobody reads them any more; what a crash leaves of them goes when it is old.
      await inSteps(database, (tx, limit) => runStore.removeOf(tx, id, limit))
    },

    pause: (id: string) => setPaused(id, true),
    /** Goes on with the next slot. Those that came meanwhile were nobody's. */
    resume: (id: string) => setPaused(id, false),

    /** The next slots, also of a schedule that is paused. */
    async next(id: string, count: number): Promise<string[]> {
      const row = await getRow(id)
      const from = row.paused === 1 ? { ...row, decided_until: toTimestamp(now()) } : row
      return (await nextOf(database.read, from, count)).map(toTimestamp)
    },

    /** Executes the task now, whatever else runs; also of a schedule that is paused. */
    async trigger(id: string, along?: Along<ScheduleRun>): Promise<ScheduleRun> {
      const row = await getRow(id)
      await work.check(row.task_id, row.parameters === null ? null : JSON.parse(row.parameters))
      return write(async (tx, effects) => {
        const run = await runs.trigger(tx, await getRow(id, tx), effects)
        const out = toRunOut({ ...run, job_status: 'pending' })
        await along?.(tx, out)
        return out
      })
    },

    async list(page: PageRequest): Promise<ScheduleOut[]> {
      return (await store.list(database.read, page)).map(toScheduleOut)
    },

    async page(page: number, size: number): Promise<Page<ScheduleOut>> {
      const rows = await store.list(database.read, { kind: 'number', page, size })
      return toPage(rows.map(toScheduleOut), await store.count(database.read), page, size)
    },

    count: (): Promise<number> => store.count(database.read),

    /** What became of the slots of a schedule, newest first. */
    async runs(id: string, page: PageRequest): Promise<ScheduleRun[]> {
      await getRow(id)
      return (await runStore.list(database.read, id, page)).map(toRunOut)
    },

    async runsPage(id: string, page: number, size: number): Promise<Page<ScheduleRun>> {
      await getRow(id)
      const rows = await runStore.list(database.read, id, { kind: 'number', page, size })
      return toPage(rows.map(toRunOut), await runStore.count(database.read, id), page, size)
    },

    /** Throws 409 when a schedule executes the task. */
    async assertUnscheduled(tx: Queries, taskId: string): Promise<void> {
      const [first, ...more] = await store.ofTask(tx, taskId, 4)
      if (!first) return
      const names = [first, ...more].map(({ id, name }) => `"${name}" (${id})`).join(', ')
      throw new ChapkitError(
        'conflict',
        `Task ${taskId} is executed by the schedules ${names}${more.length === 3 ? ' and perhaps more' : ''}; delete them first`,
      )
    },

    /** The schedules of the service file: called once at start, before anything is decided. */
    declare: async (): Promise<void> => {
      const tasks = await declared.findTasks((name) => work.findDeclared(name))
      await write((tx, effects) => declared.declare(tx, tasks, effects))
    },

    /**
     * Decides every slot that has come, of each schedule in a write of its own. Answers when to look again, in milliseconds since
     * 1970, and whether slots wait for jobs to end. A schedule that cannot be looked at now does not hold up the others.
     */
    async tick(): Promise<{ next: number | null; isWaiting: boolean }> {
      for (const id of await store.needing(database.read, toTimestamp(now()))) {
        await write(async (tx, effects) => {
          const known = await store.find(tx, id)
          if (known) await store.update(tx, await runs.advance(tx, known, effects))
        }).catch((error: unknown) => onError(error, 'schedule.tick.failed'))
      }
      const { next, isWaiting } = await store.ahead(database.read)
      return { next: next === null ? null : Date.parse(next), isWaiting }
    },

    /** Forgets what became of slots longer ago than jobs are kept. */
    async sweep(): Promise<void> {
      const before = toTimestamp(serviceTime() - retentionMs)
      await inSteps(database, async (tx, limit) => {
        const forgotten = await runStore.forgettable(tx, before, limit)
        await runs.forget(tx, forgotten)
        return forgotten.length
      })
    },
  }
}
