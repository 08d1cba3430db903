import { type Client, createClient } from '../client/index.ts'
import type { Service, StartOptions } from '../definition.ts'
import type { JobRecord } from '../job/schema.ts'
import type { Feature, MLFeature, Parts, ServiceTypes } from '../spec.ts'
import { injectFetch } from './inject-fetch.ts'

/** An answer, with its JSON read if it is JSON. */
export interface TestAnswer {
  status: number
  headers: Record<string, string | string[] | number | undefined>
  text: string
  bytes: Buffer
  // biome-ignore lint/suspicious/noExplicitAny: a test says what it expects of an answer, and fails when it is not so
  json: any
}

export interface TestService<
  Has extends Feature = MLFeature,
  Types extends ServiceTypes = ServiceTypes,
> extends AsyncDisposable {
  parts: Parts<Has>
  /** A client of the service, with its types. It has the first of the `apiKeys`, and tries nothing twice. */
  client: Client<Service<Has, Types>>
  /** Sends a request; an object as `body` travels as JSON. */
  request(
    method: string,
    url: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<TestAnswer>
  /** Waits until a job has ended and answers its record. */
  waitForJob(id: string): Promise<JobRecord>
  close(): Promise<void>
}

/**
 * Starts a service for a test: in memory, without a socket, models in this process, silent. Everything is gone when it closes.
 *
 * @example
 * ```ts
 * await using test = await createTestService(service)
 * const { id } = await test.client.configs.create({ name: 'a', data: {} })
 * const { status } = await test.request('GET', `/api/v1/configs/${id}`)
 * ```
 */
export async function createTestService<Has extends Feature, Types extends ServiceTypes>(
  service: Service<Has, Types>,
  options: StartOptions = {},
): Promise<TestService<Has, Types>> {
  const parts = await service.start({
    databaseUrl: ':memory:',
    hosting: 'inline',
    logLevel: 'silent',
    ...options,
  })

  async function request(
    method: string,
    url: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<TestAnswer> {
    const isRaw = typeof body === 'string' || body instanceof Uint8Array
    const response = await service.inject({
      method: method as 'GET',
      url,
      headers: {
        ...(body !== undefined && !isRaw && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { payload: isRaw ? Buffer.from(body) : JSON.stringify(body) }),
    })
    const isJson = String(response.headers['content-type'] ?? '').includes('json')
    return {
      status: response.statusCode,
      headers: response.headers,
      text: response.body,
      bytes: response.rawPayload,
      json: isJson ? parseLeniently(response.body) : undefined,
    }
  }

  const client = createClient({
    url: 'http://localhost',
    fetch: injectFetch(service),
    apiKey: options.apiKeys?.[0],
    prefixes: service.spec.prefixes,
    retries: 0,
  })

  return {
    parts,
    // The compiler cannot compare types that are not known yet.
    client: client as never,
    request,
    waitForJob: (id) => waitForJob(request, id),
    close: () => service.close(),
    [Symbol.asyncDispose]: () => service.close(),
  }
}

/** JSON, or nothing: a part of a document is none. */
function parseLeniently(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Follows a job's stream to its end and answers the last record. */
export async function waitForJob(
  request: TestService['request'],
  id: string,
  prefix = '/api/v1/jobs',
): Promise<JobRecord> {
  const { status, text } = await request('GET', `${prefix}/${id}/$stream?poll_interval=60`)
  if (status !== 200) throw new Error(`Expected the stream of job ${id}, got ${status}: ${text}`)
  const frames = text.split('\n\n').filter((frame) => frame.startsWith('data: '))
  return JSON.parse(frames.at(-1)?.slice(6) ?? 'null')
}
