import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from './http/routes.ts'
import type { Platform } from './platform.ts'
import type { Logger } from './server/log.ts'
import type { RunningService } from './service.ts'
import {
  apiKeyVariables,
  environment,
  parseSettings,
  type Settings,
  withoutSecrets,
} from './settings.ts'
import {
  type Feature,
  hasHosts,
  type MLFeature,
  type Parts,
  type ServiceSpec,
  type ServiceTypes,
} from './spec.ts'

/** How a service is started, beyond what the environment says. */
export interface StartOptions extends Partial<Settings> {
  /** Where models run: `inline` in this process, for tests. @default 'process' when the service has a `module` */
  hosting?: 'process' | 'inline'
  /** API keys instead of those that `withAuth` names: for tests. */
  apiKeys?: readonly string[]
}

export interface ListenOptions extends StartOptions {
  /**
   * Stop in good order on SIGTERM, SIGINT and SIGHUP, and at once on a second SIGTERM or SIGINT.
   * @default true
   */
  signals?: boolean
  /**
   * Look whether the port is free before anything is opened.
   * @default false
   */
  probesPort?: boolean
}

/**
 * A service as a value: nothing is open until it is started. `listen` opens a socket, `start` and `inject` do without,
 * `close` (or `await using`) ends it.
 */
export interface Service<Has extends Feature = MLFeature, Types extends ServiceTypes = ServiceTypes>
  extends AsyncDisposable {
  readonly spec: ServiceSpec
  /** Opens database and models, without a socket. Starting a service that runs changes nothing. */
  start(options?: StartOptions): Promise<Parts<Has>>
  /** Starts and answers HTTP; resolves with the address when it does. */
  listen(options?: ListenOptions): Promise<{ url: string }>
  /** Sends a request without a socket; starts the service if need be. */
  inject(request: string | InjectOptions): Promise<LightMyRequestResponse>
  /** Drains and closes. */
  close(): Promise<void>
  /** Only for the types, of which `Client` is made. */
  readonly '~api'?: { features: Record<Has, true>; types: Types }
}

interface OpenService extends RunningService {
  tellAddress: Platform['announce']
}

export function defineService<Has extends Feature, Types extends ServiceTypes>(
  spec: ServiceSpec,
): Service<Has, Types> {
  let starting: Promise<OpenService> | undefined
  let settings: Settings | undefined
  /** Whether the end of the service is the end of the process. */
  let endsProcess = false

  function toSettings(overrides: Partial<Settings>): Settings {
    const found = {
      ...parseSettings(environment(), spec.registration?.variables),
      ...spec.registration?.settings,
      ...(spec.database !== null && { databaseUrl: spec.database }),
      ...overrides,
    }
    if (found.databaseUrl === null || overrides.dataDir !== undefined)
      found.databaseUrl = overrides.databaseUrl ?? null
    return found
  }

  async function open(options: StartOptions): Promise<OpenService> {
    const { hosting, apiKeys, ...overrides } = options
    const env = environment()
    settings = toSettings(overrides)
    // What a service is made of is loaded when it starts: a model host, which only imports the definition, needs none of it.
    const [{ createLog }, { openPlatform }, { createService }, monitoring] = await Promise.all([
      import('./server/log.ts'),
      import('./platform.ts'),
      import('./service.ts'),
      spec.monitoring ? import('./monitor/monitor.ts') : null,
    ])
    const monitor = monitoring?.createMonitor() ?? null
    const log = await createLog(settings, {
      secrets: spec.auth ? [spec.auth.headerName.toLowerCase()] : [],
      observe: monitor?.observe,
    })
    const { logger } = log
    const keys = await openKeys(apiKeys, env, logger).catch(async (error: unknown) => {
      await log.close()
      throw error
    })
    const isHosted = hasHosts(spec)
    if (isHosted && spec.module === null && hosting !== 'inline') {
      logger.warn(
        { event: 'host.inline' },
        `Models and tasks run inside the service and can block it: give the builder${spec.definedAt ? ` at ${spec.definedAt}` : ''} \`module: import.meta.url\``,
      )
    }
    const platform = await openPlatform(settings, { observe: monitor?.observe }).catch(
      async (error: unknown) => {
        await log.close()
        throw error
      },
    )
    try {
      const effective = isHosted && hosting === 'inline' ? { ...spec, module: null } : spec
      const service = await createService({
        spec: effective,
        keys,
        settings,
        platform,
        monitor,
        logger,
        environment: withoutSecrets(env, {
          renamed: spec.registration?.variables ?? {},
          more: spec.auth?.env ?? [],
        }),
      })
      void platform.lost.then((error) => stopLost(error, logger))
      return {
        ...service,
        tellAddress: platform.announce,
        close: async (atOnce) => {
          await service.close(atOnce)
          await log.close()
        },
      }
    } catch (error) {
      monitor?.close()
      await platform[Symbol.asyncDispose]()
      await log.close()
      throw error
    }
  }

  /** Null where the service asks for none. */
  async function openKeys(
    given: StartOptions['apiKeys'],
    env: ReturnType<typeof environment>,
    logger: Logger,
  ): Promise<string[] | null> {
    if (!spec.auth) {
      if (given) throw new Error('The service asks for no API keys: add withAuth() to its builder')
      const unused = apiKeyVariables.filter((name) => env[name])
      if (unused.length > 0) {
        logger.warn(
          { event: 'auth.unused_keys', variables: unused },
          `There are API keys in ${unused.join(' and ')}, but nobody is asked for one: add withAuth() to the builder`,
        )
      }
      return null
    }
    const { readKeys, strongLength } = await import('./auth/keys.ts')
    const keys = await readKeys(given ? { ...spec.auth, apiKeys: given } : spec.auth, env)
    const weak = keys.filter((key) => key.length < strongLength).length
    if (weak > 0) {
      logger.warn(
        { event: 'auth.weak_keys', keys: weak },
        `${weak} of ${keys.length} API keys have fewer than ${strongLength} characters and can be guessed: make longer ones at random`,
      )
    }
    return keys
  }

  /** Without its data a service can store nothing, and what it reads may be old: it stops now, unless it stops already. */
  async function stopLost(error: Error, logger: Logger): Promise<void> {
    logger.fatal({ err: error, event: 'data.lost' }, error.message)
    if (!starting) return
    try {
      await close(AbortSignal.abort())
    } catch (failed) {
      logger.fatal({ err: failed, event: 'service.stop.failed' }, 'the service did not stop')
    }
    if (endsProcess) process.exit(1)
  }

  function started(options: StartOptions): Promise<OpenService> {
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

    async listen({ signals = true, probesPort = false, ...options } = {}) {
      if (environment().CHAPKIT_HOST === '1') {
        throw new Error(
          'This is a model host: guard the start of the service with `if (import.meta.main)`',
        )
      }
      const { assertPortFree, openSocket } = await import('./server/listen.ts')
      if (probesPort && starting === undefined) {
        const { hosting: _hosting, apiKeys: _apiKeys, ...overrides } = options
        await assertPortFree(toSettings(overrides))
      }
      const running = await started(options)
      endsProcess = signals
      const listening = await openSocket(running.app as FastifyInstance, settings as Settings, {
        warm: () => running.hosts?.warm(),
        announce: running.announce,
        close,
        signals,
        isProtected: spec.auth !== null,
      })
      // Only for the message of a second service, so a disk that refuses it stops nothing.
      await running.tellAddress(listening.url).catch(() => {})
      return listening
    },

    inject: async (request) => (await started({})).app.inject(request as InjectOptions),
    close: () => close(),
    [Symbol.asyncDispose]: () => close(),
  }
}
