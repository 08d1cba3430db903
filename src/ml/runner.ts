import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { DataFrame } from '../data/frame.ts'
import type { FeatureCollection } from '../data/geojson.ts'

/** A finding about a request, before or instead of running it. `code` up to 128 characters, `message` up to 2048. */
export interface Diagnostic {
  severity: 'error' | 'warning' | 'info'
  code: string
  message: string
  field: string | null
}

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
export type ConfigSchema<Config = unknown> = StandardSchemaV1<unknown, Config>

/**
 * How a model is trained and asked. Everything the service knows about a model is in this interface; how it differs
 * from others is declared by its properties, never asked by `instanceof`.
 */
export interface ModelRunner<Config = unknown, Model = unknown> {
  /** Version of this contract. */
  readonly contract: 1
  /** How the model is kept between train and predict: `value` stores what `train` returned. */
  readonly keeps: 'value' | 'workspace'
  /** What the model is asked with. */
  readonly inputs: 'forecast' | 'table' | 'tensor'
  /** Schema of the config that the service accepts for this model. */
  readonly config: ConfigSchema<Config>
  /** Called once per process that runs the model, before its first run. */
  init?(): void | Promise<void>
  /** Called once when that process ends in good order. */
  cleanup?(): void | Promise<void>
  train(context: TrainContext<Config>): Model | Promise<Model>
  predict(context: PredictContext<Config, Model>): DataFrame | Promise<DataFrame>
  /** Extra findings for `$validate` and at submit of a training. Runs in the service, on the first rows too: keep it quick. */
  validateTrain?(context: ValidateTrainContext<Config>): Diagnostic[] | Promise<Diagnostic[]>
  validatePredict?(context: ValidatePredictContext<Config>): Diagnostic[] | Promise<Diagnostic[]>
  /** Turns the model into bytes. Default: the value envelope (plain data, Map, Set, Date, typed arrays). */
  save?(model: Model): Uint8Array | Promise<Uint8Array>
  load?(bytes: Uint8Array): Model | Promise<Model>
}
