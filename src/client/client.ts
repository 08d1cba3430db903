import { defaultPrefixes, type Prefixes } from '../spec.ts'
import { createArtifacts } from './artifacts.ts'
import { createCollection } from './collection.ts'
import { createConfigs } from './configs.ts'
import { createJobs } from './jobs.ts'
import { createMl } from './ml.ts'
import { createSchedules } from './schedules.ts'
import { createHealthClient, createSystemClient, type Info } from './service.ts'
import { createTasks } from './tasks.ts'
import { createTransport, type TransportOptions } from './transport.ts'
import type { Client } from './types.ts'

export interface ClientOptions extends TransportOptions {
  /** Paths that the parts of the service answer at, where they are not the usual ones. */
  prefixes?: Partial<Prefixes> | undefined
}

/**
 * A client of a running service, for Node and for browsers. Nothing is sent before a method is called.
 *
 * @example
 * ```ts
 * import type service from './service.ts'
 *
 * const client = createClient<typeof service>({ url: 'http://127.0.0.1:8000' })
 * const config = await client.configs.create({ name: 'weekly', data: { prediction_periods: 3 } })
 * const { artifact_id } = await client.ml.trainAndWait({ config_id: config.id, data })
 * ```
 */
export function createClient<Service = unknown>(options: ClientOptions): Client<Service> {
  const transport = createTransport(options)
  const prefixes = { ...defaultPrefixes, ...options.prefixes }
  const artifacts = createArtifacts(transport, prefixes.artifacts)
  const jobs = createJobs(transport, prefixes.jobs)

  const client: Client = {
    url: transport.base,
    info: (call) => transport.json<Info>({ ...call, path: prefixes.info }),
    system: createSystemClient(transport, prefixes.system),
    health: createHealthClient(transport, prefixes.health),
    configs: createConfigs(transport, prefixes.configs),
    artifacts,
    jobs,
    ml: createMl({ transport, prefix: prefixes.ml, jobs, frame: artifacts.frame }),
    tasks: createTasks({ transport, prefix: prefixes.tasks, jobs, artifact: artifacts.get }),
    schedules: createSchedules(transport, prefixes.schedules),
    entity: (of: string | { path: string }, { path }: { path?: string } = {}) =>
      createCollection<never, never>(
        transport,
        typeof of === 'string' ? (path ?? `/api/v1/${of}s`) : of.path,
      ),
    request: (path, call) => transport.open({ ...call, path }),
  }
  return client as unknown as Client<Service>
}
