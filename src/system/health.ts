import type { Database } from '../db/database.ts'
import { toError } from '../errors.ts'
import type { CheckResult, Health, HealthState } from './schema.ts'

export type { CheckResult, HealthState } from './schema.ts'

/** A check of the service's health. One that throws counts as unhealthy. */
export type HealthCheck = () => CheckResult | Promise<CheckResult>

/** How long an answer holds for everybody, in milliseconds: many probes must not become many checks. */
const sharedMs = 100
/** How long one check may take, in milliseconds. */
const checkTimeoutMs = 5000

export type HealthChecks = ReturnType<typeof createHealth>

/** The checks of a service, asked together; the worst of them is the state of the whole. */
export function createHealth(checks: Readonly<Record<string, HealthCheck>>) {
  const names = Object.keys(checks)

  async function askAll(): Promise<Health> {
    if (names.length === 0) return { status: 'healthy' }
    const results = await Promise.all(names.map((name) => ask(checks[name] as HealthCheck)))
    const byName = Object.fromEntries(
      names.map((name, index) => [name, results[index] as CheckResult]),
    )
    return { status: worst(results.map(({ state }) => state)), checks: byName }
  }

  let latest: { at: number; health: Promise<Health> } | undefined
  return (): Promise<Health> => {
    const at = performance.now()
    if (!latest || at - latest.at > sharedMs) latest = { at, health: askAll() }
    return latest.health
  }
}

export function databaseCheck(database: Database): HealthCheck {
  return async () => {
    try {
      await database.check()
      return { state: 'healthy' }
    } catch {
      return { state: 'unhealthy', message: 'Database connection failed' }
    }
  }
}

async function ask(check: HealthCheck): Promise<CheckResult> {
  try {
    const asked = check()
    return asked instanceof Promise ? await inTime(asked) : asked
  } catch (error) {
    return { state: 'unhealthy', message: `Check failed: ${toError(error).message}` }
  }
}

function inTime(asked: Promise<CheckResult>): Promise<CheckResult> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => resolve({ state: 'unhealthy', message: `No answer within ${checkTimeoutMs / 1000} s` }),
      checkTimeoutMs,
    )
    asked.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}

function worst(states: HealthState[]): HealthState {
  if (states.includes('unhealthy')) return 'unhealthy'
  return states.includes('degraded') ? 'degraded' : 'healthy'
}
