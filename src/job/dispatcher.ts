import type { Queries } from '../db/tables.ts'
import type { Engine } from '../engine/engine.ts'
import { ChapkitError, toError } from '../errors.ts'
import { pause } from '../kernel/abort.ts'
import { type Clock, toTimestamp } from '../kernel/clock.ts'
import { type Claim, isStaleClaim, type Jobs } from './jobs.ts'
import type { JobProgress, LogLine } from './schema.ts'

/** What a run leaves to be written. */
interface Result<Along> {
  /** Writes the result; it commits together with the final state. */
  along: Along
  /** Called when that is committed, or refused for good (true), or not written because the service stops (false). */
  afterwards?: (isSettled: boolean) => Promise<void>
}

type Write = (tx: Queries) => Promise<void>

/** How a run of a job ended. */
export type JobOutcome =
  | ({ status: 'completed' } & Result<Write>)
  | ({ status: 'failed'; error: string; traceback: string | null } & Partial<Result<Write>>)
  | { status: 'host-died'; reason: string }
  /** The signal aborted: canceled, or the service stops. */
  | { status: 'aborted' }
  /** Something around the model failed that will be whole again, such as a full disk. */
  | { status: 'retry'; afterMs: number }
  /** The work itself failed and is to be tried again; `progress` says so until then. */
  | { status: 'failed-once'; afterMs: number; progress: JobProgress }

export interface JobContext {
  signal: AbortSignal
  log: (stream: LogLine['stream'], line: string) => void
  progress: (progress: JobProgress) => void
}

export type JobHandler = (claim: Claim, context: JobContext) => Promise<JobOutcome>

export interface DispatcherDeps {
  jobs: Jobs
  engine: Engine
  /** By job type. */
  handlers: Readonly<Record<string, { run: JobHandler; concurrency: number }>>
  now: Clock
  newToken: () => string
  onError: (error: unknown, message: string) => void
}

/** Lines of one job's log beyond which only the fact is kept. */
const maximumLines = 20_000
/** How often what a run reports is written, in milliseconds. */
const reportInterval = 250
/** Lines in one write: requests wait no longer than one takes. */
const linesPerWrite = 500
/** How long to wait after a failing database before asking it again. */
const errorPause = 1000
/** How long to wait before trying again what the disk refused. */
const storagePause = 2000

export type Dispatcher = ReturnType<typeof createDispatcher>

/** Claims and runs jobs, each type up to its concurrency, whenever the engine rings. */
export function createDispatcher({
  jobs,
  engine,
  handlers,
  now,
  newToken,
  onError,
}: DispatcherDeps) {
  /** Runs by type, from the claim until the model has answered. */
  const active = new Map<string, number>()
  /** Runs by type whose outcome is being written. */
  const settling = new Map<string, number>()
  const runs = new Map<Promise<void>, AbortController>()
  /** Types that were rung for while all their runs were taken. */
  const again = new Set<string>()
  let stopping = false

  function fill(type: string) {
    const handler = handlers[type]
    if (!handler || stopping) return
    if (!isFree(type, handler.concurrency)) {
      // The claims under way may have looked before this job was there: they look again.
      again.add(type)
      return
    }
    const controller = new AbortController()
    const run = claimAndRun(type, handler.run, controller)
      .catch((error: unknown) => {
        onError(error, 'job.run.failed')
        setTimeout(() => fill(type), errorPause).unref()
      })
      .finally(() => runs.delete(run))
    runs.set(run, controller)
  }

  /** Outcomes that the disk does not take hold the next runs up, so that they do not pile up in memory. */
  function isFree(type: string, concurrency: number): boolean {
    return count(active, type) + Math.max(0, count(settling, type) - concurrency) < concurrency
  }

  /** Takes a place among the runs of a type. Whoever gives it back looks what is next: after a run, or when rung for meanwhile. */
  function takePlace(type: string): (hasRun: boolean) => void {
    add(active, type, 1)
    let isTaken = true
    return (hasRun) => {
      if (!isTaken) return
      isTaken = false
      add(active, type, -1)
      if (again.delete(type) || hasRun) fill(type)
    }
  }

  async function claimAndRun(type: string, run: JobHandler, controller: AbortController) {
    const leave = takePlace(type)
    try {
      const claim = await jobs.claim(type, newToken(), controller)
      if (!claim) return
      fill(type)
      const reporter = createReporter(claim, jobs, now, onError)
      const { log, progress } = reporter
      const context = { signal: controller.signal, log, progress }
      try {
        const outcome = await (async () => run(claim, context))().catch(
          (thrown: unknown): JobOutcome => {
            onError(thrown, 'job.handler.failed')
            if (isStorageTrouble(thrown)) return { status: 'retry', afterMs: storagePause }
            return { status: 'failed', error: describe(toError(thrown)), traceback: null }
          },
        )
        const settled = settleAtLast(claim, outcome, reporter.close())
        // The model is free: the claim of the next job goes to the disk together with the outcome of this one.
        leave(true)
        await settled
      } finally {
        jobs.detach(claim, controller)
      }
    } finally {
      leave(false)
    }
  }

  /**
   * An outcome is not dropped because the disk is full: it is written when there is room again. One that can never be written,
   * such as a result that the tree of artifacts has no place for, fails its job: none is left running without a run.
   */
  async function settleAtLast(claim: Claim, outcome: JobOutcome, closed: Promise<LastReport>) {
    const { type } = claim
    add(settling, type, 1)
    try {
      const isSettled = await settleUntilTaken(claim, outcome, await closed)
      if ('afterwards' in outcome) await outcome.afterwards?.(isSettled)
    } finally {
      add(settling, type, -1)
      if (again.delete(type)) fill(type)
    }
  }

  /** False: the disk does not take it, and the service stops. */
  async function settleUntilTaken(
    claim: Claim,
    outcome: JobOutcome,
    last: LastReport,
  ): Promise<boolean> {
    let wanted = outcome
    let isRefused = false
    for (;;) {
      try {
        await settle(claim, wanted, isRefused ? { lines: [], progress: null } : last)
        return true
      } catch (error) {
        onError(error, 'job.settle.failed')
        if (isStorageTrouble(error)) {
          if (stopping) return false
          await pause(storagePause)
        } else {
          if (isRefused || isStaleClaim(error)) return true
          isRefused = true
          wanted = { status: 'failed', error: notStored(error), traceback: null }
        }
      }
    }
  }

  async function settle(claim: Claim, outcome: JobOutcome, last: LastReport) {
    const withLines = (along?: (tx: Queries) => Promise<void>) => async (tx: Queries) => {
      await jobs.appendReport(tx, claim, last)
      await along?.(tx)
    }
    switch (outcome.status) {
      case 'completed':
        return jobs.complete(claim, withLines(outcome.along))
      case 'failed':
        return jobs.fail(claim, outcome.error, outcome.traceback, withLines(outcome.along))
      case 'host-died':
        return jobs.hostDied(claim, outcome.reason, withLines())
      case 'retry':
        return jobs.handBack(claim, withLines(), outcome.afterMs)
      case 'failed-once': {
        const { afterMs, progress } = outcome
        const report = (tx: Queries) => jobs.appendReport(tx, claim, { lines: [], progress })
        return jobs.handBack(claim, withLines(report), afterMs, true)
      }
      case 'aborted':
        return jobs.handBack(claim, withLines())
    }
  }

  return {
    start: (): void => engine.run(({ type }) => fill(type)),

    /** Claims nothing more, waits up to `graceMs` for what runs, then aborts it: it goes back to the queue. */
    async stop(graceMs: number, atOnce: AbortSignal): Promise<void> {
      stopping = true
      const cut = () => {
        for (const controller of runs.values()) controller.abort(new Error('service stops'))
      }
      const timer = setTimeout(cut, graceMs)
      if (atOnce.aborted) cut()
      atOnce.addEventListener('abort', cut, { once: true })
      while (runs.size > 0) await Promise.allSettled(runs.keys())
      clearTimeout(timer)
      atOnce.removeEventListener('abort', cut)
    },

    /** Runs by type, at this moment. */
    active: (): Record<string, number> => Object.fromEntries(active),
  }
}

