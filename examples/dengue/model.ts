/**
 * A regression for monthly counts of several locations, on the logarithm z of the rate:
 *
 *   z = log((cases + 1) / population × 100 000)
 *
 *   z of a month = level of the location
 *                + season (sines and cosines of the year)
 *                + past rates (z of the last months)
 *                + past weather (rainfall and temperature some months before)
 *                + shock
 *
 * Levels belong to each location; all else is shared, so that a small district learns from its neighbours. Several
 * months ahead the regression is applied month by month to its own results. Each of 100 samples adds other shocks on
 * the way: those by which the regression missed in the past, drawn for all locations from the same past month, because
 * an epidemic seldom stops at a border. They are the misses of regressions that had not seen the year in question:
 * within the years that it was fitted to, a regression looks better than it will be.
 */
import type { DataFrame } from 'chapkit'
import { checkForecast, checkTraining, refuse, varies, type Weather, weather } from './checks.ts'
import { createRandom, pick } from './random.ts'
import { type Fit, fitRidge, predictRow, type Row } from './ridge.ts'
import { mean } from './score.ts'
import {
  climateOf,
  logRates,
  monthsOf,
  readSeries,
  type Series,
  toCases,
  toLogRate,
} from './series.ts'

const sampleCount = 100

/** Months that are simulated before a forecast where the past is not known: long enough to forget how they began. */
const warmUp = 24

export interface ModelOptions {
  /** Months of past rates. */
  lags: number
  /** Waves of the season: 1 is a sine and cosine of the year, 2 adds those of half a year, and so on. */
  harmonics: number
  /** How many months before the counts the weather is read. */
  weatherLag: number
  /** Ridge penalty on the slopes: it counts as that many more months in which a feature told nothing. */
  ridge: number
  /** Equal seeds give equal samples. */
  seed: number
}

/** What training leaves: plain data, so that it can be stored as it is. */
export interface DengueModel {
  options: ModelOptions
  /** The weather that varied in training and therefore counts. */
  covariates: Weather[]
  places: Place[]
  /** One for each of `featuresOf`. */
  slopes: number[]
  /** Past misses: a row for each month, a number for each place, null where its count was not known. */
  shocks: (number | null)[][]
  /** One month ahead, in years that the regression had not seen. */
  errors: { mae: number; rmseLog: number }
}

export interface Place {
  location: string
  intercept: number
  /** Mean z: what stands for a past that is not known. */
  level: number
  /** The last one known. */
  population: number
  climate: Record<Weather, number[]>
}

/** Told how a training goes. */
export interface Reporter {
  log: (line: string) => void
  progress: (fraction: number, message: string) => void
}

const nobody: Reporter = { log: () => {}, progress: () => {} }

/** Trains on months of counts, population and weather. Months whose count is not known are left out. */
export function fitModel(data: DataFrame, options: ModelOptions, reporter = nobody): DengueModel {
  refuse(checkTraining(data))
  const covariates = weather.filter((name) => varies(data.numbers(name)))
  for (const name of weather) {
    if (!covariates.includes(name)) reporter.log(`${name} never changes and is left out`)
  }
  const shape: Shape = { options, covariates }
  const months = monthsOf(data)
  const series = readSeries(data, least(months), greatest(months))
  const places = series.map(describePlace)

  const rows = places.flatMap((place, index) => {
    const { location } = place
    reporter.progress((0.4 * index) / places.length, `reading ${location}`)
    const own = rowsOf(shape, series[index]!, place, index)
    if (own.length > 0) reporter.log(`${location}: ${own.length} months to learn from`)
    if (own.length > 0) return own
    const needed = options.lags + 1
    throw new Error(`Location ${location} never has ${needed} months in a row with known cases`)
  })

  const whole = fitRidge(rows, places.length, options.ridge)
  reporter.log(`slopes: ${slopesText(shape, whole.slopes)}`)
  const misses = missesByYear(rows, whole, places.length, options.ridge, reporter)
  return {
    options,
    covariates,
    places: places.map((place, index) => ({ ...place, intercept: whole.intercepts[index]! })),
    slopes: whole.slopes,
    shocks: shocksByMonth(rows, misses, places.length),
    errors: {
      mae: mean(
        rows.map((row, i) =>
          Math.abs(toCases(row.target - misses[i]!, row.population) - row.cases),
        ),
      ),
      rmseLog: Math.sqrt(mean(misses.map((miss) => miss ** 2))),
    },
  }
}

