import { BaseConfig, type DataFrame, FunctionalModelRunner, MLServiceBuilder } from 'chapkit'

/** The frames that the model was given last. */
export const seen: Partial<Record<'data' | 'historic' | 'future', DataFrame>> = {}

/** A service whose model tells what it sees. */
const service = new MLServiceBuilder({
  info: {
    ...{
      id: 'cells',
      display_name: 'Cells',
      period_type: 'any',
      max_prediction_periods: 1_000_000,
    },
    ...{ required_covariates: ['humidity'], allow_free_additional_continuous_covariates: true },
  },
  runner: new FunctionalModelRunner({
    config: BaseConfig,
    onTrain: ({ data }) => {
      seen.data = data
      return {}
    },
    onPredict: ({ historic, future }) => {
      Object.assign(seen, { historic, future })
      return future.select(['time_period', 'location']).derive('sample_0', () => 1)
    },
  }),
}).build()

export default service
