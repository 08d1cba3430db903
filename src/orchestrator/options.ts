import { z } from 'zod'
import {
  AdvertisedHost,
  OrchestratorUrl,
  type Renamed,
  ServiceKey,
  type Settings,
} from '../settings.ts'

/** How a service registers with an orchestrator. What is not said comes from the environment. */
export interface RegistrationOptions {
  /** Whole URL of the orchestrator's `$register`. @default `SERVICEKIT_ORCHESTRATOR_URL` */
  orchestratorUrl?: string | undefined
  /** Host at which the orchestrator reaches the service. @default `SERVICEKIT_HOST`, else the name of the machine */
  host?: string | undefined
  /** Port at which the orchestrator reaches the service. @default `SERVICEKIT_PORT`, else the port that it listens on */
  port?: number | undefined
  /** Whole address of the service instead of host and port, such as `https://example.org/forecasts`. */
  url?: string | undefined
  /** Sent as `X-Service-Key`. @default `SERVICEKIT_REGISTRATION_KEY` */
  serviceKey?: string | undefined
  /** Seconds from one sign of life to the next; a third of what the orchestrator allows, if that is less. @default 10 */
  keepaliveInterval?: number | undefined
  /** Variable to read instead of `SERVICEKIT_ORCHESTRATOR_URL`. */
  orchestratorUrlEnv?: string | undefined
  /** Variable to read instead of `SERVICEKIT_HOST`. */
  hostEnv?: string | undefined
  /** Variable to read instead of `SERVICEKIT_PORT`. */
  portEnv?: string | undefined
  /** Variable to read instead of `SERVICEKIT_REGISTRATION_KEY`. */
  serviceKeyEnv?: string | undefined
}

/** Registration as a part of the definition of a service. */
export interface RegistrationSpec {
  /** What is said in code, and so wins over the environment. */
  settings: Partial<
    Pick<Settings, 'orchestratorUrl' | 'advertisedHost' | 'advertisedPort' | 'registrationKey'>
  >
  /** Variables that are read by other names. */
  variables: Renamed
  /** Whole address of the service; null makes it of host and port. */
  url: string | null
  keepaliveMs: number
}

const VariableName = z.string().regex(/^\w+$/, 'Expected the name of an environment variable')

const ServiceUrl = z
  .url({ protocol: /^https?$/, error: 'Expected a URL such as https://example.org/forecasts' })
  .refine(
    (text) => !/[?#]/.test(text) && new URL(text).username === '' && new URL(text).password === '',
    'Expected a URL without a user, a query and a fragment',
  )

const Options = z.strictObject({
  orchestratorUrl: OrchestratorUrl.optional(),
  host: AdvertisedHost.optional(),
  port: z.int().min(1).max(65_535).optional(),
  url: ServiceUrl.optional(),
  serviceKey: ServiceKey.optional(),
  keepaliveInterval: z.number().min(0.1).max(86_400).default(10),
  orchestratorUrlEnv: VariableName.optional(),
  hostEnv: VariableName.optional(),
  portEnv: VariableName.optional(),
  serviceKeyEnv: VariableName.optional(),
})

/** Checks the options of a registration. Throws an error that names each one that does not fit; the key is never in it. */
export function parseRegistration(options: RegistrationOptions): RegistrationSpec {
  const parsed = Options.safeParse(options)
  if (!parsed.success) {
    const lines = parsed.error.issues.map(
      (issue) => `${issue.path.join('.') || 'options'}: ${issue.message}`,
    )
    throw new Error(`The options of withRegistration do not fit:\n  ${lines.join('\n  ')}`)
  }
  const { data } = parsed
  return {
    settings: defined({
      orchestratorUrl: data.orchestratorUrl,
      advertisedHost: data.host,
      advertisedPort: data.port,
      registrationKey: data.serviceKey,
    }),
    variables: defined({
      SERVICEKIT_ORCHESTRATOR_URL: data.orchestratorUrlEnv,
      SERVICEKIT_HOST: data.hostEnv,
      SERVICEKIT_PORT: data.portEnv,
      SERVICEKIT_REGISTRATION_KEY: data.serviceKeyEnv,
    }),
    url: data.url?.replace(/\/+$/, '') ?? null,
    keepaliveMs: data.keepaliveInterval * 1000,
  }
}

/** An object without the fields that are undefined. */
function defined<Fields extends object>(
  fields: Fields,
): { [Name in keyof Fields]?: Exclude<Fields[Name], undefined> } {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined),
  ) as never
}
