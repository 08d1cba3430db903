/** A small model: the mean of each location. It keeps the last months back, to say how far off it was. */

import { BaseConfig, type DataFrame, FunctionalModelRunner } from 'chapkit'
import { z } from 'zod'

const Config = BaseConfig.extend({
  months_held_back: z.int().min(1).max(12).default(2).describe('Months to measure the error with'),
})

export const runner = new FunctionalModelRunner({
  config: Config,
  onTrain: ({ config, data, metrics }) => {
    const months = [...new Set(data.toRecords().map((row) => String(row.time_period)))].sort()
    const [first] = months.slice(-config.months_held_back)
    const isHeldBack = (row: Readonly<Record<string, unknown>>) =>
      String(row.time_period) >= String(first)
    const means = meansOf(data.filter((row) => !isHeldBack(row)))
    metrics({ mae: errorOf(means, data.filter(isHeldBack)) })
    return meansOf(data)
  },
  onPredict: ({ model, future }) =>
    future
      .select(['time_period', 'location'])
      .derive('sample_0', ({ location }) => model.get(String(location)) ?? 0),
})

function meansOf(data: DataFrame): Map<string, number> {
  const means = data.groupBy('location').aggregate({ mean: ['disease_cases', 'mean'] })
  return new Map(means.toRecords().map((row) => [String(row.location), Number(row.mean)]))
}

function errorOf(means: Map<string, number>, data: DataFrame): number {
  const errors = data
    .toRecords()
    .map((row) => Math.abs(Number(row.disease_cases) - (means.get(String(row.location)) ?? 0)))
  return errors.reduce((sum, error) => sum + error, 0) / errors.length
}
