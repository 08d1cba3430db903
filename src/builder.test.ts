import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { BaseServiceBuilder, MLServiceBuilder, ServiceBuilder } from './builder.ts'
import { FunctionalModelRunner } from './ml/functional.ts'
import { createTestService } from './testing/index.ts'

const info = { id: 'built', display_name: 'Built' }
const mlInfo = { ...info, period_type: 'monthly' } as const
const runner = new FunctionalModelRunner({
  onTrain: () => ({ mean: 1 }),
  onPredict: ({ model, future }) => future.derive('sample_0', () => model.mean),
})
/** JavaScript users have no types that stop them. */
const untyped = (builder: object) => builder as ServiceBuilder<'config' | 'artifacts' | 'jobs'>

describe('a definition is refused, with a reason,', () => {
  test.each([
    ['an id that is no slug', { ...info, id: 'My Model' }, /id: Expected a slug/],
    ['no name', { id: 'x' }, /display_name/],
    ['an unknown key', { ...info, colour: 'red' }, /colour/],
    ['a period that is none', { ...info, period_type: 'daily' }, /period_type/],
    [
      'an address that is no URL',
      { ...mlInfo, model_metadata: { repository_url: 'x' } },
      /repository_url/,
    ],
  ])('when its info has %s', (_name, wrong, reason) => {
    expect(() => new BaseServiceBuilder({ info: wrong as never })).toThrow(reason)
  })

  test('when a model lacks what it needs', () => {
    const built = () =>
      untyped(new ServiceBuilder({ info: mlInfo }).withConfig())
        .withMl(runner)
        .build()
    expect(built).toThrow('withMl() needs withArtifacts(), withJobs() first')
  })

  test('when a service with a model does not say how long its periods are', () => {
    const whole = new ServiceBuilder({ info }).withConfig().withArtifacts().withJobs()
    expect(() => whole.withMl(runner).build()).toThrow(/period_type/)
  })

  test('when artifacts are to be linked to configs that are not there', () => {
    const linked = new ServiceBuilder({ info }).withArtifacts({ linking: true })
    expect(() => linked.build()).toThrow('add withConfig()')
  })

  test('when its runner is of a kind that this version does not run', () => {
    const other = { ...runner, inputs: 'table' } as unknown as typeof runner
    expect(() => new MLServiceBuilder({ info: mlInfo, runner: other }).build()).toThrow(
      /contract 1/,
    )
  })

  test('when its runner saves but does not load', () => {
    const half = { onTrain: () => 1, onPredict: () => null as never, save: () => new Uint8Array() }
    expect(() => new FunctionalModelRunner(half)).toThrow('needs `save` and `load` together')
  })

  test.each(['configs', '/a/../b', '/a//b', '/docs/mine', '/metrics'])(
    'when a prefix is %s',
    (prefix) => {
      expect(() => new ServiceBuilder({ info }).withConfig({ prefix })).toThrow(/prefix/i)
    },
  )

  test.each(['two words', '', 'database'])('when a health check is called "%s"', (name) => {
    const builder = new BaseServiceBuilder({ info })
    expect(() => builder.withHealthCheck(name, () => ({ state: 'healthy' }))).toThrow(
      /health check/,
    )
  })
})

test('a service of single parts answers at the paths that it was given', async () => {
  const service = new ServiceBuilder({ info: mlInfo })
    .withLogging()
    .withHealth('/alive')
    .withSystem('/about/system')
    .withJobs('/work')
    .withConfig({
      prefix: '/options',
      schema: z.looseObject({ colour: z.string().default('red') }),
    })
    .withArtifacts({ prefix: '/results', verbs: { delete: false } })
    .withMl(runner, '/model')
    .build()
  await using test = await createTestService(service)
  for (const path of ['/alive', '/about/system', '/work', '/options', '/results']) {
    expect([path, (await test.request('GET', path)).status]).toEqual([path, 200])
  }
  const created = await test.request('POST', '/options', { name: 'a', data: {} })
  expect(created.json.data).toEqual({ colour: 'red' })
  expect(created.headers.location).toMatch(/\/options\/[0-9A-Z]{26}$/)
  const data = { columns: ['a'], data: [[1]] }
  const trained = await test.request('POST', '/model/$train', { config_id: created.json.id, data })
  expect(trained.status).toBe(202)
  const deleted = await test.request('DELETE', `/results/${trained.json.artifact_id}`)
  expect([deleted.status, deleted.headers.allow]).toEqual([405, 'GET, HEAD, OPTIONS, PUT'])
})

test('what a service does not have is not there', async () => {
  await using test = await createTestService(new BaseServiceBuilder({ info }).build())
  expect((await test.request('GET', '/api/v1/info')).json).toEqual({
    id: 'built',
    display_name: 'Built',
    version: '1.0.0',
    description: null,
  })
  for (const path of [
    '/health',
    '/api/v1/system',
    '/api/v1/jobs',
    '/api/v1/configs',
    '/api/v1/ml/$train',
  ]) {
    expect([path, (await test.request('GET', path)).status]).toEqual([path, 404])
  }
})

test('hooks are given the parts, in their order; one that throws stops the start', async () => {
  const said: string[] = []
  const service = new ServiceBuilder({ info })
    .withConfig()
    .onStartup(async ({ configs }) => void said.push(`start ${await configs.count()}`))
    .onShutdown(() => void said.push('stop'))
    .build()
  await (await createTestService(service)).close()
  expect(said).toEqual(['start 0', 'stop'])

  const failing = new BaseServiceBuilder({ info }).onStartup(() => {
    throw new Error('no scanner')
  })
  await expect(createTestService(failing.build())).rejects.toThrow('no scanner')
})
