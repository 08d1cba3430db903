export type HealthState = 'healthy' | 'degraded' | 'unhealthy'

export interface CheckResult {
  state: HealthState
  message?: string
}

/** The state of a service and its checks. */
export interface Health {
  status: HealthState
  checks?: Record<string, CheckResult>
}

/** Where a service runs. */
export interface SystemInfo {
  current_time: string
  timezone: string
  /** A name of the contract: carries the version of Node. */
  python_version: string
  platform: string
  hostname: string
}

/** A web app of the service, in the words of the contract. */
export interface AppInfo {
  name: string
  version: string
  prefix: string
  description: string | null
  author: string | null
  entry: string
  is_package: boolean
}
