import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Hierarchy, mlHierarchy } from './artifact/schema.ts'
import { type AuthOptions, toAuthSpec } from './auth/options.ts'
import { BaseConfig, type BaseConfigInput } from './config/schema.ts'
import { defineService, type Service } from './definition.ts'
import type { EntityDefinition } from './entity/define.ts'
import type { CrudVerbs, FastifyInstance } from './http/routes.ts'
import { callSite } from './kernel/call-site.ts'
import {
  MLServiceInfo,
  type MLServiceInfoInput,
  ServiceInfo,
  type ServiceInfoInput,
} from './ml/info.ts'
import type { ConfigSchema, ModelRunner } from './ml/runner.ts'
import { parseRegistration, type RegistrationOptions } from './orchestrator/options.ts'
import { type ScheduleOptions, toSchedulesSpec } from './schedule/spec.ts'
import { apiKeyVariables, isOrigin } from './settings.ts'
import {
  defaultPrefixes,
  type Feature,
  type MLFeature,
  type Parts,
  type PlainTypes,
  type Prefixes,
  type ServiceSpec,
  type ServiceTypes,
} from './spec.ts'
import type { HealthCheck } from './system/health.ts'
import type { ShellTaskOptions, TaskDefinition, TasksOptions } from './task/define.ts'
import type { FunctionTaskData, ShellTaskData } from './task/schema.ts'
import { toTasksSpec } from './task/spec.ts'
import {
  defaultPolicy,
  toAppPrefix,
  type WebAppOptions,
  type WebAppSource,
  type WebAppsOptions,
} from './webapp/schema.ts'

export interface BuilderOptions<Info> {
  info: Info
  /** `import.meta.url` of the service file: what model hosts import. Without it models run inside the service. */
  module?: string
}

export interface ConfigOptions<Config = unknown, Input = unknown> {
  /** Schema of a config's `data`. @default BaseConfig */
  schema?: ConfigSchema<Config, Input>
  prefix?: string
  /** Verbs to leave out are set to false. @default all */
  verbs?: Partial<CrudVerbs>
}

export interface ArtifactOptions {
  /** Names of the levels of trees. */
  hierarchy?: Hierarchy
  /** Joins configs and artifacts: `$link-artifact`, `$artifacts`, `$config`. @default false; true for ML services */
  linking?: boolean
  prefix?: string
  verbs?: Partial<CrudVerbs>
}

const allVerbs: CrudVerbs = { create: true, read: true, update: true, delete: true }

/** What is missing before a method may be called, as the type that says so. */
interface Missing<Features extends Feature> {
  'this service lacks': Features
}
type Needs<Self, Has extends Feature, Need extends Feature> = [Need] extends [Has]
  ? Self
  : Missing<Exclude<Need, Has>>

/**
 * Builds a service that answers what it is, and whatever is added to it. Each method returns the builder; `build` checks the
 * whole and opens nothing.
 */
export class BaseServiceBuilder<
  Has extends Feature = never,
  Types extends ServiceTypes = PlainTypes,
