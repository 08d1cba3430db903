import { BaseConfig, MLServiceBuilder, ShellModelRunner } from 'chapkit'
import { z } from 'zod'

/** A model of commands with options of every kind, which fails when it is told to. */
export default new MLServiceBuilder({
  module: import.meta.url,
  info: {
    id: 'counts-in-sh',
    display_name: 'Counts in sh',
    version: process.env.MODEL_VERSION ?? '1.0.0',
    period_type: 'monthly',
    min_prediction_periods: 1,
    max_prediction_periods: 6,
    required_covariates: ['rainfall'],
    target: 'disease_cases',
    model_metadata: { author: 'A', author_assessed_status: 'yellow' },
  },
  runner: new ShellModelRunner({
    config: BaseConfig.extend({
      fails: z.enum(['never', 'train', 'predict', 'silently']).default('never'),
      n_lags: z.array(z.int()).default([3]).describe('Months back'),
      rate: z.number().default(0.5),
      'learning-rate': z.number().nullable().default(null),
    }),
    trainCommand: 'sh train.sh {data_file}',
    predictCommand: 'sh predict.sh {future_file} {output_file}',
  }),
})
  .withRegistration()
  .build()
