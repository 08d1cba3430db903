import type { FastifyInstance } from '../http/routes.ts'
import type { Happening, Observe } from '../kernel/observe.ts'
import { toText } from './exposition.ts'
import { createMeters, type Meters } from './meters.ts'
import { memoryOf, watchProcess } from './process.ts'
import { monitorRoutes } from './routes.ts'
import type { GaugeName } from './schema.ts'

/** What a service has at the moment of a scrape, as far as it is monitored. */
export interface Monitored {
  info: { id: string; version: string; chapkit_version: string }
  /** Null where there are no jobs. `types` are those that it runs. */
  jobs: { types: readonly string[]; counts: () => Promise<JobCount[]> } | null
  hosts: { stats: () => HostStats } | null
  database: { size: () => Promise<{ database: number; log: number } | undefined> }
  /** Null where the service registers nowhere. */
  registration: { isRegistered: () => boolean } | null
}

export interface MonitorRoutesOptions extends Monitored {
  prefix: string
  onError: (error: unknown, event: string) => void
}

interface JobCount {
  type: string
  status: string
  count: number
}

interface HostStats {
  maximum: number
  count: number
  busy: number
  starting: number
  queued: number
  restarts: number
  pids: readonly number[]
}

const states = ['pending', 'running', 'completed', 'failed', 'canceled'] as const
const finalStates = ['completed', 'failed', 'canceled'] as const
const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

export type Monitor = ReturnType<typeof createMonitor>

/** Counts what happens in a service. Nothing is watched before its routes are made. */
export function createMonitor() {
  const meters = createMeters()
  let inFlight = 0
  let watch: ReturnType<typeof watchProcess> | undefined

  const observe: Observe = (happening) => {
    if (happening.kind === 'request.began') inFlight++
    else if (happening.kind === 'request.ended') {
      inFlight--
      const { method, route, status, seconds } = happening
      requestSeries(route ?? 'unmatched', method, status)(seconds)
    } else count(meters, happening)
  }

  /** The series of a kind of request. Requests are what happens most: finding theirs makes no array and no text. */
  const requestSeries = createLookup((route, method, status) => {
    return meters.series('http_request_duration_seconds', [method, route, String(status)])
  })

  async function text(parts: MonitorRoutesOptions): Promise<string> {
    meters.set('http_requests_in_flight', [], inFlight)
    meters.set('http_server_active_requests', [], inFlight)
    meters.mirror(
      'http_server_request_duration_seconds',
      'http_request_duration_seconds',
      ([method = '', route = '', status = '']) =>
        route === parts.prefix ? null : [method, route, status, 'http'],
    )
    if (parts.registration)
      meters.set('chapkit_registered', [], Number(parts.registration.isRegistered()))
    // When a part does not answer, the others are worth the more; what it said last is true no longer.
    const orNothing = (name: GaugeName, reading: Promise<void>) =>
      reading.catch((error: unknown) => {
        meters.clear(name)
        parts.onError(error, 'metrics.read.failed')
      })
    await Promise.all([
      watch?.read(),
      readHosts(meters, parts),
      orNothing('chapkit_jobs', readJobs(meters, parts)),
      orNothing('chapkit_database_size_bytes', readDatabase(meters, parts)),
    ])
    readCollections(meters)
    return toText(meters)
  }

  return {
    observe,

    /** Where the numbers are answered; from here on the process is watched. */
    routes(parts: MonitorRoutesOptions): (app: FastifyInstance) => Promise<void> {
      begin(meters, parts)
      watch ??= watchProcess(meters)
      return monitorRoutes({ prefix: parts.prefix, text: () => text(parts) })
    },

    close: (): void => watch?.close(),
  }
}

/** A counter that is there from the start, as 0, shows its first step. */
function begin(meters: Meters, { info, jobs, hosts }: Monitored): void {
  meters.set('chapkit_service_info', [info.id, info.version, info.chapkit_version], 1)
  if (hosts) {
    meters.count('ml_train_jobs_total', [], 0)
    meters.count('ml_predict_jobs_total', [], 0)
  }
  for (const type of jobs?.types ?? []) {
    meters.count('chapkit_jobs_submitted_total', [type], 0)
    meters.count('chapkit_job_attempts_total', [type], 0)
    meters.count('chapkit_job_retries_total', [type], 0)
    meters.count('chapkit_job_host_deaths_total', [type], 0)
    for (const state of finalStates) meters.count('chapkit_jobs_finished_total', [type, state], 0)
  }
  meters.count('chapkit_database_commit_failures_total', [], 0)
  meters.count('chapkit_log_lines_dropped_total', [], 0)
}

