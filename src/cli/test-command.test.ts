import { readdirSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createClient } from '../client/index.ts'
import { folderWith } from './fixtures/run.ts'
import { listen } from './fixtures/service.ts'
import { createUse } from './fixtures/use.ts'

let service: Awaited<ReturnType<typeof listen>>
beforeAll(async () => {
  service = await listen()
})
afterAll(() => service.close())

const { json, use } = createUse(() => service.url)

describe('test', () => {
  test('drives the service to a forecast, in parallel, and takes away what it has made', async () => {
    const { configs, artifacts } = createClient({ url: service.url })
    const before = [await configs.count(), await artifacts.count()]
    const report = await json([
      ...['test', '--configs', '2', '--trainings', '2', '--predictions', '2'],
      ...['--parallel', '3', '--delay', '0', '--seed', '7'],
    ])
    expect(report).toMatchObject({ ok: true, failures: [] })
    const times = Object.fromEntries(
      report.steps.map(({ step, ok }: { step: string; ok: number }) => [step, ok]),
    )
    expect(times).toEqual({
      ...{ health: 1, info: 1, config: 2, validate: 12, train: 4, model: 4 },
      ...{ predict: 8, forecast: 8, tree: 4, delete: 1 },
    })
    expect([await configs.count(), await artifacts.count()]).toEqual(before)
  })

  test('ends with 1 and says what failed', async () => {
    const { code, out } = await use(['test', '--url', `${service.url}/elsewhere`])
    expect(code).toBe(1)
    expect(out).toContain('has failed 1 of the steps:\n  health: ')
  })

  test('starts a service of its own, whose data goes with it', async () => {
    const cwd = folderWith({
      'service.ts': `
import { FunctionalModelRunner, MLServiceBuilder } from 'chapkit'
const runner = new FunctionalModelRunner({
  onTrain: ({ data }) => data.length,
  onPredict: ({ future, model }) => future.derive('sample_0', () => model),
})
const info = { id: 'own', display_name: 'Own', period_type: 'weekly' } as const
export default new MLServiceBuilder({ info, runner }).build()
`,
    })
    expect(await json(['test', '--start-service'], { cwd })).toMatchObject({ ok: true })
    expect(readdirSync(cwd)).toEqual(['service.ts'])
  })
})
