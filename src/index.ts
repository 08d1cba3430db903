export type { Hierarchy } from './artifact/schema.ts'
export type { AuthOptions, AuthSpec } from './auth/options.ts'
export {
  type ArtifactOptions,
  BaseServiceBuilder,
  type BuilderOptions,
  type ConfigOptions,
  type MLBuilderOptions,
  MLServiceBuilder,
  ServiceBuilder,
} from './builder.ts'
export { fromJsonSchema } from './config/json-field.ts'
export { BaseConfig } from './config/schema.ts'
export {
  type Cell,
  canonicalPeriod,
  DataFrame,
  type Feature as GeoFeature,
  type FeatureCollection,
  type Field,
  type FieldType,
  type FrameJson,
  type LagOptions,
  nextPeriod,
  type Period,
  type PeriodKind,
  type PeriodType,
  parsePeriod,
} from './data/index.ts'
export type { Database } from './db/database.ts'
export type { ListenOptions, Service, StartOptions } from './definition.ts'
export {
  defineEntity,
  type EntityDefinition,
  type EntityInput,
  type EntityMigration,
  type EntityOperations,
  type EntityOptions,
  type EntityReads,
  type EntityRow,
  type EntityRules,
  type RuleContext,
} from './entity/define.ts'
export { ChapkitError, type ErrorCode, errorCatalogue, type Issue } from './errors.ts'
export type { Principal } from './kernel/principal.ts'
export { BaseModelRunner } from './ml/base-runner.ts'
export { type FunctionalModelOptions, FunctionalModelRunner } from './ml/functional.ts'
export {
  MLServiceInfo,
  type MLServiceInfoInput,
  ServiceInfo,
  type ServiceInfoInput,
} from './ml/info.ts'
export type {
  ConfigSchema,
  Diagnostic,
  ModelRunner,
  PredictContext,
  RunContext,
  ScriptLimits,
  TrainContext,
  ValidatePredictContext,
  ValidateTrainContext,
} from './ml/runner.ts'
export type { RegistrationOptions } from './orchestrator/options.ts'
export { type Permission, permissionCatalogue } from './permissions.ts'
export type { ScheduleOptions } from './schedule/spec.ts'
export { type ShellModelOptions, ShellModelRunner } from './script/runner.ts'
export type { Feature, Parts, Prefixes, ServiceSpec, ServiceTypes } from './spec.ts'
export type { CheckResult, HealthCheck, HealthState } from './system/health.ts'
export {
  defineTask,
  type RetryOptions,
  type ShellTaskOptions,
  type TaskContext,
  type TaskDefinition,
  type TaskOptions,
  type TasksOptions,
} from './task/define.ts'
export { version } from './version.ts'
export type { WebAppOptions, WebAppSource, WebAppsOptions } from './webapp/schema.ts'
