import { setTimeout as sleep } from 'node:timers/promises'
import { defineTask, FunctionalModelRunner, MLServiceBuilder } from 'chapkit'
import { z } from 'zod'

/*
 * A service with tasks of both kinds and schedules. Like its neighbours it has to stay as it is: data folders that released
 * versions wrote with it are opened with it again.
 */

// A stack would have the paths of whoever makes the fixture.
const failure = (message: string) => Object.assign(new RangeError(message), { stack: '' })

const count = defineTask({
  parameters: z.object({ tag: z.string().default('survey'), at_least: z.int().default(0) }),
  tags: ['count'],
  run: async ({ parameters: { tag, at_least }, artifacts, log, progress }) => {
    const found = await artifacts.list({ tag })
    log(`${found.length} artifacts with the tag ${tag}`)
    progress(0.5, 'counted — å')
    if (found.length < at_least) throw failure('there are too few')
    return { tag, count: found.length, of: [null, 1.5, 'ü'] }
  },
})

const retrain = defineTask({
  run: async ({ configs, artifacts, jobs, ml }) => {
    const config = (await configs.list()).at(-1)
    const source = (await artifacts.list({ tag: 'surveillance' })).at(-1)
    if (!config || !source) throw failure('there is no config or no data')
    const data = await artifacts.frame(source.id)
    const { jobId, artifactId } = await ml.train({ configId: config.id, data })
    return { status: (await jobs.wait(jobId)).status, model: artifactId }
  },
})

/** Runs for as long as the process has HOLD in its environment. */
const wait = defineTask({
  parameters: z.object({ name: z.string().default('nobody') }),
  run: async ({ parameters, attempt }) => {
    while (process.env.HOLD) await sleep(20)
    return { name: parameters.name, attempt }
  },
})

/** Fails the first time. */
const shaky = defineTask({
  retries: { attempts: 3, delaySeconds: 60 },
  run: ({ attempt }) => {
    if (attempt === 1) throw failure('not the first time')
    return { attempt }
  },
})

const service = new MLServiceBuilder({
  module: import.meta.url,
  info: { id: 'upgrade-tasks', display_name: 'Upgrade: tasks', period_type: 'monthly' },
  runner: new FunctionalModelRunner({
    onTrain: ({ data }) => ({ rows: data.length }),
    onPredict: ({ model, future }) =>
      future.select(['time_period', 'location']).derive('sample_0', () => model.rows),
  }),
})
  .withTasks({
    functions: { count, retrain, wait, shaky },
    shell: {
      greet: { command: 'sh greet.sh {name}', env: { GREETING: 'hello' }, tags: ['shell'] },
      hold: { command: 'sh hold.sh', env: ['HOLD'] },
      refuse: { command: 'sh refuse.sh' },
    },
  })
  .withSchedules({
    yearly: {
      task: 'count',
      cron: '0 3 1 1 *',
      zone: 'Africa/Kigali',
      parameters: { tag: 'kept' },
    },
    daily: { task: 'greet', parameters: { name: 'day' }, every: 'P1D', misfire: 'skip' },
  })
  .build()

export default service
if (import.meta.main) await service.listen()
