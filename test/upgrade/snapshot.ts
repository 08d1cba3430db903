import { createHash } from 'node:crypto'
import type { Running } from './client.ts'

/** Answers to everything that can be read, by path: JSON as it is, other bytes by their hash. */
export type Snapshot = Record<string, { status: number; type: string; body: unknown }>

const noIds: readonly { id: string }[] = []

/** Asks a service for all that it holds. What has not ended is left out: it goes on when the service does. */
export async function takeSnapshot(service: Running): Promise<Snapshot> {
  const snapshot: Snapshot = {}

  async function read(path: string): Promise<unknown> {
    const response = await service.send('GET', path)
    const type = (response.headers.get('content-type') ?? '').split(';')[0]!
    const bytes = Buffer.from(await response.arrayBuffer())
    const body = type.includes('json') ? JSON.parse(bytes.toString()) : digest(bytes)
    // Times and ids of requests are those of the reading.
    if (response.ok) snapshot[path] = { status: response.status, type, body }
    else snapshot[path] = { status: response.status, type, body: null }
    return response.ok ? body : noIds
  }

  const ids = async (path: string) => ((await read(path)) as { id: string }[]).map(({ id }) => id)

  for (const id of await ids('/api/v1/configs')) {
    for (const what of ['', '/$artifacts']) await read(`/api/v1/configs/${id}${what}`)
  }
  for (const id of await ids('/api/v1/artifacts')) {
    for (const what of [
      ...['', '/$expand', '/$tree', '/$metadata', '/$lineage', '/$config'],
      ...['/$download', '/$download?format=csv', '/$download?format=json'],
    ])
      await read(`/api/v1/artifacts/${id}${what}`)
  }
  for (const id of await ids('/api/v1/jobs?status_filter=completed')) await readJob(id)
  for (const id of await ids('/api/v1/jobs?status_filter=failed')) await readJob(id)
  if ((await service.send('GET', '/api/v1/notes')).ok) {
    for (const id of await ids('/api/v1/notes')) await read(`/api/v1/notes/${id}`)
  }
  // Early versions have no tasks, and early services none either.
  if ((await service.send('GET', '/api/v1/tasks')).ok) {
    for (const id of await ids('/api/v1/tasks')) {
      for (const what of ['', '/$schema']) await read(`/api/v1/tasks/${id}${what}`)
    }
    for (const id of await ids('/api/v1/schedules')) {
      for (const what of ['', '/$runs']) await read(`/api/v1/schedules/${id}${what}`)
    }
  }
  for (const what of ['configs', 'artifacts']) await read(`/api/v1/${what}/$stats`)
  return snapshot

  async function readJob(id: string) {
    for (const what of ['', '/$logs']) await read(`/api/v1/jobs/${id}${what}`)
  }
}

function digest(bytes: Buffer) {
  return { bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') }
}