/**
 * `sample_0` to `sample_99` for each row of `future`, which has the weather but no counts; `historic` is what came
 * before and has both. Counts that are missing at its end, because reports are late, are simulated with the future.
 */
export function forecast(model: DengueModel, historic: DataFrame, future: DataFrame): DataFrame {
  refuse(checkForecast(historic, future))
  const months = monthsOf(future)
  const locations = future.strings('location')
  const start = least(months) - warmUp
  const tracks = openTracks(model, historic, future, start, greatest(months))
  const random = createRandom(model.options.seed)

  let predictions = future.select(['time_period', 'location'])
  for (let sample = 0; sample < sampleCount; sample++) {
    const paths = simulate(model, tracks, random)
    const cases = months.map((month, row) => {
      const track = tracks.get(locations[row]!)!
      const index = month - start
      return toCases(paths.get(track)![index]!, track.series.population[index]!)
    })
    predictions = predictions.withColumn(`sample_${sample}`, cases)
  }
  return predictions
}

type Shape = Pick<DengueModel, 'options' | 'covariates'>

/**
 * The numbers that the regression multiplies with its slopes: season, past rates, past weather. Training and forecasting
 * both ask here, so that they cannot differ. Past rates that are not known are NaN.
 */
function featuresOf(
  { options, covariates }: Shape,
  { climate }: Pick<Place, 'climate'>,
  series: Series,
  rates: Float64Array,
  index: number,
): number[] {
  const month = series.first + index
  const features: number[] = []
  for (let wave = 1; wave <= options.harmonics; wave++) {
    const angle = (2 * Math.PI * wave * month) / 12
    features.push(Math.sin(angle), Math.cos(angle))
  }
  for (let lag = 1; lag <= options.lags; lag++) features.push(rates[index - lag] ?? Number.NaN)
  for (const name of covariates) {
    const value = series[name][index - options.weatherLag] ?? Number.NaN
    const usual = climate[name][(month - options.weatherLag + 12) % 12]!
    features.push(Number.isNaN(value) ? usual : value)
  }
  return features
}

function slopesText({ options, covariates }: Shape, slopes: readonly number[]): string {
  const names = [
    ...Array.from({ length: options.lags }, (_, index) => `rate ${index + 1} months before`),
    ...covariates.map((name) => `${name} ${options.weatherLag} months before`),
  ]
  const afterSeason = slopes.slice(2 * options.harmonics)
  return names.map((name, i) => `${name} ${afterSeason[i]!.toFixed(3)}`).join(', ')
}

function describePlace(series: Series): Omit<Place, 'intercept'> {
  const known = Array.from(logRates(series)).filter((rate) => !Number.isNaN(rate))
  return {
    location: series.location,
    level: mean(known),
    population: series.population.at(-1)!,
    climate: climateOf(series),
  }
}

interface MonthRow extends Row {
  month: number
  cases: number
  population: number
}

/** The months of a location whose count is known, and the counts that it is regressed on. */
function rowsOf(
  shape: Shape,
  series: Series,
  about: Pick<Place, 'climate'>,
  place: number,
): MonthRow[] {
  const rates = logRates(series)
  const rows: MonthRow[] = []
  for (const [index, target] of rates.entries()) {
    const features = featuresOf(shape, about, series, rates, index)
    if ([target, ...features].some(Number.isNaN)) continue
    const month = series.first + index
    const [cases, population] = [series.cases[index]!, series.population[index]!]
    rows.push({ place, month, features, target, cases, population })
  }
  return rows
}

const yearOf = ({ month }: MonthRow): number => Math.floor(month / 12)

/**
 * By how much each row was missed by a regression that had not seen its year. Of fewer than three years too little is
 * left when one is taken out: then they are the misses of the regression itself.
 */
