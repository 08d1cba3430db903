import {
  BaseConfig,
  defineEntity,
  defineTask,
  FunctionalModelRunner,
  MLServiceBuilder,
} from 'chapkit'
import { z } from 'zod'

/** A service with every slice there is. Its model forecasts whatever it is given, and logs what its config says. */
const config = BaseConfig.extend({ lines: z.int().default(0) })

const runner = new FunctionalModelRunner<z.infer<typeof config>, { mean: number }>({
  config,
  onTrain: ({ config: { lines } }) => {
    for (let line = 0; line < lines; line++) console.log(`line ${line} ${'x'.repeat(200)}`)
    return { mean: 1 }
  },
  onPredict: ({ model, future }) =>
    future
      .select(['time_period', 'location'])
      .withColumn('sample_0', new Float64Array(future.length).fill(model.mean))
      .withColumn('sample_1', new Float64Array(future.length).fill(0.1 + model.mean)),
})

const place = defineEntity({
  name: 'place',
  schema: z.looseObject({ code: z.string(), extra: z.unknown().optional() }),
})

const echo = defineTask({
  parameters: z.looseObject({}),
  run: () => ({ done: true }),
})

/** Asks the service for all that is large. */
const reader = defineTask({
  parameters: z.object({ id: z.string() }),
  run: async ({ parameters: { id }, artifacts, configs }) => ({
    rows: (await artifacts.frame(id)).length,
    artifacts: (await artifacts.list()).length,
    configs: (await configs.list()).length,
  }),
})

const service = new MLServiceBuilder({
  module: import.meta.url,
  info: {
    id: 'bench-largest',
    display_name: 'Largest',
    period_type: 'monthly',
    // Some frames are as long as any.
    max_prediction_periods: 1000,
  },
  runner,
})
  .withEntity(place)
  .withTasks({ functions: { echo, reader }, allowRemoteCommands: true })
  .withSchedules({})
  .withMonitoring()
  .withRoutes((app) => {
    app.post('/own', async ({ body }) => ({ type: typeof body }))
    // Processor time of this thread from one tick to the next: how long a turn of the event loop took, whoever else was busy on
    // the machine.
    let before = process.threadCpuUsage()
    let longest = 0
    setInterval(() => {
      const { user, system } = process.threadCpuUsage(before)
      before = process.threadCpuUsage()
      longest = Math.max(longest, (user + system) / 1000)
    }, 1).unref()
    app.get('/bench/held', { config: { permission: 'public' } }, async () => {
      const held = longest
      longest = 0
      return { held }
    })
  })
  .build()

export default service
