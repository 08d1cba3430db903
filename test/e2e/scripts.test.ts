import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { unzip } from '../../src/script/fixtures/project.ts'
import { findProcesses } from '../../src/script/leftovers.ts'
import { type RunningProcess, restart, startService, temporaryFolder, until } from './harness.ts'

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

/** Takes the files of a service away and gives them back: a disk that cannot take a result. */
function storeOf({ options }: RunningProcess) {
  const store = join(options.dataDir, 'chapkit.blobs')
  const away = `${store}-away`
  return {
    breaks: () => renameSync(store, away),
    heals() {
      rmSync(store, { recursive: true, force: true })
      renameSync(away, store)
    },
  }
}

/** A run of a command that leaves what the store cannot take, up to where that is waited for. */
async function unstored(
  service: RunningProcess,
  folder: string,
  submit: () => ReturnType<RunningProcess['train']>,
) {
  const before = runsIn(folder).length
  rmSync(join(folder, 'go-on'), { force: true })
  const { json } = await submit()
  await until('it runs', () => runsIn(folder).length > before)
  storeOf(service).breaks()
  writeFileSync(join(folder, 'go-on'), '')
  await until('it waits for the disk', async () => {
    const { progress } = await service.job(json.job_id)
    return progress?.message === 'waiting for the disk'
  })
  return { id: json.job_id as string, artifact: json.artifact_id as string, runs: before + 1 }
}

/** Names and sizes of the files of a workspace. */
async function filesOf(service: RunningProcess, artifact: string) {
  const answer = await service.open('GET', `/api/v1/artifacts/${artifact}/$download`)
  const files = [...unzip(await buffer(answer))]
  return files.map(([path, text]) => [path, text.length]).sort()
}

const ends = {
  async 'is stopped'(service: RunningProcess) {
    service.signal('SIGTERM')
    await service.exited
  },
  'is killed': (service: RunningProcess) => service.kill(),
}

test.each(Object.entries(ends))(
  'a command that had ended does not run again where the service %s before its result could be stored',
  async (_, end) => {
    // What cannot be stored now is not waited for.
    const { service, folder } = await begin({ CHAPKIT_DRAIN_SECONDS: '600' })
    const config = await service.config('large', folder)
    const training = await unstored(service, folder, () => service.train(config))
    await end(service)
    storeOf(service).heals()

    const second = await restart(service)
    await second.reaches(training.id, 'completed')
    expect(runsIn(folder)).toHaveLength(training.runs)
    const path = `/api/v1/artifacts/${training.artifact}`
    expect((await second.request('GET', path)).json.data.metadata).toMatchObject({
      ...{ status: 'success', exit_code: 0, stdout: 'trained\n', config_id: config },
    })
    const { json: lineage } = await second.request('GET', `${path}/$lineage`)
    expect(lineage).toMatchObject({ command: 'sh train.sh', project: expect.any(String) })
    const { text } = await second.request('GET', `/api/v1/jobs/${training.id}/$logs`)
    expect(text).toContain('It does not run again, also after a stop')
    expect(text).toContain('the command had ended before the service did')
    const usual = await second.train(config)
    await second.reaches(usual.json.job_id, 'completed')
    const files = await filesOf(second, training.artifact)
    expect(files).toEqual(await filesOf(second, usual.json.artifact_id))
    expect(files).toContainEqual(['deep/model.bin', 200_000])

    const prediction = await unstored(second, folder, () => second.predict(training.artifact))
    await end(second)
    storeOf(second).heals()
    const third = await restart(second)
    await third.reaches(prediction.id, 'completed')
    expect(runsIn(folder)).toHaveLength(prediction.runs)
    const { json: made } = await third.request('GET', `/api/v1/artifacts/${prediction.artifact}`)
    expect(made.data.content.data).toHaveLength(3)
    await leavesNothing(third, folder)
  },
)

test('what a command has left goes with its job, when that is canceled before it could be stored', async () => {
  const { service, folder } = await begin({ CHAPKIT_DRAIN_SECONDS: '0' })
  const config = await service.config('large', folder)
  const one = await unstored(service, folder, () => service.train(config))
  await service.request('POST', `/api/v1/jobs/${one.id}/$cancel`)
  await service.reaches(one.id, 'canceled')
  storeOf(service).heals()
  await leavesNothing(service, folder)
})
