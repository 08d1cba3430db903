import { defineTask, ServiceBuilder } from 'chapkit'
import { createTestService } from 'chapkit/testing'
import { expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { temporaryFolder, until } from '../e2e/harness.ts'
import { expectProblem, nobody, timestamp, ulid } from './fixtures.ts'

const info = { id: 'probe-schedules', display_name: 'Schedules' }
const path = '/api/v1/schedules'

const builder = () =>
  new ServiceBuilder({ info })
    .withArtifacts()
    .withJobs()
    .withTasks({
      functions: {
        greet: defineTask({
          parameters: z.object({ name: z.string().default('world') }),
          run: ({ parameters }) => `hello ${parameters.name}`,
        }),
      },
    })

async function open() {
  const probe = await createTestService(builder().withSchedules().build())
  onTestFinished(() => probe.close())
  const { json: tasks } = await probe.request('GET', '/api/v1/tasks')
  const taskId: string = tasks[0].id
  const input = {
    name: 'weekly',
    task_id: taskId,
    trigger: { type: 'cron', expression: '0 3 * * MON', zone: 'Africa/Kigali' },
  }
  const create = async (changes: object = {}, headers: Record<string, string> = {}) =>
    probe.request('POST', path, { ...input, ...changes }, headers)
  return { probe, taskId, input, create }
}

test('a schedule is created, read, replaced and deleted', async () => {
  const { probe, input, create, taskId } = await open()
  const created = await create({ tags: ['demo'] }, { 'idempotency-key': 'one' })
  expect(created.status).toBe(201)
  expect(created.json).toEqual({
    id: expect.stringMatching(ulid),
    created_at: expect.stringMatching(timestamp),
    updated_at: expect.stringMatching(timestamp),
    tags: ['demo'],
    name: 'weekly',
    task_id: taskId,
    parameters: null,
    trigger: input.trigger,
    misfire: 'once',
    misfire_grace_seconds: 60,
    overlap: 'skip',
    paused: false,
    paused_reason: null,
    declared: false,
    next_run_at: expect.stringMatching(/T01:00:00\.000Z$/),
    last_run_at: null,
    last_job_id: null,
  })
  const { id } = created.json
  expect(created.headers.location).toMatch(new RegExp(`${path.replaceAll('/', '\\/')}/${id}$`))
  const again = await create({ tags: ['demo'] }, { 'idempotency-key': 'one' })
  expect(again.text).toBe(created.text)
  expect((await probe.request('GET', path)).json).toEqual([created.json])
  expect((await probe.request('GET', `${path}/${id}`)).json).toEqual(created.json)
  expect((await probe.request('GET', `${path}/$stats`)).json).toEqual({ total: 1 })
  expect((await probe.request('GET', `${path}?page=1&size=1`)).json).toMatchObject({ total: 1 })

  const replaced = await probe.request('PUT', `${path}/${id}`, {
    ...input,
    name: 'often',
    trigger: { type: 'interval', every: 'PT15M' },
    overlap: 'queue',
  })
  expect(replaced.json).toMatchObject({
    ...{ id, name: 'often', overlap: 'queue', created_at: created.json.created_at },
    ...{ tags: created.json.tags, misfire_grace_seconds: created.json.misfire_grace_seconds },
    trigger: { type: 'interval', every: 900, anchor: replaced.json.updated_at },
  })
  const { trigger, task_id } = replaced.json
  const paused = await probe.request('PUT', `${path}/${id}`, {
    ...{ name: 'seldom', trigger, task_id, paused: true, tags: [] },
  })
  expect(paused.json).toMatchObject({ name: 'seldom', overlap: 'queue', paused: true, tags: [] })
  const kept = await probe.request('PUT', `${path}/${id}`, { name: 'rare', trigger, task_id })
  expect(kept.json).toMatchObject({ name: 'rare', overlap: 'queue', paused: true, tags: [] })
  const taken = await probe.request('POST', path, { id, name: 'again', trigger, task_id })
  expectProblem(taken, 409, 'conflict')
  expect((await probe.request('DELETE', `${path}/${id}`)).status).toBe(204)
  expect((await probe.request('GET', `${path}/${id}`)).status).toBe(404)
})

const refused: [trigger: object, message: RegExp][] = [
  [{ type: 'cron', expression: '0 0 30 2 *' }, /expression.*no date that ever comes/],
  [{ type: 'cron', expression: '61 * * * *' }, /expression.*invalid value for minute: 61/],
  [{ type: 'cron', expression: 'every day' }, /expression.*five or six fields/],
  [{ type: 'cron', expression: '' }, /expression.*five or six fields/],
  [{ type: 'cron' }, /Expected `expression` for a trigger of type "cron", got nothing/],
  [{ type: 'cron', expression: '@daily', zone: 'Mars/Base' }, /IANA time zone.*got "Mars\/Base"/],
  [{ type: 'cron', expression: '@daily', zone: '+02:00' }, /IANA time zone/],
  [{ type: 'cron', expression: '@daily', at: 'x' }, /only `expression` and `zone`.*got `at`/],
  [{ type: 'interval', every: 0 }, /whole seconds from 1.*got 0/],
  [{ type: 'interval', every: -5 }, /whole seconds from 1/],
  [{ type: 'interval', every: 0.5 }, /got 0.5/],
  [{ type: 'interval', every: 'P1M' }, /ISO 8601 duration.*got "P1M"/],
  [{ type: 'interval', every: 'PT' }, /ISO 8601 duration/],
  [{ type: 'interval', every: 60, anchor: '2026-01-01' }, /instant with its offset/],
  [{ type: 'once', at: '2020-01-01T00:00:00Z' }, /after now.*got "2020-01-01T00:00:00Z"/],
  [{ type: 'once', at: '2999-02-30T00:00:00Z' }, /instant with its offset/],
  [{ type: 'once', at: '2999-02-03T00:00:00' }, /instant with its offset/],
  [{ type: 'weekly' }, /Expected one of "cron", "interval", "once"/],
]

test('a trigger that cannot be is refused with what was expected and what came', async () => {
  const { create } = await open()
  for (const [trigger, message] of refused) {
    const { status, json } = await create({ trigger })
    expect({ trigger, status }).toEqual({ trigger, status: 422 })
    expect(json.detail).toMatch(message)
    expect(json.errors[0].loc.slice(0, 2)).toEqual(['body', 'trigger'])
  }
})

test('a task that is not there, and parameters that do not fit it, are refused', async () => {
  const { create } = await open()
  const unknown = await create({ task_id: nobody })
  expect(unknown).toMatchObject({ status: 422, json: { detail: /./ } })
  expect(unknown.json.errors[0]).toMatchObject({ loc: ['body', 'task_id'] })
  const unfit = await create({ parameters: { name: 5 } })
  expect(unfit.status).toBe(422)
  expect(unfit.json.detail).toMatch(/parameters\.name/)
})

test('a task that a schedule executes cannot be deleted', async () => {
  const { probe, create } = await open()
  const { parts } = probe
  const { json: task } = await probe.request('GET', '/api/v1/tasks')
  const { json: schedule } = await create()
  await expect(
    parts.database.write((tx) => parts.schedules.assertUnscheduled(tx, task[0].id)),
  ).rejects.toThrow(`"weekly" (${schedule.id}); delete them first`)
  await probe.request('DELETE', `${path}/${schedule.id}`)
  await parts.database.write((tx) => parts.schedules.assertUnscheduled(tx, task[0].id))
})

test('pausing takes the next run away, resuming gives it back', async () => {
  const { probe, create } = await open()
  const { json: made } = await create()
  const next = await probe.request('GET', `${path}/${made.id}/$next?count=3`)
  expect(next.json.items).toHaveLength(3)
  expect(next.json.items[0]).toBe(made.next_run_at)
  const paused = await probe.request('POST', `${path}/${made.id}/$pause`)
  expect(paused.json).toMatchObject({ paused: true, next_run_at: null })
  expect((await probe.request('GET', `${path}/${made.id}/$next?count=3`)).json).toEqual(next.json)
  const resumed = await probe.request('POST', `${path}/${made.id}/$resume`)
  expect(resumed.json).toMatchObject({ paused: false, next_run_at: made.next_run_at })
  for (const count of ['0', '101', 'x']) {
    const { status } = await probe.request('GET', `${path}/${made.id}/$next?count=${count}`)
    expect(status).toBe(422)
  }
})

test('a run that is asked for has a job and no slot, also of a paused schedule, once for each key', async () => {
  const { probe, create } = await open()
  const { json: made } = await create({ paused: true, parameters: { name: 'Kigali' } })
  const { json: other } = await create()
  const ask = (id: string) =>
    probe.request('POST', `${path}/${id}/$trigger`, undefined, { 'idempotency-key': 'now' })
  const { status, json: run } = await ask(made.id)
  expect(status).toBe(202)
  expect(run).toMatchObject({ scheduled_at: null, outcome: 'submitted', job_status: 'pending' })
  expect((await ask(made.id)).json).toEqual(run)
  expect((await ask(other.id)).json.id).not.toBe(run.id)

  const job = await probe.waitForJob(run.job_id)
  expect(job.status).toBe('completed')
  const { json: artifact } = await probe.request('GET', `/api/v1/artifacts/${job.artifact_id}`)
  expect(artifact.data.result).toBe('hello Kigali')
  const { json: runs } = await probe.request('GET', `${path}/${made.id}/$runs`)
  expect(runs).toEqual([{ ...run, job_status: 'completed' }])
  const { json: now } = await probe.request('GET', `${path}/${made.id}`)
  expect(now).toMatchObject({ last_job_id: run.job_id, last_run_at: run.decided_at })
})

test('a slot that comes becomes a job by itself', async () => {
  const { probe, create } = await open()
  const at = new Date(Date.now() + 3000).toISOString()
  const { json: made } = await create({ trigger: { type: 'once', at } })
  expect(made.next_run_at).toBe(at)
  const [run] = await until('the slot has come', async () => {
    const { json } = await probe.request('GET', `${path}/${made.id}/$runs`)
    return json.length > 0 && json
  })
  expect(run).toMatchObject({ scheduled_at: at, outcome: 'submitted', count: 1 })
  expect((await probe.waitForJob(run.job_id)).status).toBe('completed')
  const { json: after } = await probe.request('GET', `${path}/${made.id}`)
  expect(after).toMatchObject({ next_run_at: null, last_job_id: run.job_id })
})

test('schedules of the service file are kept, cannot be changed over HTTP, and are paused when taken out', async () => {
  const dataDir = temporaryFolder()
  const start = async (schedules: Parameters<ReturnType<typeof builder>['withSchedules']>[0]) => {
    const service = builder().withSchedules(schedules).build()
    return createTestService(service, { dataDir, databaseUrl: `${dataDir}/a.db` })
  }
  const nightly = { task: 'greet', cron: '0 3 * * *', zone: 'Africa/Kigali' }
  const read = async (probe: Awaited<ReturnType<typeof start>>) =>
    (await probe.request('GET', path)).json
  let probe = await start({ nightly, often: { task: 'greet', every: 'PT1H' } })
  const made = await read(probe)
  expect(made).toMatchObject([
    { name: 'nightly', declared: true, trigger: { expression: '0 3 * * *' } },
    { name: 'often', declared: true, trigger: { every: 3600 } },
  ])
  const own = `${path}/${made[0].id}`
  for (const [method, body] of [['DELETE'], ['PUT', { ...made[0] }]] as const) {
    const { status, json } = await probe.request(method, own, body)
    expect(status).toBe(409)
    expect(json.detail).toMatch(/stands in the service file/)
  }
  await probe.request('POST', `${path}/${made[1].id}/$pause`)
  await probe.close()

  // Nothing has changed, and nothing is: ids, anchors and pauses stay.
  probe = await start({ nightly, often: { task: 'greet', every: 'PT1H' } })
  expect(await read(probe)).toEqual([
    made[0],
    { ...made[1], paused: true, next_run_at: null, updated_at: expect.any(String) },
  ])
  await probe.close()

  probe = await start({ often: { task: 'greet', every: 7200, overlap: 'queue' } })
  expect(await read(probe)).toMatchObject([
    { paused: true, paused_reason: 'it no longer stands in the service file', next_run_at: null },
    { paused: true, trigger: { every: 7200, anchor: made[1].trigger.anchor }, overlap: 'queue' },
  ])
  await probe.close()

  probe = await start({ nightly })
  expect((await read(probe))[0]).toMatchObject({
    ...{ id: made[0].id, paused: false, paused_reason: null, next_run_at: made[0].next_run_at },
  })
  await probe.close()
})

test('a service file that cannot be right is refused before anything runs', async () => {
  const declare = (schedule: object) => () =>
    builder().withSchedules({ nightly: schedule as never })
  expect(declare({ task: 'greet', cron: '0 0 30 2 *' })).toThrow(/"nightly".*no date/)
  expect(declare({ task: 'greet' })).toThrow(/expected one of cron, every and at, got none/)
  expect(declare({ task: 'greet', cron: '@daily', every: 5 })).toThrow(/got cron and every/)
  expect(declare({ task: 'greet', every: 5, overlap: 'never' })).toThrow(/overlap/)
  expect(() =>
    // @ts-expect-error: there are no tasks to execute
    new ServiceBuilder({ info }).withSchedules().build(),
  ).toThrow('withSchedules() needs withTasks() first')
  await expect(
    createTestService(
      builder()
        .withSchedules({ nightly: { task: 'great', every: 5 } })
        .build(),
    ),
  ).rejects.toThrow('"nightly" executes "great", which is no task of withTasks')
})
