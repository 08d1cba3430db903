import type { MLServiceInfo } from '../ml/info.ts'
import type { AppInfo, Health, SystemInfo } from '../system/schema.ts'
import { patiently, streamEvents, type WatchOptions } from './patience.ts'
import type { CallOptions, Transport } from './transport.ts'

/** What a service says about itself; the keys of a model are there where it has one. */
export type Info = Pick<MLServiceInfo, 'id' | 'display_name' | 'version' | 'description'> &
  Partial<MLServiceInfo>

export interface HealthClient {
  /** State of the service and its checks, whatever it is. */
  check(options?: CallOptions): Promise<Health>
  /** Whether the process answers. */
  live(options?: CallOptions): Promise<Health>
  /** Throws `unavailable` when the service should get no traffic. It is not asked again. */
  ready(options?: CallOptions): Promise<Health>
  /** The state every `seconds` (1 by default), until the reader stops; also over restarts of the service. */
  watch(options?: WatchOptions & { seconds?: number }): AsyncGenerator<Health, void>
}

export interface SystemClient {
  /** Where the service runs. */
  info(options?: CallOptions): Promise<SystemInfo>
  /** Web apps that it hosts. */
  apps(options?: CallOptions): Promise<AppInfo[]>
}

/** The state of a service that is unhealthy comes with 503; a refusal does so, too, and is a problem document. */
const isState = ({ status, headers }: Response): boolean =>
  status === 503 && headers.get('content-type')?.startsWith('application/json') === true

export function createHealthClient(transport: Transport, prefix: string): HealthClient {
  const read = (path: string) => (options?: CallOptions) =>
    transport.json<Health>({ ...options, path })

  return {
    check: (options) => transport.json<Health>({ ...options, path: prefix, takes: isState }),
    live: read(`${prefix}/live`),
    ready: (options) => read(`${prefix}/ready`)({ retries: 0, ...options }),
    watch: ({ seconds = 1, ...options } = {}) =>
      patiently(transport, options, async function* (alive, { polls, retries }) {
        const call = { ...options, retries }
        while (polls) {
          yield await transport.json<Health>({ ...call, path: prefix, takes: isState })
          alive()
          await transport.wait(seconds * 1000, options.signal)
        }
        const stream = { ...call, path: `${prefix}/$stream`, query: { poll_interval: seconds } }
        for await (const text of streamEvents(transport, stream, 'at once')) {
          alive()
          yield JSON.parse(text) as Health
        }
        return false
      }),
  }
}

export function createSystemClient(transport: Transport, prefix: string): SystemClient {
  return {
    info: (options) => transport.json<SystemInfo>({ ...options, path: prefix }),
    apps: (options) => transport.json<AppInfo[]>({ ...options, path: `${prefix}/apps` }),
  }
}
