import { Agent, request as httpRequest } from 'node:http'
import autocannon from 'autocannon'
import { pause } from './harness.ts'

const jobTimeoutMs = 120_000

export interface Client {
  send(method: string, path: string, body?: string | Buffer): Promise<Buffer>
  json<Body>(method: string, path: string, body?: unknown): Promise<Body>
  close(): void
}

/** A client with connections that stay open. node:http, because it costs less than fetch and the service needs the cores. */
export function createClient(url: string): Client {
  const { hostname, port } = new URL(url)
  const agent = new Agent({ keepAlive: true, maxSockets: 64, scheduling: 'lifo' })

  function send(method: string, path: string, body?: string | Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const headers = body === undefined ? {} : jsonHeaders(body)
      const request = httpRequest(
        { hostname, port, method, path, agent, headers, timeout: 120_000 },
        (response) => {
          const chunks: Buffer[] = []
          response.on('data', (chunk: Buffer) => chunks.push(chunk))
          response.on('error', reject)
          response.on('end', () => {
            const bytes = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
            if ((response.statusCode ?? 500) < 400) return resolve(bytes)
            const answer = bytes.toString('utf8', 0, 500)
            reject(new Error(`${method} ${path} ${response.statusCode} ${answer}`))
          })
        },
      )
      request.on('timeout', () => request.destroy(new Error(`${method} ${path} took too long`)))
      request.on('error', reject)
      request.end(body)
    })
  }

  return {
    send,
    json: async <Body>(method: string, path: string, body?: unknown): Promise<Body> => {
      const bytes = await send(method, path, body === undefined ? undefined : JSON.stringify(body))
      return JSON.parse(bytes.toString()) as Body
    },
    close: () => agent.destroy(),
  }
}

function jsonHeaders(body: string | Buffer) {
  return { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
}

export interface Submitted {
  job_id: string
  artifact_id: string
}

export const submit = (
  client: Client,
  kind: 'train' | 'predict',
  body: object | Buffer,
): Promise<Submitted> =>
  client
    .send('POST', `/api/v1/ml/$${kind}`, Buffer.isBuffer(body) ? body : JSON.stringify(body))
    .then((bytes) => JSON.parse(bytes.toString()) as Submitted)

/** Polls a job every millisecond until it has completed. */
export async function completed(client: Client, jobId: string): Promise<void> {
  const end = performance.now() + jobTimeoutMs
  while (performance.now() < end) {
    const job = await client.json<{ status: string; error: string | null }>(
      'GET',
      `/api/v1/jobs/${jobId}`,
    )
    if (job.status === 'completed') return
    if (job.status === 'failed' || job.status === 'canceled')
      throw new Error(`job ${jobId} ${job.status}: ${job.error}`)
    await pause(1)
  }
  throw new Error(`job ${jobId} did not end in time`)
}

export async function createConfig(client: Client, data: object = {}): Promise<string> {
  const config = { name: 'bench', data: { prediction_periods: 3, ...data } }
  return (await client.json<{ id: string }>('POST', '/api/v1/configs', config)).id
}

/** Trains once; the id of the model. */
export async function train(client: Client, configId: string, data: object): Promise<string> {
  const { job_id, artifact_id } = await submit(client, 'train', { config_id: configId, data })
  await completed(client, job_id)
  return artifact_id
}

const healthEveryMs = 20

/**
 * What /health took, in milliseconds, asked 50 times a second whether or not earlier answers are there: a stall cannot
 * hide requests.
 */
export async function healthTimes(client: Client, seconds: number): Promise<number[]> {
  const times: number[] = []
  const waiting: Promise<void>[] = []
  const start = performance.now()
  for (let due = start; due < start + seconds * 1000; due += healthEveryMs) {
    await pause(Math.max(0, due - performance.now()))
    // Not from `due`: a late timer of ours is no fault of the service.
    const asked = performance.now()
    waiting.push(
      client.send('GET', '/health').then(() => void times.push(performance.now() - asked)),
    )
  }
  await Promise.all(waiting)
  return times
}

/** Requests per second of `connections` clients that each wait for their answer. */
export async function load(
  options: { url: string; connections: number; seconds: number } & Pick<
    autocannon.Options,
    'method' | 'body'
  >,
): Promise<number> {
  const { seconds, method = 'GET', ...rest } = options
  const result = await autocannon({
    method,
    duration: seconds,
    ...(rest.body !== undefined && { headers: { 'content-type': 'application/json' } }),
    ...rest,
  })
  if (result.non2xx > 0 || result.errors > 0)
    throw new Error(`${options.url}: ${result.non2xx} answers were no 2xx, ${result.errors} failed`)
  return result['2xx'] / result.duration
}
