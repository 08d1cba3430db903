import type { Blobs, StagedBlob } from '../blob/blobs.ts'
import type { Along, Database } from '../db/database.ts'
import type { Queries } from '../db/tables.ts'
import type { Engine } from '../engine/engine.ts'
import { ChapkitError } from '../errors.ts'
import { type Clock, toTimestamp } from '../kernel/clock.ts'
import type { Json } from '../kernel/json.ts'
import type { Happening, Observe, RunEnd } from '../kernel/observe.ts'
import { type Page, type PageRequest, toPage } from '../kernel/page.ts'
import { createQueuePace } from './pace.ts'
import { isFinal, type JobProgress, type JobRecord, type LogLine } from './schema.ts'
import {
  type JobCount,
  type JobFilter,
  type JobRecordRow,
  type JobRow,
  recordColumns,
  jobStore as store,
} from './store.ts'
import { createJobWatch } from './watch.ts'

/** A job that keeps killing its host is given up after so many deaths. */
export const maximumHostDeaths = 3
/** Deaths of the whole service under a running job: more generous, but no job holds a service in a crash loop. */
export const maximumServiceDeaths = 20

/** How far a clock has to be set to be noticed, in milliseconds. */
const noticedMs = 1000

/** Rows that one commit removes at most. */
const rowsPerCommit = 500

export interface JobsDeps {
  database: Database
  blobs: Blobs
  engine: Engine
  now: Clock
  /** What is due in so long, or kept for so long, is measured by this clock: nobody sets it. */
  serviceTime: Clock
  newId: () => string
  /** This start of the service. */
  boot: string
  retentionMs: number
  /** Pending jobs of one type beyond which a submit is refused. */
  maxQueued: number
  observe?: Observe | undefined
}

export interface NewJob {
  id: string
  type: string
  payload: Json
  /** What the job works on; it cannot be deleted meanwhile. */
  subjectId: string | null
  artifactId: string | null
  /** Inputs to keep for the job. */
  blobs: StagedBlob[]
  /** How long it waits at least, in milliseconds. @default 0 */
  delayMs?: number
  priority?: number
}

/** The right to run a job once. Its token goes with every write of that run. */
export interface Claim {
  id: string
  type: string
  token: string
  attempt: number
  /** Earlier runs that failed and were to be tried again. */
  failures: number
  payload: Json
  artifactId: string | null
  /** The last line of the log that earlier runs wrote. */
  lastSeq: number
  /** When it was claimed, in service time. */
  since: number
}

export type Jobs = ReturnType<typeof createJobs>

