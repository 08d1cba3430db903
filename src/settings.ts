import { isIPv6 } from 'node:net'
import { availableParallelism, totalmem } from 'node:os'
import { z } from 'zod'

const number = (minimum: number, maximum: number) =>
  z
    .string()
    .regex(/^\d+$/, `Expected a whole number from ${minimum} to ${maximum}`)
    .refine(
      (text) => Number(text) >= minimum && Number(text) <= maximum,
      `Expected a whole number from ${minimum} to ${maximum}`,
    )
    .transform(Number)

const wholeNumber = (fallback: number, minimum = 0, maximum = 2 ** 31 - 1) =>
  number(minimum, maximum).default(fallback)

/** A list separated by commas, of which each item fits. */
function listOf(fits: (item: string) => boolean, expected: string) {
  return z
    .string()
    .transform((text) => toList(text))
    .refine((items) => items.every(fits), expected)
}

const oneOf = <const Names extends readonly [string, ...string[]]>(names: Names) =>
  z.enum(names, `Expected one of ${names.join(', ')}`)

/** Where an orchestrator takes registrations. */
export const OrchestratorUrl = z.url({
  protocol: /^https?$/,
  error: 'Expected the whole URL, such as http://chap:8000/v2/services/$register',
})

/** A host that others reach a service at. */
export const AdvertisedHost = z
  .string()
  .refine(
    (text) => /^[\w-]+(\.[\w-]+)*\.?$/.test(text) || isIPv6(text.replace(/^\[(.*)\]$/, '$1')),
    'Expected a name or an address, without http:// and without a port',
  )

const hostPattern = /^(?:\*|(?:\*\.)?[\w-]+(?:\.[\w-]+)*\.?|\[?[\da-fA-F:.]+\]?)$/

/** Names separated by commas. */
const HostList = listOf(
  (text) => hostPattern.test(text),
  'Expected names such as example.org, *.example.org or *, without http:// and without a port',
)

/** Whether a text is a scheme and a host, with a port perhaps, and can stand in a policy. */
export const isOrigin = (text: string): boolean => /^https?:\/\/[\w.:[\]-]+$/.test(text)

/** Origins separated by commas. */
const OriginList = listOf(
  isOrigin,
  'Expected origins such as https://dhis2.example.org, without a path',
)

/** The secret of the header `X-Service-Key`. */
export const ServiceKey = z
  .string()
  .regex(/^[\x21-\x7e]+$/, 'Expected printable ASCII characters without spaces')

