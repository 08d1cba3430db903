/** For each district and month of the year what was reported then, as samples: the past years are the forecast. */

import { BaseConfig, FunctionalModelRunner, parsePeriod } from 'chapkit'
import { z } from 'zod'

const Config = BaseConfig.extend({
  n_samples: z.int().min(1).max(200).default(20).describe('Samples for each month and district'),
  /** 1 forgets nothing; 0.5 counts a year half as much as the one after it. */
  memory: z.number().gt(0).max(1).default(0.8).describe('How much a year counts beside the next'),
})

/** Counts with the year they are from, by `district/month of the year`. */
type Model = Map<string, { year: number; cases: number }[]>

export const runner = new FunctionalModelRunner({
  config: Config,

  onValidateTrain({ data }) {
    const months = new Set(data.strings('time_period')).size
    if (months >= 12) return []
    return [
      {
        severity: 'error',
        code: 'too_few_months',
        message: `Expected at least 12 months, got ${months}: without them no season can be seen`,
        field: 'data',
      },
    ]
  },

  onTrain({ data, log, metrics }): Model {
    const model: Model = new Map()
    for (const row of data.toRecords()) {
      if (typeof row.disease_cases !== 'number') continue
      const { year, key } = placeOf(row)
      model.set(key, [...(model.get(key) ?? []), { year, cases: row.disease_cases }])
    }
    log(`${data.length} reports, ${model.size} months of districts`)
    metrics({ reports: data.length })
    return model
  },

  onPredict({ config, model, future }) {
    const seen = future.toRecords().map((row) => {
      const counts = model.get(placeOf(row).key) ?? []
      const newest = Math.max(...counts.map(({ year }) => year))
      return counts
        .map(({ year, cases }) => ({ cases, weight: config.memory ** (newest - year) }))
        .sort((a, b) => a.cases - b.cases)
    })
    let prediction = future.select(['time_period', 'location'])
    for (let sample = 0; sample < config.n_samples; sample++) {
      const level = (sample + 0.5) / config.n_samples
      prediction = prediction.withColumn(
        `sample_${sample}`,
        seen.map((counts) => quantile(counts, level)),
      )
    }
    return prediction
  },
})

/** The weighted quantile; 0 for a month that was never reported. */
function quantile(counts: readonly { cases: number; weight: number }[], level: number): number {
  let left = level * counts.reduce((sum, { weight }) => sum + weight, 0)
  for (const { cases, weight } of counts) {
    left -= weight
    if (left <= 0) return cases
  }
  return counts.at(-1)?.cases ?? 0
}

function placeOf({ time_period, location }: Record<string, unknown>) {
  const period = parsePeriod(String(time_period))
  if (period?.kind !== 'month')
    throw new Error(`Expected a month such as 2024-01, got ${time_period}`)
  return { year: Math.floor(period.index / 12), key: `${location}/${period.index % 12}` }
}
