import type { Field } from '../data/schema.ts'
import type { Issue } from '../errors.ts'
import type { ProcessEnd } from '../kernel/stop.ts'

/** The bytes of a frame (canonical JSON), of GeoJSON or of a model: as they are, or the path of a file that holds them. */
export type BytesSource = { bytes: Uint8Array } | { path: string }

interface RunRequestBase {
  /** The validated config, as JSON. */
  config: unknown
  /** GeoJSON sent with the request, or null. Only the host parses it: it may be as large as a frame. */
  geo: BytesSource | null
  /** Names of the service's covariates, for the types in schemas. */
  covariates: readonly string[]
}

export interface TrainRequest extends RunRequestBase {
  kind: 'train'
  frames: { data: BytesSource }
}

export interface PredictRequest extends RunRequestBase {
  kind: 'predict'
  frames: { historic: BytesSource; future: BytesSource }
  /** `key` is the model's content hash: a host that has it loaded does not read `source` again. */
  model: { key: string; source: BytesSource }
}

/** Runs a function of the service file that is no model: a task. */
export interface TaskRequest {
  kind: 'task'
  /** Name of the function. */
  name: string
  /** JSON, before the schema of the function has read it. */
  parameters: unknown
  /** 1 for the first run. */
  attempt: number
}

/** All that a model host needs to run something once: JSON, bytes and paths, never objects of the service. */
export type RunRequest = TrainRequest | PredictRequest | TaskRequest

export type LogStream = 'stdout' | 'stderr' | 'log'

/** What a run says while it runs. */
export interface RunEvents {
  onLog(stream: LogStream, line: string): void
  onProgress(fraction: number | null, message: string | null): void
  onMetrics(values: Readonly<Record<string, number>>): void
}

export interface FrameFacts {
  rows: number
  /** Size and CRC-32 of the frame written as CSV with LF. */
  csv: { size: number; crc32: number }
  fields: Field[]
}

export interface TrainResult {
  kind: 'train'
  /** The model in bytes: by the runner's `save`, else in the value envelope. */
  model: Uint8Array
  metrics: Record<string, number>
  inputs: { data: FrameFacts }
}

export interface PredictResult {
  kind: 'predict'
  /** The prediction as canonical frame JSON in UTF-8. */
  frame: Uint8Array
  metrics: Record<string, number>
  output: FrameFacts
  inputs: { historic: FrameFacts; future: FrameFacts }
}

/** A function that throws has a result, too: what it has thrown. */
export interface TaskResult {
  kind: 'task'
  /** Plain data. */
  value: unknown
  error: TaskError | null
}

export interface TaskError {
  type: string
  message: string
  traceback: string | null
  /** False where another run cannot end otherwise. */
  mayRetry: boolean
}

export type RunResult = TrainResult | PredictResult | TaskResult

/** How a run ended. Only `failed` is the model's own doing. */
export type RunOutcome =
  | { status: 'done'; result: RunResult }
  /** The model threw, returned something else than it must, or could not be imported. */
  | { status: 'failed'; error: string; traceback: string | null }
  /** The process that ran the model ended or stopped answering: the run may be tried again. */
  | { status: 'host-died'; reason: string; end?: ProcessEnd }
  /** The machine has no room for another process at the moment; nothing ran. */
  | { status: 'no-host'; reason: string }
  /** `signal` aborted, or the hosts were closed. */
  | { status: 'aborted' }

/** JSON in consecutive parts: text, and large bytes or files that only the receiver reads. */
export type JsonParts = readonly (string | BytesSource)[]

/** What the service answers to a call of a run. An error of the catalogue has its code. */
export type CallAnswer =
  | { value: unknown }
  | { parts: JsonParts }
  | { error: { code: string | null; message: string; issues?: readonly Issue[] } }

/** Asks the service something in the midst of a run: a method by name, with plain data. Never rejects. */
export type CallService = (method: string, args: readonly unknown[]) => Promise<CallAnswer>

export interface RunOptions {
  signal: AbortSignal
  events: RunEvents
  /** Answers what the run asks of the service; runs of models ask nothing. */
  call?: CallService
}

export interface HostStats {
  /** Hosts that may run at the same time. */
  maximum: number
  /** Hosts that are there: starting, idle and busy. */
  count: number
  busy: number
  starting: number
  /** Requests that wait for a host. */
  queued: number
  /** Hosts that ended without being asked to, or had to be killed. */
  restarts: number
  pids: number[]
}

/** Where models run. */
export interface ModelHosts {
  /** Never rejects: whatever happens to the run is in its outcome. */
  run(request: RunRequest, options: RunOptions): Promise<RunOutcome>
  /** Starts a host ahead of the first request. Rejects when the user's module cannot be loaded. */
  warm(): Promise<void>
  stats(): HostStats
  /** Aborts what runs, lets each host clean up for at most `graceMs`, and leaves no process behind. */
  close(graceMs?: number): Promise<void>
}
