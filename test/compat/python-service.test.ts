import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createClient } from 'chapkit/client'
import { afterAll, beforeAll, expect, inject } from 'vitest'
import { folderWith, run } from '../../src/cli/fixtures/run.ts'
import { testWith } from '../setup/needs.ts'
import { startPythonService } from './python.ts'

/* Our commands and our client against a service that was made with the Python chapkit. */

const isMissing = inject('missing').includes('chap-core')
const test = testWith('chap-core')

let service: Awaited<ReturnType<typeof startPythonService>>
beforeAll(async () => {
  if (!isMissing) service = await startPythonService()
})
afterAll(() => service?.stop())

const rows = (cases: readonly number[]) =>
  cases.map((count, at) => `2023-${String(at + 1).padStart(2, '0')},north,${count}`)
const data = () =>
  folderWith({
    'train.csv': ['time_period,location,disease_cases', ...rows([2, 4, 6]), ''].join('\n'),
    'bad.csv': ['time_period,location,disease_cases', ...rows([2, -4, 6]), ''].join('\n'),
    'future.csv': 'time_period,location\n2023-04,north\n2023-05,north\n',
  })
const use = (words: string[], cwd: string) => run(words, { cwd, env: { CHAPKIT_URL: service.url } })

test('chapkit test drives it to a forecast, and waits for no job longer than it takes', async () => {
  const { code, out, err } = await use(['test', '--json'], data())
  expect({ code, err }).toMatchObject({ code: 0 })
  const { ok, steps } = JSON.parse(out)
  expect(ok).toBe(true)
  for (const step of ['train', 'predict']) {
    const { longest_ms } = steps.find((each: { step: string }) => each.step === step)
    expect(longest_ms, step).toBeLessThan(20_000)
  }
})

test('a model is trained, found as the newest, asked, and seen with what was made from it', async () => {
  const cwd = data()
  const trained = await use(['train', 'train.csv', '--json'], cwd)
  expect(trained).toMatchObject({ code: 0 })
  const { artifact_id: model, job } = JSON.parse(trained.out)
  expect(job).toMatchObject({ status: 'completed', type: '', progress: null })

  const shown = await use(['predict', 'train.csv', 'future.csv'], cwd)
  expect(shown.out).toBe(
    [
      'location  period   median  90 % interval',
      'north     2023-04    5.50   4.15 to 6.85',
      'north     2023-05    5.50   4.15 to 6.85',
      '',
    ].join('\n'),
  )
  const written = await use(['predict', 'train.csv', 'future.csv', '--output', 'out.csv'], cwd)
  expect(written).toMatchObject({ code: 0 })
  expect(readFileSync(join(cwd, 'out.csv'), 'utf8')).toBe(
    [
      'time_period,location,sample_0,sample_1,sample_2,sample_3',
      '2023-04,north,4,5,6,7',
      '2023-05,north,4,5,6,7',
      '',
    ].join('\n'),
  )
  const tree = await use(['artifact', 'tree', 'latest'], cwd)
  expect(tree.out.split('\n')[0]).toMatch(new RegExp(`^${model}  model  success`))
  expect(tree.out.match(/ prediction {2}success/g)).toHaveLength(2)
})

test('a training that fails is told with its reason, and without words that are not known', async () => {
  const { code, err } = await use(['train', 'bad.csv'], data())
  expect(code).toBe(1)
  expect(err).toMatch(/The job \w{26} failed: .*cases below zero/)
  expect(err).not.toMatch(/undefined|null|job logs/)
})

test('an operation that it lacks is named', async () => {
  const cwd = data()
  await use(['train', 'train.csv'], cwd)
  for (const words of [
    ['job', 'logs', 'latest'],
    ['job', 'cancel', 'latest'],
  ]) {
    const { code, err } = await use(words, cwd)
    expect(code).not.toBe(0)
    expect(err).toMatch(/^chapkit: The service has no such operation: http:\/\/\S+\$(logs|cancel)/)
  }
})

test('lists come whole and once, however they are asked for', async () => {
  const client = createClient({ url: service.url })
  for (let at = 0; at < 3; at++)
    await client.configs.create({ name: `number ${at}`, data: { prediction_periods: 3 } })
  const all = (await client.configs.list()) as { id: string }[]
  for (const size of [1, 2, all.length, 100]) {
    const came = await Array.fromAsync(client.configs.iterate({ size }))
    expect(came, `${size} at a time`).toEqual(all)
  }
  const jobs = await client.jobs.list()
  expect(await client.jobs.page(2, 1)).toEqual({
    items: jobs.slice(1, 2),
    ...{ total: jobs.length, page: 2, size: 1, pages: jobs.length },
  })
})

test('a form that it cannot write is refused, not taken for what was asked for', async () => {
  const cwd = data()
  await use(['train', 'train.csv'], cwd)
  const { out } = await use(['predict', 'train.csv', 'future.csv', '--json'], cwd)
  const { artifact_id: prediction } = JSON.parse(out)
  const client = createClient({ url: service.url })
  expect(await client.artifacts.frame(prediction)).toEqual({
    columns: ['time_period', 'location', 'sample_0', 'sample_1', 'sample_2', 'sample_3'],
    data: [
      ['2023-04', 'north', 4, 5, 6, 7],
      ['2023-05', 'north', 4, 5, 6, 7],
    ],
  })
  await expect(client.artifacts.csv(prediction)).rejects.toMatchObject({
    code: 'unexpected-answer',
    detail: expect.stringContaining(`Expected the artifact ${prediction} as csv`),
  })
  const download = ['artifact', 'download', prediction, '--format', 'parquet', '-o', 'x.parquet']
  expect(await use(download, cwd)).toMatchObject({
    err: expect.stringContaining('as parquet, got application/vnd.chapkit.dataframe+json'),
  })
})
