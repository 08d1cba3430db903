import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { findProcesses } from '../../src/script/leftovers.ts'
import { type RunningProcess, startService, temporaryFolder, until } from './harness.ts'

const mebibyte = 2 ** 20

async function begin(env: Record<string, string> = {}) {
  const folder = temporaryFolder()
  const service = await startService({ dataDir: temporaryFolder(), fixture: 'scripts', env })
  const quiet = await service.train(await service.config('quiet', folder))
  await service.reaches(quiet.json.job_id, 'completed')
  return { folder, service }
}

/** Ids of the runs that have begun, as their scripts told. */
const runsIn = (folder: string): string[] =>
  existsSync(join(folder, 'runs'))
    ? readFileSync(join(folder, 'runs'), 'utf8').trim().split('\n')
    : []

const scratchOf = ({ options }: RunningProcess) => join(options.dataDir, 'chapkit.runs')

/** Folders of runs that are there, but for those that stand ready for the next ones. */
function foldersOf(service: RunningProcess, folder: string): string[] {
  const ids = runsIn(folder).map((run) => run.split('-')[1])
  return readdirSync(scratchOf(service)).filter((id) => ids.includes(id))
}

async function leavesNothing(service: RunningProcess, folder: string) {
  const runs = runsIn(folder)
  expect(runs.length).toBeGreaterThan(0)
  expect(runs.flatMap((run) => findProcesses(run))).toEqual([])
  await until('its folder is gone', () => foldersOf(service, folder).length === 0)
}

/** The last job is told to end once it runs. */
const endless = ['deaf']

test.each([
  ['children', 'completed', null],
  ['prints', 'completed', null],
  ['lines', 'completed', null],
  ['deaf', 'canceled', null],
  ['daemon', 'completed', null],
  ['multiplies', 'completed', null],
  ['outside', 'completed', null],
  ['unheard-of', 'failed', 'The train command ended with exit code 64:\nunknown: unheard-of'],
])(
  'a training that does this (%s) is %s, and no process and no folder of it stays',
  async (behaviour, status, error) => {
    const { service, folder } = await begin()
    const resident = memoryOf(service)
    const { json } = await service.train(await service.config(behaviour, folder))
    if (endless.includes(behaviour)) {
      await until('it runs', () => runsIn(folder).length > 1)
      await service.request('POST', `/api/v1/jobs/${json.job_id}/$cancel`)
    }
    const job = await service.reaches(json.job_id, status, 180_000)
    expect(job.error).toBe(error)
    await leavesNothing(service, folder)
    expect(memoryOf(service) - resident).toBeLessThan(150 * mebibyte)
  },
  240_000,
)

test.each([
  ['nothing', /exit code 0 and has not written predictions\.csv/],
  ['broken', /predictions\.csv cannot be read as CSV/],
])(
  'a prediction that leaves a result like this (%s) fails with the reason',
  async (behaviour, error) => {
    const { service, folder } = await begin()
    const trained = await service.train(await service.config(behaviour, folder))
    await service.reaches(trained.json.job_id, 'completed')
    const { json } = await service.predict(trained.json.artifact_id)
    expect((await service.reaches(json.job_id, 'failed')).error).toMatch(error)
    await leavesNothing(service, folder)
  },
)

test('a prediction that hangs when it has written its result is ended with its job', async () => {
  const { service, folder } = await begin()
  const trained = await service.train(await service.config('hangs', folder))
  await service.reaches(trained.json.job_id, 'completed')
  const { json } = await service.predict(trained.json.artifact_id)
  await until('it runs', () => runsIn(folder).length > 2)
  await service.request('POST', `/api/v1/jobs/${json.job_id}/$cancel`)
  await service.reaches(json.job_id, 'canceled')
  await leavesNothing(service, folder)
})

test('links and pipes that a script leaves are no part of its workspace', async () => {
  const { service, folder } = await begin()
  const { json } = await service.train(await service.config('outside', folder))
  await service.reaches(json.job_id, 'completed')
  const { text } = await service.request('GET', `/api/v1/jobs/${json.job_id}/$logs`)
  expect(text).toContain('link-made is a link and is not kept')
  const zip = await service.request('GET', `/api/v1/artifacts/${json.artifact_id}/$download`)
  expect(zip.status).toBe(200)
  expect(zip.text).not.toMatch(/link-made|pipe-link/)
})

test('a service that ends takes its scripts with it, and their folders', async () => {
  const { service, folder } = await begin({ CHAPKIT_DRAIN_SECONDS: '0' })
  await service.train(await service.config('deaf', folder))
  await until('it runs', () => runsIn(folder).length > 1)
  service.signal('SIGTERM')
  await service.exited
  expect(runsIn(folder).flatMap((run) => findProcesses(run))).toEqual([])
  expect(existsSync(scratchOf(service))).toBe(false)
})

/** The process that a run has become. */
const processOf = (folder: string) => {
  const [pid] = findProcesses(runsIn(folder).at(-1) ?? '')
  return pid
}

const pauseMs = (milliseconds: number) =>
  new Promise((resolve) => setTimeout(resolve, milliseconds))

test.each([
  ['sleeps', 'SIGTERM', 0, 'the service'],
  ['sleeps', 'SIGTERM', 300, 'its script'],
  ['sleeps', 'SIGTERM', 300, 'the service'],
  ['sleeps', 'SIGINT', 100, 'its script'],
  ['sleeps', 'SIGHUP', 100, 'its script'],
  ['catches', 'SIGTERM', 100, 'its script'],
  ['catches', 'SIGTERM', 300, 'the service'],
] as const)(
  'a stop that signals a service and its script (%s, %s, %d ms after %s) fails no job: it runs again',
  async (behaviour, signal, gap, first) => {
    const { service, folder } = await begin()
    const { json } = await service.train(await service.config(behaviour, folder))
    await until('it runs', () => runsIn(folder).length > 1)
    const pid = await until('its process is there', () => processOf(folder))
    const steps = [() => service.signal(signal), () => void process.kill(pid, signal)]
    if (first === 'its script') steps.reverse()
    steps[0]?.()
    await pauseMs(gap)
    steps[1]?.()
    expect(await service.exited).toMatchObject({ code: 0, signal: null })

    const again = await startService(service.options)
    expect(await again.reaches(json.job_id, 'completed')).toMatchObject({ error: null })
    expect(again.log.some(({ event }) => event === 'job.taken_over')).toBe(false)
    expect(runsIn(folder).length).toBe(3)
  },
)

test('a script that somebody else ends fails its job with the reason', async () => {
  const { service, folder } = await begin()
  const { json } = await service.train(await service.config('sleeps', folder))
  await until('it runs', () => runsIn(folder).length > 1)
  process.kill(await until('its process is there', () => processOf(folder)), 'SIGTERM')
  const job = await service.reaches(json.job_id, 'failed')
  expect(job.error).toBe('The train command was ended by SIGTERM')
})

function memoryOf({ pid }: RunningProcess): number {
  const [, kilobytes] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kilobytes) * 1024
}
