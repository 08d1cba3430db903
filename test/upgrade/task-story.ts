import { setTimeout as sleep } from 'node:timers/promises'
import { type Running, serve } from './client.ts'
import { takeSnapshot } from './snapshot.ts'
import { allEnded, held, history, predicted, type Story, trained, until, withKey } from './story.ts'

/** Writes a data folder with tasks and schedules and what became of them, and stops the service or kills it. */
export async function tellOfTasks(dataDir: string, end: 'SIGTERM' | 'SIGKILL'): Promise<Story> {
  const first = await serve('tasks', { dataDir, env: held })
  try {
    await first.json('POST', '/api/v1/configs', { name: 'a', data: {} })
    const artifact = { tags: ['surveillance', 'survey'], data: history }
    await first.json('POST', '/api/v1/artifacts', artifact)
    // Comes while no service runs, and is too late when the next one starts.
    await schedule(first, 'missed', { at: in_(1500), misfire: 'skip', misfire_grace_seconds: 1 })
  } finally {
    await first.end()
  }
  await sleep(3000)

  const service = await serve('tasks', { dataDir, env: held })
  try {
    const [config] = await service.json('GET', '/api/v1/configs')
    const prediction = await predicted(service, await trained(service, config.id))
    const keyed = await executeTasks(service)
    await runSchedules(service)
    await allEnded(service)
    const snapshot = await takeSnapshot(service)
    return { snapshot, prediction, keyed, ...(await promise(service)) }
  } finally {
    await service.end(end)
  }
}

/** Tasks of both kinds that end well and badly, of the service file and of clients. */
async function executeTasks(service: Running) {
  await execute(service, await taskOf(service, 'greet'), { name: 'Ann; "ü" $HOME' })
  await execute(service, await taskOf(service, 'refuse'))
  await execute(service, await taskOf(service, 'count'), { tag: 'none' })
  await execute(service, await taskOf(service, 'count'), { at_least: 100 })
  await execute(service, await taskOf(service, 'retrain'))

  const count = { command: 'count', task_type: 'function' }
  const own = await service.json('POST', '/api/v1/tasks', {
    ...{ ...count, name: 'of a client — å', tags: ['old', 'kept'], parameters: { tag: 'kept' } },
    retries: { attempts: 2, delay_seconds: 1, factor: 1.5 },
    timeout_seconds: 600,
  })
  await service.json('PUT', `/api/v1/tasks/${own.id}`, {
    ...{ ...count, name: 'changed', tags: ['kept'], parameters: { tag: 'survey', at_least: 1 } },
  })
  await execute(service, own.id)
  const off = await service.json('POST', '/api/v1/tasks', { ...count, name: 'off' })
  await service.json('POST', `/api/v1/tasks/${off.id}/$disable`)

  const { id } = await service.json('POST', '/api/v1/schedules', {
    ...{
      name: 'with a key',
      task_id: own.id,
      trigger: { type: 'cron', expression: '0 4 * * MON' },
    },
    paused: true,
  })
  return [
    await withKey(service, '/api/v1/tasks', { ...count, name: 'with a key' }),
    await withKey(service, `/api/v1/tasks/${own.id}/$execute`, { parameters: { at_least: 0 } }),
    await withKey(service, '/api/v1/schedules', {
      ...{ name: 'keyed', task_id: own.id, trigger: { type: 'interval', every: 'P7D' } },
      paused: true,
    }),
    await withKey(service, `/api/v1/schedules/${id}/$trigger`, undefined),
  ]
}

/** Slots that were submitted, failed and skipped. */
async function runSchedules(service: Running) {
  const off = (await service.json('GET', '/api/v1/tasks')).find(byName('off')).id
  const ran = await schedule(service, 'ran', { at: in_(1000), tags: ['once'] })
  const failed = await schedule(service, 'failed', { at: in_(1000), task_id: off })
  for (const id of [ran, failed]) await runsOf(service, id, (runs) => runs.length === 1)
}

/** What has not ended when the service does: of tasks and of schedules. */
async function promise(service: Running): Promise<Pick<Story, 'promised' | 'schedules'>> {
  // Its first run has failed, and the second waits.
  const shaky = await execute(service, await taskOf(service, 'shaky'))
  await until(service, shaky.job_id, (status, { progress }) => status === 'pending' && progress)

  // The first slot runs for as long as the service does; those after it are skipped, or wait.
  const wait = await taskOf(service, 'wait')
  const trigger = { type: 'interval', every: 1 }
  const queued = await schedule(service, 'queued', { task_id: wait, overlap: 'queue', trigger })
  await runsOf(service, queued, (runs) => runs.filter(is('queued')).length >= 2)
  await service.json('POST', `/api/v1/schedules/${queued}/$pause`)
  const skipped = await schedule(service, 'skipped', {
    ...{ task_id: await taskOf(service, 'hold'), overlap: 'skip', trigger },
  })
  await runsOf(service, skipped, (runs) => runs.some(is('skipped')))
  await service.json('POST', `/api/v1/schedules/${skipped}/$pause`)

  const late = await schedule(service, 'late', { at: in_(60_000) })
  const left = await schedule(service, 'left', { at: in_(60_000), misfire: 'skip' })
  const promised = [
    shaky,
    await execute(service, await taskOf(service, 'greet'), { name: 'later' }),
    await execute(service, await taskOf(service, 'count')),
  ]
  return { promised, schedules: { late, left, queued } }
}

const execute = (service: Running, id: string, parameters: object = {}) =>
  service.json('POST', `/api/v1/tasks/${id}/$execute`, { parameters })

/** What became of a slot. */
export interface Run {
  outcome: string
  job_id: string | null
  job_status: string | null
}

const is = (outcome: string) => (run: Run) => run.outcome === outcome
const byName = (name: string) => (task: { name: string }) => task.name === name
const in_ = (milliseconds: number) => new Date(Date.now() + milliseconds).toISOString()

const taskOf = async (service: Running, name: string): Promise<string> =>
  (await service.json('GET', '/api/v1/tasks')).find(byName(name)).id

async function schedule(service: Running, name: string, { at, ...options }: ScheduleIn) {
  const { id } = await service.json('POST', '/api/v1/schedules', {
    name,
    task_id: await taskOf(service, 'greet'),
    parameters: { name },
    trigger: { type: 'once', at },
    ...options,
  })
  return id as string
}
interface ScheduleIn extends Record<string, unknown> {
  at?: string
}

/** Waits until the runs of a schedule are as they should be. */
export async function runsOf(service: Running, id: string, are: (runs: Run[]) => boolean) {
  for (let asked = 0; asked < 1000; asked++) {
    const runs: Run[] = await service.json('GET', `/api/v1/schedules/${id}/$runs`)
    if (are(runs)) return runs
    await sleep(20)
  }
  throw new Error(`Waited in vain for runs of ${id}`)
}
