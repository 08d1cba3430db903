import type { DataFrame, FeatureCollection, FrameJson } from '../data/index.ts'
import type { JobRecord, JobStatus, LogLine } from '../job/schema.ts'
import type { Diagnostic } from '../ml/runner.ts'

/*
 * What a task function may ask of the service it belongs to. The function runs in a process of its own: every call goes to the
 * service and comes back as plain data, and what the service refuses is thrown as a `ChapkitError` with its code.
 */

export interface TaskConfig {
  id: string
  created_at: string
  updated_at: string
  tags: string[]
  name: string
  data: Record<string, unknown>
}

export interface NewTaskConfig {
  name: string
  data: Record<string, unknown>
  tags?: string[]
}

export interface TaskConfigs {
  /** Throws `not-found`. */
  get(id: string): Promise<TaskConfig>
  find(id: string): Promise<TaskConfig | undefined>
  /** In order of creation: the newest is the last. */
  list(filter?: { tag?: string; name?: string }): Promise<TaskConfig[]>
  create(config: NewTaskConfig): Promise<TaskConfig>
  update(id: string, config: NewTaskConfig): Promise<TaskConfig>
}

export interface TaskArtifact {
  id: string
  created_at: string
  updated_at: string
  tags: string[]
  /** Without its `content`, but in `get`. */
  data: unknown
  parent_id: string | null
  level: number
}

export interface TaskArtifacts {
  /** With its content. Throws `not-found`. */
  get(id: string): Promise<TaskArtifact>
  /** Without content, in order of creation: the newest is the last. */
  list(filter?: { tag?: string; parentId?: string | null; type?: string }): Promise<TaskArtifact[]>
  /** The frame that an artifact holds: a prediction, or `data.content` (or `data` itself) in the shape of a frame. */
  frame(id: string): Promise<DataFrame>
  /** What a model or a prediction was made from, its metrics among it. */
  lineage(id: string): Promise<Record<string, unknown>>
  create(artifact: {
    data: unknown
    parentId?: string | null
    tags?: string[]
  }): Promise<TaskArtifact>
}

export interface TaskJobs {
  /** Throws `not-found`. */
  get(id: string): Promise<JobRecord>
  /** Newest first, at most 1000. */
  list(filter?: { status?: JobStatus; type?: string }): Promise<JobRecord[]>
  /** The record when the job has ended. Throws when the task is told to stop meanwhile. */
  wait(id: string): Promise<JobRecord>
  cancel(id: string): Promise<JobRecord>
  logs(id: string, after?: number): Promise<LogLine[]>
}

/** A frame in any of the shapes that requests take. */
export type FrameInput = DataFrame | FrameJson | Record<string, string | number | boolean | null>[]

export interface SubmittedRun {
  jobId: string
  /** The artifact that will be there when the job has completed. */
  artifactId: string
}

export interface TrainInput {
  configId: string
  data: FrameInput
  geo?: FeatureCollection | null
  /** How many periods the model is to forecast. @default that of the config */
  predictionPeriods?: number
}

export interface PredictInput {
  /** The trained model. */
  artifactId: string
  historic: FrameInput
  future: FrameInput
  geo?: FeatureCollection | null
  /** How many periods the model is to forecast. @default those of `future` */
  predictionPeriods?: number
}

export interface TaskMl {
  /** Submits a training; wait for it with `jobs.wait`. Throws what `$train` refuses. */
  train(input: TrainInput): Promise<SubmittedRun>
  predict(input: PredictInput): Promise<SubmittedRun>
  /** What `$validate` says. */
  validate(
    input: ({ type: 'train' } & TrainInput) | ({ type: 'predict' } & PredictInput),
  ): Promise<{ valid: boolean; diagnostics: Diagnostic[] }>
}
