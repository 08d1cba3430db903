import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { isAlive, type RunningProcess, stage, startService, temporaryFolder } from './harness.ts'

const mebibyte = 2 ** 20

/** What a model does, what is done about it, and how its job ends. */
const fates = [
  { does: 'spin', told: 'release', status: 'completed', error: null },
  { does: 'objects', told: null, status: 'failed', error: /died 3 times.*memory/ },
  {
    does: 'buffers',
    told: null,
    status: 'failed',
    error: /died 3 times.*took more than 256 MiB of memory \(CHAPKIT_MODEL_MEMORY\)/,
  },
  { does: 'throw', told: null, status: 'failed', error: /^RangeError: the model has no rain$/ },
  { does: 'prints', told: null, status: 'completed', error: null },
  { does: 'never', told: 'cancel', status: 'canceled', error: null },
  { does: 'deaf', told: 'cancel', status: 'canceled', error: null },
] as const

test.each(fates)(
  'a model that does this ($does) is the trouble of its own job, and leaves nothing behind',
  async ({ does, told, status, error }) => {
    const { service, temporary, modelId } = await begin()
    const bad = stage()
    const { json } = await service.train(await service.config(does, bad.folder))
    await bad.began()

    // Others go on meanwhile.
    for (let count = 0; count < 3; count++) await predict(service, modelId)
    if (told === 'release') bad.release()
    if (told === 'cancel') await service.request('POST', `/api/v1/jobs/${json.job_id}/$cancel`)
    const job = await service.reaches(json.job_id, status, 60_000)
    if (error === null) expect(job.error).toBeNull()
    else expect(job.error).toMatch(error)

    if (does !== 'spin' && does !== 'throw' && does !== 'prints') {
      for (let run = 0; run < bad.runs(); run++) expect(isAlive(await bad.began(run))).toBe(false)
    }
    // The next one has a host that works, and there are no more of them than may run.
    const next = stage()
    const after = await service.train(await service.config('mean', next.folder), {
      prefer: 'wait=30',
    })
    expect(after.json.job).toMatchObject({ status: 'completed', error: null })
    await predict(service, modelId)
    expect(service.hosts().length).toBeLessThanOrEqual(2)
    expect(readdirSync(temporary)).toEqual([])
    service.signal('SIGTERM')
    await service.exited
    expect(leftIn(service.options.dataDir)).toEqual([])
  },
)

test('a model that prints without end is cut in the log, and its service holds none of it', async () => {
  const { service } = await begin()
  const { json } = await service.train(await service.config('prints', stage().folder))
  const before = memoryOf(service)
  let most = 0
  for (let isRunning = true; isRunning; ) {
    isRunning = ['pending', 'running'].includes((await service.job(json.job_id)).status)
    most = Math.max(most, memoryOf(service))
  }
  // 256 MiB were printed.
  expect(most - before).toBeLessThan(160 * mebibyte)

  const logs = `/api/v1/jobs/${json.job_id}/$logs?limit=10000&after=`
  const [middle, end] = [
    await service.request('GET', `${logs}10000`),
    await service.request('GET', `${logs}20000`),
  ]
  expect(middle.json.items).toHaveLength(10_000)
  expect(end.json.items).toMatchObject([
    { seq: 20_001, line: 'output truncated after 20000 lines' },
  ])
})

/** A service with little memory for models, with a folder of its own for temporary files, and a model to predict with. */
async function begin() {
  const temporary = temporaryFolder()
  const service = await startService({
    dataDir: temporaryFolder(),
    env: {
      CHAPKIT_PREDICT_CONCURRENCY: '1',
      CHAPKIT_MODEL_MEMORY: String(256 * mebibyte),
      TMPDIR: temporary,
    },
  })
  const trained = await service.train(await service.config('mean', stage().folder), {
    prefer: 'wait=30',
  })
  return { service, temporary, modelId: trained.json.artifact_id as string }
}

async function predict(service: RunningProcess, modelId: string): Promise<void> {
  const { json } = await service.predict(modelId, { prefer: 'wait=30' })
  expect(json).toMatchObject({ job: { status: 'completed', error: null } })
}

function memoryOf({ pid }: RunningProcess): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024
}

/** What a service that has ended in good order should not leave in its data folder. */
function leftIn(dataDir: string): string[] {
  const own = /^chapkit\.(db(\.lock)?|blobs(\/(tmp|trash|[0-9a-f/]+))?)$/
  return readdirSync(dataDir, { recursive: true })
    .map(String)
    .filter((path) => !own.test(path))
}
