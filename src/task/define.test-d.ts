import { DataFrame, defineTask, MLServiceBuilder, ServiceBuilder } from 'chapkit'
import { expectTypeOf, test } from 'vitest'
import { z } from 'zod'
import type { JobRecord } from '../job/schema.ts'
import { FunctionalModelRunner } from '../ml/functional.ts'
import type { Tasks } from './tasks.ts'

const info = { id: 'typed', display_name: 'Typed' }

test('a function is given what its schema makes, and the parts of the service', () => {
  const task = defineTask({
    parameters: z.object({ region: z.string(), years: z.int().default(3) }),
    retries: { attempts: 3 },
    run: async ({ parameters, artifacts, jobs, ml, log, progress, signal, attempt }) => {
      expectTypeOf(parameters).toEqualTypeOf<{ region: string; years: number }>()
      expectTypeOf(await artifacts.frame('x')).toEqualTypeOf<DataFrame>()
      expectTypeOf(await jobs.wait('x')).toEqualTypeOf<JobRecord>()
      const data = DataFrame.fromRecords([])
      expectTypeOf(await ml.train({ configId: 'x', data })).toEqualTypeOf<{
        jobId: string
        artifactId: string
      }>()
      log('x')
      progress(0.5, 'x')
      expectTypeOf(signal).toEqualTypeOf<AbortSignal>()
      expectTypeOf(attempt).toEqualTypeOf<number>()
      // @ts-expect-error: the schema has no such parameter
      parameters.country
      return { done: true }
    },
  })
  new ServiceBuilder({ info }).withArtifacts().withJobs().withTasks({ functions: { task } })
})

test('without a schema parameters are JSON of any kind', () => {
  defineTask({
    run: ({ parameters }) => {
      expectTypeOf(parameters).toEqualTypeOf<Record<string, unknown>>()
    },
  })
})

test('tasks need artifacts and jobs, in any order', () => {
  const functions = { task: defineTask({ run: () => 1 }) }
  new ServiceBuilder({ info }).withJobs().withArtifacts().withTasks({ functions })
  // @ts-expect-error: jobs are missing
  new ServiceBuilder({ info }).withArtifacts().withTasks({ functions })
  const ready = new ServiceBuilder({ info }).withArtifacts().withJobs()
  // @ts-expect-error: a function is made by defineTask
  ready.withTasks({ functions: { a: () => 1 } })
  // @ts-expect-error: a command has a command
  ready.withTasks({ shell: { a: {} } })
})

test('routes are given the tasks of a service that has them, and of no other', () => {
  const runner = new FunctionalModelRunner({ onTrain: () => 1, onPredict: ({ future }) => future })
  const builder = new MLServiceBuilder({ info: { ...info, period_type: 'monthly' }, runner })
  builder.withTasks().withRoutes((_app, parts) => {
    expectTypeOf(parts.tasks).toEqualTypeOf<Tasks>()
  })
  builder.withRoutes((_app, parts) => {
    // @ts-expect-error: the service has no tasks
    parts.tasks
  })
})
