import type { AddressInfo } from 'node:net'
import { hostname } from 'node:os'
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { announce, openRegistration } from './announce.ts'
import { createArtifacts } from './artifact/artifacts.ts'
import { createTreeChanges } from './artifact/change/changes.ts'
import { createArtifactIntake } from './artifact/intake-queue.ts'
import { createLayouts } from './artifact/layouts.ts'
import { createRenderings } from './artifact/renderings.ts'
import { artifactRoutes } from './artifact/routes.ts'
import { mlHierarchy } from './artifact/schema.ts'
import { createAuth } from './auth/auth.ts'
import { createBlobs } from './blob/blobs.ts'
import { createConfigs } from './config/configs.ts'
import { configRoutes } from './config/routes.ts'
import { BaseConfig } from './config/schema.ts'
import { migrateEntity } from './db/migrate.ts'
import type { EntityDefinition, EntityOperations } from './entity/define.ts'
import { homeLinks, toAppInfo } from './home.ts'
import { createInlineHosts, createProcessHosts, type Programs } from './host/hosts.ts'
import type { FastifyInstance } from './http/routes.ts'
import { createIdempotency } from './idempotency/idempotency.ts'
import { createDispatcher } from './job/dispatcher.ts'
import { createJobs } from './job/jobs.ts'
import { jobRoutes } from './job/routes.ts'
import { createLinks } from './link/links.ts'
import { linkRoutes } from './link/routes.ts'
import { linkStore } from './link/store.ts'
import { readCode } from './ml/code.ts'
import { numericColumns } from './ml/covariates.ts'
import { defaultOutOfBounds } from './ml/horizon.ts'
import { MLServiceInfo, withProvenance } from './ml/info.ts'
import { createIntakeQueue } from './ml/intake-queue.ts'
import { createMl } from './ml/ml.ts'
import { mlRoutes } from './ml/routes.ts'
import type { ModelHosts } from './ml/run.ts'
import { createRuns } from './ml/runs.ts'
import { createValidation } from './ml/validate.ts'
import type { Monitor } from './monitor/monitor.ts'
import { loadSchedules, loadScripts, loadTasks } from './optional.ts'
import type { Platform } from './platform.ts'
import { redactor } from './redact.ts'
import type { ScriptLocale } from './script/locale.ts'
import { createApp, type RoutePlugin } from './server/app.ts'
import { namesOf } from './server/hosts.ts'
import type { Logger } from './server/log.ts'
import { toOpenApi } from './server/openapi.ts'
import { pages } from './server/pages.ts'
import type { Settings } from './settings.ts'
import { hasHosts, type Parts, type ServiceSpec } from './spec.ts'
import { createHealth, databaseCheck } from './system/health.ts'
import { healthRoutes, infoRoutes, systemRoutes } from './system/routes.ts'
import { version } from './version.ts'
import { openWebApps } from './webapp/apps.ts'
import { webAppRoutes } from './webapp/routes.ts'

const hourMs = 3_600_000
/** How old unreferenced bytes are before a running service removes them: longer than any upload takes to be named. */
const sweepAgeMs = 24 * hourMs

export interface ServiceOptions {
  spec: ServiceSpec
  /** API keys; null where the service asks for none. */
  keys: readonly string[] | null
  settings: Settings
  platform: Platform
  /** Counts what happens, where the service is monitored. */
  monitor: Monitor | null
  logger: Logger
  environment: Readonly<Record<string, string | undefined>>
}

/** A service that runs: its face without a socket, its parts, and its end. */
export interface RunningService {
  app: FastifyInstance
  parts: Parts
  hosts: ModelHosts | null
  /** To be called when requests are answered at a socket: registers the service, where that is wanted. */
  announce(listening: AddressInfo): void
  /** Stops taking work, waits for what runs up to the drain time (until `atOnce` aborts), and closes everything. */
  close(atOnce?: AbortSignal): Promise<void>
}