const count = (counts: ReadonlyMap<string, number>, type: string): number => counts.get(type) ?? 0
const add = (counts: Map<string, number>, type: string, by: 1 | -1) =>
  counts.set(type, count(counts, type) + by)

/** What a run reported last and is not written yet. */
interface LastReport {
  lines: LogLine[]
  progress: JobProgress | null
}

/** Collects what a run reports and writes it now and then: a chatty model must not become a write for every line. */
function createReporter(claim: Claim, jobs: Jobs, now: Clock, onError: DispatcherDeps['onError']) {
  const { lastSeq } = claim
  let lines: LogLine[] = []
  let progress: JobProgress | null = null
  let seq = lastSeq
  let isClosed = false
  let timer: NodeJS.Timeout | undefined
  let writing = Promise.resolve()

  function schedule() {
    timer ??= setTimeout(() => {
      timer = undefined
      writing = writing.then(() => write(lines.length))
    }, reportInterval)
  }

  /** Writes what was reported last and so many lines, or stops at the first write that fails. */
  async function write(count: number): Promise<void> {
    let left = count
    do {
      const reported = lines.splice(0, Math.min(left, linesPerWrite))
      const latest = progress
      progress = null
      left -= reported.length
      try {
        await jobs.report(claim, latest, reported)
      } catch (error) {
        onError(error, 'job.report.failed')
        // What a full disk refused goes with the next report, at the latest with the end of the job.
        if (isStorageTrouble(error)) lines = [...reported, ...lines]
        return
      }
    } while (left > 0)
  }

  return {
    log(stream: LogLine['stream'], line: string) {
      if (isClosed || seq - lastSeq > maximumLines) return
      const full = seq - lastSeq === maximumLines
      lines.push({
        seq: ++seq,
        time: toTimestamp(now()),
        stream: full ? 'log' : stream,
        line: full ? `output truncated after ${maximumLines} lines` : line,
      })
      schedule()
    },
    progress(latest: JobProgress) {
      if (isClosed) return
      progress = latest
      schedule()
    },
    /** Stops writing and returns what is still to be kept. */
    async close(): Promise<LastReport> {
      isClosed = true
      clearTimeout(timer)
      await writing
      if (lines.length > linesPerWrite) await write(lines.length - linesPerWrite)
      return { lines, progress }
    },
  }
}

function isStorageTrouble(error: unknown): boolean {
  return (
    error instanceof ChapkitError && (error.code === 'storage-full' || error.code === 'unavailable')
  )
}

function notStored(error: unknown): string {
  const reason =
    error instanceof ChapkitError ? error.message : 'the log of the service says what is wrong'
  return `ResultNotStored: the run has ended, but what it made could not be stored: ${reason}`
}

function describe(error: Error): string {
  return `${error.name}: ${error.message}`
}
