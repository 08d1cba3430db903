import { toService } from '../../mlproject/service.ts'
import { environment, withoutSecrets } from '../../settings.ts'
import { failed, findProject } from '../mlproject.ts'
import { outliveReaders, say } from '../print.ts'

export interface RunOptions {
  port?: number
  host?: string
  dataDir?: string
  param?: Readonly<Record<string, string>>
  /** Variables for the commands: values, or true for those of this process. */
  env?: Readonly<Record<string, string | true>>
}

/** Where such a service listens when nobody says so. */
const defaultPort = 9090

/** Serves an MLproject as it is until the process is asked to end. Answers the exit code when it cannot, 0 when it runs. */
export async function run(path: string, options: RunOptions): Promise<number> {
  const { port, host, dataDir, param = {}, env = {} } = options
  try {
    const found = findProject(path, { params: param, as: 'files' })
    for (const warning of found.warnings) say(`chapkit: warning: ${warning}`)
    for (const [name, value] of Object.entries(env)) {
      if (value === true && withoutSecrets(environment())[name] === undefined)
        say(`chapkit: warning: --env ${name}: ${whyMissing(name)}`)
    }
    outliveReaders()
    const service = toService(found.project, found.commands, found.folder, env)
    const listening = port ?? (environment().PORT === undefined ? defaultPort : undefined)
    const { url } = await service.listen({
      // Its commands are processes anyway.
      hosting: 'inline',
      ...(listening !== undefined && { port: listening }),
      ...(host !== undefined && { host }),
      ...(dataDir === undefined ? { databaseUrl: ':memory:' } : { dataDir }),
    })
    say(`${service.spec.info.display_name} at ${url} (API pages at ${url}/docs); Ctrl-C stops it`)
    if (dataDir === undefined)
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
