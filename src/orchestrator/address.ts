import type { AddressInfo } from 'node:net'
import { isLoopback } from '../kernel/loopback.ts'

export interface Advertised {
  /** The URL that the service is registered with, without a slash at its end. */
  url: string
  /** Whether the service listens on this machine alone while it is registered by a name that others shall reach it by. */
  isHidden: boolean
}

export interface AdvertiseOptions {
  /** The whole address, where it was given. */
  url: string | null
  host: string | null
  port: number | null
  /** The name of this machine. */
  hostname: string
}

/** The address that an orchestrator is given, apart from where the service listens. */
export function advertise(options: AdvertiseOptions, listening: AddressInfo): Advertised {
  if (options.url !== null) return { url: options.url, isHidden: false }
  const host = options.host ?? options.hostname
  return {
    url: `http://${bracketed(host)}:${options.port ?? listening.port}`,
    isHidden: options.host === null && isLoopback(listening.address),
  }
}

function bracketed(host: string): string {
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host
}
