import { Agent } from 'node:http'
import { expect, test } from 'vitest'
import { frames, isAlive, stage, startService, temporaryFolder, until } from './harness.ts'

/** A service that is asked to have as many hosts as it has kinds of jobs, whatever the machine. */
const start = (env: Record<string, string> = {}) =>
  startService({ dataDir: temporaryFolder(), env: { CHAPKIT_PREDICT_CONCURRENCY: '1', ...env } })

test('a model that computes on and on delays neither health nor predictions', async () => {
  const service = await start()
  const model = stage()
  const trained = await service.train(await service.config('mean', model.folder), {
    prefer: 'wait=30',
  })
  expect(trained.json.job.status).toBe('completed')
  const busy = stage()
  const { json: spinning } = await service.train(await service.config('spin', busy.folder))
  await busy.began()

  const agent = new Agent({ keepAlive: true })
  const times: number[] = []
  for (let asked = 0; asked < 300; asked++) {
    const before = performance.now()
    const { status } = await service.request('GET', '/health', { agent })
    times.push(performance.now() - before)
    expect(status).toBe(200)
  }
  agent.destroy()
  const p99 = times.sort((a, b) => a - b)[Math.floor(times.length * 0.99)]
  expect(p99).toBeLessThan(250)

  const predicted = await service.predict(trained.json.artifact_id, { prefer: 'wait=30' })
  expect(predicted.json).toMatchObject({ job: { status: 'completed' } })
  expect(predicted.json.prediction.data[0]).toEqual(['2024-03', 'oslo', 15])
  expect(await service.job(spinning.job_id)).toMatchObject({ status: 'running' })
  busy.release()
  await service.reaches(spinning.job_id, 'completed')
})

test('the log says for how many periods a run is, and which part of the request says so', async () => {
  const service = await start()
  const configId = await service.config('mean', stage().folder)
  const { json: trained } = await service.train(configId, { prefer: 'wait=30' })
  const { json: predicted } = await service.predict(trained.artifact_id)
  const entries = await until('both are in the log', () => {
    const found = service.log.filter(({ event }) => event === 'ml.horizon')
    return found.length === 2 && found
  })
  expect(entries).toMatchObject([
    {
      level: 'info',
      job_id: trained.job_id,
      type: 'train',
      prediction_periods: 3,
      source: 'config',
    },
    { job_id: predicted.job_id, type: 'predict', prediction_periods: 3, source: 'future' },
  ])
})

test('predictions run while every training that may run at once is blocked', async () => {
  const service = await start({ CHAPKIT_TRAIN_CONCURRENCY: '3' })
  const { json: trained } = await service.train(await service.config('mean', stage().folder), {
    prefer: 'wait=30',
  })
  const held = stage()
  const configId = await service.config('hold', held.folder)
  for (let training = 0; training < 4; training++) await service.train(configId)
  await held.began(2)

  const predicted = await service.predict(trained.artifact_id, { prefer: 'wait=30' })

  expect(predicted.json).toMatchObject({ job: { status: 'completed' } })
  const { json: running } = await service.request('GET', '/api/v1/jobs?status_filter=running')
  expect(running).toHaveLength(3)
  held.release()
})

test('what a model does wrong is the error of its own job and of no other', async () => {
  const service = await start({ CHAPKIT_TRAIN_CONCURRENCY: '2' })
  const fates = []
  for (const behaviour of ['throw', 'mean', 'exit', 'mean', 'poison', 'mean'])
    fates.push({ behaviour, folder: stage() })
  const jobs = []
  for (const { behaviour, folder } of fates) {
    const { json } = await service.train(await service.config(behaviour, folder.folder))
    jobs.push({ behaviour, folder, id: json.job_id })
  }
  for (const { behaviour, folder, id } of jobs) {
    const job = await service.reaches(id, behaviour === 'mean' ? 'completed' : 'failed')
    if (behaviour === 'mean') expect(job.error).toBeNull()
    if (behaviour === 'throw') {
      expect(job.error).toBe('RangeError: the model has no rain')
      expect(job.error_traceback).toContain('model.ts')
      expect(job.error_traceback).not.toContain(process.cwd())
      expect(folder.runs()).toBe(1)
    }
    if (behaviour === 'exit') {
      expect(job.error).toContain('died 3 times')
      expect(job.error).toContain('exited with code 7')
      expect(folder.runs()).toBe(3)
    }
    if (behaviour === 'poison') {
      expect(job.error).toContain('died 3 times')
      expect(job.error).toContain('SIGSEGV')
      expect(folder.runs()).toBe(3)
    }
  }
})

test.each(['never', 'spin', 'deaf', 'child'])(
  'a canceled model that would go on (%s) is gone within two seconds, its process too',
  async (behaviour) => {
    const service = await start()
    const { folder, began, childPid } = stage()
    const { json } = await service.train(await service.config(behaviour, folder))
    const pids = [await began()]
    if (behaviour === 'child') pids.push(await childPid())

    const before = performance.now()
    const canceled = await service.request('POST', `/api/v1/jobs/${json.job_id}/$cancel`)
    expect(canceled.status).toBe(202)
    const job = await service.reaches(json.job_id, 'canceled', 4000)
    // The promise is two seconds; the rest is for a machine that does other things as well.
    expect(performance.now() - before).toBeLessThan(3000)

    expect(job).toMatchObject({ error: null, finished_at: expect.any(String) })
    for (const pid of pids) expect(isAlive(pid)).toBe(false)
    const artifact = await service.request('GET', `/api/v1/artifacts/${json.artifact_id}`)
    expect(artifact.status).toBe(404)
    const repeated = await service.request('POST', `/api/v1/jobs/${json.job_id}/$cancel`)
    expect(repeated.status).toBe(409)
  },
)