> {
  /** Only for the types: the features so far, and what clients have to know. */
  declare protected readonly features: Has
  declare protected readonly types: Types
  protected spec: ServiceSpec

  constructor({ info, module }: BuilderOptions<ServiceInfoInput | MLServiceInfoInput>) {
    this.spec = {
      info: parseInfo(info),
      module: module ?? null,
      definedAt: callSite(),
      database: null,
      prefixes: defaultPrefixes,
      logging: false,
      health: false,
      monitoring: false,
      system: false,
      jobs: false,
      config: null,
      artifacts: null,
      runner: null,
      tasks: null,
      schedules: null,
      checks: {},
      routes: [],
      entities: [],
      webApps: [],
      onStartup: [],
      onShutdown: [],
      corsOrigins: null,
      auth: null,
      registration: null,
    }
  }

  /** A line in the log for every request. */
  withLogging(): this {
    return this.set({ logging: true })
  }

  withHealth(prefix?: string): this {
    return this.set({ health: true }).at('health', prefix)
  }

  /**
   * Metrics for Prometheus at `/metrics`, or at the prefix that is given: requests, jobs, model hosts, database, files and the
   * process. `false` turns them off.
   * @default on for services with a model, off for others
   */
  withMonitoring(prefix?: string | false): this {
    if (prefix === false) return this.set({ monitoring: false })
    return this.set({ monitoring: true }).at('metrics', prefix)
  }

  withSystem(prefix?: string): this {
    return this.set({ system: true }).at('system', prefix)
  }

  /** A check of the user's own in `/health`. Its name may have letters, digits, `-` and `_`. */
  withHealthCheck(name: string, check: HealthCheck): this {
    if (!/^[\w-]+$/.test(name)) {
      throw new Error(
        `Expected a name of letters, digits, - and _ for a health check, got "${name}"`,
      )
    }
    if (name in this.spec.checks || name === 'database') {
      throw new Error(`There is a health check named "${name}" already`)
    }
    return this.set({ health: true, checks: { ...this.spec.checks, [name]: check } })
  }

  /** Where the service keeps its data: a path, an SQLite URL, or `:memory:`. @default `chapkit.db` in `CHAPKIT_DATA_DIR` */
  withDatabase(url: string): this {
    return this.set({ database: url })
  }

  /** Origins whose pages may call the service; `'*'` is every one. */
  withCors(origins: readonly string[]): this {
    return this.set({ corsOrigins: origins })
  }

  /**
   * Asks for an API key, in the header `X-API-Key` or as `Authorization: Bearer KEY`, for all but the pages, `/openapi.json` and
   * `/health`. Keys are read when the service starts, which it does not without any.
   */
  withAuth(options: AuthOptions = {}): this {
    return this.set({ auth: toAuthSpec(options, { variables: apiKeyVariables }) })
  }

  /**
   * Registers the service with an orchestrator, such as chap-core, while it listens: when it begins to answer, again whenever
   * the orchestrator has forgotten it, and takes it back at the stop. The service works without the orchestrator all the same.
   */
  withRegistration(options: RegistrationOptions = {}): this {
    return this.set({ registration: parseRegistration(options) })
  }

  /** Paths that the parts of the service answer at. */
  withPrefixes(prefixes: Partial<Prefixes>): this {
    for (const [name, prefix] of Object.entries(prefixes)) assertPrefix(prefix, name)
    return this.set({ prefixes: { ...this.spec.prefixes, ...prefixes } })
  }

  /** An entity of the user's own: see `defineEntity`. */
  withEntity<Row, Input, Name extends string>(
    definition: EntityDefinition<Row, Input, Name>,
  ): BaseServiceBuilder<Has, WithEntity<Types, Name, Row, Input>> {
    assertPrefix(definition.path)
    if (this.spec.entities.some(({ name }) => name === definition.name)) {
      throw new Error(`There is an entity named "${definition.name}" already`)
    }
    const entities = [...this.spec.entities, definition as EntityDefinition<unknown>]
    return this.set({ entities }) as never
  }

  /** Routes of the user's own: a Fastify plugin that is given the running parts. They ask for `service:use` unless they say otherwise. */
  withRoutes(routes: (app: FastifyInstance, parts: Parts<Has>) => void | Promise<void>): this {
    return this.set({ routes: [...this.spec.routes, routes] })
  }

  /**
   * A web app: a folder with a `manifest.json` and pages, answered below a prefix, that of the manifest unless another is given.
   * A relative path begins at the folder of `module`, or at the working directory where there is none. Starting throws when the
   * folder or its manifest does not fit.
   *
   * @example
   * ```ts
   * builder.withApp('dashboard').withApp('map/dist', '/map')
   * ```
   */
  withApp(folder: string | URL, at: string | WebAppOptions = {}): this {
    const { prefix, ...options } = typeof at === 'string' ? { prefix: at } : at
    return this.addWebApps(folder, options, {
      holdsApps: false,
      prefix: prefix === undefined ? null : toAppPrefix(prefix),
    })
  }

  /** Every web app in a folder, each in a folder of its own; those that do not fit are left out, with a warning in the log. */
  withApps(folder: string | URL, options: WebAppsOptions = {}): this {
    return this.addWebApps(folder, options, { holdsApps: true, prefix: null })
  }

  private addWebApps(
    folder: string | URL,
    options: WebAppsOptions,
    kind: Pick<WebAppSource, 'holdsApps' | 'prefix'>,
  ): this {
    const { permission = 'public', contentSecurityPolicy = defaultPolicy, framedBy } = options
    const policy = contentSecurityPolicy === false ? null : contentSecurityPolicy
    if (policy !== null && !/^[ -~]+$/.test(policy)) {
      throw new Error(
        `Expected a contentSecurityPolicy of one line of ASCII, or false for none, got ${JSON.stringify(policy)}`,
      )
    }
    const stranger = framedBy?.find((origin) => !isOrigin(origin))
    if (stranger !== undefined) {
      throw new Error(
        `Expected origins such as "https://dhis2.example.org" in framedBy, without a path, got ${JSON.stringify(stranger)}`,
      )
    }
    const source = {
      ...{ ...kind, folder: this.toPath(folder), permission, policy },
      framedBy: framedBy ?? null,
    }
    return this.set({ webApps: [...this.spec.webApps, source] })
  }

  /** A path that a user has written, which is relative to the service file where that is known. */
  protected toPath(path: string | URL): string {
    if (path instanceof URL) return fileURLToPath(path)
    const { module } = this.spec
    return resolve(module === null ? '.' : dirname(fileURLToPath(module)), path)
  }

  /** Called when the service has opened, before it takes work. */
  onStartup(hook: (parts: Parts<Has>) => void | Promise<void>): this {
    return this.set({ onStartup: [...this.spec.onStartup, hook] })
  }

  /** Called when the service has stopped taking work, before it closes its database. */
  onShutdown(hook: (parts: Parts<Has>) => void | Promise<void>): this {
    return this.set({ onShutdown: [...this.spec.onShutdown, hook] })
  }

  withJobs(prefix?: string): WithFeature<this, Has, Types, 'jobs'> {
    return this.set({ jobs: true }).at('jobs', prefix) as never
  }

  /** A definition of the service; nothing is open yet. Throws when parts of it do not fit together. */
  build(): Service<Has, Types> {
    const { runner, config, artifacts, jobs, info, tasks, schedules } = this.spec
    if (tasks) assertParts('withTasks()', { 'withArtifacts()': artifacts, 'withJobs()': jobs })
    if (schedules) assertParts('withSchedules()', { 'withTasks()': tasks })
    if (artifacts?.linking && !config) {
      throw new Error('Linking artifacts to configs needs configs: add withConfig()')
    }
    if (runner) {
      assertParts('withMl()', {
        ...{ 'withConfig()': config, 'withArtifacts()': artifacts, 'withJobs()': jobs },
      })
      if (runner.contract !== 1 || runner.inputs !== 'forecast') {
        throw new Error(
          `This version runs models of contract 1 that take forecasts; got contract ${runner.contract}, ${runner.inputs}`,
        )
      }
      if (!MLServiceInfo.safeParse(info).success) {
        throw new Error(
          'A service with a model needs `period_type` ("monthly", "weekly" or "any") in its info',
        )
      }
    }
    return defineService<Has, Types>(this.spec)
  }

  protected set(changes: Partial<ServiceSpec>): this {
    this.spec = { ...this.spec, ...changes }
    return this
  }

  protected at(name: keyof Prefixes, prefix: string | undefined): this {
    return prefix === undefined ? this : this.withPrefixes({ [name]: prefix })
  }
}

