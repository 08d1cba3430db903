import { readdirSync } from 'node:fs'
import {
  type Client,
  completed,
  createClient,
  createConfig,
  healthTimes,
  submit,
} from '../client.ts'
import { futureFrame, smallFrame } from '../frames.ts'
import { descendantsOf, memoryOf, pause, Scope } from '../harness.ts'
import { atMost, type Program, quantile, type Result, toResult } from '../measure.ts'

/** What the model does, in the words of services/hostile.ts, and how it is told. */
const deeds = {
  computes: 'computes',
  objects: 'allocates objects until it dies',
  buffers: 'allocates buffers until it dies',
  throws: 'throws',
  prints: 'prints a gigabyte',
  never: 'never returns',
} as const
type Deed = keyof typeof deeds

/** Small limits: how a model dies does not depend on them, and the machine is needed for other things. */
const megabyte = 2 ** 20
const env = {
  CHAPKIT_MODEL_MEMORY: String(1024 * megabyte),
  CHAPKIT_TRAIN_CONCURRENCY: '1',
  CHAPKIT_PREDICT_CONCURRENCY: '1',
}

interface Job {
  status: 'pending' | 'running' | 'completed' | 'failed' | 'canceled'
  error: string | null
}

export const isolation: Program = {
  name: 'isolation',
  row: '/health and other jobs while a model does what it must not',
  async run({ quick }) {
    const results: Result[] = []
    for (const deed of Object.keys(deeds) as Deed[])
      results.push(...(await suffer(deed, quick ? 3 : 10)))
    return results
  },
}

/** Has a model do the same again and again for some seconds. */
async function suffer(deed: Deed, seconds: number): Promise<Result[]> {
  await using scope = new Scope()
  const temporary = scope.folder()
  const service = await scope.serve('hostile.ts', { env: { ...env, TMPDIR: temporary } })
  const client = createClient(service.url)
  const mean = await submit(client, 'train', {
    config_id: await createConfig(client, { does: 'mean' }),
    data: smallFrame(),
  })
  await completed(client, mean.job_id)
  const config = await createConfig(client, { does: deed, seconds })

  await healthTimes(client, 2)
  const idle = await healthTimes(client, seconds)
  const memory = memoryOf(service.pid)
  const until = performance.now() + seconds * 1000
  const [times, jobs, others] = await Promise.all([
    healthTimes(client, seconds),
    trainings(client, config, until),
    predictions(client, mean.artifact_id, until),
  ])
  const grown = memoryOf(service.pid) - memory
  await pause(500)
  const left = readdirSync(temporary)
  // One for each job that may run.
  const tooMany = descendantsOf(service.pid).length - 2
  if (tooMany > 0) left.push(`${tooMany} processes`)
  client.close()

  const does = deeds[deed]
  const p99 = (values: readonly number[]) => quantile(values, 0.99)
  const limit = { limit: [p99(idle)], limitOf: 'p99 when nothing runs' }
  return [
    toResult({
      what: `p99 of /health while a model ${does}`,
      unit: 'ms',
      ours: [p99(times)],
      ...limit,
      bar: atMost(20),
      note: `p50 ${quantile(times, 0.5).toFixed(1)}, longest ${Math.max(...times).toFixed(1)}`,
    }),
    toResult({
      what: 'other jobs that completed meanwhile',
      unit: '%',
      ours: [(100 * others.completed) / others.submitted],
      bar: atMost(100),
      note: `${others.completed} of ${others.submitted}, longest ${others.longest.toFixed(0)} ms; the service grew by ${grown.toFixed(0)} MB; left behind: ${left.join(', ') || 'nothing'}; ${jobs.length} × ${jobs[0]?.status}: ${jobs[0]?.error ?? 'no error'}`,
    }),
  ]
}

/** Trainings one after the other; what does not end by then is canceled. */
async function trainings(client: Client, config: string, until: number): Promise<Job[]> {
  const jobs: Job[] = []
  while (performance.now() < until) {
    const { job_id } = await submit(client, 'train', { config_id: config, data: smallFrame() })
    const path = `/api/v1/jobs/${job_id}`
    for (;;) {
      const job = await client.json<Job>('GET', path)
      if (job.status !== 'pending' && job.status !== 'running') {
        jobs.push(job)
        break
      }
      if (performance.now() > until) await client.send('POST', `${path}/$cancel`).catch(() => {})
      await pause(50)
    }
  }
  return jobs
}

/** A few predictions a second, each by itself. */
async function predictions(client: Client, artifact: string, until: number) {
  const counted = { submitted: 0, completed: 0, longest: 0 }
  while (performance.now() < until) {
    const body = { artifact_id: artifact, historic: smallFrame(), future: futureFrame() }
    const start = performance.now()
    counted.submitted++
    const { job_id } = await submit(client, 'predict', body)
    await completed(client, job_id).then(() => counted.completed++, console.error)
    counted.longest = Math.max(counted.longest, performance.now() - start)
    await pause(200)
  }
  return counted
}