test('deleting a running job ends its model and forgets it', async () => {
  const service = await start()
  const { folder, began } = stage()
  const { json } = await service.train(await service.config('deaf', folder))
  const host = await began()

  const deleted = await service.request('DELETE', `/api/v1/jobs/${json.job_id}`)

  expect(deleted.status).toBe(204)
  expect(isAlive(host)).toBe(false)
  expect((await service.request('GET', `/api/v1/jobs/${json.job_id}`)).status).toBe(404)
})

test('a full queue is a 429 that says when to come again, and takes jobs again when it is not', async () => {
  const service = await start({ CHAPKIT_MAX_QUEUED_JOBS: '2' })
  const { folder, began, release } = stage()
  const configId = await service.config('hold', folder)
  await service.train(configId)
  await began()
  const waiting = [await service.train(configId), await service.train(configId)]
  expect(waiting.map(({ status }) => status)).toEqual([202, 202])

  const refused = await service.train(configId)
  expect(refused.status).toBe(429)
  expect(Number(refused.headers['retry-after'])).toBeGreaterThanOrEqual(1)
  expect(refused.json.detail).toContain('2 train jobs')

  release()
  for (const { json } of waiting) await service.reaches(json.job_id, 'completed')
  expect((await service.train(configId)).status).toBe(202)
})

test('progress and log can be followed while a job runs', async () => {
  const service = await start()
  const { folder, began, release } = stage()
  const { json } = await service.train(await service.config('report', folder))
  await began()
  const path = `/api/v1/jobs/${json.job_id}`
  const stream = frames(await service.open('GET', `${path}/$stream?poll_interval=60`))
  const lines = frames(
    await service.open('GET', `${path}/$logs`, { headers: { accept: 'text/event-stream' } }),
  )

  const next = async (source: AsyncGenerator<string>) => {
    const { value, done } = await source.next()
    return done ? undefined : JSON.parse(value)
  }
  let record = await next(stream)
  while (record.progress === null) record = await next(stream)
  expect(record).toMatchObject({
    status: 'running',
    progress: { fraction: 0.25, message: 'a quarter' },
  })
  const early = [await next(lines), await next(lines)]
  expect(early.map(({ stream: from, line }) => `${from}: ${line}`).sort()).toEqual([
    'log: first line',
    'stdout: printed',
  ])

  release()
  const rest = []
  for await (const frame of lines) rest.push(JSON.parse(frame))
  expect(rest.map(({ line }) => line)).toEqual(['last line'])
  const seqs = [...early, ...rest].map(({ seq }) => seq)
  expect(seqs).toEqual([1, 2, 3])
  const records = []
  for await (const frame of stream) records.push(JSON.parse(frame))
  expect(records.at(-1)).toMatchObject({ status: 'completed', artifact_id: json.artifact_id })
  const page = await service.request('GET', `${path}/$logs?after=1&limit=1`)
  expect(page.json).toMatchObject({ items: [{ seq: 2 }], next: 2 })
})

test('a model that writes without end fills neither the log nor the service', async () => {
  const service = await start()
  const { json } = await service.train(await service.config('chatty', stage().folder))
  await service.reaches(json.job_id, 'completed')

  let after = 0
  let total = 0
  let last: { line: string } | undefined
  for (;;) {
    const { json: page } = await service.request(
      'GET',
      `/api/v1/jobs/${json.job_id}/$logs?after=${after}&limit=10000`,
    )
    total += page.items.length
    last = page.items.at(-1) ?? last
    if (page.items.length === 0) break
    after = page.next
  }
  expect(total).toBeGreaterThan(1000)
  expect(total).toBeLessThanOrEqual(20_001)
  expect(last?.line).toContain('truncated')
})

test('jobs of one type run one after another in the order of their submission', async () => {
  const service = await start()
  const first = stage()
  const { json: blocked } = await service.train(await service.config('hold', first.folder))
  await first.began()
  const others = stage()
  const configId = await service.config('mean', others.folder)
  const submitted = await Promise.all(Array.from({ length: 8 }, () => service.train(configId)))
  expect(others.runs()).toBe(0)
  first.release()
  await service.reaches(blocked.job_id, 'completed')
  const done = await Promise.all(
    submitted.map(({ json }) => service.reaches(json.job_id, 'completed')),
  )
  const byId = done.toSorted((a, b) => (a.id < b.id ? -1 : 1))
  const byStart = done.toSorted((a, b) => (a.started_at < b.started_at ? -1 : 1))
  expect(byStart.map(({ id }) => id)).toEqual(byId.map(({ id }) => id))
  await until('no run is left over', () => others.runs() === 8)
})

test('nobody takes the id that a running training was promised', async () => {
  const service = await start()
  const model = stage()
  const configId = await service.config('hold', model.folder)
  const { json } = await service.train(configId)
  await model.began()
  const taken = await service.request('POST', '/api/v1/artifacts', {
    body: { id: json.artifact_id, data: { mine: true } },
  })
  expect(taken.status).toBe(409)
  expect(taken.json.detail).toContain(`promised to the result of the train job ${json.job_id}`)
  model.release()
  await service.reaches(json.job_id, 'completed')
})
