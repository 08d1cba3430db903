import { BaseConfig, defineEntity, FunctionalModelRunner, MLServiceBuilder } from 'chapkit'
import { type Client, createClient } from 'chapkit/client'
import { createTestService } from 'chapkit/testing'
import { onTestFinished } from 'vitest'
import { z } from 'zod'

const Config = BaseConfig.extend({
  region: z.string(),
  level: z.number().default(1),
  behaviour: z.enum(['plain', 'throw', 'wait']).default('plain'),
})

export const stations = defineEntity({
  name: 'station',
  schema: z.object({ code: z.string(), altitude: z.number().default(0) }),
  unique: ['code'],
})

/** A service for clients to talk to: its model talks, fails or waits, as the config says. */
export function createService() {
  const runner = new FunctionalModelRunner({
    config: Config,
    onTrain: async ({ config, data, log, progress, signal }) => {
      log(`training ${config.region}`)
      progress(0.5, 'half way')
      if (config.behaviour === 'throw') throw new Error('too few rows')
      if (config.behaviour === 'wait') {
        await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
        signal.throwIfAborted()
      }
      return { level: config.level, rows: data.length }
    },
    onPredict: ({ model, future }) => future.derive('sample_0', () => model.level),
  })
  return new MLServiceBuilder({
    info: { id: 'client-probe', display_name: 'Probe', period_type: 'monthly' },
    runner,
  })
    .withEntity(stations)
    .withTasks({ shell: { greet: { command: 'echo hello {name}' } } })
    .withSchedules()
    .withRoutes((app) => {
      app.get('/api/v1/hello', async () => ({ hello: 'you' }))
      app.post('/api/v1/echo', async (request) => request.body)
    })
    .build()
}

export type Probe = ReturnType<typeof createService>

/** A client of the same, over a socket or without one; the service ends with the test. */
export async function connect(way: 'http' | 'inject' = 'http'): Promise<Client<Probe>> {
  const service = createService()
  if (way === 'inject') {
    const test = await createTestService(service)
    onTestFinished(() => test.close())
    return test.client
  }
  onTestFinished(() => service.close())
  const { url } = await service.listen({
    port: 0,
    signals: false,
    databaseUrl: ':memory:',
    hosting: 'inline',
    logLevel: 'silent',
  })
  return createClient<Probe>({ url, retries: 0 })
}