/** The same builder, known to have a feature more. */
type WithFeature<Self, Has extends Feature, Types extends ServiceTypes, More extends Feature> =
  Self extends ServiceBuilder<Has, Types>
    ? ServiceBuilder<Has | More, Types>
    : BaseServiceBuilder<Has | More, Types>

/** What a service tells its clients, with an entity more. */
type WithEntity<Types extends ServiceTypes, Name extends string, Row, Input> = {
  config: Types['config']
  entities: Types['entities'] & Record<Name, { row: Row; input: Input }>
  tasks: Types['tasks']
}

/** The same with configs of another schema. */
type WithConfig<Types extends ServiceTypes, Config, Input> = {
  config: { input: ConfigInput<Config, Input>; output: Config }
  entities: Types['entities']
  tasks: Types['tasks']
}

/** The same with tasks. */
type WithTasks<Types extends ServiceTypes, Functions, Commands extends string> = {
  config: Types['config']
  entities: Types['entities']
  tasks: Types['tasks'] & { [Name in keyof Functions]: FunctionTask<Functions[Name]> } & Record<
      Commands,
      { parameters: Readonly<Record<string, unknown>>; data: ShellTaskData }
    >
}

type FunctionTask<Definition> =
  Definition extends TaskDefinition<infer Parameters, infer Result>
    ? { parameters: Partial<Parameters>; data: FunctionTaskData<Awaited<Result>> }
    : never

