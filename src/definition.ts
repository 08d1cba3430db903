import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from './http/routes.ts'
import type { RunningService } from './service.ts'
import { environment, parseSettings, type Settings } from './settings.ts'
import type { Feature, Parts, ServiceSpec } from './spec.ts'

/** How a service is started, beyond what the environment says. */
export interface StartOptions extends Partial<Settings> {
  /** Where models run: `inline` in this process, for tests. @default 'process' when the service has a `module` */
  hosting?: 'process' | 'inline'
}

export interface ListenOptions extends StartOptions {
  /**
   * Stop in good order on SIGTERM and SIGINT, and at once on a second one.
   * @default true
   */
  signals?: boolean
}

/**
 * A service as a value: nothing is open until it is started. `listen` opens a socket, `start` and `inject` do without,
 * `close` (or `await using`) ends it.
 */
export interface Service<Has extends Feature = Feature> extends AsyncDisposable {
  readonly spec: ServiceSpec
  /** Opens database and models, without a socket. Starting a service that runs changes nothing. */
  start(options?: StartOptions): Promise<Parts<Has>>
  /** Starts and answers HTTP; resolves with the address when it does. */
  listen(options?: ListenOptions): Promise<{ url: string }>
  /** Sends a request without a socket; starts the service if need be. */
  inject(request: string | InjectOptions): Promise<LightMyRequestResponse>
  /** Drains and closes. */
  close(): Promise<void>
}

export function defineService<Has extends Feature>(spec: ServiceSpec): Service<Has> {
  let starting: Promise<RunningService> | undefined
  let settings: Settings | undefined

  async function open(options: StartOptions): Promise<RunningService> {
    const { hosting, ...overrides } = options
    const env = environment()
    settings = {
      ...parseSettings(env),
      ...(spec.database !== null && { databaseUrl: spec.database }),
      ...overrides,
    }
    if (settings.databaseUrl === null || overrides.dataDir !== undefined) {
      settings.databaseUrl = overrides.databaseUrl ?? null
    }
    // What a service is made of is loaded when it starts: a model host, which only imports the definition, needs none of it.
    const [{ createLogger }, { openPlatform }, { createService }, monitoring] = await Promise.all([
      import('./server/log.ts'),
      import('./platform.ts'),
      import('./service.ts'),
      spec.monitoring ? import('./monitor/monitor.ts') : null,
    ])
    const logger = await createLogger(settings)
    if (spec.runner && spec.module === null && hosting !== 'inline') {
      logger.warn(
        { event: 'host.inline' },
        `Models run inside the service and can block it: give the builder${spec.definedAt ? ` at ${spec.definedAt}` : ''} \`module: import.meta.url\``,
      )
    }
    const monitor = monitoring?.createMonitor() ?? null
    const platform = await openPlatform(settings, { observe: monitor?.observe })
    try {
      const effective = hosting === 'inline' ? { ...spec, module: null } : spec
      const service = await createService({
        spec: effective,
        settings,
        platform,
        monitor,
        logger,
        environment: env,
      })
      return {
        ...service,
        close: async (atOnce) => {
          await service.close(atOnce)
          logger.flush()
        },
      }
    } catch (error) {
      monitor?.close()
      await platform[Symbol.asyncDispose]()
      throw error
    }
  }

  function started(options: StartOptions): Promise<RunningService> {
    starting ??= open(options).catch((error: unknown) => {
      starting = undefined
      throw error
    })
    return starting
  }

  async function close(atOnce?: AbortSignal): Promise<void> {
    const running = starting
    starting = undefined
    await (await running?.catch(() => undefined))?.close(atOnce)
  }

  return {
    spec,
    start: async (options = {}) => (await started(options)).parts as unknown as Parts<Has>,

    async listen({ signals = true, ...options } = {}) {
      if (environment().CHAPKIT_HOST === '1') {
        throw new Error(
          'This is a model host: guard the start of the service with `if (import.meta.main)`',
        )
      }
      const running = await started(options)
      const { openSocket } = await import('./server/listen.ts')
      return openSocket(running.app as FastifyInstance, settings as Settings, {
        warm: () => running.hosts?.warm(),
        close,
        signals,
      })
    },

    inject: async (request) => (await started({})).app.inject(request as InjectOptions),
    close: () => close(),
    [Symbol.asyncDispose]: () => close(),
  }
}
