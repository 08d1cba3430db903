import type { DataFrame } from 'chapkit'
import { monthOf } from './checks.ts'

/** Known counts of one location by month. */
export type Counts = ReadonlyMap<number, number>

/** The known counts of each location of a frame. */
export function countsByLocation(data: DataFrame): Map<string, Counts> {
  return new Map(
    [...data.groupBy('location')].map((group) => {
      const counts = new Map<number, number>()
      const cases = group.numbers('disease_cases')
      for (const [row, text] of group.strings('time_period').entries()) {
        if (!Number.isNaN(cases[row])) counts.set(monthOf(text)!, cases[row]!)
      }
      return [group.strings('location')[0]!, counts]
    }),
  )
}

/**
 * The seasonal-naive forecast of a month: what was counted in the same month of each earlier year, as an ensemble. As one
 * number it is their median. Nothing is fitted, and nothing about the weather or the last months is used.
 */
export function seasonalNaive(past: Counts, month: number): number[] {
  return [...past]
    .filter(([earlier]) => earlier < month && (month - earlier) % 12 === 0)
    .map(([, cases]) => cases)
}

/** The textbook's seasonal-naive forecast (Hyndman & Athanasopoulos, Forecasting, 5.2): the last count of that month. */
export function lastYear(past: Counts, month: number): number[] {
  for (let earlier = month - 12; earlier > month - 120; earlier -= 12) {
    const cases = past.get(earlier)
    if (cases !== undefined) return [cases]
  }
  return []
}
