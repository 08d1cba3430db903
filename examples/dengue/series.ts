import type { DataFrame } from 'chapkit'
import { monthOf, type Weather, weather } from './checks.ts'
import { mean } from './score.ts'

/** The months of one location without gaps, as the model reads them; what is not known is NaN. */
export interface Series extends Record<Weather, Float64Array> {
  location: string
  /** The month at index 0. */
  first: number
  cases: Float64Array
  /** Known throughout when it is known once. */
  population: Float64Array
}

/** The locations of a checked frame, each from month `first` to month `last`; rows outside are left out. */
export function readSeries(frame: DataFrame, first: number, last: number): Series[] {
  // Some clients send names such as 11001 as numbers in one frame and as text in another.
  const named = frame.withColumn('location', frame.strings('location'))
  return [...named.groupBy('location')].map((group) => {
    const months = monthsOf(group)
    const read = (name: string): Float64Array => {
      const series = new Float64Array(last - first + 1).fill(Number.NaN)
      if (!group.has(name)) return series
      const values = group.numbers(name)
      for (const [row, month] of months.entries()) {
        if (month >= first && month <= last) series[month - first] = values[row]!
      }
      return series
    }
    return {
      location: group.strings('location')[0]!,
      first,
      cases: read('disease_cases'),
      population: fillGaps(read('population')),
      // What counts about rain is how many times more of it there is, not how many millimetres.
      rainfall: read('rainfall').map((millimetres) => Math.log1p(Math.max(0, millimetres))),
      mean_temperature: read('mean_temperature'),
    }
  })
}

export function monthsOf(frame: DataFrame): number[] {
  return frame.strings('time_period').map((text) => monthOf(text)!)
}

/** Logarithm of the rate in 100 000 people, for each month; one case more keeps a month without cases finite. */
export function logRates({ cases, population }: Series): Float64Array {
  return cases.map((count, index) => toLogRate(count, population[index]!))
}

export function toLogRate(cases: number, population: number): number {
  return Math.log(((cases + 1) / population) * 100_000)
}

/** The count that belongs to a rate: a whole number, neither below 0 nor more than there are people. */
export function toCases(logRate: number, population: number): number {
  const cases = (Math.exp(logRate) * population) / 100_000 - 1
  return Math.round(Math.min(Math.max(cases, 0), population))
}

/** Mean by month of the year, January first; of all months where that one has no value, 0 where none has. */
function meansByMonth(values: Float64Array, first: number): number[] {
  const byMonth = Array.from({ length: 12 }, (): number[] => [])
  for (const [index, value] of values.entries()) {
    if (!Number.isNaN(value)) byMonth[(first + index) % 12]!.push(value)
  }
  const known = byMonth.flat()
  const overall = known.length === 0 ? 0 : mean(known)
  return byMonth.map((own) => (own.length === 0 ? overall : mean(own)))
}

/** Mean weather of a location by month of the year: what stands for weather that is not known. */
export function climateOf(series: Series): Record<Weather, number[]> {
  const means = weather.map((name) => [name, meansByMonth(series[name], series.first)] as const)
  return Object.fromEntries(means) as Record<Weather, number[]>
}

/** Each gap takes the value before it, a gap at the start the first value. */
function fillGaps(values: Float64Array): Float64Array {
  let last = values.find((value) => !Number.isNaN(value)) ?? Number.NaN
  return values.map((value) => {
    if (!Number.isNaN(value)) last = value
    return last
  })
}
