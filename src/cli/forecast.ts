import { comparePeriods } from '../data/periods.ts'
import type { FrameJson } from '../data/schema.ts'

/** What a forecast says of one location and period. */
export interface ForecastRow {
  location: string
  time_period: string
  /** Number of samples. */
  samples: number
  median: number | null
  /** Ends of the interval that holds the wanted part of the samples. */
  low: number | null
  high: number | null
}

/**
 * A forecast by location and period: the median of its `sample_*` columns, and the interval that `interval` percent of them are
 * in. Null for a frame that is none: without such columns, or without location and period.
 */
export function summarize({ columns, data }: FrameJson, interval: number): ForecastRow[] | null {
  const samples = columns.flatMap((name, at) => (/^sample_\d+$/.test(name) ? [at] : []))
  const place = columns.indexOf('location')
  const period = columns.indexOf('time_period')
  if (samples.length === 0 || place < 0 || period < 0) return null
  const outside = (1 - interval / 100) / 2
  return data
    .map((row) => {
      const values = samples
        .map((at) => row[at])
        .filter((cell): cell is number => typeof cell === 'number' && Number.isFinite(cell))
        .sort((a, b) => a - b)
      return {
        location: String(row[place] ?? ''),
        time_period: String(row[period] ?? ''),
        samples: values.length,
        median: quantile(values, 0.5),
        low: quantile(values, outside),
        high: quantile(values, 1 - outside),
      }
    })
    .sort((a, b) => compare(a.location, b.location) || comparePeriods(a.time_period, b.time_period))
}

/** The quantile of sorted numbers, linear between neighbours, as R and NumPy have it by default. */
export function quantile(sorted: readonly number[], part: number): number | null {
  if (sorted.length === 0) return null
  const at = (sorted.length - 1) * part
  const below = Math.floor(at)
  const low = sorted[below]!
  const high = sorted[Math.min(below + 1, sorted.length - 1)]!
  return low + (high - low) * (at - below)
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** Digits behind the point that tell enough of numbers of this size: a forecast has three or four that mean something. */
export function decimalsOf(values: readonly (number | null)[]): number {
  const largest = values.reduce<number>((most, value) => Math.max(most, Math.abs(value ?? 0)), 0)
  if (values.every((value) => value === null || Number.isInteger(value)) || largest >= 1000)
    return 0
  return largest >= 10 ? 1 : largest >= 1 ? 2 : 4
}