/** What may be sent, where the schema only says what comes out: any part of it. */
type ConfigInput<Config, Input> = unknown extends Input ? Partial<Config> : Input

/** Configs are the model's own unless they were given a schema. */
type WithModel<
  Types extends ServiceTypes,
  Config,
  Input,
> = BaseConfigInput extends Types['config']['input'] ? WithConfig<Types, Config, Input> : Types

/** Builds a service of configs, artifacts, jobs and, with all of these, a model. */
export class ServiceBuilder<
  Has extends Feature = never,
  Types extends ServiceTypes = PlainTypes,
> extends BaseServiceBuilder<Has, Types> {
  override withEntity<Row, Input, Name extends string>(
    definition: EntityDefinition<Row, Input, Name>,
  ): ServiceBuilder<Has, WithEntity<Types, Name, Row, Input>> {
    return super.withEntity(definition) as never
  }

  /** Named configurations, validated by a schema. */
  withConfig<Config = BaseConfig, Input = BaseConfigInput>(
    options: ConfigOptions<Config, Input> = {},
  ): ServiceBuilder<Has | 'config', WithConfig<Types, Config, Input>> {
    const { schema = BaseConfig, prefix, verbs } = options
    return this.set({ config: { schema, verbs: { ...allVerbs, ...verbs } } }).at(
      'configs',
      prefix,
    ) as never
  }

  /** Trees of artifacts. */
  withArtifacts(options: ArtifactOptions = {}): ServiceBuilder<Has | 'artifacts', Types> {
    const { hierarchy = mlHierarchy, linking = false, prefix, verbs } = options
    return this.set({
      artifacts: { hierarchy, linking, verbs: { ...allVerbs, ...verbs } },
    }).at('artifacts', prefix) as never
  }

  /** Training and predicting. Needs configs, artifacts and jobs. */
  withMl<Config, Model, Input>(
    this: Needs<ServiceBuilder<Has, Types>, Has, 'config' | 'artifacts' | 'jobs'>,
    runner: ModelRunner<Config, Model, Input>,
    prefix?: string,
  ): ServiceBuilder<Has | 'ml', WithModel<Types, Config, Input>> {
    const builder = this as unknown as ServiceBuilder<Has>
    const { config } = builder.spec
    return builder
      .set({
        runner: runner as unknown as ModelRunner,
        // Configs are the model's own unless a schema was given.
        ...(config &&
          config.schema === BaseConfig && { config: { ...config, schema: runner.config } }),
      })
      .at('ml', prefix) as never
  }

  /**
   * Commands and functions that run as jobs, when a client asks for it. Needs artifacts, for results, and jobs.
   *
   * @example
   * ```ts
   * builder.withTasks({
   *   shell: { report: { command: 'Rscript report.R {region}', retries: { attempts: 3 } } },
   *   functions: { retrain: defineTask({ run: async ({ ml, jobs }) => { … } }) },
   * })
   * ```
   */
  withTasks<
    const Functions extends NonNullable<TasksOptions['functions']> = Record<never, never>,
    Commands extends string = never,
  >(
    this: Needs<ServiceBuilder<Has, Types>, Has, 'artifacts' | 'jobs'>,
    options: TasksOptions & {
      functions?: Functions
      shell?: Readonly<Record<Commands, ShellTaskOptions>>
    } = {},
    prefix?: string,
  ): ServiceBuilder<Has | 'tasks', WithTasks<Types, Functions, Commands>> {
    const builder = this as unknown as ServiceBuilder<Has>
    if (builder.spec.tasks)
      throw new Error('withTasks() was called before; give it all tasks at once')
    const { project = '.' } = options
    const isUrl = typeof project === 'string' && project.startsWith('file:')
    const folder = builder.toPath(isUrl ? new URL(project) : project)
    return builder.set({ tasks: toTasksSpec(options, folder) }).at('tasks', prefix) as never
  }

  /**
   * Lets tasks run by themselves: by cron, at an interval, or once. Schedules are made over HTTP, or given here by name. Needs
   * tasks.
   *
   * @example
   * ```ts
   * builder.withSchedules({
   *   nightly: { task: 'retrain', cron: '0 3 * * *', zone: 'Africa/Kigali' },
   * })
   * ```
   */
  withSchedules(
    this: Needs<ServiceBuilder<Has, Types>, Has, 'tasks'>,
    schedules: Readonly<Record<string, ScheduleOptions>> = {},
    prefix?: string,
  ): ServiceBuilder<Has | 'schedules', Types> {
    const builder = this as unknown as ServiceBuilder<Has>
    return builder.set({ schedules: toSchedulesSpec(schedules) }).at('schedules', prefix) as never
  }
}

