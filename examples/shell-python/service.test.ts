import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, onTestFinished, vi } from 'vitest'
import {
  brazil,
  changed,
  expectForecast,
  medians,
  startForecasts,
  weekly,
  without,
} from '../../test/setup/forecasts.ts'
import { numpyPath, testWith } from '../../test/setup/needs.ts'
import service from './service.ts'

const test = testWith('numpy')

beforeEach(() => void vi.stubEnv('PATH', numpyPath))
afterEach(() => void vi.unstubAllEnvs())

test('forecasts real counts, the same ones for the same seed', async () => {
  const frames = brazil()
  const run = await startForecasts(service)
  const first = await run.forecast(frames)
  expectForecast(first, frames.future)
  expect(await run.forecast(frames)).toEqual(first)
  expect(await run.forecast(frames, { seed: 2 })).not.toEqual(first)

  // 2019 had between 0 and 48 cases a month; the largest count before it was 3 000.
  for (const median of medians(first)) expect(median).toBeLessThan(150)
  const [january, , , , , june] = medians(first)
  expect(january).toBeGreaterThan(june!)
})

test('a location has the same samples whoever is asked about with it', async () => {
  const { historic, future } = brazil()
  const run = await startForecasts(service)
  const all = await run.forecast({ historic, future }, { n_samples: 5 })
  const { id } = await run.train(historic, { n_samples: 5 })
  const of = (name: string) => all.data.filter((row) => row[1] === name)
  const alone = { ...future, data: future.data.filter((row) => row[1] === '11003') }
  const prediction = await run.predict(id, { historic, future: alone })
  const { json } = await run.request('GET', `/api/v1/artifacts/${prediction.id}`)
  expect(json.data.content.data).toEqual(of('11003'))
})

test('forecasts weeks, for locations whose names are codes or have letters of their own', async () => {
  const frames = weekly()
  const run = await startForecasts(service)
  const prediction = await run.forecast(frames)
  expectForecast(prediction, frames.future)
  const [code, name] = medians(prediction)
  expect(code).toBeGreaterThan(10)
  expect(code).toBeLessThan(40)
  expect(name).toBeGreaterThan(25)
  expect(name).toBeLessThan(80)
})

test('expects more where the last counts were more than usual, and less of that the less it remembers', async () => {
  const { historic, future } = brazil()
  const epidemic = changed(historic, (cell, column, { time_period }) =>
    column === 'disease_cases' && String(time_period) >= '2018-10' ? Number(cell) * 20 + 200 : cell,
  )
  const run = await startForecasts(service)
  const total = async (data: typeof historic, memory: number) => {
    const prediction = await run.forecast({ historic: data, future }, { memory })
    return medians(prediction).reduce((sum, value) => sum + value, 0)
  }
  const during = await total(epidemic, 0.9)
  expect(during).toBeGreaterThan(2 * (await total(historic, 0.9)))
  expect(during).toBeGreaterThan(2 * (await total(epidemic, 0.1)))
})

test('gets along with what is unknown, and with locations of which it knows little or nothing', async () => {
  const { historic, future } = brazil()
  const unknown = changed(historic, (cell, column, { location, time_period }) => {
    if (column !== 'disease_cases') return cell
    if (location === '11002') return null
    if (location === '11003' && String(time_period) < '2018-01') return null
    return String(time_period) > '2018-09' || String(time_period).endsWith('-05') ? null : cell
  })
  const asked = changed(future, (cell, column) =>
    cell === '11005' && column === 'location' ? 'new' : cell,
  )
  const run = await startForecasts(service)
  expectForecast(await run.forecast({ historic: unknown, future: asked }), asked)
  const { id } = await run.train(unknown)
  const empty = { columns: ['time_period', 'location'], data: [] }
  const { job } = await run.predict(id, { historic: empty, future: asked })
  expect(job).toMatchObject({ status: 'completed', error: null })
})

test('says while it trains how far it is', async () => {
  // Python imports this before the script. The first print waits until the test has read it.
  const folder = mkdtempSync(join(tmpdir(), 'chapkit-gate-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  writeFileSync(
    join(folder, 'sitecustomize.py'),
    `import builtins, os, time
before = builtins.print
def print(*args, **options):
    before(*args, **options)
    while not os.path.exists(os.path.join(${JSON.stringify(folder)}, "read")):
        time.sleep(0.01)
builtins.print = print
`,
  )
  vi.stubEnv('PYTHONPATH', folder)
  const run = await startForecasts(service)
  const config = await run.request('POST', '/api/v1/configs', { name: 'one', data: {} })
  const body = { config_id: config.json.id, data: brazil().historic }
  const { json } = await run.request('POST', '/api/v1/ml/$train', body)
  const lines = async (): Promise<string[]> => {
    const { items } = (await run.request('GET', `/api/v1/jobs/${json.job_id}/$logs`)).json
    return items.map(({ line }: { line: string }) => line)
  }
  const first = '1080 rows of 5 locations, 1080 known counts'
  await expect.poll(lines, { timeout: 20_000 }).toContain(first)
  const running = await run.request('GET', `/api/v1/jobs/${json.job_id}`)
  expect(running.json.status).toBe('running')
  expect(await lines()).not.toContainEqual(expect.stringMatching(/^1 of 5/))

  writeFileSync(join(folder, 'read'), '')
  expect((await run.waitForJob(json.job_id)).status).toBe('completed')
  expect(await lines()).toContainEqual(expect.stringMatching(/^5 of 5: 11005, 216 counts, size/))
})

test('what the data lack is the error of the job, in the words of the script', async () => {
  const { historic } = brazil()
  const run = await startForecasts(service)
  const error = async (data: typeof historic) => {
    const { job } = await run.train(data)
    expect(job.status).toBe('failed')
    return job.error
  }
  expect(await error(without(historic, 'disease_cases'))).toBe(
    'The train command ended with exit code 1:\n' +
      'Expected the columns time_period, location, disease_cases in data.csv; missing: disease_cases ' +
      '(it has time_period, location, rainfall, mean_temperature, population)',
  )
  const put = (column: string, value: string | number | null) =>
    changed(historic, (cell, name, row) =>
      name === column && row.time_period === '2001-02' ? value : cell,
    )
  expect(await error(put('disease_cases', -1))).toContain(
    "Expected numbers from 0 in column disease_cases of data.csv, got '-1' for 11001 in 2001-02",
  )
  expect(await error(put('time_period', 'May'))).toContain("got 'May'")
  expect(await error(put('time_period', '2001-03'))).toContain(
    'Location 11001 has the period 2001-03 twice in data.csv',
  )
  expect(await error(put('time_period', '2001-W03'))).toContain(
    'Expected only months or only weeks',
  )
  const { id } = await run.train(historic)
  const { job } = await run.predict(id, { historic, future: weekly().future })
  expect(job.error).toContain('The model was trained with other periods than those of future.csv')
})
