import { ServiceBuilder } from 'chapkit'
import { createTestService } from 'chapkit/testing'
import { expect, test } from 'vitest'

const info = { id: 'inner', display_name: 'Inner' }

test('the client of a test service has its key and its prefixes', async () => {
  const service = new ServiceBuilder({ info })
    .withAuth()
    .withConfig({ prefix: '/api/v1/settings' })
    .build()
  const key = 'a-key-that-is-long-enough-for-a-test'
  await using run = await createTestService(service, { apiKeys: [key] })

  const made = await run.client.configs.create({ name: 'a', data: {} })
  expect(await run.client.configs.list()).toEqual([made])
  expect((await run.request('GET', '/api/v1/settings')).status).toBe(401)
})

test('an answer without a body, and one of another type, pass through the client as well', async () => {
  const service = new ServiceBuilder({ info })
    .withRoutes((app) => {
      app.get('/api/v1/nothing', async (_request, reply) => reply.code(204).send())
      app.get('/api/v1/text', async (_request, reply) => reply.type('text/plain').send('ä'))
      app.post('/api/v1/bytes', async (request) => ({ came: request.body }))
    })
    .build()
  await using run = await createTestService(service)

  expect((await run.client.request('/api/v1/nothing')).status).toBe(204)
  expect(await (await run.client.request('/api/v1/text')).text()).toBe('ä')
  const call = { method: 'POST', body: '{"a":1}', contentType: 'application/json' }
  expect(await (await run.client.request('/api/v1/bytes', call)).json()).toEqual({ came: { a: 1 } })
})

test('an abort reaches the service inside', async () => {
  const arrived = Promise.withResolvers<void>()
  const gone = Promise.withResolvers<void>()
  const service = new ServiceBuilder({ info })
    .withRoutes((app) => {
      app.get('/api/v1/slow', async (request) => {
        request.raw.once('close', () => gone.resolve())
        arrived.resolve()
        await gone.promise
        return {}
      })
    })
    .build()
  await using run = await createTestService(service)
  const stop = new AbortController()
  const call = run.client.request('/api/v1/slow', { signal: stop.signal })
  await Promise.race([arrived.promise, call])
  stop.abort(new Error('enough'))

  await expect(call).rejects.toThrow('enough')
  await gone.promise
})