function assertParts(method: string, parts: Readonly<Record<string, unknown>>) {
  const missing = Object.keys(parts).filter((name) => !parts[name])
  if (missing.length > 0) throw new Error(`${method} needs ${missing.join(', ')} first`)
}

export interface MLBuilderOptions<Config, Model, Input = unknown>
  extends BuilderOptions<MLServiceInfoInput> {
  runner: ModelRunner<Config, Model, Input>
  /** Names of the levels of artifact trees. */
  hierarchy?: Hierarchy
}

/** Builds a service around a model, with all that such a service needs: health, system, metrics, configs, artifacts, jobs, logging. */
export class MLServiceBuilder<
  Config = unknown,
  Model = unknown,
  Input = unknown,
> extends ServiceBuilder<MLFeature, WithConfig<PlainTypes, Config, Input>> {
  constructor({ info, module, runner, hierarchy }: MLBuilderOptions<Config, Model, Input>) {
    super({ info, ...(module !== undefined && { module }) })
    this.withLogging().withHealth().withSystem().withMonitoring()
    this.withJobs()
    this.withConfig({ schema: runner.config })
    this.withArtifacts({ linking: true, ...(hierarchy && { hierarchy }) })
    this.set({ runner: runner as unknown as ModelRunner })
  }
}

function parseInfo(info: ServiceInfoInput | MLServiceInfoInput): ServiceInfo | MLServiceInfo {
  const parsed = 'period_type' in info ? MLServiceInfo.safeParse(info) : ServiceInfo.safeParse(info)
  if (parsed.success) return parsed.data
  const lines = parsed.error.issues.map(
    (issue) => `${issue.path.join('.') || 'info'}: ${issue.message}`,
  )
  throw new Error(`The info of the service does not fit:\n  ${lines.join('\n  ')}`)
}

const reserved = ['/v2', '/metrics', '/graphql', '/console', '/docs', '/openapi.json']

function assertPrefix(prefix: string, part?: string) {
  if (!/^(\/[\w.-]+)+$/.test(prefix) || prefix.includes('..')) {
    throw new Error(`Expected a prefix such as "/api/v1/configs", got "${prefix}"`)
  }
  const taken = reserved.find(
    (each) => each !== `/${part}` && (prefix === each || prefix.startsWith(`${each}/`)),
  )
  if (taken) throw new Error(`The prefix "${prefix}" lies below "${taken}", which is reserved`)
}
