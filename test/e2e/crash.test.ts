import { expect, test } from 'vitest'
import { isAlive, restart, stage, startService, temporaryFolder, until } from './harness.ts'

test('a job that was running when the service was killed runs again at once and makes the artifact that was promised', async () => {
  const service = await startService({ dataDir: temporaryFolder() })
  const { folder, began } = stage()
  const configId = await service.config('holdOnce', folder)
  const submitted = await service.train(configId, { 'idempotency-key': 'once' })
  expect(submitted.status).toBe(202)
  const { job_id: jobId, artifact_id: artifactId } = submitted.json
  const host = await began()

  await service.kill()
  const again = await restart(service)

  const job = await again.reaches(jobId, 'completed')
  expect(job).toMatchObject({ artifact_id: artifactId, error: null })
  expect(again.log.find(({ event }) => event === 'job.taken_over')).toMatchObject({ resumed: 1 })
  const artifact = await again.request('GET', `/api/v1/artifacts/${artifactId}`)
  expect(artifact.json).toMatchObject({ id: artifactId, data: { type: 'ml_training_workspace' } })

  const replayed = await again.train(configId, { 'idempotency-key': 'once' })
  expect(replayed).toMatchObject({ status: 202, text: submitted.text })
  expect(replayed.headers['idempotency-replayed']).toBe('true')
  const { json: jobs } = await again.request('GET', '/api/v1/jobs')
  expect(jobs).toHaveLength(1)
  await until('the orphaned host has ended', () => !isAlive(host))
})

test('whatever was acknowledged before a kill is there after it', async () => {
  let service = await startService({ dataDir: temporaryFolder() })
  const { folder } = stage()
  const configId = await service.config('mean', folder)
  const changed = await service.config('mean', folder)
  const configs = new Map([
    [configId, 'mean'],
    [changed, 'mean'],
  ])
  const artifacts = new Set<string>()
  const jobs = new Set<string>()

  for (let round = 0; round < 3; round++) {
    const current = service
    let acknowledged = 0
    let stopped = false
    // Each writes on until the connection breaks: the kill falls into the middle of requests and commits.
    const keepOn = async (write: () => Promise<void>) => {
      while (!stopped) {
        try {
          await write()
          acknowledged++
        } catch {
          return
        }
      }
    }
    let sent = 0
    const writers = [
      ...Array.from({ length: 4 }, () =>
        keepOn(async () => {
          const name = `config ${round}.${sent++}`
          const { status, json } = await current.request('POST', '/api/v1/configs', {
            body: { name, data: { behaviour: 'mean', folder } },
          })
          expect(status).toBe(201)
          configs.set(json.id, name)
        }),
      ),
      keepOn(async () => {
        const name = `changed ${round}.${sent++}`
        const { status } = await current.request('PUT', `/api/v1/configs/${changed}`, {
          body: { name, data: { behaviour: 'mean', folder } },
        })
        expect(status).toBe(200)
        configs.set(changed, name)
      }),
      keepOn(async () => {
        const { status, json } = await current.request('POST', '/api/v1/artifacts', {
          body: { data: { content: 'x'.repeat(100_000 + sent++) } },
        })
        expect(status).toBe(201)
        artifacts.add(json.id)
      }),
      keepOn(async () => {
        const { status, json } = await current.train(configId)
        expect(status).toBe(202)
        jobs.add(json.job_id)
      }),
    ]
    await until('enough was acknowledged', () => acknowledged > 60)
    await service.kill()
    stopped = true
    await Promise.all(writers)

    service = await restart(service)
    for (const [id, name] of configs) {
      const { status, json } = await service.request('GET', `/api/v1/configs/${id}`)
      // A change that was not acknowledged may have been made.
      expect(status).toBe(200)
      if (id !== changed) expect(json.name).toBe(name)
      else
        expect(Number(json.name.split('.')[1] ?? 0)).toBeGreaterThanOrEqual(
          Number(name.split('.')[1] ?? 0),
        )
    }
    for (const id of artifacts) {
      const { status, json } = await service.request('GET', `/api/v1/artifacts/${id}`)
      expect(status).toBe(200)
      expect(json.data.content.length).toBeGreaterThanOrEqual(100_000)
    }
  }
  for (const id of jobs) {
    const { artifact_id: artifactId } = await service.reaches(id, 'completed', 60_000)
    expect((await service.request('GET', `/api/v1/artifacts/${artifactId}`)).status).toBe(200)
  }
  // Of jobs that were not acknowledged some may have been stored; none of them is half there.
  const { json: all } = await service.request('GET', '/api/v1/jobs')
  for (const { id } of all) await service.reaches(id, 'completed', 60_000)
  const { json: trained } = await service.request('GET', '/api/v1/artifacts')
  const models = trained.filter(
    ({ data }: { data: { type?: string } }) => data.type === 'ml_training_workspace',
  )
  expect(models).toHaveLength(all.length)
})

test('a job that was canceled while the service was being killed is canceled, not run again', async () => {
  const service = await startService({ dataDir: temporaryFolder() })
  const { folder, began, runs } = stage()
  const { json } = await service.train(await service.config('deaf', folder))
  await began()
  const canceled = await service.request('POST', `/api/v1/jobs/${json.job_id}/$cancel`)
  expect(canceled.status).toBe(202)
  await service.kill()

  const again = await restart(service)

  expect(await again.job(json.job_id)).toMatchObject({ status: 'canceled' })
  expect(runs()).toBe(1)
})
