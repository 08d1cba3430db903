import { createHash } from 'node:crypto'
import { type Answer, jsonRequest, type Request, type Send } from './client.ts'
import { bytesOf } from './fixtures/service.ts'

/*
 * What a client was told. `expected` is the world as the answers have made it; a request that was sent and never answered
 * is kept beside it until a restarted service says whether it happened.
 */

export type Kind =
  | 'config'
  | 'config change'
  | 'config delete'
  | 'upload'
  | 'artifact delete'
  | 'train'
  | 'predict'
  | 'job delete'

export interface ConfigItem {
  name: string
  seed: number
  /** What else its model is to do. */
  more?: { gate?: string; note?: string; poison?: boolean }
}

export interface UploadItem {
  tag: string
  seed: number
  size: number
}

export interface JobItem {
  kind: 'train' | 'predict'
  artifactId: string
  configId: string
  /** The training that a prediction is made with. */
  trainingId: string | null
  mean: number
  /** Whether a client has been told that it is done. */
  isDone: boolean
  /** False once a client has deleted the job, or its result. */
  hasJob: boolean
  hasResult: boolean
}

export interface Expected {
  configs: Map<string, ConfigItem>
  uploads: Map<string, UploadItem>
  jobs: Map<string, JobItem>
}

export const emptyWorld = (): Expected => ({
  configs: new Map(),
  uploads: new Map(),
  jobs: new Map(),
})

/** Something that a client asks for, with what it means for the world when it is acknowledged. */
export interface Operation {
  kind: Kind
  request: Request
  /** The status of the acknowledgement. */
  acknowledged: number[]
  /** Answers that say truly that nothing was done. */
  refused?: number[]
  /** Enters what an acknowledgement says. For a request that can be replayed only with its answer. */
  apply(answer?: Answer): void
  /** Asks a restarted service whether it has happened; without it, the request is sent again with its key. */
  landed?(send: Send): Promise<boolean>
  /** Id of what it created, in the answer. */
  createdId?: (answer: Answer) => string
}

const keyed = (key: string) => ({ 'idempotency-key': key })

const configBody = ({ name, seed, more }: ConfigItem) => ({
  name,
  tags: [`seed-${seed}`],
  data: { seed, prediction_periods: 3, ...more },
})

export function createConfig(world: Expected, item: ConfigItem): Operation {
  return {
    kind: 'config',
    request: jsonRequest('POST', '/api/v1/configs', configBody(item), keyed(item.name)),
    acknowledged: [201],
    apply: (answer) => void world.configs.set(answer?.json.id, item),
    createdId: (answer) => answer.json.id,
  }
}

export function changeConfig(world: Expected, id: string, seed: number): Operation {
  const before = world.configs.get(id) as ConfigItem
  const after = { ...before, seed }
  return {
    kind: 'config change',
    request: jsonRequest('PUT', `/api/v1/configs/${id}`, configBody(after)),
    acknowledged: [200],
    apply: () => void world.configs.set(id, after),
    async landed(send) {
      const { json } = await send({ method: 'GET', path: `/api/v1/configs/${id}` })
      return json.data?.seed === seed
    },
  }
}

/** Takes all with it that was trained with it, and what was predicted with that. */
export function deleteConfig(world: Expected, id: string): Operation {
  return {
    kind: 'config delete',
    request: { method: 'DELETE', path: `/api/v1/configs/${id}` },
    acknowledged: [204],
    refused: [409],
    apply() {
      world.configs.delete(id)
      for (const job of world.jobs.values()) if (job.configId === id) job.hasResult = false
    },
    landed: (send) => isGone(send, `/api/v1/configs/${id}`),
  }
}

export function upload(world: Expected, item: UploadItem): Operation {
  return {
    kind: 'upload',
    request: {
      method: 'POST',
      path: `/api/v1/artifacts/$upload?tags=${item.tag}`,
      headers: { 'content-type': 'application/octet-stream', ...keyed(item.tag) },
      body: bytesOf(item.seed, item.size),
    },
    acknowledged: [201],
    apply: (answer) => void world.uploads.set(answer?.json.id, item),
    createdId: (answer) => answer.json.id,
  }
}

export function deleteUpload(world: Expected, id: string): Operation {
  return {
    kind: 'artifact delete',
    request: { method: 'DELETE', path: `/api/v1/artifacts/${id}` },
    acknowledged: [204],
    apply: () => void world.uploads.delete(id),
    landed: (send) => isGone(send, `/api/v1/artifacts/${id}`),
  }
}

