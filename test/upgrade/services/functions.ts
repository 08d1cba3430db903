import {
  BaseConfig,
  type DataFrame,
  defineEntity,
  FunctionalModelRunner,
  MLServiceBuilder,
} from 'chapkit'
import { z } from 'zod'

/*
 * A service with a model made of functions and an entity of its own. What it is must stay as it is: data folders that released
 * versions wrote with it are opened with it again.
 */

const Config = BaseConfig.extend({
  factor: z.number().default(1),
  /** The training waits for as long as the process has HOLD in its environment. */
  hold: z.boolean().default(false),
  fail: z.boolean().default(false),
})

const notes = defineEntity({
  name: 'note',
  schema: z.object({
    title: z.string().min(1),
    stars: z.int().min(0).max(5).default(0),
    seen: z.boolean().default(false),
    about: z.array(z.string()).default([]),
  }),
  unique: ['title'],
})

const runner = new FunctionalModelRunner({
  config: Config,
  async onTrain({ config, data, log, metrics, progress }) {
    while (config.hold && process.env.HOLD) await new Promise((resolve) => setTimeout(resolve, 20))
    // A stack would have the paths of whoever makes the fixture.
    if (config.fail) throw Object.assign(new RangeError('this one was to fail'), { stack: '' })
    const means = meansOf(data)
    log(`${data.length} rows of ${means.size} locations`)
    metrics({ locations: means.size })
    progress(1, 'done')
    // One of each that a stored model may have.
    return {
      means,
      levels: Float64Array.from(means.values()),
      names: new Set(means.keys()),
      trained: new Date(Date.UTC(2024, 0, 1)),
      largest: BigInt(Math.round(Math.max(...means.values()))),
      nothing: null,
    }
  },
  onPredict: ({ config, model, future }) =>
    future
      .select(['time_period', 'location'])
      .derive(
        'sample_0',
        ({ location }) => (model.means.get(String(location)) ?? 0) * config.factor,
      )
      .derive('sample_1', () => (model.levels.at(-1) ?? 0) + Number(model.largest))
      .derive('sample_2', () => model.names.size + model.trained.getUTCFullYear()),
})

function meansOf(data: DataFrame): Map<string, number> {
  const means = data.groupBy('location').aggregate({ mean: ['disease_cases', 'mean'] })
  return new Map(means.toRecords().map(({ location, mean }) => [String(location), Number(mean)]))
}

const service = new MLServiceBuilder({
  module: import.meta.url,
  info: { id: 'upgrade-functions', display_name: 'Upgrade: functions', period_type: 'monthly' },
  runner,
})
  .withEntity(notes)
  .build()

export default service
if (import.meta.main) await service.listen()