/** What to do about each kind of happening; those of requests are counted in the observer itself. */
function count(meters: Meters, happening: Happening): void {
  switch (happening.kind) {
    case 'job.submitted':
      meters.count('chapkit_jobs_submitted_total', [happening.type])
      if (happening.type === 'train') meters.count('ml_train_jobs_total', [])
      if (happening.type === 'predict') meters.count('ml_predict_jobs_total', [])
      break
    case 'job.started': {
      const { type, waitedSeconds } = happening
      meters.count('chapkit_job_attempts_total', [type])
      if (waitedSeconds === null) meters.count('chapkit_job_retries_total', [type])
      else meters.observe('chapkit_job_wait_seconds', [type], waitedSeconds)
      break
    }
    case 'run.ended': {
      const { type, state, seconds } = happening
      meters.observe('chapkit_job_run_seconds', [type, state], seconds)
      if (state !== 'pending') meters.count('chapkit_jobs_finished_total', [type, state])
      break
    }
    case 'job.dropped':
      meters.count('chapkit_jobs_finished_total', [happening.type, happening.state])
      break
    case 'host.died':
      meters.count('chapkit_job_host_deaths_total', [happening.type])
      break
    case 'commit.done': {
      const { durable, seconds, steps } = happening
      meters.observe('chapkit_database_commit_seconds', [String(durable)], seconds)
      meters.observe('chapkit_database_commit_writes', [], steps)
      break
    }
    case 'commit.failed':
      meters.count('chapkit_database_commit_failures_total', [])
      break
    case 'blob':
      meters.count('chapkit_blob_operations_total', [happening.operation], happening.blobs)
      meters.count('chapkit_blob_bytes_total', [happening.operation], happening.bytes)
      break
    case 'log.dropped':
      meters.count('chapkit_log_lines_dropped_total', [], happening.lines)
      break
  }
}

/** A value for each route, method and status, made when it is asked for first. Other methods than the usual ones are one. */
function createLookup<Value>(make: (route: string, method: string, status: number) => Value) {
  const known = new Map<string, Map<string, Map<number, Value>>>()
  return (route: string, method: string, status: number): Value => {
    const verb = methods.has(method) ? method : 'other'
    const found = known.get(route)?.get(verb)?.get(status)
    if (found !== undefined) return found
    const made = make(route, verb, status)
    const byVerb = known.get(route) ?? new Map<string, Map<number, Value>>()
    const byStatus = byVerb.get(verb) ?? new Map<number, Value>()
    known.set(route, byVerb.set(verb, byStatus.set(status, made)))
    return made
  }
}

const generations: Readonly<Record<string, string>> = { minor: '0', major: '2' }

function readCollections(meters: Meters): void {
  const runs = new Map(['0', '1', '2'].map((generation) => [generation, 0]))
  for (const [kind, count] of meters.counts('nodejs_gc_duration_seconds')) {
    const generation = generations[kind] ?? '1'
    runs.set(generation, (runs.get(generation) ?? 0) + count)
  }
  for (const [generation, count] of runs)
    meters.set('python_gc_collections_total', [generation], count)
}

async function readJobs(meters: Meters, { jobs }: Monitored): Promise<void> {
  if (!jobs) return
  const counts = await jobs.counts()
  for (const type of jobs.types)
    for (const state of states) meters.set('chapkit_jobs', [type, state], 0)
  for (const { type, status, count: jobCount } of counts)
    meters.set('chapkit_jobs', [type, status], jobCount)
}

async function readHosts(meters: Meters, { hosts }: Monitored): Promise<void> {
  if (!hosts) return
  const { maximum, count: all, busy, starting, queued, restarts, pids } = hosts.stats()
  meters.set('chapkit_hosts', ['starting'], starting)
  meters.set('chapkit_hosts', ['busy'], busy)
  meters.set('chapkit_hosts', ['idle'], Math.max(0, all - busy - starting))
  meters.set('chapkit_hosts_limit', [], maximum)
  meters.set('chapkit_host_queue', [], queued)
  meters.set('chapkit_host_restarts_total', [], restarts)
  const memory = (await Promise.all(pids.map(memoryOf))).filter((each) => each !== undefined)
  const resident = memory.reduce((sum, each) => sum + each.resident, 0)
  // Where the system does not say it, nothing is said.
  if (memory.length > 0 || pids.length === 0)
    meters.set('chapkit_host_resident_memory_bytes', [], resident)
}

async function readDatabase(meters: Meters, { database }: Monitored): Promise<void> {
  const size = await database.size()
  if (!size) return
  meters.set('chapkit_database_size_bytes', ['database'], size.database)
  meters.set('chapkit_database_size_bytes', ['log'], size.log)
}
