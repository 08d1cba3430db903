/**
 * A model as a class: for each location the mean of every month of the year, with samples from the Poisson distribution
 * of that mean. Samples are looked up in a table of quantiles that each process makes once, before its first run.
 */

import type { DataFrame, PredictContext, TrainContext } from 'chapkit'
import { BaseConfig, BaseModelRunner, MLServiceBuilder, parsePeriod } from 'chapkit'
import { z } from 'zod'
import { poissonTable, type QuantileTable } from './poisson.ts'

const Config = BaseConfig.extend({
  n_samples: z.int().min(1).max(1000).default(50).describe('Samples for each month and location'),
})
type Config = z.infer<typeof Config>

/** Mean count by `location/month of the year`, and by location for months that were never seen. */
interface Means {
  monthly: Map<string, number>
  overall: Map<string, number>
}

/** Quantiles in the table: as many as samples can be asked for. */
const levels = 1000

class SeasonalPoisson extends BaseModelRunner<Config, Means> {
  override readonly config = Config
  private table: QuantileTable | undefined
  private predictions = 0

  /** Once in each process that runs the model. What is printed here is in the log of the first job. */
  override onInit() {
    const began = performance.now()
    this.table = poissonTable({ maximumMean: 200, step: 0.05, levels })
    const took = Math.round(performance.now() - began)
    console.log(`table of ${this.table.means} distributions made in ${took} ms`)
  }

  /** Once, when the process ends in good order. What is printed here is in the log of the service. */
  override onCleanup() {
    const beyond = this.table?.beyond ?? 0
    this.table = undefined
    console.log(`${this.predictions} predictions with one table, ${beyond} means beyond it`)
  }

  override onTrain({ data, log }: TrainContext<Config>): Means {
    const counts = data
      .filter((row) => row.disease_cases !== null)
      .derive('month', (row) => `${row.location}/${monthOf(row.time_period)}`)
    log(`${counts.length} known counts`)
    return { monthly: meansBy(counts, 'month'), overall: meansBy(counts, 'location') }
  }

  override onPredict({ config, model, future }: PredictContext<Config, Means>): DataFrame {
    const { table } = this
    if (!table) throw new Error('The table is made by onInit')
    this.predictions++
    let predictions = future.select(['time_period', 'location'])
    for (let sample = 0; sample < config.n_samples; sample++) {
      const level = Math.floor(((sample + 0.5) / config.n_samples) * levels)
      predictions = predictions.derive(`sample_${sample}`, ({ time_period, location }) => {
        const mean = model.monthly.get(`${location}/${monthOf(time_period)}`)
        return table.quantile(mean ?? model.overall.get(String(location)) ?? 0, level)
      })
    }
    return predictions
  }
}

function meansBy(counts: DataFrame, key: string): Map<string, number> {
  const means = counts.groupBy(key).aggregate({ mean: ['disease_cases', 'mean'] })
  return new Map(means.toRecords().map((row) => [String(row[key]), Number(row.mean)]))
}

/** 0 for January. */
function monthOf(text: unknown): number {
  const period = parsePeriod(String(text))
  if (period?.kind !== 'month') throw new Error(`Expected a month such as 2024-01, got ${text}`)
  return period.index % 12
}

const service = new MLServiceBuilder({
  module: import.meta.url,
  info: {
    id: 'seasonal-poisson',
    display_name: 'Seasonal Poisson',
    description: 'The mean of each month of the year, with Poisson samples',
    period_type: 'monthly',
    model_metadata: { author: 'The chapkit project', author_assessed_status: 'orange' },
  },
  runner: new SeasonalPoisson(),
}).build()

export default service
if (import.meta.main) await service.listen()
