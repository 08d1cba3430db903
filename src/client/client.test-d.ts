import { expectTypeOf, test } from 'vitest'
import { z } from 'zod'
import { BaseServiceBuilder, MLServiceBuilder, ServiceBuilder } from '../builder.ts'
import { BaseConfig } from '../config/schema.ts'
import { defineEntity } from '../entity/define.ts'
import { BaseModelRunner } from '../ml/base-runner.ts'
import { FunctionalModelRunner } from '../ml/functional.ts'
import type { PredictContext } from '../ml/runner.ts'
import { ShellModelRunner } from '../script/runner.ts'
import { defineTask } from '../task/define.ts'
import { createTestService } from '../testing/index.ts'
import { type Client, createClient, type JobsClient } from './index.ts'

const url = 'http://127.0.0.1:8000'
const info = { id: 'typed', display_name: 'Typed', period_type: 'monthly' } as const
const Config = BaseConfig.extend({ region: z.string(), n_lags: z.int().default(3) })
const runner = new FunctionalModelRunner({
  config: Config,
  onTrain: () => ({ mean: 1 }),
  onPredict: ({ model, future }) => future.derive('sample_0', () => model.mean),
})
const stations = defineEntity({
  name: 'station',
  schema: z.object({ code: z.string(), altitude: z.number().default(0) }),
})

test('data of a config is what the schema of the model takes, and what it makes of it', () => {
  const service = new MLServiceBuilder({ info, runner }).build()
  const client = createClient<typeof service>({ url })

  client.configs.create({ name: 'a', data: { region: 'north' } })
  // @ts-expect-error: the region is missing
  client.configs.create({ name: 'a', data: {} })
  // @ts-expect-error: lags are counted
  client.configs.create({ name: 'a', data: { region: 'north', n_lags: 'three' } })
  expectTypeOf(client.configs.get)
    .returns.resolves.toHaveProperty('data')
    .toHaveProperty('n_lags')
    .toEqualTypeOf<number>()
})

test('so it is for models of commands, of classes, and for configs with a schema of their own', () => {
  const shell = new ShellModelRunner({
    config: Config,
    trainCommand: 'train',
    predictCommand: 'predict',
  })
  class Own extends BaseModelRunner<z.infer<typeof Config>, number> {
    override readonly config = Config
    onTrain = () => 1
    onPredict = ({ future }: PredictContext<z.infer<typeof Config>, number>) => future
  }
  const services = [
    new MLServiceBuilder({ info, runner: shell }).build(),
    new MLServiceBuilder({ info, runner: new Own() }).build(),
    new ServiceBuilder({ info }).withConfig({ schema: Config }).build(),
    new ServiceBuilder({ info }).withConfig().withArtifacts().withJobs().withMl(runner).build(),
  ] as const
  expectTypeOf<Parameters<Client<(typeof services)[0]>['configs']['create']>[0]['data']>()
    .toHaveProperty('region')
    .toEqualTypeOf<string>()
  expectTypeOf<Parameters<Client<(typeof services)[1]>['configs']['create']>[0]['data']>()
    .toHaveProperty('region')
    .toEqualTypeOf<string>()
  expectTypeOf<Parameters<Client<(typeof services)[2]>['configs']['create']>[0]['data']>()
    .toHaveProperty('region')
    .toEqualTypeOf<string>()
  expectTypeOf<Parameters<Client<(typeof services)[3]>['configs']['create']>[0]['data']>()
    .toHaveProperty('region')
    .toEqualTypeOf<string>()
})

test('entities are known by their names, in whatever order they were added', () => {
  const service = new ServiceBuilder({ info })
    .withEntity(stations)
    .withEntity(defineEntity({ name: 'clinic', schema: z.object({ beds: z.int() }) }))
    .withJobs()
    .withConfig()
    .build()
  const client = createClient<typeof service>({ url })

  client.entity('station').create({ code: 'N1' })
  client.entity('clinic').create({ beds: 3, tags: ['new'] })
  client.entity(stations).create({ code: 'N1' })
  // @ts-expect-error: a station has a code
  client.entity('station').create({ altitude: 3 })
  // @ts-expect-error: there are no users
  client.entity('user')
  expectTypeOf(client.entity('station').get)
    .returns.resolves.toHaveProperty('altitude')
    .toEqualTypeOf<number>()
  expectTypeOf(client.entity('station').list).returns.resolves.toEqualTypeOf<
    Awaited<ReturnType<ReturnType<typeof client.entity<'station'>>['get']>>[]
  >()
})

test('tasks are known by their names, with what they take and what they make', () => {
  const count = defineTask({
    parameters: z.object({ tag: z.string(), most: z.int().default(5) }),
    run: async () => ({ found: 3 }),
  })
  const service = new MLServiceBuilder({ info, runner })
    .withTasks({
      functions: { count },
      shell: { report: { command: 'Rscript report.R {region}' } },
    })
    .withEntity(stations)
    .build()
  const { tasks } = createClient<typeof service>({ url })

  tasks.execute('count', { tag: 'a' })
  // @ts-expect-error: tags are texts
  tasks.execute('count', { tag: 5 })
  tasks.execute('report', { region: 'north' })
  tasks.execute('01M82F0C7XQ3J5V9A1B2C3D4E5', { whatever: 1 })
  expectTypeOf(tasks.executeAndWait<'count'>)
    .returns.resolves.toHaveProperty('data')
    .toHaveProperty('result')
    .toEqualTypeOf<{ found: number }>()
  expectTypeOf(tasks.executeAndWait<'report'>)
    .returns.resolves.toHaveProperty('data')
    .toHaveProperty('stdout')
    .toEqualTypeOf<string>()
})

test('a client has the groups of its service and no others', () => {
  const service = new BaseServiceBuilder({ info }).withJobs().build()
  const client = createClient<typeof service>({ url })
  expectTypeOf(client.jobs).toEqualTypeOf<JobsClient>()
  // @ts-expect-error: the service has no model
  client.ml
  // @ts-expect-error: nor configs
  client.configs
  const bare = new BaseServiceBuilder({ info }).build()
  expectTypeOf<Client<typeof bare>>().toHaveProperty('health')
  // @ts-expect-error: nor jobs
  createClient<typeof bare>({ url }).jobs
})

test('a client of nothing in particular has every group, and takes any data', () => {
  const client = createClient({ url })
  client.configs.create({ name: 'a', data: { anything: ['goes'] } })
  client.entity('whatever').create({ x: 1 })
  client.ml.train({ config_id: 'a', data: [{ time_period: '2024-01', x: null }] })
  expectTypeOf(client).toEqualTypeOf<Client>()
})

test('the client of a test service has the types of the service', async () => {
  const test = await createTestService(new MLServiceBuilder({ info, runner }).build())
  // @ts-expect-error: the region is missing
  test.client.configs.create({ name: 'a', data: {} })
  expectTypeOf(test.client).toExtend<Client<ReturnType<typeof build>>>()
})
const build = () => new MLServiceBuilder({ info, runner }).build()
