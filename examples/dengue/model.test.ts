import { DataFrame, nextPeriod } from 'chapkit'
import { describe, expect, test } from 'vitest'
import { compare, rollingFolds } from './backtest.ts'
import { checkForecast, checkTraining } from './checks.ts'
import { fitModel, forecast, type ModelOptions } from './model.ts'
import { createRandom } from './random.ts'
import { coverage, median, scoresOf } from './score.ts'

const options: ModelOptions = { lags: 3, harmonics: 2, weatherLag: 2, ridge: 5, seed: 1 }

/** Counts made by a process like the model's: a season, and years that are better or worse and remember it. */
function makeData({ months = 120, locations = ['north', '11001'], seed = 3 } = {}): DataFrame {
  const random = createRandom(seed)
  const noise = () => random() + random() + random() - 1.5
  const records = locations.flatMap((location, place) => {
    let anomaly = 0
    return Array.from({ length: months }, (_, month) => {
      anomaly = 0.85 * anomaly + 0.6 * noise()
      const wave = Math.cos((2 * Math.PI * month) / 12)
      return {
        time_period: nextPeriod('2010-01', month),
        location,
        rainfall: Math.max(0, 150 + 100 * wave + 60 * noise()),
        mean_temperature: 26 + wave + noise(),
        disease_cases: Math.round(Math.exp(3 + place + 1.2 * wave + anomaly)),
        population: 100_000 * (place + 1),
      }
    })
  })
  return DataFrame.fromRecords(records)
}

function backtest(data: DataFrame, folds: number) {
  return rollingFolds(data, folds, 6).flatMap((fold) => {
    const model = fitModel(fold.past, options)
    return compare(fold, forecast(model, fold.past, fold.future.drop('disease_cases')))
  })
}

const split = (data: DataFrame) => {
  const [fold] = rollingFolds(data, 1, 6)
  return { past: fold!.past, future: fold!.future.drop('disease_cases') }
}

const withCases = (data: DataFrame, change: (cases: number, row: number) => number | null) =>
  data.derive('disease_cases', (row, index) => change(Number(row.disease_cases), index))

describe('on data that are made by such a process', () => {
  const forecasts = backtest(makeData({ months: 180 }), 8)

  test('it is nearer than the seasonal-naive forecast', () => {
    const model = scoresOf(forecasts)
    const naive = scoresOf(forecasts.map(({ naive, observed }) => ({ samples: naive, observed })))
    expect(model.mae).toBeLessThan(0.95 * naive.mae)
    expect(model.crps).toBeLessThan(0.95 * naive.crps)
  })

  test('its intervals hold about as many counts as they promise', () => {
    expect(coverage(forecasts, 0.9)).toBeGreaterThan(0.8)
    expect(coverage(forecasts, 0.5)).toBeGreaterThan(0.35)
    expect(coverage(forecasts, 0.5)).toBeLessThan(0.65)
  })

  test('it finds the season', () => {
    const data = makeData({ months: 126 })
    const { past, future } = split(data.filter((row) => String(row.time_period) < '2020-01'))
    const predictions = forecast(fitModel(past, options), past, future)
    const medians = predictions
      .toRecords()
      .filter((row) => row.location === 'north')
      .map((row) =>
        median(Array.from({ length: 100 }, (_, sample) => Number(row[`sample_${sample}`]))),
      )
    // July to December: the trough is passed and the peak of January comes nearer.
    expect(medians.at(-1)!).toBeGreaterThan(2 * medians[0]!)
  })
})

describe('a forecast', () => {
  const data = makeData()
  const { past, future } = split(data)
  const model = fitModel(past, options)

  test('has a row for each row of the future, in its order, and 100 samples', () => {
    const shuffled = future.sort([{ column: 'time_period', descending: true }])
    const predictions = forecast(model, past, shuffled)
    const samples = Array.from({ length: 100 }, (_, sample) => `sample_${sample}`)
    expect(predictions.columns).toEqual(['time_period', 'location', ...samples])
    expect(predictions.strings('time_period')).toEqual(shuffled.strings('time_period'))
    expect(predictions.strings('location')).toEqual(shuffled.strings('location'))
  })

  test('is whole numbers from 0 to the population', () => {
    const wild = withCases(past, (cases, row) => (row % 7 === 0 ? cases * 4000 : 0))
    const predictions = forecast(fitModel(wild, options), wild, future)
    const cells = predictions.toJson().data.flatMap((row) => row.slice(2).map(Number))
    expect(cells.every((cell) => Number.isInteger(cell) && cell >= 0 && cell <= 200_000)).toBe(true)
  })

  test('is the same for the same inputs and another for another seed', () => {
    const again = forecast(fitModel(past, options), past, future)
    expect(again.toJson()).toEqual(forecast(model, past, future).toJson())
    const other = forecast(fitModel(past, { ...options, seed: 2 }), past, future)
    expect(other.toJson()).not.toEqual(again.toJson())
  })

  test('survives that the model is stored', () => {
    const stored = JSON.parse(JSON.stringify(model))
    expect(forecast(stored, past, future).toJson()).toEqual(forecast(model, past, future).toJson())
  })

  test('does not look at counts of the months that it forecasts', () => {
    const told = forecast(
      model,
      data,
      future.derive('disease_cases', () => 99_999),
    )
    expect(told.toJson()).toEqual(forecast(model, past, future).toJson())
  })

  test('goes on where the last counts are not reported yet', () => {
    const late = withCases(past, (cases, row) => (row % 114 > 110 ? null : cases))
    const predictions = forecast(model, late, future)
    expect(predictions.firstNonFinite()).toBeNull()
    expect(predictions.length).toBe(future.length)
  })

  test('can be made without any past, without weather and for some of the locations', () => {
    const nothing = past.head(0)
    const dark = future.derive('rainfall', () => null).derive('mean_temperature', () => null)
    const north = dark.filter((row) => row.location === 'north')
    for (const predictions of [
      forecast(model, nothing, future),
      forecast(model, DataFrame.fromJson({ columns: [], data: [] }), future),
      forecast(model, past, dark),
      forecast(model, past, north),
    ]) {
      expect(predictions.length).toBeGreaterThan(0)
      expect(predictions.firstNonFinite()).toBeNull()
    }
  })

  test('reaches as far as it is asked to', () => {
    const months = Array.from({ length: 36 }, (_, month) => ({
      time_period: nextPeriod('2020-01', month),
      location: '11001',
      rainfall: 100,
      mean_temperature: 26,
      population: 200_000,
    }))
    expect(forecast(model, past, DataFrame.fromRecords(months)).length).toBe(36)
  })

  test('knows a location by its name, written as text or as a number', () => {
    const numbered = past.derive('location', (row) =>
      row.location === '11001' ? 11001 : String(row.location),
    )
    expect(forecast(model, numbered, future).toJson()).toEqual(
      forecast(model, past, future).toJson(),
    )
  })

  test('of a location that was not trained is refused by name', () => {
    const elsewhere = future.derive('location', () => 'south').head(1)
    expect(() => forecast(model, past, elsewhere)).toThrow(
      'Location south was not trained; trained were north, 11001',
    )
  })
})

