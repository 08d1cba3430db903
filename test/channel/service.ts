import { BaseConfig, FunctionalModelRunner, MLServiceBuilder } from 'chapkit'

/** An honest model, whose jobs go on while others are attacked. */
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
  info: { id: 'beside', display_name: 'Beside', period_type: 'monthly' },
  runner,
}).build()
