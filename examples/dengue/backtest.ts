import { DataFrame, nextPeriod } from 'chapkit'
import type { Client, Predicted, Trained } from 'chapkit/client'
import { monthOf } from './checks.ts'
import { countsByLocation, lastYear, seasonalNaive } from './naive.ts'
import type service from './service.ts'

/** A moment in the past at which a forecast is made: what was known then, and the months that came after. */
export interface Fold {
  from: string
  to: string
  past: DataFrame
  future: DataFrame
}

/** One count that was forecast, beside what was observed and what others would have said. */
export interface Forecast {
  location: string
  month: string
  observed: number
  samples: number[]
  naive: number[]
  lastYear: number[]
}

export interface FoldResult {
  fold: Fold
  training: Trained
  prediction: Predicted
  forecasts: Forecast[]
}

/** The last `count` stretches of `horizon` months, oldest first. Each is forecast from all that was known before it. */
export function rollingFolds(data: DataFrame, count: number, horizon: number): Fold[] {
  const periods = data.strings('time_period').map((text) => text!)
  const end = nextPeriod(periods.toSorted().at(-1)!)
  return Array.from({ length: count }, (_, index) => {
    const from = nextPeriod(end, (index - count) * horizon)
    const after = nextPeriod(from, horizon)
    return {
      from,
      to: nextPeriod(after, -1),
      past: data.filter((_row, row) => periods[row]! < from),
      future: data.filter((_row, row) => periods[row]! >= from && periods[row]! < after),
    }
  })
}

/** Trains on the past of a fold and forecasts the rest of it, through the service. */
export async function runFold(
  { ml }: Client<typeof service>,
  configId: string,
  fold: Fold,
  onProgress: (doing: string) => void,
): Promise<FoldResult> {
  const { past, future } = fold
  const training = await ml.trainAndWait(
    { config_id: configId, data: past },
    {
      onProgress: ({ progress }) =>
        onProgress(`training ${percent(progress?.fraction)} ${progress?.message ?? ''}`.trimEnd()),
    },
  )
  const prediction = await ml.predictAndWait(
    {
      artifact_id: training.artifact_id,
      historic: past,
      // What is to be forecast stays here: the service is not told.
      future: future.drop('disease_cases'),
    },
    {
      onProgress: ({ progress }) =>
        onProgress(`predicting ${percent(progress?.fraction)}`.trimEnd()),
    },
  )
  const predictions = DataFrame.fromJson(prediction.prediction)
  return { fold, training, prediction, forecasts: compare(fold, predictions) }
}

/** Lays predictions beside what was observed. Months whose count is not known cannot be judged and are left out. */
export function compare({ past, future }: Fold, predictions: DataFrame): Forecast[] {
  const observed = countsByLocation(future)
  const known = countsByLocation(past)
  const names = predictions.columns.filter((name) => name.startsWith('sample_'))
  const columns = names.map((name) => predictions.numbers(name))
  const locations = predictions.strings('location')
  const forecasts = predictions.strings('time_period').flatMap((text, row): Forecast[] => {
    const location = locations[row]!
    const month = monthOf(text)!
    const count = observed.get(location)?.get(month)
    if (count === undefined) return []
    const earlier = known.get(location) ?? new Map()
    return [
      {
        location,
        month: text!,
        observed: count,
        samples: columns.map((column) => column[row]!),
        naive: seasonalNaive(earlier, month),
        lastYear: lastYear(earlier, month),
      },
    ]
  })
  return forecasts.toSorted((a, b) => order(a.location, b.location) || order(a.month, b.month))
}

function percent(fraction: number | null = null): string {
  return fraction === null ? '' : `${Math.round(fraction * 100)} %`
}

const order = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
