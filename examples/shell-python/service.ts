import { BaseConfig, MLServiceBuilder, ShellModelRunner } from 'chapkit'
import { z } from 'zod'

const Config = BaseConfig.extend({
  memory: z
    .number()
    .min(0)
    .max(1)
    .default(0.8)
    .describe('Share of what is unusual now that is left one period later'),
  window: z.int().min(1).max(52).default(3).describe('Last counts that say what is unusual now'),
  n_samples: z.int().min(1).max(1000).default(100).describe('Samples for each row'),
  seed: z.int().min(0).default(1).describe('Equal seeds give equal samples'),
})

const runner = new ShellModelRunner({
  config: Config,
  trainCommand: 'python3 train.py {data_file}',
  predictCommand: 'python3 predict.py {historic_file} {future_file} {output_file}',
  timeoutSeconds: 600,
})

const service = new MLServiceBuilder({
  module: import.meta.url,
  info: {
    id: 'seasonal-counts-python',
    display_name: 'Seasonal counts in Python',
    version: '1.0.0',
    description: 'The usual count of each part of the year, with negative binomial samples',
    period_type: 'monthly',
    min_prediction_periods: 1,
    max_prediction_periods: 24,
    model_metadata: {
      author: 'The chapkit project',
      author_note: 'An example that is meant to be read; nobody has tried it in practice.',
      author_assessed_status: 'orange',
    },
  },
  runner,
}).build()

export default service
if (import.meta.main) await service.listen()
