import { BaseConfig, FunctionalModelRunner, MLServiceBuilder } from 'chapkit'
import { z } from 'zod'
import { checkForecast, checkTraining } from './checks.ts'
import { type DengueModel, fitModel, forecast } from './model.ts'

const Config = BaseConfig.extend({
  n_lags: z.int().min(1).max(12).default(3).describe('Months of past rates'),
  n_harmonics: z.int().min(0).max(5).default(2).describe('Waves of the season in a year'),
  weather_lag: z.int().min(0).max(12).default(2).describe('Months from weather to cases'),
  ridge: z.number().positive().max(1e6).default(5).describe('Penalty on the slopes'),
  seed: z.int().min(0).default(1).describe('Equal seeds give equal samples'),
})
type Config = z.infer<typeof Config>

const runner = new FunctionalModelRunner<Config, DengueModel>({
  config: Config,
  onValidateTrain: ({ data }) => checkTraining(data),
  onValidatePredict: ({ historic, future }) => checkForecast(historic, future),

  onTrain: ({ config, data, log, progress, metrics }) => {
    const options = {
      lags: config.n_lags,
      harmonics: config.n_harmonics,
      weatherLag: config.weather_lag,
      ridge: config.ridge,
      seed: config.seed,
    }
    const model = fitModel(data, options, { log, progress })
    metrics({ mae: model.errors.mae, rmse_log: model.errors.rmseLog })
    return model
  },

  onPredict: ({ model, historic, future }) => forecast(model, historic, future),
})

const service = new MLServiceBuilder({
  module: import.meta.url,
  info: {
    id: 'dengue-brazil',
    display_name: 'Dengue in Brazil',
    version: '1.0.0',
    description:
      'Monthly dengue cases from season, past cases, rainfall and temperature: a ridge regression of the log rate that learns across locations, with 100 samples',
    period_type: 'monthly',
    min_prediction_periods: 1,
    max_prediction_periods: 24,
    required_covariates: ['rainfall', 'mean_temperature', 'population'],
    model_metadata: {
      author: 'The chapkit project',
      author_note:
        'An example that is meant to be read. It beats a seasonal-naive forecast on the data that come with it; nobody has tried it in practice.',
      author_assessed_status: 'yellow',
      organization: 'chapkit',
      citation_info:
        "Data: Lowe R, Lee SA, O'Reilly KM, et al. Combined effects of hydrometeorological hazards and urbanisation on dengue risk in Brazil: a spatiotemporal modelling study. Lancet Planetary Health 2021;5(4):e209–e219, doi:10.5281/zenodo.4632205",
    },
  },
  runner,
})
  .withMonitoring()
  .build()

export default service
if (import.meta.main) await service.listen()
