import { withSchema } from './frame-json.ts'
import type { FeatureCollection, Geometry } from './geojson.ts'
import { nextPeriod } from './periods.ts'
import type { Cell, FrameJson } from './schema.ts'

export interface SampleOptions {
  kind: 'train' | 'predict'
  /** Rows per period; 0 gives frames without rows. */
  numLocations: number
  /** Periods of `data`, or of `historic`; at least 1 is made. */
  numPeriods: number
  /** Periods of `future`; at least 1 is made. @default as many as of `historic` */
  futurePeriods?: number
  /** Columns `feature_0`, `feature_1`, … beside the agreed ones. */
  numFeatures: number
  periodType: 'monthly' | 'weekly'
  geoType: 'polygon' | 'point'
  includeGeo: boolean
  /** Columns that the model wants; those that are there already are not made twice. */
  requiredCovariates: readonly string[]
  /** Equal seeds give equal data. */
  seed: number
}

export interface TrainSample {
  data: FrameJson
  geo?: FeatureCollection
}

export interface PredictSample {
  historic: FrameJson
  future: FrameJson
  geo?: FeatureCollection
}

/**
 * Makes plausible data from 2020 on: rows by period, then location; seasonal rain and temperature, cases that follow
 * the rain. `future` begins where `historic` ends and has no cases; a location keeps its population in both.
 */
export function generateSample(options: SampleOptions & { kind: 'train' }): TrainSample
export function generateSample(options: SampleOptions & { kind: 'predict' }): PredictSample
export function generateSample(options: SampleOptions): TrainSample | PredictSample
export function generateSample(options: SampleOptions): TrainSample | PredictSample {
  const random = createRandom(options.seed)
  const places = Array.from({ length: options.numLocations }, (_, index) =>
    createPlace(index, random),
  )
  const periods = Math.max(1, options.numPeriods)
  const frame = (first: number, count: number, known: boolean) =>
    sampleFrame(options, places, first, count, known, random)
  const geo = options.includeGeo ? { geo: sampleGeo(places, options.geoType) } : {}
  if (options.kind === 'train') return { data: frame(0, periods, true), ...geo }
  const historic = frame(0, periods, true)
  return { historic, future: frame(periods, futureOf(options), false), ...geo }
}

/** Cells that `generateSample` would make: ask before making, and refuse what is too many. */
export function sampleCells(options: SampleOptions): number {
  const extra = extraColumns({ ...options, numFeatures: 0 }).filter(
    (name) => !isFeatureName(name, options.numFeatures),
  ).length
  const columns = canonicalColumns.length + options.numFeatures + extra
  const future = options.kind === 'predict' ? futureOf(options) : 0
  return options.numLocations * (Math.max(1, options.numPeriods) + future) * columns
}

function futureOf({ numPeriods, futurePeriods = numPeriods }: SampleOptions): number {
  return Math.max(1, futurePeriods)
}

const canonicalColumns = [
  'time_period',
  'location',
  'disease_cases',
  'population',
  'rainfall',
  'mean_temperature',
] as const

interface Place {
  name: string
  population: number
  /** Millimetres of rain in an average period. */
  rain: number
  /** Degrees Celsius over the year. */
  warmth: number
  /** When in the year the rain comes, in parts of it. */
  season: number
  /** Cases per person in an average period. */
  rate: number
}

function createPlace(index: number, random: () => number): Place {
  return {
    name: `location_${index}`,
    population: Math.round(20_000 + 480_000 * random() ** 2),
    rain: 60 + 80 * random(),
    warmth: 22 + 6 * random(),
    season: 0.1 * random(),
    rate: 0.0002 + 0.0008 * random(),
  }
}

function sampleFrame(
  options: SampleOptions,
  places: readonly Place[],
  first: number,
  periods: number,
  known: boolean,
  random: () => number,
): FrameJson {
  const monthly = options.periodType === 'monthly'
  const extra = extraColumns(options)
  const data: Cell[][] = []
  for (let index = first; index < first + periods; index++) {
    const period = nextPeriod(monthly ? '2020-01' : '2020-W01', index)
    for (const place of places) {
      data.push(sampleRow(place, period, index / (monthly ? 12 : 52.18), known, extra, random))
    }
  }
  const frame = { columns: [...canonicalColumns, ...extra], data }
  return withSchema(frame, { covariates: [...extra] })
}

function sampleRow(
  place: Place,
  period: string,
  years: number,
  known: boolean,
  extra: readonly string[],
  random: () => number,
): Cell[] {
  const wave = Math.sin(2 * Math.PI * (years - place.season))
  const rain = Math.max(0, place.rain * (1 + 0.8 * wave) * (0.7 + 0.6 * random()))
  const temperature = place.warmth + 3 * Math.sin(2 * Math.PI * (years - 0.1)) + 2 * random() - 1
  const risk = Math.exp(0.9 * Math.sin(2 * Math.PI * (years - place.season - 0.15)))
  const cases = Math.round(place.population * place.rate * risk * (0.6 + 0.8 * random()))
  return [
    period,
    place.name,
    known ? cases : null,
    place.population,
    rounded(rain),
    rounded(temperature),
    ...extra.map(() => rounded(50 + 20 * wave + 20 * (random() - 0.5))),
  ]
}

function extraColumns({ numFeatures, requiredCovariates }: SampleOptions): string[] {
  const features = Array.from({ length: numFeatures }, (_, index) => `feature_${index}`)
  const canonical = new Set<string>(canonicalColumns)
  return [...new Set([...features, ...requiredCovariates])].filter((name) => !canonical.has(name))
}

function isFeatureName(name: string, count: number): boolean {
  const index = /^feature_(0|[1-9]\d*)$/.exec(name)?.[1]
  return index !== undefined && Number(index) < count
}

const cellDegrees = 0.8
const west = 36.8
const south = -1.3

/** A square for each place, in rows of a near-square grid, or the middle of it. */
function sampleGeo(places: readonly Place[], type: 'polygon' | 'point'): FeatureCollection {
  const width = Math.max(1, Math.ceil(Math.sqrt(places.length)))
  const height = Math.max(1, Math.ceil(places.length / width))
  return {
    type: 'FeatureCollection',
    features: places.map(({ name }, index) => ({
      type: 'Feature',
      geometry: cellGeometry(index % width, Math.floor(index / width), type),
      properties: { id: name },
    })),
    bbox: [west, south, rounded(west + width * cellDegrees), rounded(south + height * cellDegrees)],
  }
}

function cellGeometry(column: number, row: number, type: 'polygon' | 'point'): Geometry {
  const at = (x: number, y: number) => [
    rounded(west + (column + x) * cellDegrees),
    rounded(south + (row + y) * cellDegrees),
  ]
  if (type === 'point') return { type: 'Point', coordinates: at(0.5, 0.5) }
  // Counter-clockwise, as RFC 7946 asks of outer rings.
  return { type: 'Polygon', coordinates: [[at(0, 0), at(1, 0), at(1, 1), at(0, 1), at(0, 0)]] }
}

function rounded(number: number): number {
  return Math.round(number * 100) / 100
}

/** Numbers from 0 up to 1: a counter whose steps are mixed well enough that neighbours look unrelated. */
function createRandom(seed: number): () => number {
  let state = Math.imul(seed ^ 0x5bd1e995, 0x9e3779b1)
  return () => {
    state = (state + 0x9e3779b9) | 0
    let mixed = Math.imul(state ^ (state >>> 16), 0x45d9f3b)
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x2c1b3c6d)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
