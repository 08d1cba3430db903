import { periodKey } from '../data/periods.ts'
import type { Cell, FrameJson } from '../data/schema.ts'
import { toJsonSchema } from '../kernel/json-schema.ts'
import type { MLServiceInfo } from './info.ts'
import type { ConfigSchema, Diagnostic } from './runner.ts'

/** Where the horizon of a run comes from. */
export type HorizonSource = 'run_info' | 'query' | 'future' | 'config'

/** How many periods one run is to forecast. */
export interface Horizon {
  periods: number
  source: HorizonSource
}

type Bounds = Pick<MLServiceInfo, 'min_prediction_periods' | 'max_prediction_periods'>

/** The member of a request, or of its query, that a finding about the horizon is about. */
const fields: Readonly<Record<HorizonSource, string>> = {
  run_info: 'run_info.prediction_periods',
  query: 'query.prediction_periods',
  future: 'future',
  config: 'config.prediction_periods',
}

/**
 * The horizon of one run: what the request asks for, else the periods of its future frame, else that of the config. Null where
 * nobody names one.
 */
export function resolveHorizon(
  asked: Horizon | null,
  futurePeriods: number | null,
  config: Readonly<Record<string, unknown>>,
): Horizon | null {
  if (asked !== null) return asked
  if (futurePeriods !== null) return { periods: futurePeriods, source: 'future' }
  const { prediction_periods: periods } = config
  return typeof periods === 'number' ? { periods, source: 'config' } : null
}

/** A config as a run sees it: a copy that says how many periods this run is to forecast. */
export function atHorizon<Config extends Readonly<Record<string, unknown>>>(
  config: Config,
  horizon: Horizon | null | undefined,
): Config {
  return horizon ? { ...config, prediction_periods: horizon.periods } : config
}

/** The horizon of a run as lineages have it; nothing where none was resolved. */
export function toHorizonLineage(horizon: Horizon | null | undefined) {
  return horizon ? { horizon: { prediction_periods: horizon.periods, source: horizon.source } } : {}
}

/** The largest number of distinct periods that one location has, however they are written; null for a frame that does not say. */
export function countPeriods({ columns, data }: FrameJson): number | null {
  const period = columns.indexOf('time_period')
  if (period < 0) return null
  const location = columns.indexOf('location')
  const keys = new Map<Cell, string>()
  const byLocation = new Map<Cell, Set<string>>()
  let most = 0
  for (const row of data) {
    const at = row[period] ?? null
    if (at === null) continue
    const key = keys.get(at) ?? periodKey(String(at))
    keys.set(at, key)
    const place = location < 0 ? null : row[location]!
    const periods = byLocation.get(place) ?? new Set()
    byLocation.set(place, periods.add(key))
    if (periods.size > most) most = periods.size
  }
  return most === 0 ? null : most
}

/** What stands against a horizon: an error when it lies outside the bounds of the service. */
export function checkBounds(horizon: Horizon | null, bounds: Bounds): Diagnostic[] {
  if (horizon === null) return []
  const { periods, source } = horizon
  const { min_prediction_periods: least, max_prediction_periods: most } = bounds
  const text =
    periods < least
      ? `is below the minimum allowed value (${least})`
      : periods > most
        ? `exceeds the maximum allowed value (${most})`
        : null
  if (text === null) return []
  return [
    {
      severity: 'error',
      code: 'prediction_periods_out_of_bounds',
      message: `prediction_periods (${periods}, from ${source}) ${text}`,
      field: fields[source],
    },
  ]
}

/** A warning when a request asks for another horizon than its future frame has. What is asked for wins. */
export function checkMismatch(asked: Horizon | null, futurePeriods: number | null): Diagnostic[] {
  if (asked === null || futurePeriods === null || asked.periods === futurePeriods) return []
  return [
    {
      severity: 'warning',
      code: 'prediction_periods_mismatch',
      message: `run_info.prediction_periods (${asked.periods}) does not match the ${futurePeriods} periods of the future frame; run_info wins`,
      field: 'future',
    },
  ]
}

/** A number of periods within the bounds of a service, and at least 1. */
export function clampHorizon(periods: number, bounds: Partial<Bounds>): number {
  const least = Math.max(1, bounds.min_prediction_periods ?? 0)
  const most = Math.max(least, bounds.max_prediction_periods ?? 100)
  return Math.min(Math.max(periods, least), most)
}

/**
 * Why no request that leaves the horizon to a new config would be taken: the default of the config's schema lies outside the
 * bounds. Null when it does not, or when there is none.
 */
export async function defaultOutOfBounds(
  schema: ConfigSchema,
  bounds: Bounds,
): Promise<number | null> {
  const result = await schema['~standard'].validate({})
  const config = result.issues ? describedDefaults(schema) : result.value
  const horizon = resolveHorizon(null, null, (config ?? {}) as Record<string, unknown>)
  return horizon && checkBounds(horizon, bounds).length > 0 ? horizon.periods : null
}

/** Defaults of a schema that has required fields, too: it makes no config of nothing. */
function describedDefaults(schema: ConfigSchema): Record<string, unknown> {
  const { properties = {} } = toJsonSchema(schema) as {
    properties?: Record<string, { default?: unknown }>
  }
  return { prediction_periods: properties.prediction_periods?.default }
}
