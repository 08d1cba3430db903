import type { Queries } from '../db/tables.ts'
import { ChapkitError } from '../errors.ts'
import { type Clock, toTimestamp } from '../kernel/clock.ts'
import { decidedSlots, rewind, slotsOf, withNext } from './cursor.ts'
import { decideDue, type Missed } from './due.ts'
import { maximumCatchUp, maximumQueue } from './schema.ts'
import {
  type ForgottenRun,
  scheduleRunStore as runStore,
  type ScheduleRow,
  type ScheduleRunRow,
  scheduleStore as store,
} from './store.ts'

/** The jobs that slots become. What is written in a transaction is told after its commit. */
export interface ScheduledWork<
  Submitted extends { jobId: string } = { jobId: string },
  Canceled = unknown,
> {
  /** Throws a `ChapkitError`, before anything is written, for a task that cannot be executed. */
  submit(
    tx: Queries,
    task: { taskId: string; parameters: Record<string, unknown> | null },
  ): Promise<Submitted>
  announce(submitted: Submitted): void
  isActive(tx: Queries, jobId: string): Promise<boolean>
  cancel(tx: Queries, jobId: string): Promise<Canceled>
  tellCanceled(canceled: Canceled): void
}

/** What has to be told after the commit of a write. */
export interface Effects {
  after: (() => void)[]
}

export interface RunsDeps {
  now: Clock
  serviceTime: Clock
  newId: () => string
  work: ScheduledWork
  warn: (fields: Record<string, unknown>, message: string) => void
}

export type ScheduleRuns = ReturnType<typeof createScheduleRuns>

