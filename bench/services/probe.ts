import { monitorEventLoopDelay } from 'node:perf_hooks'
import { BaseConfig, FunctionalModelRunner, MLServiceBuilder } from 'chapkit'

/** The mean model with routes that look inside the process. Run it with `--expose-gc`. */
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

const service = new MLServiceBuilder({
  module: import.meta.url,
  info: {
    id: 'bench-probe',
    display_name: 'Probe',
    period_type: 'monthly',
    // Some frames are as long as any.
    max_prediction_periods: 1000,
  },
  runner,
})
  .withRoutes((app) => {
    const delay = monitorEventLoopDelay({ resolution: 1 })
    delay.enable()
    // The longest wait of the loop since the last time this was asked, in milliseconds.
    app.get('/bench/delay', async () => {
      const longest = delay.max / 1e6 - 1
      delay.reset()
      return { longest }
    })
    app.get('/bench/heap', async () => {
      for (let round = 0; round < 3; round++) globalThis.gc?.()
      const { heapUsed, external } = process.memoryUsage()
      return { live: (heapUsed + external) / 2 ** 20 }
    })
  })
  .build()

export default service
if (import.meta.main) await service.listen()
