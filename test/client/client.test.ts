import { describe, expect, test } from 'vitest'
import * as probe from './service.ts'
import { stations } from './service.ts'

const data = [
  { time_period: '2024-01', location: 'north', disease_cases: 4 },
  { time_period: '2024-02', location: 'north', disease_cases: null },
]
const future = [{ time_period: '2024-03', location: 'north' }]

describe.each(['http', 'inject'] as const)('over %s', (way) => {
  const connect = () => probe.connect(way)

  test('a model is trained and asked, and tells how far it is', async () => {
    const client = await connect()
    const { id: config_id } = await client.configs.create({
      name: 'a',
      data: { region: 'north', level: 7 },
    })
    const lines: string[] = []
    const states: string[] = []

    const trained = await client.ml.trainAndWait(
      { config_id, data },
      {
        onLog: ({ line }) => lines.push(line),
        onProgress: ({ status }) => states.push(status),
      },
    )
    const { prediction, artifact_id } = await client.ml.predictAndWait({
      artifact_id: trained.artifact_id,
      historic: data,
      future: { columns: ['time_period', 'location'], data: [['2024-03', 'north']] },
    })

    expect(trained.job).toMatchObject({ status: 'completed', artifact_id: trained.artifact_id })
    expect(lines).toEqual(['training north'])
    expect(states.at(-1)).toBe('completed')
    expect(prediction).toMatchObject({
      columns: ['time_period', 'location', 'sample_0'],
      data: [['2024-03', 'north', 7]],
    })
    expect(await client.artifacts.records(artifact_id)).toEqual([
      { time_period: '2024-03', location: 'north', sample_0: 7 },
    ])
    expect(await client.artifacts.csv(artifact_id)).toBe(
      'time_period,location,sample_0\r\n2024-03,north,7\r\n',
    )
    const parquet = await client.artifacts.parquet(artifact_id)
    expect(new TextDecoder().decode(parquet.subarray(0, 4))).toBe('PAR1')
  })

  test('a training takes a CSV file as it is', async () => {
    const client = await connect()
    const { id: config_id } = await client.configs.create({ name: 'a', data: { region: 'x' } })

    const { artifact_id } = await client.ml.trainAndWait({
      config_id,
      data: 'time_period,location,disease_cases\n2024-01,north,3\n',
    })

    expect(await client.artifacts.lineage(artifact_id)).toMatchObject({ config: { region: 'x' } })
    expect((await client.artifacts.config(artifact_id)).id).toBe(config_id)
    expect(await client.artifacts.metadata(artifact_id)).toMatchObject({ status: 'success' })
    expect(await client.artifacts.tree(artifact_id)).toMatchObject({ level: 0, children: [] })
  })

  test('a job that fails or is canceled is an error with its reason and its record', async () => {
    const client = await connect()
    const create = (behaviour: 'throw' | 'wait') =>
      client.configs.create({ name: behaviour, data: { region: 'x', behaviour } })

    const { id: throwing } = await create('throw')
    await expect(client.ml.trainAndWait({ config_id: throwing, data })).rejects.toMatchObject({
      name: 'ChapkitClientError',
      code: 'job-failed',
      detail: expect.stringContaining('too few rows'),
      job: { status: 'failed', type: 'train' },
    })

    const { id: waiting } = await create('wait')
    const { job_id } = await client.ml.train({ config_id: waiting, data })
    const ended = client.jobs.wait(job_id)
    await Promise.all([
      expect(ended).rejects.toMatchObject({ code: 'job-canceled' }),
      client.jobs.cancel(job_id),
    ])
    const record = await client.jobs.wait(job_id, { mustComplete: false })
    expect(record.status).toBe('canceled')
  })

  test('configs are listed whole, by page, and one after the other', async () => {
    const client = await connect()
    const made = []
    for (const name of ['a', 'b', 'c'])
      made.push(await client.configs.create({ name, tags: ['t'], data: { region: name } }))

    expect(await client.configs.list()).toEqual(made)
    expect(await client.configs.page(2, 2)).toEqual({
      items: [made[2]],
      total: 3,
      page: 2,
      size: 2,
      pages: 2,
    })
    expect(await Array.fromAsync(client.configs.iterate({ size: 2 }))).toEqual(made)
    expect(await client.configs.count()).toBe(3)
    expect(await client.configs.schema()).toMatchObject({ type: 'object' })

    const [first] = made as [(typeof made)[0]]
    const changed = await client.configs.replace(first.id, { name: 'z', data: { region: 'z' } })
    expect(changed).toMatchObject({ name: 'z', tags: first.tags, data: { region: 'z', level: 1 } })
    await client.configs.remove(first.id)
    await expect(client.configs.get(first.id)).rejects.toMatchObject({
      code: 'not-found',
      status: 404,
      requestId: expect.stringMatching(/^[0-9A-Z]{26}$/),
    })
  })

  test('what a service refuses comes with each violation', async () => {
    const client = await connect()
    await expect(
      client.configs.create({ name: 'a', data: { region: 5 as never } }),
    ).rejects.toMatchObject({
      code: 'validation-failed',
      status: 422,
      issues: [{ loc: ['body', 'data', 'region'] }],
    })
  })

  test('an entity is reached by its name and by its definition', async () => {
    const client = await connect()
    const byName = client.entity('station')
    const made = await byName.create({ code: 'N1', tags: ['new'] })

    expect(made).toMatchObject({ code: 'N1', altitude: 0, tags: ['new'] })
    expect(await client.entity(stations).list()).toEqual([made])
    await expect(byName.create({ code: 'N1' })).rejects.toMatchObject({ code: 'conflict' })
  })

  test('bytes are kept, and read back whole or in part', async () => {
    const client = await connect()
    const stored = await client.artifacts.upload('0123456789', {
      contentType: 'text/plain',
      tags: ['a', 'b'],
    })
    const stream = await client.artifacts.open(stored.id)

    expect(stored).toMatchObject({ tags: ['a', 'b'], data: { content_size: 10 } })
    expect(new TextDecoder().decode(await client.artifacts.download(stored.id))).toBe('0123456789')
    expect(
      new TextDecoder().decode(
        await client.artifacts.download(stored.id, { range: { start: 2, end: 5 } }),
      ),
    ).toBe('234')
    expect(stream).toMatchObject({ size: 10, filename: `artifact_${stored.id}.bin` })
    expect(await new Response(stream.stream).text()).toBe('0123456789')
  })

  test('routes of the service’s own are asked with request', async () => {
    const client = await connect()
    const answer = await client.request('/api/v1/hello')
    expect(await answer.json()).toEqual({ hello: 'you' })
    const echoed = await client.request('/api/v1/echo', { method: 'POST', json: { a: 1 } })
    expect(await echoed.json()).toEqual({ a: 1 })
  })

  test('a task is run by its name, and its result is fetched', async () => {
    const client = await connect()
    const done = await client.tasks.executeAndWait('greet', { name: 'you; ls' })
    expect(done).toMatchObject({
      job: { status: 'completed' },
      data: { stdout: 'hello you; ls\n', exit_code: 0 },
    })
    const [task] = await client.tasks.list({ enabled: true })
    expect(await client.tasks.get('greet')).toEqual(task)
    expect((await client.tasks.disable('greet')).enabled).toBe(false)
    await expect(client.tasks.execute('greet')).rejects.toMatchObject({ code: 'conflict' })
    expect((await client.tasks.enable(String(task?.id))).enabled).toBe(true)
    expect(await client.tasks.parameters('greet')).toMatchObject({ type: 'object' })
    await expect(client.tasks.execute('nobody')).rejects.toMatchObject({
      code: 'not-found',
      detail: expect.stringContaining('tasks.list()'),
    })
  })

  test('a task runs at set times, and now', async () => {
    const client = await connect()
    const { id: task_id } = await client.tasks.get('greet')
    const made = await client.schedules.create({
      name: 'nightly',
      task_id,
      parameters: { name: 'night' },
      trigger: { type: 'cron', expression: '0 3 * * *', zone: 'Africa/Kigali' },
    })
    expect(made.next_run_at).toMatch(/T01:00:00\.000Z$/)
    expect(await client.schedules.next(made.id, 2)).toHaveLength(2)

    const run = await client.schedules.trigger(made.id)
    const job = await client.jobs.wait(String(run.job_id))
    expect(job.status).toBe('completed')
    expect(await Array.fromAsync(client.schedules.iterateRuns(made.id))).toMatchObject([
      { job_id: job.id, scheduled_at: null, outcome: 'submitted' },
    ])
    expect(await client.schedules.runsPage(made.id, 1, 5)).toMatchObject({ total: 1 })
    expect((await client.schedules.pause(made.id)).paused).toBe(true)
    expect((await client.schedules.resume(made.id)).paused).toBe(false)
    await client.schedules.remove(made.id)
    expect(await client.schedules.list()).toEqual([])
  })

  test('a service tells what it is, where it runs and how it is', async () => {
    const client = await connect()
    expect(await client.info()).toMatchObject({ id: 'client-probe', period_type: 'monthly' })
    expect(await client.health.check()).toMatchObject({ status: 'healthy' })
    expect(await client.health.ready()).toMatchObject({ status: 'healthy' })
    expect(await client.system.info()).toMatchObject({ python_version: process.versions.node })
    expect(await client.system.apps()).toEqual([])
    for await (const { status } of client.health.watch({ seconds: 0.1 })) {
      expect(status).toBe('healthy')
      break
    }
  })

  test('what is to be tried can be checked first', async () => {
    const client = await connect()
    const { id: config_id } = await client.configs.create({ name: 'a', data: { region: 'x' } })
    expect(await client.ml.validate({ type: 'train', config_id, data })).toMatchObject({
      valid: true,
    })
    const none = { type: 'predict', artifact_id: config_id, historic: data, future } as const
    expect(await client.ml.validate(none)).toMatchObject({
      valid: false,
      diagnostics: [{ code: 'training_artifact_not_found' }],
    })
    const sample = await client.ml.sampleData({ kind: 'predict', num_locations: 2, seed: 1 })
    expect(sample.future.columns).toContain('time_period')
  })
})