/** Builds every slice from the platform and starts them. Read top to bottom: this is the dependency graph. */
export async function createService(options: ServiceOptions): Promise<RunningService> {
  const { spec, keys, settings, platform, monitor, logger } = options
  const { database, blobStore, engine, now, serviceTime, newId, newToken } = platform
  const { prefixes } = spec
  const { publicUrl } = settings
  const observe = monitor?.observe
  const stopping = new AbortController()
  const onError = (error: unknown, event: string) => logger.error({ err: error, event }, event)

  // First: what it refuses has nothing to close yet.
  const taken = [...Object.values(prefixes), ...spec.entities.map(({ path }) => path)]
  const webApps = await openWebApps({
    sources: spec.webApps,
    taken,
    warn: (fields, message) => logger.warn(fields, message),
  })

  const blobs = createBlobs({ database, store: blobStore, now: serviceTime, observe })
  const idempotency = createIdempotency({ database, now: serviceTime })
  const jobs = createJobs({
    database,
    blobs,
    engine,
    now,
    serviceTime,
    newId,
    boot: platform.boot,
    retentionMs: settings.jobRetentionMs,
    maxQueued: settings.maxQueuedJobs,
    observe,
  })
  const changes = createTreeChanges({
    ...{ database, blobs, newId, onError },
    forget: async (tx, ids) => void (await linkStore.removeArtifacts(tx, ids)),
  })
  const artifactIntake = createArtifactIntake()
  const artifacts = createArtifacts({
    database,
    blobs,
    intake: artifactIntake,
    hierarchy: spec.artifacts?.hierarchy ?? mlHierarchy,
    now,
    newId,
    changes,
    assertFree: jobs.assertFree,
    assertAllFree: jobs.assertAllFree,
    assertUnpromised: jobs.assertUnpromised,
  })
  const renderings = createRenderings({ blobs, scratch: platform.scratch, newId })
  const configs = createConfigs({
    database,
    schema: spec.config?.schema ?? BaseConfig,
    now,
    newId,
    isForScripts: spec.runner?.keeps === 'workspace',
  })
  const links = createLinks({
    database,
    configs,
    artifacts,
    changes,
    assertFree: jobs.assertFree,
  })

  const { gitRevision } = settings
  const told = withProvenance(spec.info, { gitRevision, version })
  const routes: RoutePlugin[] = [infoRoutes({ info: { ...told }, prefix: prefixes.info })]
  if (spec.health) {
    const checks = { database: databaseCheck(database), ...spec.checks }
    routes.push(
      healthRoutes({
        health: createHealth(checks),
        prefix: prefixes.health,
        stopping: stopping.signal,
      }),
    )
  }
  if (spec.system)
    routes.push(systemRoutes({ now, prefix: prefixes.system, apps: webApps.map(toAppInfo) }))
  if (spec.jobs) routes.push(jobRoutes({ jobs, prefix: prefixes.jobs, stopping: stopping.signal }))
  const linking = spec.artifacts?.linking === true
  if (spec.config) {
    const remove = linking ? links.removeConfig : (id: string) => configs.remove(id)
    const { verbs } = spec.config
    routes.push(
      configRoutes({ configs, idempotency, remove, prefix: prefixes.configs, publicUrl, verbs }),
    )
  }
  if (spec.artifacts) {
    const { verbs } = spec.artifacts
    const { updateArtifact: update, removeArtifact: remove } = links
    routes.push(
      artifactRoutes({
        artifacts,
        blobs,
        renderings,
        layouts: createLayouts({ blobs }),
        intake: artifactIntake,
        idempotency,
        update,
        remove,
        prefix: prefixes.artifacts,
        publicUrl,
        verbs,
      }),
    )
  }
  if (linking) {
    routes.push(
      linkRoutes({
        links,
        artifacts,
        configPrefix: prefixes.configs,
        artifactPrefix: prefixes.artifacts,
      }),
    )
  }

  const entities = new Map<EntityDefinition<unknown>, EntityOperations<unknown>>()
  for (const definition of spec.entities) {
    await migrateEntity(database, definition.name, definition.migrations)
    const entity = definition.create({ database, idempotency, now, newId, publicUrl })
    entities.set(definition, entity.operations)
    routes.push(entity.routes)
  }

  const programs = {
    runner: spec.runner?.keeps === 'value' ? spec.runner : null,
    functions: spec.tasks?.functions ?? new Map<never, never>(),
  }
  const hosts = hasHosts(spec) ? openHosts(spec, programs, options, stopping.signal) : null
  const info = MLServiceInfo.safeParse(spec.info).data ?? null
  const intake = createIntakeQueue(info ?? undefined)
  if (spec.runner && info && spec.config) {
    const periods = await defaultOutOfBounds(spec.config.schema, info)
    if (periods !== null) {
      const { min_prediction_periods: least, max_prediction_periods: most } = info
      logger.warn(
        { event: 'config.horizon_out_of_bounds', prediction_periods: periods },
        `the default of prediction_periods (${periods}) lies outside of the service's bounds (${least} to ${most}): a training that names no horizon is refused; give the schema of the config a default within them`,
      )
    }
  }
  const validation =
    spec.runner &&
    info &&
    createValidation({
      ...{ configs, artifacts, blobs, runner: spec.runner, info, onError },
      agree: intake.agree,
    })
  const ml =
    validation && info
      ? createMl({
          ...{ configs, artifacts, validation, jobs, blobs, info, newId },
          log: (fields, message) => logger.info(fields, message),
        })
      : null
  if (ml && info) {
    const prefix = prefixes.ml
    routes.push(
      mlRoutes({
        ml,
        intake,
        idempotency,
        artifacts,
        blobs,
        info,
        prefix,
        stopping: stopping.signal,
      }),
    )
  }
  const workshop =
    spec.runner?.keeps === 'workspace' || spec.tasks
      ? (await loadScripts()).openWorkshop({
          scratch: platform.scratch,
          owned: platform.owned,
          ...{ blobs, database, newId, onError },
          environment: options.environment,
          stopping: stopping.signal,
          isDurable: platform.isDurable,
        })
      : null
  const scriptRuns =
    spec.runner?.keeps === 'workspace' && info && workshop
      ? workshop.modelRuns({
          scripts: spec.runner.scripts,
          root: projectOf(spec, spec.runner.scripts.project),
          ...{ artifacts, version, newId },
          clocks: { now, serviceTime },
          covariates: numericColumns(info),
          link: links.linkTrained,
        })
      : null
  const valueRuns =
    hosts &&
    programs.runner &&
    info &&
    createRuns({
      artifacts,
      blobs,
      hosts,
      code: spec.module === null ? [] : await readCode(spec.module),
      covariates: numericColumns(info),
      version,
      clocks: { now, serviceTime },
      newId,
      link: links.linkTrained,
      redact: redactor(spec.module),
      onError,
    })
  const runs = scriptRuns ?? valueRuns
  const taskParts = spec.tasks && (await loadTasks())
  const tasks =
    spec.tasks && taskParts?.createTasks({ database, spec: spec.tasks, jobs, now, newId })
  const runTask =
    spec.tasks &&
    workshop &&
    taskParts?.createTaskRuns({
      ...{ spec: spec.tasks, artifacts, hosts, random: platform.random },
      commands: workshop.commands(spec.tasks.project),
      serve: taskParts.createServe({
        ...{ artifacts, jobs, ml, intake, artifactIntake, onError },
        configs: spec.config ? configs : null,
      }),
      redact: redactor(spec.module),
    })
  const scheduleParts = spec.schedules && (await loadSchedules())
  const schedules =
    tasks &&
    spec.schedules &&
    scheduleParts?.createSchedules({
      ...{
        database,
        spec: spec.schedules,
        work: scheduleParts.toScheduledTasks({ tasks, jobs }),
        now,
        serviceTime,
        newId,
      },
      retentionMs: settings.jobRetentionMs,
      warn: (fields, message) => logger.warn(fields, message),
      onError,
      changed: () => ticker?.wake(),
    })
  const ticker = schedules && scheduleParts?.createTicker({ schedules, now, onError })
  if (tasks && taskParts) {
    const remove = (id: string) =>
      tasks.remove(id, schedules ? (tx) => schedules.assertUnscheduled(tx, id) : undefined)
    const deps = { tasks: { ...tasks, remove }, idempotency, prefix: prefixes.tasks, publicUrl }
    routes.push(taskParts.taskRoutes(deps))
  }
  if (schedules && scheduleParts)
    routes.push(
      scheduleParts.scheduleRoutes({
        schedules,
        idempotency,
        prefix: prefixes.schedules,
        publicUrl,
      }),
    )
  const registration = openRegistration(options, told)
  if (monitor) {
    routes.push(
      monitor.routes({
        prefix: prefixes.metrics,
        info: { id: spec.info.id, version: spec.info.version, chapkit_version: version },
        jobs: spec.jobs
          ? {
              types: [...(runs ? ['train', 'predict'] : []), ...(tasks ? ['task'] : [])],
              counts: jobs.counts,
            }
          : null,
        hosts,
        database,
        registration,
        onError,
      }),
    )
  }
  const { train, predict, task } = settings.concurrency
  const dispatcher = createDispatcher({
    jobs,
    engine,
    handlers: {
      ...(runs && {
        train: { run: runs.train, concurrency: train },
        predict: { run: runs.predict, concurrency: predict },
      }),
      ...(runTask && { task: { run: runTask, concurrency: task } }),
    },
    now,
    newToken,
    onError,
  })

  const parts = {
    database,
    blobs,
    configs,
    artifacts,
    jobs,
    ml,
    tasks,
    schedules,
    entity: (definition: EntityDefinition<unknown>) => {
      const operations = entities.get(definition)
      if (!operations)
        throw new Error(`The entity "${definition.name}" was not added with withEntity`)
      return operations
    },
  } as unknown as Parts

  const auth = spec.auth && keys && createAuth({ ...spec.auth, keys, secret: newToken() })
  const { display_name: title, description } = spec.info
  const app = await createApp({
    routes,
    ownRoutes: spec.routes.map((plugin) => (scope: FastifyInstance) => plugin(scope, parts)),
    pages: ({ routes, allowed }) => [
      pages({
        title,
        description,
        version: spec.info.version,
        openapi: once(() =>
          toOpenApi(routes, {
            title,
            version: spec.info.version,
            description,
            publicUrl,
            auth,
          }),
        ),
        links: webApps.some(({ prefix }) => prefix === '/') ? null : homeLinks(spec, webApps),
      }),
      webAppRoutes({ apps: webApps, taken, frameOrigins: settings.frameOrigins, allowed }),
    ],
    maxBody: settings.maxBody,
    maxDocument: settings.maxDocument,
    maxBodies: settings.maxBodies,
    maxRequests: settings.maxRequests,
    maxStreams: settings.maxStreams,
    maxConnections: settings.maxConnections,
    probes: [prefixes.health, '/metrics'],
    healthPath: prefixes.health,
    hosts: {
      listensOn: settings.host,
      names: [
        ...namesOf(hostname()),
        settings.advertisedHost,
        ...[publicUrl, spec.registration?.url].map((url) => (url ? new URL(url).hostname : null)),
      ],
      allowed: settings.allowedHosts,
    },
    publicUrl,
    frameOrigins: settings.frameOrigins,
    corsOrigins: spec.corsOrigins ?? settings.corsOrigins,
    auth,
    newId,
    logger,
    quiet: (path) =>
      !spec.logging ||
      path.startsWith(prefixes.health) ||
      (monitor !== null && path.startsWith(prefixes.metrics)),
    observe,
  })
  await app.ready()

  // What an earlier start left: its running jobs run again, and bytes that nothing names are nobody's.
  const takenOver = await jobs.takeOver()
  if (takenOver.resumed + takenOver.givenUp > 0)
    logger.warn({ event: 'job.taken_over', ...takenOver }, 'jobs taken over')
  const isActive = (id: string) => jobs.isActive(database.read, id)
  const ended = await workshop?.clear(isActive)
  if (ended) logger.warn({ event: 'script.ended', processes: ended }, 'scripts of an earlier start')
  if (workshop) tellLocale(await workshop.locale(), logger)
  const declared = await tasks?.declare()
  for (const { reason, ...task } of declared?.orphaned ?? [])
    logger.warn({ event: 'task.orphaned', ...task }, `a task is disabled: ${reason}`)
  for (const { reason: _, ...task } of declared?.restored ?? [])
    logger.info({ event: 'task.restored', ...task }, 'a task can run again')
  await schedules?.declare()
  await jobs.sweep()
  await idempotency.sweep()
  await blobs.sweep('all')
  // Before anybody changes a tree, hooks included.
  await changes.resume()
  for (const hook of spec.onStartup) await hook(parts)
  dispatcher.start()
  ticker?.start()

  const sweeper = setInterval(() => {
    const sweeps = [
      ...[jobs.sweep(), idempotency.sweep(), blobs.sweep(sweepAgeMs)],
      ...[schedules?.sweep(), workshop?.sweep(isActive)],
    ]
    Promise.all(sweeps).catch((error: unknown) => onError(error, 'sweep.failed'))
  }, hourMs)
  sweeper.unref()

  async function close(atOnce: AbortSignal = new AbortController().signal) {
    stopping.abort()
    clearInterval(sweeper)
    const closeHosts = (graceMs?: number) =>
      hosts?.close(graceMs).catch((error: unknown) => onError(error, 'host.close.failed'))
    const cut = () => app.server.closeAllConnections()
    const hurry = () => {
      cut()
      void closeHosts(0)
    }
    const drained = setTimeout(cut, settings.drainMs)
    atOnce.addEventListener('abort', hurry, { once: true })
    if (atOnce.aborted) hurry()
    // Out of the list first: whoever reads it should find services that answer.
    const left = registration?.stop(atOnce) ?? Promise.resolve()
    await Promise.all([left.then(() => app.close()), dispatcher.stop(settings.drainMs, atOnce)])
    clearTimeout(drained)
    await ticker?.stop()
    await closeHosts()
    await renderings.close()
    await workshop?.close()
    monitor?.close()
    await intake.close()
    await artifactIntake.close()
    for (const hook of spec.onShutdown) {
      try {
        await hook(parts)
      } catch (error) {
        onError(error, 'shutdown.hook.failed')
      }
    }
    await changes.close()
    await platform[Symbol.asyncDispose]()
  }

  return {
    app,
    parts,
    hosts,
    announce: (listening) => announce(options, told, registration, listening),
    close,
  }
}

