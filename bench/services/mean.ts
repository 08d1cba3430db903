import { BaseConfig, FunctionalModelRunner, MLServiceBuilder } from 'chapkit'

/** The smallest honest model: what is measured is the service. */
const runner = new FunctionalModelRunner<BaseConfig, { mean: number }>({
  config: BaseConfig,
  onTrain: ({ data }) => ({
    mean: data.numbers('disease_cases').reduce((sum, each) => sum + each, 0) / data.length,
  }),
  onPredict: ({ model, future }) =>
    future
      .select(['time_period', 'location'])
      .withColumn('sample_0', new Float64Array(future.length).fill(model.mean)),
})

export default new MLServiceBuilder({
  module: import.meta.url,
  info: {
    id: 'bench-mean',
    display_name: 'Mean',
    period_type: 'monthly',
    // Some frames are as long as any.
    max_prediction_periods: 1000,
  },
  runner,
}).build()
