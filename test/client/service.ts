import { BaseConfig, defineEntity, FunctionalModelRunner, MLServiceBuilder } from 'chapkit'
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
    .withRoutes((app) => {
      app.get('/api/v1/hello', async () => ({ hello: 'you' }))
      app.post('/api/v1/echo', async (request) => request.body)
    })
    .build()
}

/** The same, listening at a port of its own until the test ends. */
export async function listen() {
  const service = createService()
  onTestFinished(() => service.close())
  const { url } = await service.listen({
    port: 0,
    signals: false,
    databaseUrl: ':memory:',
    hosting: 'inline',
    logLevel: 'silent',
  })
  return { service, url }
}

export type Probe = ReturnType<typeof createService>