function tellLocale({ name, isOwn }: ScriptLocale, logger: Logger): void {
  if (name === null) {
    logger.warn(
      { event: 'script.locale.missing' },
      'no UTF-8 locale is on this machine: scripts in R and others may misread letters such as é; install C.UTF-8',
    )
    return
  }
  const from = isOwn ? 'as the service' : 'as the service has none that can be used'
  logger.info({ event: 'script.locale', locale: name }, `scripts get the locale ${name}, ${from}`)
}

/** The folder of a model's commands. */
function projectOf({ module }: ServiceSpec, project: string | null): string {
  return resolve(module === null ? '.' : dirname(fileURLToPath(module)), project ?? '.')
}

/** Models and task functions run in processes of their own where a host can import them, else inline. */
function openHosts(
  spec: ServiceSpec,
  programs: Programs,
  { logger, environment, settings }: ServiceOptions,
  stopping: AbortSignal,
): ModelHosts {
  if (spec.module === null) return createInlineHosts(programs)
  const { train, predict, task } = settings.concurrency
  return createProcessHosts({
    module: spec.module,
    env: environment,
    // One for every job that may run: with fewer, trainings that hold them all would hold up predictions, and a task that waits
    // for its training would wait for ever.
    maximum: (programs.runner ? train + predict : 0) + (programs.functions.size > 0 ? task : 0),
    memoryLimit: settings.modelMemory,
    stopping,
    log: (message) => logger.info({ event: 'host' }, message),
  })
}

function once<Value>(make: () => Value): () => Value {
  let value: { made: Value } | undefined
  return () => {
    value ??= { made: make() }
    return value.made
  }
}
