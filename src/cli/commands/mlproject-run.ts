import { dirname } from 'node:path'
import type { ConfigFormat } from '../../mlproject/contract.ts'
import { type RegistrationOptions, toService } from '../../mlproject/service.ts'
import { databaseFile } from '../../platform.ts'
import { environment, type Settings, withoutSecrets } from '../../settings.ts'
import { failed, findProject } from '../mlproject.ts'
import { outliveReaders, say } from '../print.ts'

export interface RunOptions {
  port?: number
  host?: string
  dataDir?: string
  database?: string
  param?: Readonly<Record<string, string>>
  /** Variables for the commands: values, or true for those of this process. */
  env?: Readonly<Record<string, string | true>>
  registerUrl?: string
  advertiseHost?: string
  advertisePort?: number
  keepaliveInterval?: number
  configFormat?: ConfigFormat
  logLevel?: Settings['logLevel']
}

/** Where such a service listens when nobody says so. */
const defaultPort = 9090

/** A database that is no file. */
const inMemory = ':memory:'

/** Serves an MLproject as it is until the process is asked to end. Answers the exit code when it cannot, 0 when it runs. */
export async function run(path: string, options: RunOptions): Promise<number> {
  const { port, host, param = {}, env = {}, configFormat, logLevel } = options
  try {
    const found = findProject(path, { params: param, as: 'files' })
    for (const warning of found.warnings) say(`chapkit: warning: ${warning}`)
    for (const [name, value] of Object.entries(env)) {
      if (value === true && withoutSecrets(environment())[name] === undefined)
        say(`chapkit: warning: --env ${name}: ${whyMissing(name)}`)
    }
    outliveReaders()
    const registration = toRegistration(options)
    const service = toService(found.project, found.commands, {
      ...{ folder: found.folder, env, configFormat, registration },
    })
    const storage = toStorage(options)
    const listening = port ?? (environment().PORT ? undefined : defaultPort)
    const { url } = await service.listen({
      // Its commands are processes anyway.
      hosting: 'inline',
      probesPort: true,
      ...(listening !== undefined && { port: listening }),
      ...(host !== undefined && { host }),
      ...(logLevel !== undefined && { logLevel }),
      ...storage,
    })
    say(`${service.spec.info.display_name} at ${url} (API pages at ${url}/docs); Ctrl-C stops it`)
    if (storage.databaseUrl === inMemory)
      say('What it stores is in memory and gone when it stops; --data-dir keeps it')
    return 0
  } catch (error) {
    return failed(error)
  }
}

const whyMissing = (name: string): string =>
  environment()[name] === undefined
    ? `there is no such variable here; set it, or give its value: --env ${name}=VALUE`
    : 'it is a secret of the service, which commands do not get'

/** How the service registers: as the options say, or by itself where the environment names an orchestrator. */
function toRegistration(options: RunOptions): RegistrationOptions | null {
  const { registerUrl, advertiseHost, advertisePort, keepaliveInterval } = options
  if (registerUrl === undefined && !environment().SERVICEKIT_ORCHESTRATOR_URL) {
    const unused = Object.entries({
      ...{ '--advertise-host': advertiseHost, '--advertise-port': advertisePort },
      ...{ '--keepalive-interval': keepaliveInterval },
    }).filter(([, value]) => value !== undefined)
    for (const [name] of unused)
      say(
        `chapkit: warning: ${name} has no effect without --register-url or SERVICEKIT_ORCHESTRATOR_URL`,
      )
    return null
  }
  return {
    orchestratorUrl: registerUrl,
    host: advertiseHost,
    port: advertisePort,
    keepaliveInterval,
  }
}

/** Where it stores things: as the options say, or the environment, or else in memory. */
function toStorage({ dataDir, database }: RunOptions): Partial<Settings> {
  if (dataDir !== undefined) return { dataDir }
  if (database !== undefined) {
    const file = databaseFile({ databaseUrl: database, dataDir: '' })
    return { databaseUrl: file, ...(file !== inMemory && { dataDir: dirname(file) }) }
  }
  const { CHAPKIT_DATA_DIR, DATABASE_URL } = environment()
  return CHAPKIT_DATA_DIR || DATABASE_URL ? {} : { databaseUrl: inMemory }
}
