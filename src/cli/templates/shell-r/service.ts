import { BaseConfig, MLServiceBuilder, ShellModelRunner } from 'chapkit'
import { z } from 'zod'
// {{#validation}}
import { validatePredict, validateTrain } from './validation.ts'

// {{/validation}}

// What users of the model may set. The scripts find it in config.yml, checked and with defaults filled in.
const Config = BaseConfig.extend({
  n_samples: z.int().min(1).max(1000).default(100).describe('Samples for each row'),
  seed: z.int().default(1).describe('Equal seeds give equal samples'),
})

const runner = new ShellModelRunner({
  config: Config,
  // Each command runs in a copy of this folder. The folder as training left it is the model; predictions run in copies of
  // that. Names in braces become those of files.
  trainCommand: 'Rscript --vanilla train.R {data_file} model.rds config.yml',
  predictCommand:
    'Rscript --vanilla predict.R {historic_file} {future_file} model.rds config.yml {output_file}',
  // {{#validation}}

  // Findings on the data, before anything runs.
  onValidateTrain: validateTrain,
  onValidatePredict: validatePredict,
  // {{/validation}}
})

const builder = new MLServiceBuilder({
  module: import.meta.url,
  info: {
    id: '{{id}}',
    display_name: '{{title}}',
    // chap-core binds a version to one commit: raise it with every commit that is deployed.
    version: '1.0.0',
    description: 'A regression on the season, rainfall and temperature',
    // 'weekly', 'monthly', or 'any' for a model that takes both.
    period_type: '{{period}}',
    // Columns that the data has to have besides time_period, location and disease_cases.
    required_covariates: ['rainfall', 'mean_temperature'],
    // How far you trust it: gray, red, orange, yellow or green.
    model_metadata: { author: 'Unknown', author_assessed_status: 'red' },
  },
  runner,
})

// With keys in the environment, every request has to have one: whoever can reach the service may use it otherwise.
if (process.env.CHAPKIT_API_KEYS) builder.withAuth()
// With the URL of an orchestrator, such as that of chap-core, the service registers there and stays registered.
if (process.env.SERVICEKIT_ORCHESTRATOR_URL) builder.withRegistration()

const service = builder.build()

export default service
if (import.meta.main) await service.listen()