describe('training', () => {
  const data = makeData()

  test('leaves months out whose count is not known', () => {
    const gaps = withCases(data, (cases, row) => (row % 10 === 3 ? null : cases))
    const model = fitModel(gaps, options)
    const { past, future } = split(gaps)
    expect(forecast(model, past, future).firstNonFinite()).toBeNull()
    expect(model.shocks.length).toBeLessThan(fitModel(data, options).shocks.length)
  })

  test('works with as few months as it asks for', () => {
    const short = makeData({ months: 24 })
    const { future } = split(makeData({ months: 30 }))
    expect(forecast(fitModel(short, options), short, future).firstNonFinite()).toBeNull()
    expect(() => fitModel(short, { ...options, lags: 12 })).not.toThrow()
  })

  test('leaves weather out that never changes, and says so', () => {
    const dry = data.derive('rainfall', () => 0)
    const lines: string[] = []
    const model = fitModel(dry, options, { log: (line) => lines.push(line), progress: () => {} })
    expect(model.covariates).toEqual(['mean_temperature'])
    expect(lines).toContain('rainfall never changes and is left out')
    expect(checkTraining(dry)).toMatchObject([{ severity: 'warning', code: 'covariate_constant' }])
  })

  test('tells how far it is, location by location and year by year', () => {
    const steps: [number, string][] = []
    fitModel(data, options, { log: () => {}, progress: (...step) => steps.push(step) })
    expect(steps.map(([, message]) => message)).toEqual(
      expect.arrayContaining(['reading north', 'reading 11001', 'testing on 2010']),
    )
    const fractions = steps.map(([fraction]) => fraction)
    expect(fractions).toEqual(fractions.toSorted((a, b) => a - b))
    expect(fractions.every((fraction) => fraction >= 0 && fraction <= 1)).toBe(true)
  })

  test.each([
    ['a column is missing', data.drop(['rainfall', 'population']), /missing: population, rainfall/],
    [
      'a series is short',
      data.filter((row) => row.location === 'north' || String(row.time_period) < '2011-06'),
      /at least 24 months .*; 11001 has 17/,
    ],
    ['no count is known', withCases(data, () => null), /north has 0, 11001 has 0/],
    [
      'periods are weeks',
      data.derive('time_period', (_, row) => nextPeriod('2010-W01', row)),
      /months such as 2024-01 .* got '2010-W01' in row 0/,
    ],
    ['a month is there twice', data.concat(data.head(1)), /north has the month 2010-01 twice/],
    [
      'a count is negative',
      withCases(data, (cases, row) => (row === 5 ? -1 : cases)),
      /north has a count below 0/,
    ],
    ['nobody lives there', data.derive('population', () => 0), /north needs a population above 0/],
    [
      'a location has no name',
      data.derive('location', () => null),
      /Row 0 of data has no location/,
    ],
  ])('is refused where %s, in words that say what', (_, bad, message) => {
    expect(checkTraining(bad)).toMatchObject([
      { severity: 'error', field: 'data', message: expect.stringMatching(message) },
    ])
    expect(() => fitModel(bad, options)).toThrow(message)
  })

  test('needs enough months in a row for the past rates', () => {
    const holes = withCases(data, (cases, row) => (row % 3 === 0 ? null : cases))
    expect(() => fitModel(holes, options)).toThrow('never has 4 months in a row')
  })
})

test('a forecast is refused where its frames lack a column', () => {
  const { past, future } = split(makeData())
  expect(checkForecast(past, future)).toEqual([])
  expect(checkForecast(past, future.drop('rainfall'))).toMatchObject([
    { field: 'future', message: expect.stringContaining('missing: rainfall') },
  ])
  expect(checkForecast(past.drop('disease_cases'), future)).toMatchObject([
    { field: 'historic', message: expect.stringContaining('missing: disease_cases') },
  ])
  expect(checkForecast(past, future.head(0))).toMatchObject([{ code: 'future_empty' }])
})
