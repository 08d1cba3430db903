import type { Artifacts } from './artifact/artifacts.ts'
import type { Hierarchy } from './artifact/schema.ts'
import type { AuthSpec } from './auth/options.ts'
import type { Blobs } from './blob/blobs.ts'
import type { Configs } from './config/configs.ts'
import type { BaseConfig, BaseConfigInput } from './config/schema.ts'
import type { Database } from './db/database.ts'
import type { EntityDefinition, EntityOperations } from './entity/define.ts'
import type { CrudVerbs } from './http/routes.ts'
import type { Jobs } from './job/jobs.ts'
import type { MLServiceInfo, ServiceInfo } from './ml/info.ts'
import type { Ml } from './ml/ml.ts'
import type { ConfigSchema, ModelRunner } from './ml/runner.ts'
import type { RegistrationSpec } from './orchestrator/options.ts'
import type { Schedules } from './schedule/schedules.ts'
import type { ScheduleSpec } from './schedule/spec.ts'
import type { HealthCheck } from './system/health.ts'
import type { TasksSpec } from './task/spec.ts'
import type { Tasks } from './task/tasks.ts'
import type { WebAppSource } from './webapp/schema.ts'

/** What a service can be made of beyond the base. */
export type Feature = 'config' | 'artifacts' | 'jobs' | 'ml' | 'tasks' | 'schedules'

/** What a service with a model has from the start. */
export type MLFeature = Exclude<Feature, 'tasks' | 'schedules'>

/**
 * What a client has to know of a service besides its features, as types alone: the builders gather it, and nothing of it is
 * there at run time. `Client` reads it.
 */
export interface ServiceTypes {
  /** `data` of a config, as it is sent and as it is answered. */
  config: { input: unknown; output: unknown }
  /** Entities of the user's own, by name. */
  entities: Record<string, { row: unknown; input: unknown }>
  /** Tasks of the service file, by name: what they take, and the data of their results. */
  tasks: Record<string, { parameters: unknown; data: unknown }>
}

/** Of a service with nothing of its own. */
export interface PlainTypes {
  config: { input: BaseConfigInput; output: BaseConfig }
  entities: Record<never, never>
  tasks: Record<never, never>
}

interface FeatureParts {
  config: { configs: Configs }
  artifacts: { artifacts: Artifacts }
  jobs: { jobs: Jobs }
  ml: { ml: Ml }
  tasks: { tasks: Tasks }
  schedules: { schedules: Schedules }
}

/** The running parts that routes and hooks of a user's own get: those of the features that the service has. */
export type Parts<Has extends Feature = MLFeature> = {
  database: Database
  blobs: Blobs
  /** The operations of an entity that was added with `withEntity`. */
  entity: <Row, Input>(definition: EntityDefinition<Row, Input>) => EntityOperations<Row, Input>
} & UnionToIntersection<Has extends Feature ? FeatureParts[Has] : never>

type UnionToIntersection<Union> = [Union] extends [never]
  ? unknown
  : (Union extends unknown ? (each: Union) => void : never) extends (all: infer All) => void
    ? All
    : never

/** Paths that the parts of a service answer at. */
export interface Prefixes {
  health: string
  metrics: string
  info: string
  system: string
  jobs: string
  configs: string
  artifacts: string
  ml: string
  tasks: string
  schedules: string
}

export const defaultPrefixes: Prefixes = {
  health: '/health',
  metrics: '/metrics',
  info: '/api/v1/info',
  system: '/api/v1/system',
  jobs: '/api/v1/jobs',
  configs: '/api/v1/configs',
  artifacts: '/api/v1/artifacts',
  ml: '/api/v1/ml',
  tasks: '/api/v1/tasks',
  schedules: '/api/v1/schedules',
}

/** Everything that defines a service, as one value: what the builders build and `createService` reads. */
export interface ServiceSpec {
  info: ServiceInfo | MLServiceInfo
  /** File URL of the service file, which model hosts import; null runs models inline. */
  module: string | null
  /** Where the service was built, for messages; null when that is not known. */
  definedAt: string | null
  /** Database of its own: a path, an SQLite URL or `:memory:`; null takes the settings'. */
  database: string | null
  prefixes: Prefixes
  logging: boolean
  health: boolean
  /** Whether the service counts what happens in it, and answers the counts. */
  monitoring: boolean
  system: boolean
  jobs: boolean
  config: { schema: ConfigSchema; verbs: CrudVerbs } | null
  artifacts: { hierarchy: Hierarchy; verbs: CrudVerbs; linking: boolean } | null
  runner: ModelRunner | null
  /** Commands and functions that run as jobs; null where there are no tasks. */
  tasks: TasksSpec | null
  /** Schedules of the service file by name; null where tasks do not run by themselves. */
  schedules: ReadonlyMap<string, ScheduleSpec> | null
  checks: Readonly<Record<string, HealthCheck>>
  // biome-ignore lint/suspicious/noExplicitAny: each was typed by the builder's own features when it was added
  routes: readonly ((app: any, parts: any) => void | Promise<void>)[]
  entities: readonly EntityDefinition<unknown>[]
  /** Folders of web apps, in the order in which they were added. */
  webApps: readonly WebAppSource[]
  // biome-ignore lint/suspicious/noExplicitAny: as above
  onStartup: readonly ((parts: any) => void | Promise<void>)[]
  // biome-ignore lint/suspicious/noExplicitAny: as above
  onShutdown: readonly ((parts: any) => void | Promise<void>)[]
  corsOrigins: readonly string[] | null
  /** Whom the service lets in; null is everybody. */
  auth: AuthSpec | null
  /** How the service registers with an orchestrator when it listens; null does not. */
  registration: RegistrationSpec | null
}

/** Whether a service has code that hosts run: a model of functions, or task functions. Commands run in processes of their own. */
export function hasHosts({ runner, tasks }: ServiceSpec): boolean {
  return runner?.keeps === 'value' || (tasks?.functions.size ?? 0) > 0
}