/** Environment variables that the service reads, with their defaults. docs/reference/settings.md lists them for users. */
const Environment = z.object({
  HOST: z.string().min(1).default('127.0.0.1'),
  PORT: wholeNumber(8000, 0, 65_535),
  CHAPKIT_DATA_DIR: z.string().min(1).default('./data'),
  CHAPKIT_TEMP_DIR: z.string().min(1).optional(),
  DATABASE_URL: z.string().min(1).optional(),
  CHAPKIT_PUBLIC_URL: z
    .url({ protocol: /^https?$/, error: 'Expected a URL such as https://example.org/forecasts' })
    .optional(),
  CHAPKIT_ALLOWED_HOSTS: HostList.optional(),
  CHAPKIT_MAX_BODY: wholeNumber(64 * 1024 * 1024, 1024),
  CHAPKIT_MAX_DOCUMENT: wholeNumber(256 * 1024, 1024),
  CHAPKIT_MAX_BODIES: wholeNumber(128 * 1024 * 1024, 1024, Number.MAX_SAFE_INTEGER),
  CHAPKIT_MAX_REQUESTS: wholeNumber(256, 1),
  CHAPKIT_MAX_STREAMS: wholeNumber(1000, 1),
  CHAPKIT_MAX_CONNECTIONS: wholeNumber(5000, 1),
  CHAPKIT_CORS_ORIGINS: z.string().optional(),
  CHAPKIT_FRAME_ORIGINS: OriginList.optional(),
  CHAPKIT_API_KEYS: z.string().optional(),
  SERVICEKIT_API_KEYS: z.string().optional(),
  CHAPKIT_DRAIN_SECONDS: wholeNumber(25, 0, 86_400),
  CHAPKIT_JOB_RETENTION_DAYS: wholeNumber(30, 1, 36_500),
  CHAPKIT_MAX_QUEUED_JOBS: wholeNumber(10_000, 1),
  CHAPKIT_TRAIN_CONCURRENCY: wholeNumber(1, 1),
  CHAPKIT_PREDICT_CONCURRENCY: number(1, 2 ** 31 - 1).optional(),
  CHAPKIT_TASK_CONCURRENCY: wholeNumber(2, 1),
  CHAPKIT_MODEL_MEMORY: number(128 * 1024 * 1024, Number.MAX_SAFE_INTEGER).optional(),
  GIT_REVISION: z.string().optional(),
  SERVICEKIT_ORCHESTRATOR_URL: OrchestratorUrl.optional(),
  SERVICEKIT_HOST: AdvertisedHost.optional(),
  SERVICEKIT_PORT: number(1, 65_535).optional(),
  SERVICEKIT_REGISTRATION_KEY: ServiceKey.optional(),
  LOG_LEVEL: oneOf(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
  LOG_FORMAT: oneOf(['console', 'json']).optional(),
})

export type EnvironmentName = keyof typeof Environment.shape
export const environmentNames = Object.keys(Environment.shape) as EnvironmentName[]

/** Variables whose values are not shown, and not handed to models. */
const secretNames: readonly EnvironmentName[] = ['SERVICEKIT_REGISTRATION_KEY']
/** Variables whose values may have a password in them. */
const hiddenNames: readonly EnvironmentName[] = [...secretNames, 'SERVICEKIT_ORCHESTRATOR_URL']

/** Other names that variables are read by. */
export type Renamed = Readonly<Partial<Record<EnvironmentName, string>>>

/** Where `withAuth` looks for API keys by default. They are no settings: only a service that asks for keys reads them. */
export const apiKeyVariables = ['CHAPKIT_API_KEYS', 'SERVICEKIT_API_KEYS'] as const

export interface Settings {
  host: string
  /** 0 takes a free port. */
  port: number
  /** Folder of the database and the blobs. */
  dataDir: string
  /** Where the folders of scripts are made; null makes them beside the database. */
  tempDir: string | null
  /** Overrides where the database lies: a path, `sqlite:///path` or `:memory:`. */
  databaseUrl: string | null
  /** Base of `Location` headers, without a trailing slash; null takes it from the request. */
  publicUrl: string | null
  /** Names besides its own that clients may call the service by; `*.example.org` is every one below, `*` every one. */
  allowedHosts: readonly string[]
  /** Largest body of a training, a prediction or an artifact, in bytes. */
  maxBody: number
  /** Largest JSON body of every other route, in bytes: it is read, checked and kept while everybody else waits. */
  maxDocument: number
  /** Bytes of bodies held in memory at the same time, of all requests together; more are refused with 503. */
  maxBodies: number
  /** Requests worked on at the same time; more are refused with 503. */
  maxRequests: number
  /** Event streams, and requests that wait for a job, at the same time. */
  maxStreams: number
  /** Connections beyond which only `/health` is answered. */
  maxConnections: number
  corsOrigins: string[]
  /** Origins whose pages may show web apps in a frame. */
  frameOrigins: readonly string[]
  /** How long a stop waits for requests and jobs, in milliseconds. */
  drainMs: number
  /** How long finished jobs are kept, in milliseconds. */
  jobRetentionMs: number
  /** Pending jobs of one type beyond which a submit is refused with 429. */
  maxQueuedJobs: number
  concurrency: { train: number; predict: number; task: number }
  /** Bytes of memory that the process of a model may take. */
  modelMemory: number
  /** Commit that the service was built from, for its info; null where that is not known. */
  gitRevision: string | null
  /** Where `withRegistration` registers the service: the whole URL of `$register`; null registers it nowhere. */
  orchestratorUrl: string | null
  /** Host that the service is registered with; null takes the name of the machine. */
  advertisedHost: string | null
  /** Port that the service is registered with; null takes the one it listens on. */
  advertisedPort: number | null
  /** Sent to the orchestrator as `X-Service-Key`; null sends none. */
  registrationKey: string | null
  logLevel: z.infer<typeof Environment>['LOG_LEVEL']
  /** null: pretty on a terminal, JSON otherwise. */
  logFormat: 'console' | 'json' | null
}

/**
 * Reads settings from environment variables, once, at start. Empty variables count as unset.
 * Throws an error that names each variable that cannot be used and what was expected; secrets are not shown.
 */
export function parseSettings(
  environment: Record<string, string | undefined>,
  renamed: Renamed = {},
): Settings {
  const nameOf = (name: EnvironmentName) => renamed[name] ?? name
  const given: Partial<Record<EnvironmentName, string>> = {}
  for (const name of environmentNames) {
    const value = environment[nameOf(name)]
    if (value !== undefined && value !== '') given[name] = value
  }
  const parsed = Environment.safeParse(given)
  if (!parsed.success) {
    const lines = parsed.error.issues.map((issue) => {
      const name = issue.path[0] as EnvironmentName
      const value = hiddenNames.includes(name) ? '…' : given[name]
      return `${nameOf(name)}=${value}: ${issue.message}`
    })
    throw new Error(`Settings that cannot be used:\n  ${lines.join('\n  ')}`)
  }
  const env = parsed.data
  return {
    host: env.HOST,
    port: env.PORT,
    dataDir: env.CHAPKIT_DATA_DIR,
    tempDir: env.CHAPKIT_TEMP_DIR ?? null,
    databaseUrl: env.DATABASE_URL ?? null,
    publicUrl: env.CHAPKIT_PUBLIC_URL?.replace(/\/+$/, '') ?? null,
    allowedHosts: env.CHAPKIT_ALLOWED_HOSTS ?? [],
    maxBody: env.CHAPKIT_MAX_BODY,
    maxDocument: env.CHAPKIT_MAX_DOCUMENT,
    maxBodies: env.CHAPKIT_MAX_BODIES,
    maxRequests: env.CHAPKIT_MAX_REQUESTS,
    maxStreams: env.CHAPKIT_MAX_STREAMS,
    maxConnections: env.CHAPKIT_MAX_CONNECTIONS,
    corsOrigins: toList(env.CHAPKIT_CORS_ORIGINS),
    frameOrigins: env.CHAPKIT_FRAME_ORIGINS ?? [],
    drainMs: env.CHAPKIT_DRAIN_SECONDS * 1000,
    jobRetentionMs: env.CHAPKIT_JOB_RETENTION_DAYS * 86_400_000,
    maxQueuedJobs: env.CHAPKIT_MAX_QUEUED_JOBS,
    concurrency: {
      train: env.CHAPKIT_TRAIN_CONCURRENCY,
      predict: env.CHAPKIT_PREDICT_CONCURRENCY ?? availableParallelism(),
      task: env.CHAPKIT_TASK_CONCURRENCY,
    },
    modelMemory: env.CHAPKIT_MODEL_MEMORY ?? Math.floor(memory() / 2),
    gitRevision: env.GIT_REVISION?.trim() || null,
    orchestratorUrl: env.SERVICEKIT_ORCHESTRATOR_URL ?? null,
    advertisedHost: env.SERVICEKIT_HOST ?? null,
    advertisedPort: env.SERVICEKIT_PORT ?? null,
    registrationKey: env.SERVICEKIT_REGISTRATION_KEY ?? null,
    logLevel: env.LOG_LEVEL,
    logFormat: env.LOG_FORMAT ?? null,
  }
}

/** Bytes of memory that this machine has, or this container. */
function memory(): number {
  return Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY)
}

