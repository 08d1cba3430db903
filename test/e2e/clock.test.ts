import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { testWith } from '../setup/needs.ts'
import {
  type RunningProcess,
  restart,
  stage,
  startService,
  temporaryFolder,
  until,
} from './harness.ts'

/** The library of the Debian package, wherever the machine has it. */
function fakeTime(): string {
  const places = ['/usr/lib', ...readdirSync('/usr/lib').map((name) => join('/usr/lib', name))]
  const files = places.map((place) => join(place, 'faketime', 'libfaketimeMT.so.1'))
  return files.find((file) => existsSync(file)) as string
}

/** A service whose clock is ahead by what `set` says, `+3650d` for instance, as one that is set: what measures time goes on. */
async function startAhead(by: string) {
  const file = join(temporaryFolder(), 'clock')
  const set = (ahead: string) => writeFileSync(file, `${ahead}\n`)
  set(by)
  const env = {
    LD_PRELOAD: fakeTime(),
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_NO_CACHE: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
    CHAPKIT_TASK_CONCURRENCY: '1',
    CHAPKIT_JOB_RETENTION_DAYS: '1',
    CHAPKIT_DRAIN_SECONDS: '0',
  }
  const service = await startService({ dataDir: temporaryFolder(), fixture: 'clock', env })
  return { service, set }
}

async function execute(
  service: RunningProcess,
  name: string,
  folder?: string,
  headers: Record<string, string> = {},
): Promise<string> {
  const { json: tasks } = await service.request('GET', '/api/v1/tasks')
  const { id } = tasks.find((task: { name: string }) => task.name === name)
  const { json } = await service.request('POST', `/api/v1/tasks/${id}/$execute`, {
    body: folder === undefined ? {} : { parameters: { folder } },
    headers,
  })
  return json.job_id
}

const clockTest = testWith('faketime')

clockTest.each(['killed', 'stopped'])(
  'jobs of a service whose clock was ten years ahead run after it is %s and the clock is set right',
  async (how) => {
    const traces = stage()
    const { service, set } = await startAhead('+3650d')
    const held = await execute(service, 'hold', traces.folder)
    await traces.began()
    const waiting = [await execute(service, 'nothing'), await execute(service, 'nothing')]
    if (how === 'killed') await service.kill()
    else {
      service.signal('SIGTERM')
      await service.exited
    }
    set('+0d')
    traces.release()
    const next = await restart(service)
    for (const id of [held, ...waiting]) {
      const { started_at, finished_at } = await next.reaches(id, 'completed')
      expect(finished_at >= started_at).toBe(true)
      expect(Math.abs(Date.parse(finished_at) - Date.now())).toBeLessThan(60_000)
    }
  },
)

clockTest.each(['+3650d', '-3650d', '+1h', '-1h'])(
  'jobs, retries and schedules of a running service go on when a clock that is wrong by %s is set right',
  async (error) => {
    const traces = stage()
    const { service, set } = await startAhead(error)
    const held = await execute(service, 'hold', traces.folder)
    await traces.began()
    const waiting = await execute(service, 'nothing')
    set('+0d')
    traces.release()
    await service.reaches(waiting, 'completed')
    const { started_at, finished_at } = await service.reaches(held, 'completed')
    const ran = Date.parse(finished_at) - Date.parse(started_at)
    expect(ran).toBeGreaterThanOrEqual(0)
    expect(ran).toBeLessThan(60_000)

    set(error)
    const flaky = await execute(service, 'flaky', traces.folder)
    await until('it has failed once', () => existsSync(join(traces.folder, 'failed')))
    await until('it waits', async () => (await service.job(flaky)).status === 'pending')
    set('+0d')
    await service.reaches(flaky, 'completed')

    // However many slots lie in ten years, they are counted, and at most the newest of each jump runs.
    const { json: schedules } = await service.request('GET', '/api/v1/schedules')
    await until('the schedule has followed the clock', async () => {
      const { json } = await service.request('GET', `/api/v1/schedules/${schedules[0].id}`)
      const next = Date.parse(json.next_run_at) - Date.now()
      return next > 0 && next <= 3_600_000
    })
    const { json: jobs } = await service.request('GET', '/api/v1/jobs')
    expect(jobs.length).toBeLessThanOrEqual(6)
  },
)

clockTest(
  'nothing that is kept is lost to a clock that is ten years ahead for a while',
  async () => {
    const { service, set } = await startAhead('+0d')
    const once = { 'idempotency-key': 'once' }
    const id = await execute(service, 'nothing', undefined, once)
    await service.reaches(id, 'completed')
    await service.kill()
    set('+3650d')
    const ahead = await restart(service)
    expect(await ahead.job(id)).toMatchObject({ status: 'completed' })
    expect(await execute(ahead, 'nothing', undefined, once)).toBe(id)
    await ahead.kill()
    set('+0d')
    const right = await restart(ahead)
    expect(await right.job(id)).toMatchObject({ status: 'completed' })
    expect(await execute(right, 'nothing', undefined, once)).toBe(id)
  },
)