/** Durable jobs: rows that outlive the process, and the rules by which they are run, exactly one result each. */
export function createJobs(deps: JobsDeps) {
  const { database, blobs, engine, now, serviceTime, newId, boot, retentionMs, maxQueued } = deps
  const { observe } = deps
  const watch = createJobWatch()
  const pace = createQueuePace(serviceTime)
  // Told at once when a running job is to stop; the flag in its row is what lasts.
  const running = new Map<string, AbortController>()

  async function find(id: string): Promise<JobRecord | undefined> {
    const row = await store.findRecord(database.read, id)
    return row && toRecord(row)
  }

  async function getRecord(id: string): Promise<JobRecord> {
    const row = await store.findRecord(database.read, id)
    if (!row) throw notFound()
    return toRecord(row)
  }

  function detach(id: string, controller: AbortController): void {
    if (running.get(id) === controller) running.delete(id)
  }

  /** Ends the run of the holder of a claim. Refused when another run has taken the job over. */
  async function settle(
    claim: Claim,
    decide: (row: JobRow) => Partial<JobRow>,
    along?: (tx: Queries) => Promise<void>,
  ) {
    const ranMs = serviceTime() - claim.since
    const changes = await database.write(async (tx) => {
      const row = await store.find(tx, claim.id)
      const decided = row && corrected(row, decide(row), ranMs)
      if (!decided || !(await store.updateClaimed(tx, claim, decided))) throw staleClaim(claim)
      await along?.(tx)
      if (decided.status !== 'pending') await blobs.release(tx, `job:${claim.id}`)
      return decided
    })
    watch.changed(claim.id)
    observe?.({
      kind: 'run.ended',
      type: claim.type,
      state: changes.status as RunEnd,
      seconds: ranMs / 1000,
    })
    if (changes.status === 'pending') {
      const { run_at } = changes
      engine.notify({
        jobId: claim.id,
        type: claim.type,
        ...(run_at !== undefined && { runAt: Date.parse(run_at) }),
      })
    }
  }

  /** Back to the queue, to run again from the start; but a job that is to be canceled has ended with its run. */
  const again = (row: JobRow, changes: Partial<JobRow> = {}): Partial<JobRow> =>
    row.cancel_requested === 1
      ? finished('canceled')
      : {
          status: 'pending',
          token: null,
          boot: null,
          started_at: null,
          progress: null,
          ...changes,
        }

  const finished = (status: 'completed' | 'failed' | 'canceled'): Partial<JobRow> => ({
    status,
    token: null,
    finished_at: toTimestamp(now()),
    kept_since: toTimestamp(serviceTime()),
  })

  /** A clock that was set during a run is right now, if ever: the start is told by it, too. */
  function corrected(row: JobRow, changes: Partial<JobRow>, ranMs: number): Partial<JobRow> {
    const { finished_at } = changes
    if (typeof finished_at !== 'string' || row.started_at === null) return changes
    const began = Date.parse(finished_at) - ranMs
    if (Math.abs(began - Date.parse(row.started_at)) < noticedMs) return changes
    return { ...changes, started_at: toTimestamp(began) }
  }

  /** Cancels a job as part of a larger write, after whose commit it has to be told of. Throws 404, and 409 for one that has ended. */
  async function cancelIn(tx: Queries, id: string): Promise<JobRecord> {
    const row = await store.find(tx, id)
    if (!row) throw notFound()
    if (isFinal(row.status)) {
      throw new ChapkitError(
        'conflict',
        `Job ${id} is ${row.status} already; only a pending or running job can be canceled`,
      )
    }
    const changes: Partial<JobRow> = {
      cancel_requested: 1,
      ...(row.status === 'pending' && finished('canceled')),
    }
    await store.update(tx, id, changes)
    if (row.status === 'pending') await blobs.release(tx, `job:${id}`)
    return toRecord({ ...row, ...changes })
  }

  /** Says that the cancel of a job has been committed: its run is stopped. */
  function tellCanceled({ id, type, status }: JobRecord): void {
    if (status === 'canceled') observe?.({ kind: 'job.dropped', type, state: 'canceled' })
    running.get(id)?.abort(new Error('canceled'))
    watch.changed(id)
  }

  async function cancel(id: string): Promise<JobRecord> {
    const record = await database.write((tx) => cancelIn(tx, id))
    tellCanceled(record)
    return record
  }

  /** Throws 429 when as many jobs of a type are pending as may be. */
  async function assertRoom(db: Queries, type: string): Promise<void> {
    if ((await store.count(db, { type, status: 'pending' })) < maxQueued) return
    throw new ChapkitError(
      'too-many-requests',
      `There are ${maxQueued} ${type} jobs waiting already; try again later`,
      { headers: { 'retry-after': String(pace.secondsToNext(type)) } },
    )
  }

  /** Stores a job as part of a larger write, after whose commit it has to be announced. */
  async function add(tx: Queries, job: NewJob): Promise<JobRecord> {
    await assertRoom(tx, job.type)
    const row: JobRow = {
      id: job.id,
      type: job.type,
      status: 'pending',
      payload: JSON.stringify(job.payload),
      subject_id: job.subjectId,
      artifact_id: job.artifactId,
      attempt: 0,
      token: null,
      boot: null,
      host_deaths: 0,
      service_deaths: 0,
      failures: 0,
      cancel_requested: 0,
      progress: null,
      error: null,
      error_traceback: null,
      priority: job.priority ?? 0,
      run_at: toTimestamp(serviceTime() + (job.delayMs ?? 0)),
      submitted_at: toTimestamp(now()),
      started_at: null,
      finished_at: null,
      kept_since: null,
    }
    await blobs.keep(tx, `job:${job.id}`, job.blobs)
    await store.insert(tx, row)
    return toRecord(row)
  }

  /** Says that a job has been committed: it runs when its time has come. */
  function announce({ id, type, delayMs }: Pick<NewJob, 'id' | 'type' | 'delayMs'>): void {
    observe?.({ kind: 'job.submitted', type })
    const runAt = delayMs === undefined ? undefined : serviceTime() + delayMs
    engine.notify({ jobId: id, type, ...(runAt !== undefined && { runAt }) })
  }

  /** The record whenever it changes and at least every `intervalMs`; undefined once it is gone. Ends after a final one. */
  async function* changes(
    id: string,
    intervalMs: number,
    signal: AbortSignal,
  ): AsyncGenerator<JobRecord | undefined> {
    while (!signal.aborted) {
      // Listening begins before the look: a change in between is not missed.
      const { changed, stop } = watch.listen(id, intervalMs, signal)
      try {
        const row = await store.findRecord(database.read, id)
        yield row && toRecord(row)
        if (!row || isFinal(row.status)) return
        await changed
      } finally {
        stop()
      }
    }
  }

  /** Removes jobs that have ended, in commits of bounded size: the lines of their logs first, which may be many. */
  async function forget(ids: readonly string[]): Promise<void> {
    for (let at = 0; at < ids.length; ) {
      at = await database.write(async (tx) => {
        let room = rowsPerCommit
        let next = at
        for (; next < ids.length && room > 0; next++) {
          const id = ids[next] ?? ''
          const removed = await store.removeLines(tx, id, room)
          if (removed === room) return next
          room -= removed + 4
          await store.remove(tx, id)
          await blobs.release(tx, `job:${id}`)
        }
        return next
      })
    }
  }

  return {
    /** Throws 429 when there is no room for one more job of a type: a submit can be refused before it is looked at. */
    assertRoom: (type: string): Promise<void> => assertRoom(database.read, type),

    /** Stores a job in one transaction with whatever `along` writes; it runs some time after the commit. */
    async submit(job: NewJob, along?: Along<JobRecord>): Promise<JobRecord> {
      const record = await database.write(async (tx) => {
        const submitted = await add(tx, job)
        await along?.(tx, submitted)
        return submitted
      })
      announce(job)
      return record
    },

    add,
    announce,

    newId,
    get: getRecord,
    find,

    async list(filter: JobFilter, page: PageRequest): Promise<JobRecord[]> {
      return (await store.list(database.read, filter, page)).map(toRecord)
    },

    /** How many jobs there are, by type and state; kept, not counted. */
    counts: (): Promise<JobCount[]> => store.counts(database.read),

    async page(filter: JobFilter, page: number, size: number): Promise<Page<JobRecord>> {
      const rows = await store.list(database.read, filter, { kind: 'number', page, size })
      return toPage(rows.map(toRecord), await store.count(database.read, filter), page, size)
    },

    cancel,
    cancelIn,
    tellCanceled,
    changes,

    /** Whether a job is there and has not ended. */
    async isActive(tx: Queries, id: string): Promise<boolean> {
      const row = await store.findRecord(tx, id)
      return row !== undefined && !isFinal(row.status)
    },

    /** Waits until the job has ended, at most `milliseconds`; answers the record as it is then, undefined once it is gone. */
    async waitFor(
      id: string,
      milliseconds: number,
      signal?: AbortSignal,
    ): Promise<JobRecord | undefined> {
      const end = AbortSignal.timeout(milliseconds)
      const until = signal ? AbortSignal.any([signal, end]) : end
      for await (const record of changes(id, milliseconds, until)) {
        if (!record || isFinal(record.status)) return record
      }
      return find(id)
    },

    /** Removes a job; a pending or running one is canceled first, and its end waited for. */
    async remove(id: string): Promise<void> {
      const record = await getRecord(id)
      if (!isFinal(record.status)) {
        // It may end by itself in this very moment: then there is nothing to cancel.
        await cancel(id).catch((error: unknown) => {
          if (!(error instanceof ChapkitError && error.code === 'conflict')) throw error
        })
        const never = new AbortController().signal
        for await (const each of changes(id, 1000, never)) if (!each) return
      }
      await forget([id])
      watch.changed(id)
    },

    /** Lines of the log after `after`, and where to go on. */
    async logs(
      id: string,
      after: number,
      limit: number,
    ): Promise<{ items: LogLine[]; next: number }> {
      await getRecord(id)
      const items = await store.lines(database.read, id, after, limit)
      return { items, next: items.at(-1)?.seq ?? after }
    },

    /** Throws 409 when an active job works on `id`. */
    async assertFree(tx: Queries, id: string): Promise<void> {
      const job = await store.activeOn(tx, id)
      if (!job) return
      throw new ChapkitError(
        'conflict',
        `The ${job.type} job ${job.id} works on ${id}; wait for it or cancel it first`,
      )
    },

    /** Throws 409 when an active job works on an artifact that a change of trees concerns. */
    async assertAllFree(tx: Queries, changeId: string): Promise<void> {
      const job = await store.activeUnder(tx, changeId)
      if (!job) return
      throw new ChapkitError(
        'conflict',
        `The ${job.type} job ${job.id} works on ${job.subject_id}; wait for it or cancel it first`,
      )
    },

    /** Throws 409 when an active job will store its result as `id`. */
    async assertUnpromised(tx: Queries, id: string): Promise<void> {
      const job = await store.activeFor(tx, id)
      if (!job) return
      throw new ChapkitError(
        'conflict',
        `The id ${id} is promised to the result of the ${job.type} job ${job.id}; choose another`,
      )
    },

    /**
     * Takes the next job of a type. Not durable by itself: lost with the power, the job only runs again. A cancel reaches the
     * run through `controller` from this write on; `detach` ends that.
     */
    async claim(
      type: string,
      token: string,
      controller = new AbortController(),
    ): Promise<Claim | undefined> {
      // A look costs less than a transaction, and mostly there is nothing. What comes later rings again.
      if (!(await store.hasDue(database.read, type, toTimestamp(serviceTime())))) return undefined
      let id = ''
      const writing = database.write(
        async (tx) => {
          const since = serviceTime()
          const row = await store.nextPending(tx, type, toTimestamp(since))
          if (!row) return undefined
          const attempt = row.attempt + 1
          id = row.id
          running.set(id, controller)
          await store.update(tx, row.id, {
            status: 'running',
            token,
            boot,
            attempt,
            started_at: toTimestamp(now()),
            progress: null,
          })
          const claim: Claim = {
            id: row.id,
            type,
            token,
            attempt,
            failures: row.failures,
            payload: JSON.parse(row.payload) as Json,
            artifactId: row.artifact_id,
            lastSeq: attempt === 1 ? 0 : await store.lastSeq(tx, row.id),
            since,
          }
          return { claim, mayRunSince: row.run_at }
        },
        { durable: false },
      )
      const taken = await writing.catch((error: unknown) => {
        detach(id, controller)
        throw error
      })
      if (!taken) return undefined
      const { claim, mayRunSince } = taken
      watch.changed(id)
      pace.note(type)
      const waitedSeconds =
        claim.attempt === 1 ? (claim.since - Date.parse(mayRunSince)) / 1000 : null
      observe?.({ kind: 'job.started', type, waitedSeconds })
      return claim
    },

    /** The run of a claim has ended: there is nothing to be canceled any more. */
    detach: (claim: Claim, controller: AbortController): void => detach(claim.id, controller),

    /** Result and final state in one transaction: an accepted result is there, and there is one only. */
    complete: (claim: Claim, along: (tx: Queries) => Promise<void>): Promise<void> =>
      settle(
        claim,
        () => ({ ...finished('completed'), error: null, error_traceback: null }),
        along,
      ),

    fail: (
      claim: Claim,
      error: string,
      traceback: string | null,
      along?: (tx: Queries) => Promise<void>,
    ): Promise<void> =>
      settle(claim, () => ({ ...finished('failed'), error, error_traceback: traceback }), along),

    /**
     * Gives a job back whose run was stopped: it runs again from the start, not before `afterMs` have passed, or is canceled when that was
     * asked for. A run that `hasFailed` is counted.
     */
    handBack: (
      claim: Claim,
      along?: (tx: Queries) => Promise<void>,
      afterMs?: number,
      hasFailed = false,
    ): Promise<void> =>
      settle(
        claim,
        (row) =>
          again(row, {
            ...(afterMs !== undefined && { run_at: toTimestamp(serviceTime() + afterMs) }),
            ...(hasFailed && { failures: row.failures + 1 }),
          }),
        along,
      ),

    /** A host died under the job: it runs again, unless that has happened too often. */
    hostDied: async (
      claim: Claim,
      reason: string,
      along?: (tx: Queries) => Promise<void>,
    ): Promise<void> => {
      await settle(
        claim,
        (row) => {
          const host_deaths = row.host_deaths + 1
          if (host_deaths < maximumHostDeaths || row.cancel_requested === 1)
            return again(row, { host_deaths })
          const isModel = claim.type === 'train' || claim.type === 'predict'
          const who = isModel ? "ModelHostDied: the model's process" : 'HostDied: its process'
          const error = `${who} died ${host_deaths} times under this job; last: ${reason}`
          return { ...finished('failed'), host_deaths, error }
        },
        along,
      )
      observe?.({ kind: 'host.died', type: claim.type })
    },

    /** Progress and log lines of a run; worth keeping, not worth a sync. */
    async report(claim: Claim, progress: JobProgress | null, lines: LogLine[]): Promise<void> {
      await database.write(
        async (tx) => {
          const changes = progress
            ? { progress: JSON.stringify(progress) }
            : { attempt: claim.attempt }
          if (!(await store.updateClaimed(tx, claim, changes))) throw staleClaim(claim)
          if (lines.length > 0) await store.insertLines(tx, claim.id, lines)
        },
        { durable: false },
      )
      watch.changed(claim.id)
    },

    /** The last of what a run reported, in the write that ends it. */
    appendReport: async (
      tx: Queries,
      claim: Claim,
      { lines, progress }: { lines: LogLine[]; progress: JobProgress | null },
    ): Promise<void> => {
      if (progress) await store.update(tx, claim.id, { progress: JSON.stringify(progress) })
      if (lines.length > 0) await store.insertLines(tx, claim.id, lines)
    },

    /**
     * Called once at start, by the owner of the data: what an earlier start of the service was running is pending again at
     * once, and everything pending is rung for.
     */
    async takeOver(): Promise<{ resumed: number; givenUp: number }> {
      const outcome = await database.write(async (tx) => {
        let resumed = 0
        let givenUp = 0
        const dropped: Happening[] = []
        for (const row of await store.runningElsewhere(tx, boot)) {
          const deaths = row.service_deaths + 1
          if (row.cancel_requested === 1) {
            await store.update(tx, row.id, finished('canceled'))
            await blobs.release(tx, `job:${row.id}`)
            dropped.push({ kind: 'job.dropped', type: row.type, state: 'canceled' })
          } else if (deaths >= maximumServiceDeaths) {
            givenUp++
            const error = `ServiceDied: the service ended ${deaths} times while this job was running`
            await store.update(tx, row.id, { ...finished('failed'), service_deaths: deaths, error })
            await blobs.release(tx, `job:${row.id}`)
            dropped.push({ kind: 'job.dropped', type: row.type, state: 'failed' })
          } else {
            resumed++
            await store.update(tx, row.id, again(row, { service_deaths: deaths }))
          }
        }
        return { resumed, givenUp, dropped }
      })
      if (observe) outcome.dropped.forEach(observe)
      for (const { type, id, run_at } of await store.pendingTimes(
        database.read,
        toTimestamp(serviceTime()),
      )) {
        engine.notify({ jobId: id, type, runAt: Date.parse(run_at) })
      }
      const { resumed, givenUp } = outcome
      return { resumed, givenUp }
    },

    /** Forgets jobs that ended longer ago than the retention, in service time. */
    async sweep(): Promise<number> {
      let removed = 0
      for (;;) {
        const before = toTimestamp(serviceTime() - retentionMs)
        const ids = await store.endedBefore(database.read, before, 200)
        if (ids.length === 0) return removed
        await forget(ids)
        removed += ids.length
      }
    },
  }
}

function toRecord(row: JobRecordRow | JobRow): JobRecord {
  const record = Object.fromEntries(recordColumns.map((name) => [name, row[name]])) as JobRecordRow
  return {
    ...record,
    progress: row.progress === null ? null : (JSON.parse(row.progress) as JobProgress),
  }
}

function notFound(): ChapkitError {
  return new ChapkitError('not-found', 'Job not found')
}

const takenOver = Symbol('taken over')

/** Another run has the job now: whatever this one has to say comes too late. */
function staleClaim(claim: Claim): ChapkitError {
  return new ChapkitError(
    'conflict',
    `Attempt ${claim.attempt} of job ${claim.id} has been taken over`,
    { cause: takenOver },
  )
}

export function isStaleClaim(error: unknown): boolean {
  return error instanceof ChapkitError && error.cause === takenOver
}