/** How slots become jobs. Every step is part of the write of its caller: slot, job and cursor are committed together. */
export function createScheduleRuns({ now, serviceTime, newId, work, warn }: RunsDeps) {
  const toRun = (row: ScheduleRow, slot: number | null, of: Partial<ScheduleRunRow>) => ({
    id: newId(),
    schedule_id: row.id,
    slot: slot === null ? null : toTimestamp(slot),
    first_slot: null,
    outcome: 'submitted' as const,
    count: 1,
    is_more: 0,
    is_open: 0,
    job_id: null,
    reason: null,
    decided_at: toTimestamp(now()),
    kept_since: toTimestamp(serviceTime()),
    ...of,
  })

  async function recordMissed(
    tx: Queries,
    row: ScheduleRow,
    missed: Missed,
    { after }: Effects,
  ): Promise<void> {
    const { first, last, count, isMore } = missed
    await runStore.insert(
      tx,
      toRun(row, last, {
        outcome: 'missed',
        first_slot: count === 1 ? null : toTimestamp(first),
        count,
        is_more: isMore ? 1 : 0,
        reason: `later than the ${row.misfire_grace_seconds} s that a slot may be late`,
      }),
    )
    after.push(() =>
      warn(
        { event: 'schedule.missed', schedule: row.id, count, is_more: isMore },
        `slots of the schedule "${row.name}" were missed`,
      ),
    )
  }

  /** The runs of a schedule that have not ended; those whose jobs have are closed. */
  async function openRuns(tx: Queries, row: ScheduleRow) {
    const active: string[] = []
    const queued: ScheduleRunRow[] = []
    for (const run of await runStore.open(tx, row.id)) {
      if (run.job_id === null) queued.push(run)
      else if (await work.isActive(tx, run.job_id)) active.push(run.job_id)
      else await runStore.update(tx, run.id, { is_open: 0 })
    }
    return { active, queued }
  }

  type Attempt = { jobId: string } | { failed: string; isGone: boolean } | 'later'

  async function submit(tx: Queries, row: ScheduleRow, { after }: Effects): Promise<Attempt> {
    const parameters = row.parameters === null ? null : JSON.parse(row.parameters)
    try {
      const submitted = await work.submit(tx, { taskId: row.task_id, parameters })
      after.push(() => work.announce(submitted))
      return { jobId: submitted.jobId }
    } catch (error) {
      if (!(error instanceof ChapkitError)) throw error
      // No place among the jobs that wait: the slot is not decided, and the next look tries again.
      if (error.code === 'too-many-requests') return 'later'
      if (error.status >= 500) throw error
      after.push(() =>
        warn(
          { event: 'schedule.failed', schedule: row.id, task: row.task_id, reason: error.message },
          `the schedule "${row.name}" could not execute its task`,
        ),
      )
      return { failed: error.message, isGone: error.code === 'not-found' }
    }
  }

  const submitted = (row: ScheduleRow, jobId: string, last_run_at: string): ScheduleRow => ({
    ...row,
    last_run_at,
    last_job_id: jobId,
  })

  /** Without its task a schedule fails for ever: it stops, and says why. */
  const failed = (row: ScheduleRow, { failed, isGone }: { failed: string; isGone: boolean }) =>
    isGone ? { ...row, paused: 1, paused_reason: failed } : row

  /** Decides every slot that has come, and lets those go on that waited. The row is returned as it is then, and not written. */
  async function advance(tx: Queries, known: ScheduleRow, effects: Effects): Promise<ScheduleRow> {
    if (known.paused === 1) return known
    const at = now()
    const decided_at = toTimestamp(at)
    let row = at < Date.parse(known.decided_until) ? await rewind(tx, known, at) : known
    const slots = slotsOf(row)
    const cursor = Date.parse(row.decided_until)
    const due = decideDue({
      ...{ slots, cursor, now: at, misfire: row.misfire, limit: maximumCatchUp },
      graceMs: row.misfire_grace_seconds * 1000,
      knownFrom: Date.parse(row.known_from),
      decided: await decidedSlots(tx, row.id, cursor, at),
    })
    const { active, queued } = await openRuns(tx, row)
    if (due.missed) await recordMissed(tx, row, due.missed, effects)

    /** False when the slot could not be decided. */
    async function take(slot: number): Promise<boolean> {
      const record = (of: Partial<ScheduleRunRow>) =>
        runStore.insert(tx, toRun(row, slot, { decided_at, ...of }))
      const isBusy = active.length + queued.length > 0
      if (isBusy && row.overlap === 'skip') {
        const reason = `the job ${active[0] ?? 'of an earlier slot'} has not ended`
        await record({ outcome: 'skipped', reason })
        return true
      }
      if (isBusy && row.overlap === 'queue') {
        if (queued.length >= maximumQueue) {
          const reason = `${maximumQueue} earlier slots wait for their turn already`
          await record({ outcome: 'skipped', reason })
        } else {
          const run = toRun(row, slot, { outcome: 'queued', is_open: 1, decided_at })
          await runStore.insert(tx, run)
          queued.push(run)
        }
        return true
      }
      const attempt = await submit(tx, row, effects)
      if (attempt === 'later') return false
      if ('failed' in attempt) {
        await record({ outcome: 'failed', reason: attempt.failed })
        row = failed(row, attempt)
        return true
      }
      // The new one first: where it cannot be submitted, the old one goes on.
      for (const jobId of active.splice(0)) {
        const canceled = await work.cancel(tx, jobId)
        effects.after.push(() => work.tellCanceled(canceled))
      }
      active.push(attempt.jobId)
      await record({ job_id: attempt.jobId, is_open: 1 })
      row = submitted(row, attempt.jobId, decided_at)
      return true
    }

    let reached = due.missed?.last ?? cursor
    let isDone = true
    for (const slot of due.run) {
      isDone = await take(slot)
      if (!isDone) break
      reached = slot
      isDone = row.paused === 0
      if (!isDone) break
    }
    row = { ...row, decided_until: toTimestamp(isDone ? due.cursor : reached) }

    while (isDone && active.length === 0 && row.paused === 0) {
      const run = queued.shift()
      if (!run) break
      const attempt = await submit(tx, row, effects)
      if (attempt === 'later') break
      if ('failed' in attempt) {
        const { failed: reason } = attempt
        await runStore.update(tx, run.id, { outcome: 'failed', reason, is_open: 0, decided_at })
        row = failed(row, attempt)
        continue
      }
      active.push(attempt.jobId)
      const changes = { outcome: 'submitted' as const, job_id: attempt.jobId, decided_at }
      await runStore.update(tx, run.id, changes)
      row = submitted(row, attempt.jobId, decided_at)
    }
    return withNext(tx, row)
  }

  return {
    advance,

    /** Slots that came while it was paused are not its own. */
    skipTo: async (tx: Queries, row: ScheduleRow, at: number): Promise<ScheduleRow> =>
      withNext(tx, {
        ...(await rewind(tx, row, at)),
        decided_until: toTimestamp(at),
        known_from: toTimestamp(at),
      }),

    /** Forgets what became of slots. Those of an instant like theirs, if it ever comes again, are not caught up. */
    async forget(tx: Queries, forgotten: readonly ForgottenRun[]): Promise<void> {
      const newest = new Map<string, string>()
      for (const { schedule_id: id, slot } of forgotten)
        if (slot !== null && slot > (newest.get(id) ?? '')) newest.set(id, slot)
      for (const [id, slot] of newest) await store.raiseKnownFrom(tx, id, slot)
      if (forgotten.length > 0)
        await runStore.removeAll(
          tx,
          forgotten.map(({ id }) => id),
        )
    },

    /** Executes the task now, whatever else runs. Throws as the task does. */
    async trigger(tx: Queries, row: ScheduleRow, { after }: Effects): Promise<ScheduleRunRow> {
      const parameters = row.parameters === null ? null : JSON.parse(row.parameters)
      const made = await work.submit(tx, { taskId: row.task_id, parameters })
      after.push(() => work.announce(made))
      const run = toRun(row, null, { job_id: made.jobId, is_open: 1 })
      await runStore.insert(tx, run)
      await store.update(tx, submitted(row, made.jobId, run.decided_at))
      return run
    },
  }
}
