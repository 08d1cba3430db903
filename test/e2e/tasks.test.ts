import { expect, test } from 'vitest'
import {
  isAlive,
  type RunningProcess,
  restart,
  stage,
  startService,
  temporaryFolder,
  until,
} from './harness.ts'

async function begin(name: string) {
  const traces = stage()
  const env = { CHAPKIT_DRAIN_SECONDS: '0' }
  const service = await startService({ dataDir: temporaryFolder(), fixture: 'tasks', env })
  const { json: tasks } = await service.request('GET', '/api/v1/tasks')
  const { id } = tasks.find((task: { name: string }) => task.name === name)
  const { status, json } = await service.request('POST', `/api/v1/tasks/${id}/$execute`, {
    body: { parameters: { folder: traces.folder } },
  })
  expect(status).toBe(202)
  const pid = await traces.began()
  return { traces, service, job: json as { job_id: string; artifact_id: string }, pid }
}

async function result(service: RunningProcess, id: string) {
  const { json } = await service.request('GET', `/api/v1/artifacts/${id}`)
  return json.data.result ?? json.data.stdout.trim()
}

const kinds = ['command', 'function', 'blocking']

test.each(kinds)(
  'a task (%s) that ran when the service was killed runs again, once, and nothing of the first run stays',
  async (kind) => {
    const { traces, service, job, pid } = await begin(kind)
    await service.kill()
    const next = await restart(service)
    await traces.began(1)
    await until('the first run has ended', () => !isAlive(pid))
    traces.release()
    await next.reaches(job.job_id, 'completed')
    expect(await result(next, job.artifact_id)).toBe('done')
    expect(traces.runs()).toBe(2)
    const { json } = await next.request('GET', '/api/v1/artifacts')
    expect(json).toHaveLength(1)
  },
  60_000,
)

test.each(kinds)(
  'a task (%s) whose process is killed fails with the reason, or runs again',
  async (kind) => {
    const { traces, service, job, pid } = await begin(kind)
    process.kill(pid, 'SIGKILL')
    if (kind === 'command') {
      const { error } = await service.reaches(job.job_id, 'failed')
      expect(error).toMatch(/^The command was ended by SIGKILL/)
    } else {
      await traces.began(1)
      traces.release()
      await service.reaches(job.job_id, 'completed')
    }
  },
)

test.each(kinds)('a task (%s) that is canceled ends with its processes', async (kind) => {
  const { service, job, pid } = await begin(kind)
  await service.request('POST', `/api/v1/jobs/${job.job_id}/$cancel`)
  await service.reaches(job.job_id, 'canceled')
  await until('its process has ended', () => !isAlive(pid))
})

test.each(kinds)(
  'a task (%s) that runs when the service stops runs again at the next start',
  async (kind) => {
    const { traces, service, job, pid } = await begin(kind)
    service.signal('SIGTERM')
    expect((await service.exited).code).toBe(0)
    expect(isAlive(pid)).toBe(false)
    traces.release()
    const next = await restart(service)
    await next.reaches(job.job_id, 'completed')
  },
)

test('a task whose code is gone is disabled at the start, and the log says so', async () => {
  const { service, traces } = await begin('command')
  traces.release()
  await service.kill()
  const env = { E2E_WITHOUT_COMMAND: '1' }
  const next = await startService({ ...service.options, env })
  const { json } = await next.request('GET', '/api/v1/tasks?enabled=false')
  expect(json).toMatchObject([{ name: 'command', enabled: false }])
  const entry = next.log.find(({ event }) => event === 'task.orphaned')
  expect(entry).toMatchObject({
    ...{ level: 'warn', id: json[0].id, name: 'command' },
    message: 'a task is disabled: the command "command" is not in the service file any more',
  })
})