function missesByYear(
  rows: readonly MonthRow[],
  whole: Fit,
  places: number,
  ridge: number,
  reporter: Reporter,
): number[] {
  const years = [...new Set(rows.map(yearOf))].sort((a, b) => a - b)
  const fits = new Map<number, Fit>()
  for (const [index, year] of years.entries()) {
    if (years.length < 3) break
    reporter.progress(0.4 + (0.6 * index) / years.length, `testing on ${year}`)
    const others = rows.filter((row) => yearOf(row) !== year)
    fits.set(year, fitRidge(others, places, ridge))
  }
  return rows.map((row) => {
    const blind = fits.get(yearOf(row)) ?? whole
    return row.target - predictRow(blind, row.place, row.features)
  })
}

function shocksByMonth(
  rows: readonly MonthRow[],
  misses: readonly number[],
  places: number,
): (number | null)[][] {
  const byMonth = new Map<number, (number | null)[]>()
  for (const [i, { month, place }] of rows.entries()) {
    const shocks = byMonth.get(month) ?? new Array<number | null>(places).fill(null)
    shocks[place] = misses[i]!
    byMonth.set(month, shocks)
  }
  return [...byMonth.values()]
}

/** A location that is forecast: what is known of it, from the warm-up to the last month of the future. */
interface Track {
  place: number
  about: Place
  series: Series
  rates: Float64Array
  /** Its own past shocks, for months in which others had one and it had none. */
  shocks: number[]
}

function openTracks(
  model: DengueModel,
  historic: DataFrame,
  future: DataFrame,
  first: number,
  last: number,
): Map<string, Track> {
  const begin = first + warmUp
  const months = historic.length === 0 ? [] : monthsOf(historic)
  // Whatever the past says about months that are to be forecast, the forecast is made without it.
  const past = historic.filter((_, row) => months[row]! < begin)
  const known = future.has('disease_cases') ? future.drop('disease_cases') : future
  const wanted = new Set(known.strings('location'))

  const tracks = new Map<string, Track>()
  for (const read of readSeries(known.concat(past), first, last)) {
    if (!wanted.has(read.location)) continue
    const place = model.places.findIndex(({ location }) => location === read.location)
    const about = model.places[place]
    if (about === undefined) {
      const trained = model.places.map(({ location }) => location).join(', ')
      throw new Error(`Location ${read.location} was not trained; trained were ${trained}`)
    }
    const population = read.population.map((value) =>
      Number.isNaN(value) ? about.population : value,
    )
    const series = { ...read, population }
    const shocks = model.shocks.flatMap((month) => month[place] ?? [])
    tracks.set(read.location, { place, about, series, rates: logRates(series), shocks })
  }
  return tracks
}

/** One way in which it may go: known rates as they are, the others month by month. */
function simulate(
  model: DengueModel,
  tracks: ReadonlyMap<string, Track>,
  random: () => number,
): Map<Track, Float64Array> {
  const fitted = { slopes: model.slopes, intercepts: model.places.map((place) => place.intercept) }
  const paths = new Map([...tracks.values()].map((track) => [track, track.rates.slice()]))
  const length = paths.values().next().value?.length ?? 0
  for (let index = 0; index < length; index++) {
    const month = pick(model.shocks, random)
    for (const [track, path] of paths) {
      if (!Number.isNaN(path[index])) continue
      const { place, about, series, shocks } = track
      const features = featuresOf(model, about, series, path, index).map((value) =>
        Number.isNaN(value) ? about.level : value,
      )
      const shock = month[place] ?? pick(shocks, random)
      const population = series.population[index]!
      // Nobody or everybody: beyond that no rate can go, whatever the regression says.
      const [none, all] = [toLogRate(0, population), toLogRate(population, population)]
      const rate = predictRow(fitted, place, features) + shock
      path[index] = Math.min(Math.max(rate, none), all)
    }
  }
  return paths
}

const least = (values: readonly number[]): number => values.reduce((a, b) => Math.min(a, b))
const greatest = (values: readonly number[]): number => values.reduce((a, b) => Math.max(a, b))
