import { setTimeout as sleep } from 'node:timers/promises'
import { type Running, serve } from './client.ts'
import { type Snapshot, takeSnapshot } from './snapshot.ts'

/** A frame as it was answered. */
export interface Frame {
  columns: string[]
  data: (string | number | boolean | null)[][]
}

/** What a version of the service wrote, with the answers that it gave: the newest one has to give the same. */
export interface Story {
  snapshot: Snapshot
  /** A prediction that was made: its request, and the frame that came. */
  prediction: { body: { artifact_id: string; historic: object; future: object }; frame: Frame }
  /** The same, where locations and periods were sent as numbers. Early fixtures have none. */
  numbered?: Story['prediction']
  /** Schedules over which time went on while no service ran. Early fixtures have none. */
  schedules?: {
    /** Has one slot, which has come meanwhile: it is run, or counted as missed. */
    late: string
    left: string
    /** Has slots that wait for the job of the first. */
    queued: string
  }
  /** Requests that had a key, with their answers. */
  keyed: readonly { path: string; body: unknown; key: string; answer: object }[]
  /** Jobs that were promised and have not ended, in their order. */
  promised: readonly { job_id: string; artifact_id: string }[]
}

/** Held trainings wait for as long as this is in the environment. */
export const held = { HOLD: '1' }

/** Writes a data folder with functions, and stops the service in good order or kills it. */
export async function tellOfFunctions(dataDir: string, end: 'SIGTERM' | 'SIGKILL'): Promise<Story> {
  const service = await serve('functions', { dataDir, env: held })
  try {
    const config = await service.json('POST', '/api/v1/configs', {
      name: 'double — å',
      data: { factor: 2, additional_continuous_covariates: ['rainfall'] },
      tags: ['kept', 'old'],
    })
    const keyed = [
      await withKey(service, '/api/v1/configs', { name: 'with a key', data: {} }),
      await withKey(service, '/api/v1/ml/$train', { config_id: config.id, data: history }),
    ]
    const { id: wrong } = await service.json('POST', '/api/v1/configs', {
      name: 'wrong',
      data: { fail: true },
    })
    await trained(service, wrong)
    const model = await trained(service, config.id)
    const prediction = await predicted(service, model)
    const numbered = await predicted(
      service,
      await trained(service, config.id, numberedHistory),
      numberedHistory,
      numberedFuture,
    )
    await writeNotes(service)
    await writeArtifacts(service, config.id)
    await allEnded(service)

    const { id: slow } = await service.json('POST', '/api/v1/configs', {
      name: 'slow',
      data: { hold: true },
    })
    const snapshot = await takeSnapshot(service)
    // The first of them runs when the service ends, the others have not begun.
    const promised = []
    for (const config_id of [slow, slow, config.id]) {
      promised.push(await service.json('POST', '/api/v1/ml/$train', { config_id, data: history }))
    }
    const numbers = { config_id: config.id, data: numberedHistory }
    promised.push(await service.json('POST', '/api/v1/ml/$train', numbers))
    await until(service, promised[0]!.job_id, (status) => status === 'running')
    return { snapshot, prediction, numbered, keyed, promised }
  } finally {
    await service.end(end)
  }
}

/** Writes a data folder with a model of commands. */
export async function tellOfCommands(dataDir: string): Promise<Story> {
  const service = await serve('shell', { dataDir })
  try {
    const config = await service.json('POST', '/api/v1/configs', {
      name: 'triple',
      data: { factor: 3 },
    })
    const model = await trained(service, config.id)
    const prediction = await predicted(service, model)
    const numbered = await predicted(
      service,
      await trained(service, config.id, numberedHistory),
      numberedHistory,
      numberedFuture,
    )
    await allEnded(service)
    return { snapshot: await takeSnapshot(service), prediction, numbered, keyed: [], promised: [] }
  } finally {
    await service.end()
  }
}

/** Waits until a job is as it should be, and answers its record. */
export async function until(
  service: Running,
  id: string,
  is: (status: string, job: { progress: unknown }) => unknown,
): Promise<{ status: string; error: string | null; artifact_id: string }> {
  for (let asked = 0; asked < 1000; asked++) {
    const job = await service.json('GET', `/api/v1/jobs/${id}`)
    if (is(job.status, job)) return job
    await sleep(20)
  }
  throw new Error(`Waited in vain for job ${id}`)
}

export async function allEnded(service: Running) {
  for (const { id } of await service.json('GET', '/api/v1/jobs'))
    await until(service, id, (status) => !['pending', 'running'].includes(status))
}

export async function trained(service: Running, config_id: string, data: object = history) {
  const body = { config_id, data }
  return (await service.json('POST', '/api/v1/ml/$train', body, wait)).artifact_id
}

export async function predicted(
  service: Running,
  artifact_id: string,
  historic: object = history,
  rows: object = future,
): Promise<Story['prediction']> {
  const body = { artifact_id, historic, future: rows }
  const { prediction } = await service.json('POST', '/api/v1/ml/$predict', body, wait)
  return { body, frame: prediction }
}

/** Sends a request with a key, and answers both. */
export async function withKey(service: Running, path: string, body: unknown) {
  const key = `key of ${path}`
  return {
    path,
    body,
    key,
    answer: await service.json('POST', path, body, { 'idempotency-key': key }),
  }
}

async function writeNotes(service: Running) {
  await service.json('POST', '/api/v1/notes', { title: 'first', stars: 5, about: ['a', 'ö'] })
  const { id, ...note } = await service.json('POST', '/api/v1/notes', { title: 'second' })
  await service.json('PUT', `/api/v1/notes/${id}`, { title: note.title, stars: 3, seen: true })
}

/** Artifacts of a client's own, small and large, one of them linked to a config. */
async function writeArtifacts(service: Running, config: string) {
  const root = await service.json('POST', '/api/v1/artifacts', {
    data: { type: 'generic', metadata: { year: 2024 }, content: { answers: [1, null, 'ü'] } },
    tags: ['survey'],
  })
  await service.json('POST', `/api/v1/configs/${config}/$link-artifact`, { artifact_id: root.id })
  await service.json('POST', '/api/v1/artifacts', { data: numberedHistory, tags: ['numbers'] })
  // Above 64 KiB contents lie in a file of their own.
  const large = Array.from({ length: 9000 }, (_, at) => `line ${at}`).join('\n')
  await service.json('POST', `/api/v1/artifacts/$upload?parent_id=${root.id}&tags=large`, large, {
    'content-type': 'text/plain',
  })
}

const wait = { prefer: 'wait=60' }
export const history = {
  columns: ['time_period', 'location', 'disease_cases', 'rainfall'],
  data: [
    ['2024-01', '007', 12, 3.5],
    ['2024-02', '007', 18, null],
    ['2024-01', 'Rondônia, "west"', 4, 0],
    ['2024-02', 'Rondônia, "west"', null, 12],
  ],
}
const future = {
  columns: ['time_period', 'location', 'rainfall'],
  data: [
    ['2024-03', '007', 1],
    ['2024-03', 'Rondônia, "west"', 2],
  ],
}
/** Codes and periods as programs send them that have read them from a table as numbers. */
const numberedHistory = {
  columns: ['time_period', 'location', 'disease_cases', 'rainfall'],
  data: [
    [202401, 7, 12, 3.5],
    [202402, 7, 18, null],
    [202401, 1000000000000, 4, 0],
  ],
}
const numberedFuture = {
  columns: ['time_period', 'location', 'rainfall'],
  data: [
    [202403, 7, 1],
    [202403, 1000000000000, 2],
  ],
}