function toList(text = ''): string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
}

/** An environment without the secrets of the service, and without `more`: what processes that run models are given. */
export function withoutSecrets(
  environment: Readonly<Record<string, string | undefined>>,
  { renamed = {}, more = [] }: { renamed?: Renamed; more?: readonly string[] } = {},
): Readonly<Record<string, string | undefined>> {
  const secrets = new Set<string | undefined>([
    ...secretNames.flatMap((name) => [name, renamed[name]]),
    ...apiKeyVariables,
    'CHAPKIT_API_KEY',
    ...more,
  ])
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !secrets.has(name)))
}

/** Variables of commands that use a service, such as `chapkit train`. */
export const clientVariables = ['CHAPKIT_URL', 'CHAPKIT_API_KEY'] as const

export interface ClientSettings {
  /** Where the service is. */
  url: string
  /** Sent as `X-API-Key`; null sends none. */
  apiKey: string | null
}

/** Reads what commands that use a service are told by the environment. Empty variables count as unset. */
export function parseClientSettings(
  environment: Readonly<Record<string, string | undefined>>,
): ClientSettings {
  return {
    url: environment.CHAPKIT_URL || 'http://127.0.0.1:8000',
    apiKey: environment.CHAPKIT_API_KEY || null,
  }
}

/** The environment of this process. The only place that reads it. */
export function environment(): Readonly<Record<string, string | undefined>> {
  return process.env
}
