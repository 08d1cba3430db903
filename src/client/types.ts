import type { Feature, ServiceTypes } from '../spec.ts'
import type { ArtifactsClient } from './artifacts.ts'
import type { Collection } from './collection.ts'
import type { ConfigsClient } from './configs.ts'
import type { JobsClient } from './jobs.ts'
import type { MlClient } from './ml.ts'
import type { SchedulesClient } from './schedules.ts'
import type { HealthClient, Info, SystemClient } from './service.ts'
import type { TasksClient } from './tasks.ts'
import type { Call, CallOptions } from './transport.ts'

/** What is known of a service of which nothing is known. */
interface AnyApi {
  features: Record<Feature, true>
  types: {
    config: { input: Record<string, unknown>; output: Record<string, unknown> }
    entities: Record<
      string,
      { row: { id: string } & Record<string, unknown>; input: Record<string, unknown> }
    >
    tasks: Record<never, never>
  }
}

interface Api {
  features: Partial<Record<Feature, true>>
  types: ServiceTypes
}

/** What the type of a service tells. */
type ApiOf<Service> = Service extends { readonly '~api'?: infer Known }
  ? NonNullable<Known> extends Api
    ? NonNullable<Known>
    : AnyApi
  : AnyApi

/** What stands for an entity: its definition, of which only path and types are used. */
interface Entity<Row, Input> {
  readonly path: string
  readonly '~types'?: { row: Row; input: Input }
}

interface Groups<Types extends ServiceTypes> {
  config: { readonly configs: ConfigsClient<Types['config']['input'], Types['config']['output']> }
  artifacts: { readonly artifacts: ArtifactsClient }
  jobs: { readonly jobs: JobsClient }
  ml: { readonly ml: MlClient }
  tasks: { readonly tasks: TasksClient<Types['tasks']> }
  schedules: { readonly schedules: SchedulesClient }
}

interface Everywhere<Types extends ServiceTypes> {
  /** Where the service is. */
  readonly url: string
  /** What the service is. */
  info(options?: CallOptions): Promise<Info>
  readonly system: SystemClient
  readonly health: HealthClient
  /** An entity of the service's own, by its definition. */
  entity<Row, Input>(definition: Entity<Row, Input>): Collection<Row & { id: string }, Input>
  /** An entity of the service's own, by its name; `path` where it is not `/api/v1/<name>s`. */
  entity<Name extends keyof Types['entities'] & string>(
    name: Name,
    options?: { path?: string },
  ): Collection<Types['entities'][Name]['row'] & { id: string }, Types['entities'][Name]['input']>
  /**
   * Anything else, such as routes of the service's own: `path` begins with `/`. Answers what comes with a status of success,
   * unread, and throws for every other. A POST is sent once, unless it is `repeatable` or has an `idempotencyKey`.
   */
  request(path: string, call?: Omit<Call, 'path'>): Promise<Response>
}

type All<Union> = [Union] extends [never]
  ? unknown
  : (Union extends unknown ? (each: Union) => void : never) extends (all: infer Every) => void
    ? Every
    : never

/**
 * A client of a service: `Client<typeof service>` has the groups that the service has, and knows its configs and entities.
 * `Client` alone has all of them, with data of any kind.
 */
export type Client<Service = unknown> = Everywhere<ApiOf<Service>['types']> &
  All<
    Groups<ApiOf<Service>['types']>[keyof ApiOf<Service>['features'] & keyof Groups<ServiceTypes>]
  >
