import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { DataFrame } from '../data/frame.ts'
import type { FeatureCollection } from '../data/geojson.ts'
import type { Diagnostic } from './schema.ts'

export type { Diagnostic } from './schema.ts'

/** What every run of a model is given besides its data. */
export interface RunContext<Config> {
  /** The config, validated and with defaults filled in. For a prediction: as it was at training. */
  config: Config
  /** GeoJSON sent with the request, or null. */
  geo: FeatureCollection | null
  /** Writes a line to the job's log, readable at `/jobs/{id}/$logs` while the job runs. */
  log: (line: string) => void
  /** Reports progress: a fraction from 0 to 1 (null when unknown) and what is being done. */
  progress: (fraction: number | null, message?: string) => void
  /** Reports measures of the run, such as `{ mae: 3.2 }`; stored with the artifact. Later values of a name win. */
  metrics: (values: Record<string, number>) => void
  /** Aborts when the job is canceled or the service stops; pass it on to what can take it. */
  signal: AbortSignal
}

export interface TrainContext<Config> extends RunContext<Config> {
  data: DataFrame
}

export interface PredictContext<Config, Model> extends RunContext<Config> {
  /** What `train` returned, read back from storage. */
  model: Model
  historic: DataFrame
  future: DataFrame
}

export interface ValidateTrainContext<Config> {
  config: Config
  data: DataFrame
  geo: FeatureCollection | null
}

export interface ValidatePredictContext<Config> {
  config: Config
  historic: DataFrame
  future: DataFrame
  geo: FeatureCollection | null
}

/** A schema that validates (Standard Schema) and describes itself as JSON Schema; Zod 4 schemas do both. */
export type ConfigSchema<Config = unknown, Input = unknown> = StandardSchemaV1<Input, Config>

/** What the service knows about every model. */
interface RunnerBase<Config, Input> {
  /** Version of this contract. */
  readonly contract: 1
  /** What the model is asked with. */
  readonly inputs: 'forecast' | 'table' | 'tensor'
  /** Schema of the config that the service accepts for this model. */
  readonly config: ConfigSchema<Config, Input>
  /** Extra findings for `$validate` and at submit of a training. Runs in the service, on the first rows too: keep it quick. */
  validateTrain?(context: ValidateTrainContext<Config>): Diagnostic[] | Promise<Diagnostic[]>
  validatePredict?(context: ValidatePredictContext<Config>): Diagnostic[] | Promise<Diagnostic[]>
}

/** A model made of code that a host imports: what `train` returned is stored and given to `predict`. */
export interface ValueRunner<Config = unknown, Model = unknown, Input = unknown>
  extends RunnerBase<Config, Input> {
  readonly keeps: 'value'
  /** Called once per process that runs the model, before its first run. */
  init?(): void | Promise<void>
  /** Called once when that process ends in good order. */
  cleanup?(): void | Promise<void>
  train(context: TrainContext<Config>): Model | Promise<Model>
  predict(context: PredictContext<Config, Model>): DataFrame | Promise<DataFrame>
  /** Turns the model into bytes. Default: the value envelope (plain data, Map, Set, Date, typed arrays). */
  save?(model: Model): Uint8Array | Promise<Uint8Array>
  load?(bytes: Uint8Array): Model | Promise<Model>
}

/** A model made of commands that run in a folder of files: the folder as training left it is what is stored. */
export interface WorkspaceRunner<Config = unknown, Input = unknown>
  extends RunnerBase<Config, Input> {
  readonly keeps: 'workspace'
  readonly scripts: Scripts
}

/**
 * How a model is trained and asked. Everything the service knows about a model is in this type; how one differs from others
 * is declared by its properties, never asked by `instanceof`.
 */
export type ModelRunner<Config = unknown, Model = unknown, Input = unknown> =
  | ValueRunner<Config, Model, Input>
  | WorkspaceRunner<Config, Input>

/** Files whose names a command may be given. */
export type FilePlaceholder =
  | 'data_file'
  | 'historic_file'
  | 'future_file'
  | 'output_file'
  | 'geo_file'

/** Part of an argument: text, or a place where the name of a file goes. */
export type CommandPart = string | { file: FilePlaceholder }

/** A program with its arguments, split once. `optional` arguments are left out where they turn out empty. */
export interface Command {
  /** As its author wrote it, for messages. */
  text: string
  /** Each argument; the first is the program. */
  words: readonly { parts: readonly CommandPart[]; optional: boolean }[]
}

/** Bounds on each process of a script, kept by the kernel; null where there is none. */
export interface ScriptLimits {
  /** Bytes of address space (`RLIMIT_AS`). */
  memoryBytes: number | null
  /** Seconds of processor time (`RLIMIT_CPU`). */
  cpuSeconds: number | null
  /** Processes and threads of the user (`RLIMIT_NPROC`); has no effect for root. */
  processes: number | null
  /** Bytes of a file that it writes (`RLIMIT_FSIZE`). */
  fileBytes: number | null
}

/** Columns that scripts find in their CSV files besides those that came: names, and what each is made of. */
export type Adapters = Readonly<Record<string, string>>

/** How the commands of a model are run. */
export interface Scripts {
  train: Command
  predict: Command
  /** Layout of `config.yml`: all fields on top, or those of the model under `user_option_values`. */
  configFormat: 'flat' | 'chap_core'
  adapters: Adapters
  /** Folder of the scripts; null takes the folder of the service file, or the current one. */
  project: string | null
  /** How long a command may run, in milliseconds; null leaves it its time. */
  timeoutMs: number | null
  limits: ScriptLimits
  /** Environment variables besides those that every script gets: names to pass on, and values. */
  environment: { pass: readonly string[]; set: Readonly<Record<string, string>> }
}
