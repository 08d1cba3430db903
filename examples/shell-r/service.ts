import { BaseConfig, MLServiceBuilder, ShellModelRunner } from 'chapkit'
import { z } from 'zod'

const Config = BaseConfig.extend({
  n_lags: z.int().min(1).max(12).default(3).describe('Periods of past counts and rainfall'),
  n_samples: z.int().min(1).max(1000).default(100).describe('Samples for each row'),
  seed: z.int().min(0).max(2_147_483_647).default(1).describe('Equal seeds give equal samples'),
})

const runner = new ShellModelRunner({
  config: Config,
  trainCommand: 'Rscript --vanilla train.R {data_file}',
  predictCommand: 'Rscript --vanilla predict.R {historic_file} {future_file} {output_file}',
  timeoutSeconds: 600,
})

const service = new MLServiceBuilder({
  module: import.meta.url,
  info: {
    id: 'seasonal-regression-r',
    display_name: 'Seasonal regression in R',
    version: '1.0.0',
    description: 'For each location a regression of log counts on season, past counts and rainfall',
    period_type: 'monthly',
    min_prediction_periods: 1,
    max_prediction_periods: 24,
    required_covariates: ['rainfall'],
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
