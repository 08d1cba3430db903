import { mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BaseConfig, FunctionalModelRunner, MLServiceBuilder } from 'chapkit'
import { createTestService } from 'chapkit/testing'
import { expect, onTestFinished, test } from 'vitest'

const data = { columns: ['time_period', 'location'], data: [['2020-01', 'a']] }

/** A service whose model takes its store away while it runs, and leaves what does not fit into the database. */
async function start() {
  const folder = mkdtempSync(join(tmpdir(), 'chapkit-full-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const store = join(folder, 'own.blobs')
  const runs = { train: 0, predict: 0 }
  let isBroken = false
  const breaks = () => {
    if (isBroken) renameSync(store, `${store}-away`)
  }
  const large = 'x'.repeat(300_000)
  const service = new MLServiceBuilder({
    info: { id: 'full', display_name: 'Full', period_type: 'monthly' },
    runner: new FunctionalModelRunner({
      config: BaseConfig,
      onTrain() {
        runs.train++
        breaks()
        return { large }
      },
      onPredict({ future }) {
        runs.predict++
        breaks()
        return future.derive('sample_0', () => 0).derive('note', () => large)
      },
    }),
  }).build()
  const running = await createTestService(service, { databaseUrl: join(folder, 'own.db') })
  onTestFinished(() => running.close())

  /** Submits something whose result the store cannot take, and lets it take that once this is waited for. */
  async function submit(path: string, body: object) {
    isBroken = true
    const { status, json } = await running.request('POST', path, body)
    expect(status).toBe(202)
    await expect
      .poll(async () => (await running.request('GET', `/api/v1/jobs/${json.job_id}`)).json, {
        timeout: 60_000,
      })
      .toMatchObject({ status: 'running', progress: { message: 'waiting for the disk' } })
    isBroken = false
    rmSync(store, { recursive: true, force: true })
    renameSync(`${store}-away`, store)
    return { job: await running.waitForJob(json.job_id), artifact: json.artifact_id as string }
  }
  return { ...running, runs, submit }
}

test('what a model has made is stored once the disk takes it: it does not run again', async () => {
  const service = await start()
  const { json: config } = await service.request('POST', '/api/v1/configs', {
    ...{ name: 'a', data: {} },
  })
  const trained = await service.submit('/api/v1/ml/$train', { config_id: config.id, data })
  expect(trained.job).toMatchObject({ status: 'completed', error: null })
  const logs = await service.request('GET', `/api/v1/jobs/${trained.job.id}/$logs`)
  expect(logs.text).toContain('The model has ended, and what it left cannot be stored yet')
  const asked = { artifact_id: trained.artifact, historic: data, future: data }
  const predicted = await service.submit('/api/v1/ml/$predict', asked)
  expect(predicted.job).toMatchObject({ status: 'completed', error: null })
  expect(service.runs).toEqual({ train: 1, predict: 1 })
})
