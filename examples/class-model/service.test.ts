import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DataFrame } from 'chapkit'
import { createTestService } from 'chapkit/testing'
import { expect, onTestFinished, test, vi } from 'vitest'
import { poissonTable } from './poisson.ts'
import service from './service.ts'

const data = {
  columns: ['time_period', 'location', 'disease_cases'],
  data: [
    ['2023-01', 'north', 10],
    ['2023-02', 'north', 40],
    ['2024-01', 'north', 14],
    ['2024-02', 'north', null],
    ['2024-01', 'south', 900],
  ],
}
const future = {
  columns: ['time_period', 'location'],
  data: [
    ['2025-01', 'north'],
    ['2025-02', 'north'],
    ['2025-03', 'north'],
    ['2025-01', 'south'],
  ],
}

test('samples lie around the mean of the month', async () => {
  const printed = vi.spyOn(console, 'log').mockImplementation(() => {})
  onTestFinished(() => printed.mockRestore())
  await using run = await createTestService(service)
  const config = await run.request('POST', '/api/v1/configs', { name: 'a', data: {} })
  const wait = { prefer: 'wait=60' }
  const training = await run.request(
    'POST',
    '/api/v1/ml/$train',
    { config_id: config.json.id, data },
    wait,
  )

  const { artifact_id } = training.json
  const answer = await run.request(
    'POST',
    '/api/v1/ml/$predict',
    { artifact_id, historic: data, future },
    wait,
  )

  const prediction = DataFrame.fromJson(answer.json.prediction)
  expect(prediction.columns).toHaveLength(52)
  const means = [...prediction.rows()].map(({ time_period, location, ...samples }) => {
    const values = Object.values(samples).map(Number)
    return values.reduce((sum, value) => sum + value, 0) / values.length
  })
  // January has 10 and 14, February 40; March was never seen, so it is the mean of the location.
  for (const [row, mean] of [12, 40, 64 / 3, 900].entries()) {
    expect(means[row]).toBeGreaterThan(mean * 0.97)
    expect(means[row]).toBeLessThan(mean * 1.03)
  }
})

test('the table has the quantiles of the distribution', () => {
  const table = poissonTable({ maximumMean: 10, step: 0.5, levels: 100 })

  expect(table.quantile(0, 99)).toBe(0)
  // P(X <= 2) = 0.423 and P(X <= 3) = 0.647 for a mean of 3.
  expect([table.quantile(3, 41), table.quantile(3, 43), table.quantile(3, 65)]).toEqual([2, 3, 4])
  expect(table.beyond).toBe(0)
  expect(table.quantile(1000, 50)).toBeCloseTo(1000, -2)
  expect(table.beyond).toBe(1)
})

test('onInit runs once in the process of the model, onCleanup when the service stops', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'chapkit-class-model-'))
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }))
  const running = await startProcess(dataDir)

  const config = await running.post('/api/v1/configs', { name: 'a', data: { n_samples: 2 } })
  const first = await running.post('/api/v1/ml/$train', { config_id: config.id, data })
  const second = await running.post('/api/v1/ml/$train', { config_id: config.id, data })
  const { artifact_id } = second
  const third = await running.post('/api/v1/ml/$predict', { artifact_id, historic: data, future })
  const logs = await Promise.all([first, second, third].map(({ job_id }) => running.log(job_id)))
  const said = await running.stop()

  expect([first, second, third].map(({ job }) => job.status)).toEqual(Array(3).fill('completed'))
  expect(logs[0]).toEqual([
    expect.stringMatching(/^table of 4001 distributions made in \d+ ms$/),
    '4 known counts',
  ])
  expect(logs.slice(1)).toEqual([['4 known counts'], []])
  expect(said.match(/\d predictions with one table, \d means beyond it/g)).toEqual([
    '1 predictions with one table, 2 means beyond it',
  ])
})

interface Answer {
  id: string
  job_id: string
  artifact_id: string
  job: { status: string }
}

/** Starts the service as its users do, on a free port. */
async function startProcess(dataDir: string) {
  const file = join(import.meta.dirname, 'service.ts')
  const child = spawn(process.execPath, ['--conditions=chapkit-source', file], {
    env: { ...process.env, PORT: '0', CHAPKIT_DATA_DIR: dataDir, LOG_FORMAT: 'json' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  let said = ''
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.on('data', (chunk) => {
      said += chunk
      const found = /"url":"([^"]+)"/.exec(said)?.[1]
      if (found) resolve(found)
    })
    child.on('exit', (code) => reject(new Error(`The service ended with ${code}: ${said}`)))
  })

  return {
    async post(path: string, body: unknown): Promise<Answer> {
      const response = await fetch(url + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json', prefer: 'wait=60' },
        body: JSON.stringify(body),
      })
      return (await response.json()) as Answer
    },
    async log(jobId: string): Promise<string[]> {
      const response = await fetch(`${url}/api/v1/jobs/${jobId}/$logs`)
      const { items } = (await response.json()) as { items: { line: string }[] }
      return items.map(({ line }) => line)
    },
    /** Asks it to stop and answers all that it wrote to its log. */
    async stop(): Promise<string> {
      const closed = new Promise((resolve) => child.on('close', resolve))
      child.kill('SIGTERM')
      await closed
      return said
    },
  }
}
