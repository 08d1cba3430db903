import { readFileSync } from 'node:fs'
import { DataFrame } from 'chapkit'
import { createTestService, type TestService } from 'chapkit/testing'
import { expect, onTestFinished, test } from 'vitest'
import service from './service.ts'

const cases = DataFrame.fromCsv(readFileSync(new URL('./cases.csv', import.meta.url)))

async function start() {
  const running = await createTestService(service)
  onTestFinished(() => running.close())
  return running
}

async function run({ request, waitForJob }: TestService, name: string, parameters: object = {}) {
  const { json: tasks } = await request('GET', '/api/v1/tasks')
  const { id } = tasks.find((task: { name: string }) => task.name === name)
  const { json } = await request('POST', `/api/v1/tasks/${id}/$execute`, { parameters })
  const job = await waitForJob(json.job_id)
  const { data } = (await request('GET', `/api/v1/artifacts/${json.artifact_id}`)).json
  return { job, data }
}

const store = ({ request }: TestService, data: DataFrame) =>
  request('POST', '/api/v1/artifacts', { tags: ['surveillance'], data: data.toJson() })

test('retrain takes a new model, and leaves one that is much worse', async () => {
  const running = await start()
  await running.request('POST', '/api/v1/configs', { name: 'a', data: {} })
  await store(running, cases)

  const first = await run(running, 'retrain')
  expect(first.job.error).toBe(null)
  expect(first.data.result).toMatchObject({ accepted: true, in_use: first.data.result.model })

  // An outbreak in the last month that no mean could foresee.
  const outbreak = cases.derive('disease_cases', (row) =>
    row.time_period === '2025-04' ? 500 : Number(row.disease_cases),
  )
  await store(running, outbreak)
  const second = await run(running, 'retrain')
  expect(second.data.result).toMatchObject({ accepted: false, in_use: first.data.result.model })
  expect(second.data.result.mae).toBeGreaterThan(first.data.result.mae)

  const third = await run(running, 'retrain', { tolerance: 1000 })
  expect(third.data.result).toMatchObject({ accepted: true, in_use: third.data.result.model })
})

test('retrain says what is missing, and is tried again later', async () => {
  const running = await start()
  const { json: tasks } = await running.request('GET', '/api/v1/tasks')
  const { id } = tasks.find((task: { name: string }) => task.name === 'retrain')
  const { json } = await running.request('POST', `/api/v1/tasks/${id}/$execute`)
  const url = `/api/v1/jobs/${json.job_id}`
  for (;;) {
    const { status, progress } = (await running.request('GET', url)).json
    if (status === 'pending' && progress) {
      expect(progress.message).toMatch(/^attempt 2 of 3 follows in /)
      break
    }
    await new Promise((resolve) => setImmediate(resolve))
  }
  const { items } = (await running.request('GET', `${url}/$logs`)).json
  expect(items[0].line).toMatch(/There is no config yet; create one first/)
})

test('report counts the cases of a location, and only compares its name', async () => {
  const running = await start()
  const { data } = await run(running, 'report', { location: 'south' })
  expect(data).toMatchObject({ stdout: '162 cases in 4 months\n', exit_code: 0 })
  const { job } = await run(running, 'report', { location: 'x; cat cases.csv' })
  expect(job).toMatchObject({
    status: 'failed',
    error: 'The command ended with exit code 1:\nno such location',
  })
})
