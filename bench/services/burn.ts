import { BaseConfig, FunctionalModelRunner, MLServiceBuilder } from 'chapkit'
import { z } from 'zod'

const Config = BaseConfig.extend({ seconds: z.number().min(0).max(60).default(10) })
type Config = z.infer<typeof Config>

/** Uses CPU for as long as it is told, and makes garbage on the way as models do. */
function burn(seconds: number): number {
  const end = process.cpuUsage()
  const wanted = seconds * 1e6
  let value = 1
  for (;;) {
    const rows = Array.from({ length: 2000 }, (_, at) => ({ at, value: Math.sqrt(value + at) }))
    value = rows.reduce((sum, row) => sum + row.value, 0) % 1000
    const { user, system } = process.cpuUsage(end)
    if (user + system >= wanted) return value
  }
}

const runner = new FunctionalModelRunner<Config, { value: number; seconds: number }>({
  config: Config,
  onTrain: ({ config }) => ({ value: burn(config.seconds), seconds: config.seconds }),
  onPredict: ({ model, future }) =>
    future
      .select(['time_period', 'location'])
      .withColumn('sample_0', new Float64Array(future.length).fill(burn(model.seconds))),
})

export default new MLServiceBuilder({
  module: import.meta.url,
  info: { id: 'bench-burn', display_name: 'Burn', period_type: 'monthly' },
  runner,
}).build()
