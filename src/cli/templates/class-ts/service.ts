import {
  BaseConfig,
  BaseModelRunner,
  type DataFrame,
  MLServiceBuilder,
  type PredictContext,
  type TrainContext,
  // {{#validation}}
  type ValidatePredictContext,
  type ValidateTrainContext,
  // {{/validation}}
} from 'chapkit'
import { z } from 'zod'
import { forecast, learn, type Model } from './model.ts'
// {{#validation}}
import { validatePredict, validateTrain } from './validation.ts'

// {{/validation}}

// What users of the model may set. Each training gets a config of these, checked and with defaults filled in.
const Config = BaseConfig.extend({
  n_samples: z.int().min(1).max(1000).default(100).describe('Samples for each row'),
  seed: z.int().default(1).describe('Equal seeds give equal samples'),
})
type Config = z.infer<typeof Config>

class SeasonalModel extends BaseModelRunner<Config, Model> {
  override readonly config = Config
  private runs = 0

  // Once in each process that runs the model, before its first run: the place for what takes long to load. What is set
  // here is there in every run of the process, but no part of the stored model.
  override onInit() {
    this.runs = 0
  }

  // `data` is a table. What is returned here is the model: it is stored, and given to onPredict, perhaps weeks later.
  override onTrain({ data, log, metrics, progress }: TrainContext<Config>): Model {
    this.runs++
    const model = learn(data)
    // Lines and progress are there to read while the training runs; numbers are kept with the model.
    log(`${data.length} rows of ${model.size} locations`)
    metrics({ locations: model.size })
    progress(1, 'learned')
    return model
  }

  // `historic` is what is known up to now, `future` the rows to forecast.
  override onPredict(context: PredictContext<Config, Model>): DataFrame {
    const { config, model, historic, future } = context
    this.runs++
    return forecast({ model, historic, future, samples: config.n_samples, seed: config.seed })
  }
  // {{#validation}}

  // Findings on the data, before anything runs.
  override onValidateTrain(context: ValidateTrainContext<Config>) {
    return validateTrain(context)
  }

  override onValidatePredict(context: ValidatePredictContext<Config>) {
    return validatePredict(context)
  }
  // {{/validation}}

  // Once, when the process ends in good order.
  override onCleanup() {
    console.log(`${this.runs} runs in this process`)
  }
}

const builder = new MLServiceBuilder({
  module: import.meta.url,
  info: {
    id: '{{id}}',
    display_name: '{{title}}',
    // chap-core binds a version to one commit: raise it with every commit that is deployed.
    version: '1.0.0',
    description: 'Counts of the same season in past years',
    // 'weekly', 'monthly', or 'any' for a model that takes both.
    period_type: '{{period}}',
    // How far you trust it: gray, red, orange, yellow or green.
    model_metadata: { author: 'Unknown', author_assessed_status: 'red' },
  },
  runner: new SeasonalModel(),
})

// With keys in the environment, every request has to have one: whoever can reach the service may use it otherwise.
if (process.env.CHAPKIT_API_KEYS) builder.withAuth()
// With the URL of an orchestrator, such as that of chap-core, the service registers there and stays registered.
if (process.env.SERVICEKIT_ORCHESTRATOR_URL) builder.withRegistration()

const service = builder.build()

export default service
if (import.meta.main) await service.listen()
