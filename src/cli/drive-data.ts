import type { Info } from '../client/index.ts'
import { periodKey } from '../data/periods.ts'
import { generateSample, type SampleOptions } from '../data/sample.ts'
import type { FrameJson } from '../data/schema.ts'
import { clampHorizon } from '../ml/horizon.ts'
import { samplePeriod } from '../ml/info.ts'

export interface DataOptions {
  /** About so many rows of training data. */
  rows: number
  predictRows: number
  periodType?: 'monthly' | 'weekly'
  geoType: 'polygon' | 'point'
  /** Below 0 it is other data every time. */
  seed: number
}

/** Thrown where a step shows that the service does not do what it should. */
export class Broken extends Error {}

/** What a training and its predictions are given. */
export interface TestData {
  train: FrameJson
  historic: FrameJson
  future: FrameJson
  /** Periods of `future`, within the bounds of the service. */
  horizon: number
  geo?: NonNullable<ReturnType<typeof generateSample>['geo']>
}

const locations = 5

/** Data for each training, as the service wants it. The same seed gives the same data. */
export function createData(info: Info, options: DataOptions, random: () => number) {
  const base = options.seed < 0 ? Math.floor(random() * 2 ** 31) : options.seed
  const periods = Math.max(1, Math.round(options.predictRows / locations))
  const horizon = clampHorizon(periods, info)
  return (number: number): TestData => {
    const sample: SampleOptions = {
      kind: 'train',
      numLocations: locations,
      numPeriods: Math.max(1, Math.round(options.rows / locations)),
      numFeatures: 0,
      periodType: options.periodType ?? samplePeriod(info),
      geoType: options.geoType,
      includeGeo: info.requires_geo ?? false,
      requiredCovariates: info.required_covariates ?? [],
      seed: base + number,
    }
    const { data: train, geo } = generateSample({ ...sample, kind: 'train' })
    const { historic, future } = generateSample({
      ...sample,
      kind: 'predict',
      numPeriods: periods,
      futurePeriods: horizon,
    })
    return { train, historic, future: withoutCases(future), horizon, ...(geo && { geo }) }
  }
}

/** What is to be forecast is not known. */
function withoutCases({ columns, data }: FrameJson): FrameJson {
  const keep = columns.flatMap((name, at) => (name === 'disease_cases' ? [] : [at]))
  const pick = <Item>(row: readonly Item[]) => keep.map((at) => row[at] as Item)
  return { columns: pick(columns), data: data.map(pick) }
}

/** A forecast has a number for each location and period that was asked for. */
export function assertForecast(frame: FrameJson, future: FrameJson): void {
  const key = ({ columns }: FrameJson) => {
    const [place = -1, period = -1] = ['location', 'time_period'].map((name) =>
      columns.indexOf(name),
    )
    return (row: readonly unknown[]) => `${row[place]} ${periodKey(String(row[period]))}`
  }
  const samples = frame.columns.flatMap((name, at) => (/^sample_\d+$/.test(name) ? [at] : []))
  if (samples.length === 0)
    throw new Broken(`Expected columns sample_0, sample_1, …, got ${frame.columns.join(', ')}`)
  const found = new Map(frame.data.map((row) => [key(frame)(row), row]))
  for (const row of future.data) {
    const place = key(future)(row)
    const forecast = found.get(place)
    if (!forecast) throw new Broken(`Expected a forecast for ${place}, got none`)
    if (samples.some((at) => typeof forecast[at] !== 'number'))
      throw new Broken(`Expected numbers as forecast for ${place}, got something else`)
  }
}