export function deleteResult(job: JobItem): Operation {
  const path = `/api/v1/artifacts/${job.artifactId}`
  return {
    kind: 'artifact delete',
    request: { method: 'DELETE', path },
    acknowledged: [204],
    refused: [409],
    apply() {
      job.hasResult = false
    },
    landed: (send) => isGone(send, path),
  }
}

export interface TrainOptions {
  configId: string
  key: string
  rows: number
  seed: number
  wait?: number
}

export function train(world: Expected, options: TrainOptions): Operation {
  const { configId, key, rows, seed, wait } = options
  const data = observed(rows, seed)
  return submission(world, 'train', `/api/v1/ml/$train`, key, wait, {
    body: { config_id: configId, data },
    job: { configId, trainingId: null, mean: meanOf(data) },
  })
}

export function predict(
  world: Expected,
  training: JobItem,
  options: { key: string; rows: number; wait?: number },
): Operation {
  const { key, rows, wait } = options
  const { artifactId, configId, mean } = training
  return submission(world, 'predict', `/api/v1/ml/$predict`, key, wait, {
    body: { artifact_id: artifactId, historic: observed(rows, rows), future },
    job: { configId, trainingId: artifactId, mean },
  })
}

function submission(
  world: Expected,
  kind: 'train' | 'predict',
  path: string,
  key: string,
  wait: number | undefined,
  { body, job }: { body: object; job: Pick<JobItem, 'configId' | 'trainingId' | 'mean'> },
): Operation {
  return {
    kind,
    request: jsonRequest('POST', path, body, {
      ...keyed(key),
      ...(wait !== undefined && { prefer: `wait=${wait}` }),
    }),
    acknowledged: [202, 200],
    apply(answer) {
      const { job_id: id, artifact_id: artifactId, job: ended } = answer?.json ?? {}
      const isDone = ended?.status === 'completed'
      world.jobs.set(id, { kind, artifactId, ...job, isDone, hasJob: true, hasResult: true })
    },
    createdId: (answer) => answer.json.job_id,
  }
}

export function deleteJob(world: Expected, id: string): Operation {
  const job = world.jobs.get(id) as JobItem
  return {
    kind: 'job delete',
    request: { method: 'DELETE', path: `/api/v1/jobs/${id}` },
    acknowledged: [204],
    apply() {
      job.hasJob = false
    },
    landed: (send) => isGone(send, `/api/v1/jobs/${id}`),
  }
}

async function isGone(send: Send, path: string): Promise<boolean> {
  return (await send({ method: 'GET', path })).status === 404
}

/** Sends an operation; answers whether it was acknowledged. Throws what the connection throws. */
export async function perform(operation: Operation, send: Send): Promise<Answer> {
  const answer = await send(operation.request)
  if (operation.acknowledged.includes(answer.status)) operation.apply(answer)
  else if (!operation.refused?.includes(answer.status)) {
    const { method, path } = operation.request
    throw new UnexpectedAnswer(`${method} ${path} answered ${answer.status}: ${answer.bytes}`)
  }
  return answer
}

export class UnexpectedAnswer extends Error {}

function observed(rows: number, seed: number) {
  return {
    columns: ['time_period', 'location', 'disease_cases'],
    data: Array.from({ length: rows }, (_, row) => [
      `20${String(10 + (Math.floor(row / 12) % 80)).padStart(2, '0')}-${String((row % 12) + 1).padStart(2, '0')}`,
      `place-${Math.floor(row / 960)}`,
      (row * 7 + seed) % 101,
    ]),
  }
}

function meanOf({ data }: ReturnType<typeof observed>): number {
  return data.reduce((sum, row) => sum + Number(row[2]), 0) / data.length
}

const future = {
  columns: ['time_period', 'location'],
  data: [
    ['2030-01', 'place-0'],
    ['2030-02', 'place-0'],
  ],
}

/** What every prediction made with a training has to be. */
export const predicted = (mean: number) => ({
  columns: ['time_period', 'location', 'sample_0'],
  data: future.data.map((row) => [...row, mean]),
})

export const sha256 = (bytes: Uint8Array): string =>
  createHash('sha256').update(bytes).digest('hex')
