import type { FeatureCollection } from '../data/geojson.ts'
import type { FrameJson } from '../data/schema.ts'
import type { JobRecord } from '../job/schema.ts'
import type { RunInfo } from '../ml/run-info.ts'
import type { Diagnostic } from '../ml/schema.ts'
import { type FrameInput, toFrame } from './frames.ts'
import { type JobsClient, toWait, type WaitOptions } from './jobs.ts'
import type { Call, CallOptions, CreateOptions, Transport } from './transport.ts'

/** What a training is made from. */
export interface TrainInput {
  config_id: string
  /** A table, or a CSV file as text, which is sent as it is and takes no `geo`. */
  data: FrameInput | string
  geo?: FeatureCollection | null | undefined
  /** How many periods the model is to forecast, above all; a CSV file takes nothing else of it. */
  run_info?: RunInfo | null | undefined
}

/** What a prediction is made from. */
export interface PredictInput {
  /** The artifact of the training. */
  artifact_id: string
  historic: FrameInput
  future: FrameInput
  geo?: FeatureCollection | null | undefined
  run_info?: RunInfo | null | undefined
}

/** What a submit answers: the job that will run, and the artifact that it will make. */
export interface Submitted {
  job_id: string
  artifact_id: string
  message: string
}

export interface Trained {
  /** The trained model: what `predict` takes. */
  artifact_id: string
  job: JobRecord
}

export interface Predicted {
  artifact_id: string
  job: JobRecord
  /** The forecast. */
  prediction: FrameJson
}

export interface Verdict {
  /** Whether none of the findings is an error. */
  valid: boolean
  diagnostics: Diagnostic[]
}

export type ValidateInput =
  | ({ type: 'train' } & Omit<TrainInput, 'data'> & { data: FrameInput })
  | ({ type: 'predict' } & PredictInput)

export interface SampleQuery {
  /** A config whose covariates the sample has. */
  config_id?: string | undefined
  num_locations?: number | undefined
  num_periods?: number | undefined
  num_features?: number | undefined
  period_type?: 'monthly' | 'weekly' | undefined
  geo_type?: 'polygon' | 'point' | undefined
  include_geo?: boolean | undefined
  /** Equal seeds give equal data; below 0 it is other data every time. @default -1 */
  seed?: number | undefined
}

export interface TrainSample {
  config_id?: string
  data: FrameJson
  geo?: FeatureCollection
}

export interface PredictSample {
  historic: FrameJson
  future: FrameJson
  geo?: FeatureCollection
}

/** Training, predicting, and asking first. */
export interface MlClient {
  /** Submits a training; it runs as a job. */
  train(input: TrainInput, options?: CreateOptions): Promise<Submitted>
  predict(input: PredictInput, options?: CreateOptions): Promise<Submitted>
  /** Trains and waits for the end. Throws `job-failed` with the reason, or `job-canceled`. */
  trainAndWait(input: TrainInput, options?: CreateOptions & WaitOptions): Promise<Trained>
  /** Predicts, waits for the end, and fetches the forecast. */
  predictAndWait(input: PredictInput, options?: CreateOptions & WaitOptions): Promise<Predicted>
  /** What stands against a training or a prediction, without running it. */
  validate(input: ValidateInput, options?: CallOptions): Promise<Verdict>
  /** Data to try a training with. */
  sampleData(query?: SampleQuery & { kind?: 'train' }, options?: CallOptions): Promise<TrainSample>
  sampleData(
    query: SampleQuery & { kind: 'predict' },
    options?: CallOptions,
  ): Promise<PredictSample>
}

export interface MlDeps {
  transport: Transport
  prefix: string
  jobs: JobsClient
  /** The frame of an artifact. */
  frame: (id: string, options?: CallOptions) => Promise<FrameJson>
}

export function createMl({ transport, prefix, jobs, frame }: MlDeps): MlClient {
  const submit = (operation: string, sent: Partial<Call>, options: CreateOptions = {}) =>
    transport.json<Submitted>({
      ...options,
      ...sent,
      method: 'POST',
      path: `${prefix}/${operation}`,
      creates: true,
    })

  async function train({ data, ...rest }: TrainInput, options?: CreateOptions) {
    if (typeof data !== 'string')
      return submit('$train', { json: { ...rest, data: toFrame(data) } }, options)
    const { prediction_periods } = rest.run_info ?? {}
    const query = { config_id: rest.config_id, prediction_periods: prediction_periods ?? undefined }
    return submit('$train', { query, body: data, contentType: 'text/csv; charset=utf-8' }, options)
  }

  const predict = async (input: PredictInput, options?: CreateOptions) =>
    submit('$predict', { json: toPredictBody(input) }, options)

  return {
    train,
    predict,

    async trainAndWait(input, options = {}) {
      const { job_id, artifact_id } = await train(input, options)
      return { artifact_id, job: await jobs.wait(job_id, toWait(options)) }
    },
    async predictAndWait(input, options = {}) {
      const { job_id, artifact_id } = await predict(input, options)
      const job = await jobs.wait(job_id, toWait(options))
      return { artifact_id, job, prediction: await frame(artifact_id, toWait(options)) }
    },

    async validate(input, options) {
      const json =
        input.type === 'train' ? { ...input, data: toFrame(input.data) } : toPredictBody(input)
      const call = { ...options, method: 'POST', path: `${prefix}/$validate` }
      return transport.json<Verdict>({ ...call, json, repeatable: true })
    },
    sampleData: (query: SampleQuery & { kind?: string } = {}, options: CallOptions = {}) =>
      transport.json<never>({
        ...options,
        path: `${prefix}/$generate-sample-data`,
        query: { ...query },
      }),
  }
}

const toPredictBody = (input: PredictInput) => ({
  ...input,
  historic: toFrame(input.historic),
  future: toFrame(input.future),
})
