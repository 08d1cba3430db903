export type {
  ArtifactData,
  ArtifactRecord,
  ArtifactsClient,
  ArtifactTree,
  UploadBody,
  UploadOptions,
} from './artifacts.ts'
export { type ClientOptions, createClient } from './client.ts'
export type { Collection, Reads } from './collection.ts'
export type { ConfigInput, ConfigRecord, ConfigsClient } from './configs.ts'
export type { Download, DownloadOptions, DownloadsClient, FrameFormat } from './downloads.ts'
export { ChapkitClientError, type ClientErrorCode, type ClientErrorOptions } from './errors.ts'
export { type FrameInput, type FrameRecord, toFrame, toRecords } from './frames.ts'
export type { JobFilter, JobsClient, LogPage, WaitOptions } from './jobs.ts'
export type {
  MlClient,
  Predicted,
  PredictInput,
  PredictSample,
  SampleQuery,
  Submitted,
  Trained,
  TrainInput,
  TrainSample,
  ValidateInput,
  Verdict,
} from './ml.ts'
export type { WatchOptions } from './patience.ts'
export type { Timing } from './retry.ts'
export type { SchedulesClient } from './schedules.ts'
export type { HealthClient, Info, SystemClient } from './service.ts'
export type { Executed, KnownTasks, TaskParameters, TasksClient } from './tasks.ts'
export type { Call, CallOptions, CreateOptions, TransportOptions } from './transport.ts'
export type { Client } from './types.ts'
