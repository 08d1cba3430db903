/** Metrics under one name: what it means, and the labels that tell its series apart. */
export interface Family {
  type: 'counter' | 'gauge' | 'histogram'
  help: string
  labels: readonly string[]
  /** Upper bounds of a histogram, ascending. */
  buckets?: readonly number[]
}

const counter = <const Labels extends readonly string[]>(help: string, labels: Labels) =>
  ({ type: 'counter', help, labels }) as const
const gauge = <const Labels extends readonly string[]>(help: string, labels: Labels) =>
  ({ type: 'gauge', help, labels }) as const
const histogram = <const Labels extends readonly string[]>(
  help: string,
  labels: Labels,
  buckets: readonly number[],
) => ({ type: 'histogram', help, labels, buckets }) as const

/** Those of OpenTelemetry for requests. */
const requestSeconds = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]
/** From a warm prediction to a training of hours. */
const jobSeconds = [0.005, 0.025, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 14_400]
const commitSeconds = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1, 5]
const gcSeconds = [0.001, 0.01, 0.1, 1, 2, 5]

/**
 * Every family that a monitored service answers, in this order. Units are seconds and bytes. To add one, add a line here and one
 * at the same place of docs/reference/metrics.md. Labels take few values: never an id, a path or a text of a user's.
 */
export const families = {
  chapkit_service_info: gauge('Always 1; its labels say what runs', [
    'id',
    'version',
    'chapkit_version',
  ]),
  chapkit_registered: gauge('1 while an orchestrator has the service on its list, else 0', []),
  http_request_duration_seconds: histogram(
    'Time from the headers of a request to the end of its answer',
    ['method', 'route', 'status'],
    requestSeconds,
  ),
  http_requests_in_flight: gauge('Requests that are being answered', []),
  http_server_request_duration_seconds: histogram(
    'The same as http_request_duration_seconds, as OpenTelemetry names it, without scrapes',
    ['http_request_method', 'http_route', 'http_response_status_code', 'url_scheme'],
    requestSeconds,
  ),
  http_server_active_requests: gauge(
    'The same as http_requests_in_flight, as OpenTelemetry names it',
    [],
  ),
  ml_train_jobs_total: counter('Trainings that were submitted', []),
  ml_predict_jobs_total: counter('Predictions that were submitted', []),
  chapkit_jobs: gauge('Jobs that are there; the pending ones are the queue', ['type', 'state']),
  chapkit_jobs_submitted_total: counter('Jobs that were submitted', ['type']),
  chapkit_jobs_finished_total: counter('Jobs that have ended', ['type', 'state']),
  chapkit_job_wait_seconds: histogram(
    'Time from when a job might run to its first run',
    ['type'],
    jobSeconds,
  ),
  chapkit_job_run_seconds: histogram(
    'Time that one run took; state is pending if the job is to run again',
    ['type', 'state'],
    jobSeconds,
  ),
  chapkit_job_attempts_total: counter('Runs that have begun', ['type']),
  chapkit_job_retries_total: counter('Runs that have begun and were not the first of their job', [
    'type',
  ]),
  chapkit_job_host_deaths_total: counter('Runs whose model host died', ['type']),
  chapkit_hosts: gauge('Processes that run models', ['state']),
  chapkit_hosts_limit: gauge('Model hosts that may be there at the same time', []),
  chapkit_host_queue: gauge('Runs that wait for a model host', []),
  chapkit_host_restarts_total: counter('Model hosts that ended without being asked to', []),
  chapkit_host_resident_memory_bytes: gauge('Memory of all model hosts together', []),
  chapkit_database_commit_seconds: histogram(
    'Time that a commit took; durable ones wait for the disk',
    ['durable'],
    commitSeconds,
  ),
  chapkit_database_commit_writes: histogram(
    'Writes that shared one commit',
    [],
    [1, 2, 4, 8, 16, 32, 64, 128, 256],
  ),
  chapkit_database_commit_failures_total: counter('Commits that failed, with all their writes', []),
  chapkit_database_size_bytes: gauge('Size of the files of the database', ['file']),
  chapkit_blob_operations_total: counter('Blobs that were put, read or swept', ['operation']),
  chapkit_blob_bytes_total: counter('Bytes of blobs that were put, read or swept', ['operation']),
  chapkit_log_lines_dropped_total: counter(
    'Lines of the log that were lost because its destination took none',
    [],
  ),
  process_cpu_user_seconds_total: counter('CPU time of the service in its own code', []),
  process_cpu_system_seconds_total: counter('CPU time of the service in the kernel', []),
  process_cpu_seconds_total: counter('CPU time of the service', []),
  process_start_time_seconds: gauge('When the process began, in seconds since 1970', []),
  process_resident_memory_bytes: gauge('Memory of the service in RAM', []),
  process_virtual_memory_bytes: gauge('Address space of the service', []),
  process_open_fds: gauge('Open file descriptors', []),
  process_max_fds: gauge('File descriptors that may be open', []),
  nodejs_version_info: gauge('Always 1; its label says the version of Node', ['version']),
  nodejs_eventloop_lag_mean_seconds: gauge(
    'Mean delay of the event loop since the last scrape',
    [],
  ),
  nodejs_eventloop_lag_p99_seconds: gauge(
    '99th percentile of the delay of the event loop since the last scrape',
    [],
  ),
  nodejs_eventloop_lag_max_seconds: gauge(
    'Longest delay of the event loop since the last scrape',
    [],
  ),
  nodejs_eventloop_utilization_ratio: gauge(
    'Part of the time since the last scrape in which the event loop was busy',
    [],
  ),
  nodejs_active_resources: gauge('What keeps the event loop alive', ['type']),
  nodejs_heap_size_total_bytes: gauge('Size of the heap', []),
  nodejs_heap_size_used_bytes: gauge('Used part of the heap', []),
  nodejs_heap_space_size_used_bytes: gauge('Used part of each space of the heap', ['space']),
  nodejs_external_memory_bytes: gauge('Memory outside of the heap that objects in it hold', []),
  nodejs_gc_duration_seconds: histogram('Pauses of the garbage collector', ['kind'], gcSeconds),
  python_gc_collections_total: counter(
    'Runs of the garbage collector, by the name that the console of the Python chapkit reads; minor ones are generation 0, major ones 2, others 1',
    ['generation'],
  ),
} as const satisfies Record<string, Family>

export type FamilyName = keyof typeof families
type Named<Type extends Family['type']> = {
  [Name in FamilyName]: (typeof families)[Name]['type'] extends Type ? Name : never
}[FamilyName]

export type CounterName = Named<'counter'>
export type GaugeName = Named<'gauge'>
export type HistogramName = Named<'histogram'>

/** A value for each label, in the order of the family's. */
export type LabelValues<Name extends FamilyName> = Texts<(typeof families)[Name]['labels']>

type Texts<Labels extends readonly string[]> = { readonly [Index in keyof Labels]: string }
