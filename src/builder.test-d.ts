import { expectTypeOf, test } from 'vitest'
import { z } from 'zod'
import type { Artifacts } from './artifact/artifacts.ts'
import { BaseServiceBuilder, MLServiceBuilder, ServiceBuilder } from './builder.ts'
import type { Configs } from './config/configs.ts'
import { BaseConfig } from './config/schema.ts'
import type { Jobs } from './job/jobs.ts'
import { FunctionalModelRunner } from './ml/functional.ts'
import type { Ml } from './ml/ml.ts'

const info = { id: 'typed', display_name: 'Typed' }
const mlInfo = { ...info, period_type: 'monthly' } as const
const runner = new FunctionalModelRunner({
  onTrain: () => ({ mean: 1 }),
  onPredict: ({ model, future }) => future.derive('sample_0', () => model.mean),
})

test('onPredict receives what onTrain returned, and both the config of the schema', () => {
  new FunctionalModelRunner({
    config: BaseConfig.extend({ n_lags: z.int().default(3) }),
    onTrain: async ({ config, data }) => {
      expectTypeOf(config.n_lags).toEqualTypeOf<number>()
      expectTypeOf(config.prediction_periods).toEqualTypeOf<number>()
      expectTypeOf(data.numbers('x')).toEqualTypeOf<Float64Array>()
      return { weights: new Map<string, number>() }
    },
    onPredict: ({ model, config, historic, future }) => {
      expectTypeOf(model).toEqualTypeOf<{ weights: Map<string, number> }>()
      expectTypeOf(config.n_lags).toEqualTypeOf<number>()
      expectTypeOf(historic).toEqualTypeOf(future)
      return future
    },
  })
})

test('routes and hooks are given the parts that the service has, and no others', () => {
  new MLServiceBuilder({ info: mlInfo, runner }).withRoutes((_app, parts) => {
    expectTypeOf(parts.configs).toEqualTypeOf<Configs>()
    expectTypeOf(parts.artifacts).toEqualTypeOf<Artifacts>()
    expectTypeOf(parts.jobs).toEqualTypeOf<Jobs>()
    expectTypeOf(parts.ml).toEqualTypeOf<Ml>()
  })
  new ServiceBuilder({ info }).withConfig().onStartup((parts) => {
    expectTypeOf(parts.configs).toEqualTypeOf<Configs>()
    // @ts-expect-error: the service has no artifacts
    parts.artifacts
  })
  new BaseServiceBuilder({ info }).withRoutes((_app, parts) => {
    // @ts-expect-error: the service has no jobs
    parts.jobs
  })
})

test('a model needs configs, artifacts and jobs, in any order', () => {
  new ServiceBuilder({ info: mlInfo }).withJobs().withArtifacts().withConfig().withMl(runner)
  // @ts-expect-error: artifacts and jobs are missing
  new ServiceBuilder({ info: mlInfo }).withConfig().withMl(runner)
  // @ts-expect-error: a base service has no models
  new BaseServiceBuilder({ info: mlInfo }).withMl(runner)
})

test('the info of a model says how long its periods are', () => {
  // @ts-expect-error: period_type is missing
  new MLServiceBuilder({ info, runner })
})

test('monitoring takes where it answers, and adds to any builder', () => {
  const builder = new ServiceBuilder({ info }).withConfig()
  expectTypeOf(builder.withMonitoring()).toEqualTypeOf(builder)
  expectTypeOf(builder.withMonitoring('/internal/metrics')).toEqualTypeOf(builder)
  // @ts-expect-error: a path is all there is to say
  builder.withMonitoring({ interval: 5 })
})
