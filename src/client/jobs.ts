import type { JobRecord, JobStatus, LogLine } from '../job/schema.ts'
import type { Page } from '../kernel/page.ts'
import { iterateByKey, readList, readPage, removeOne, segment } from './collection.ts'
import { ChapkitClientError } from './errors.ts'
import { followLog, followRecord } from './follow.ts'
import { nameJob, toJobRecord } from './job-record.ts'
import type { WatchOptions } from './patience.ts'
import type { CallOptions, CreateOptions, Transport } from './transport.ts'

export interface JobFilter {
  status?: JobStatus | undefined
  /** `train`, `predict`, or a kind of the service's own. */
  type?: string | undefined
}

export interface LogPage {
  items: LogLine[]
  /** Pass it as `after` to go on. */
  next: number
}

export interface WaitOptions extends WatchOptions {
  /** Called with the record at once and on each change. */
  onProgress?: ((job: JobRecord) => void) | undefined
  /** Called with each line of the log, as it is written. */
  onLog?: ((line: LogLine) => void) | undefined
  /** A job that fails or is canceled is an error; false answers its record all the same. @default true */
  mustComplete?: boolean | undefined
}

/** What runs, what ran, and stopping it. */
export interface JobsClient {
  /** Newest first. */
  list(filter?: JobFilter, options?: CallOptions): Promise<JobRecord[]>
  page(
    page: number,
    size: number,
    filter?: JobFilter,
    options?: CallOptions,
  ): Promise<Page<JobRecord>>
  /** Newest first, `size` (100 by default) at a time. */
  iterate(
    filter?: JobFilter,
    options?: CallOptions & { size?: number },
  ): AsyncGenerator<JobRecord, void>
  get(id: string, options?: CallOptions): Promise<JobRecord>
  /**
   * The record of a job, at once and on each change, until it has ended. Streams that break are opened again, also while the
   * service is restarted.
   */
  watch(id: string, options?: WatchOptions): AsyncGenerator<JobRecord, void>
  /**
   * Waits until a job has ended and answers its last record. Throws `job-failed`, `job-canceled` or `job-deleted`, with the
   * reason as detail, when it did not complete.
   */
  wait(id: string, options?: WaitOptions): Promise<JobRecord>
  /** Lines behind `after`, at most `limit` (1000 by default). */
  logs(id: string, options?: CallOptions & { after?: number; limit?: number }): Promise<LogPage>
  /** Each line of the log, as it is written, until the job ends. */
  followLogs(id: string, options?: WatchOptions & { after?: number }): AsyncGenerator<LogLine, void>
  /** Asks a job to stop; it has when its status says so. One that has ended otherwise is a `conflict`. */
  cancel(id: string, options?: CallOptions): Promise<JobRecord>
  /** JSON Schema of a list of jobs. */
  schema(options?: CallOptions): Promise<Record<string, unknown>>
  /** Deletes a job, canceling it first. What it has made stays. */
  remove(id: string, options?: CallOptions): Promise<void>
}

/** Comes behind every id, and so before all jobs, of which the newest is first. */
const lastId = `7${'Z'.repeat(25)}`

export function createJobs(transport: Transport, prefix: string): JobsClient {
  const at = (id: string, operation = '') => `${prefix}/${segment(id)}${operation}`
  const toQuery = ({ status, type }: JobFilter = {}) => ({ status_filter: status, type })

  const jobs: JobsClient = {
    async list(filter, options) {
      const call = { ...options, path: prefix, query: toQuery(filter) }
      return (await readList<JobRecord>(transport, call)).map(toJobRecord)
    },
    async page(number, size, filter, options) {
      const query = { ...toQuery(filter), page: number, size }
      const page = await readPage<JobRecord>(transport, prefix, query, options)
      return { ...page, items: page.items.map(toJobRecord) }
    },
    async *iterate(filter, options) {
      const query = toQuery(filter)
      const records = iterateByKey<JobRecord>(transport, prefix, lastId, { ...options, query })
      for await (const record of records) yield toJobRecord(record)
    },
    schema: (options) => transport.json({ ...options, path: `${prefix}/$schema` }),
    get: async (id, options) =>
      toJobRecord(await transport.json<JobRecord>({ ...options, path: at(id) })),
    watch: (id, options) => followRecord(transport, at(id), options),
    logs: (id, { after, limit, ...options } = {}) =>
      transport.json<LogPage>({ ...options, path: at(id, '/$logs'), query: { after, limit } }),
    followLogs: (id, options) => followLog(transport, at(id), options),

    async cancel(id, options) {
      const call = { ...options, method: 'POST', path: at(id, '/$cancel'), repeatable: true }
      try {
        return toJobRecord(await transport.json<JobRecord>(call))
      } catch (thrown) {
        if (!(thrown instanceof ChapkitClientError) || thrown.code !== 'conflict') throw thrown
        // Asking twice is asking once, whether the first answer was lost or not.
        const record = await jobs.get(id, options)
        if (record.status === 'canceled') return record
        throw thrown
      }
    },

    remove: (id, options) => removeOne(transport, at(id), options),

    async wait(id, { onProgress, onLog, mustComplete = true, ...options } = {}) {
      const over = new AbortController()
      const signal = AbortSignal.any([over.signal, ...(options.signal ? [options.signal] : [])])
      const told = onLog && tellLog(jobs.followLogs(id, { ...options, signal }), onLog, signal)
      let last: JobRecord | undefined
      try {
        for await (const record of jobs.watch(id, options)) {
          onProgress?.(record)
          last = record
        }
        await told
      } finally {
        over.abort()
        await told?.catch(() => {})
      }
      const record = last as JobRecord
      if (mustComplete && record.status !== 'completed') throw toJobError(record)
      return record
    },
  }
  return jobs
}

/** A log is told as far as it goes: trouble with it must not hide how the job ended. */
async function tellLog(
  lines: AsyncGenerator<LogLine>,
  onLog: (line: LogLine) => void,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    const next = await lines.next().catch((thrown: unknown) => {
      if (thrown instanceof ChapkitClientError || signal.aborted) return { done: true } as const
      throw thrown
    })
    if (next.done) return
    onLog(next.value)
  }
}

export function toJobError(job: JobRecord): ChapkitClientError {
  const { status, error } = job
  const reason = error === null ? '' : `: ${error}`
  return status === 'canceled'
    ? new ChapkitClientError('job-canceled', `The ${nameJob(job)} was canceled${reason}`, { job })
    : new ChapkitClientError('job-failed', `The ${nameJob(job)} failed${reason}`, { job })
}

/** Options of a submit for the wait that follows: its key names the submit alone. */
export function toWait({
  idempotencyKey: _,
  ...options
}: CreateOptions & WaitOptions): WaitOptions {
  return { ...options, mustComplete: true }
}
