import { expect, test } from 'vitest'
import { createClient } from './index.ts'

const url = 'http://service.test'
const config = { id: '01K72P5N5KCRM6MD3BRE4P0778', name: 'a', tags: [], data: {} }

type Try = Response | Error | ((request: Request) => Response | Promise<Response>)

const json = (body: unknown, status = 200, headers: Record<string, string> = {}) =>
  new Response(JSON.stringify(body), { status, headers })
const problem = (status: number, code: string, headers = {}) =>
  json(
    { type: `urn:chapkit:error:${code}`, detail: `It is ${code}`, request_id: 'R1' },
    status,
    headers,
  )
const lost = (code: string) =>
  new TypeError('fetch failed', { cause: Object.assign(new Error(code), { code }) })

/** A client whose tries get these answers, with the requests that it has sent and the waits in between, in milliseconds. */
function answering(...tries: Try[]) {
  const requests: Request[] = []
  const waits: number[] = []
  const client = createClient({
    url,
    fetch: async (input, init) => {
      const request = new Request(input, init)
      requests.push(request)
      const next = tries.shift() ?? lost('ECONNREFUSED')
      if (next instanceof Error) throw next
      return next instanceof Response ? next : next(request)
    },
    timing: { sleep: async (milliseconds) => void waits.push(milliseconds), random: () => 1 },
  })
  return { client, requests, waits }
}

test('a read is tried again while the service is away, longer apart each time', async () => {
  const { client, waits } = answering(
    lost('ECONNREFUSED'),
    problem(503, 'unavailable'),
    new Response('Bad gateway', { status: 502 }),
    json([config]),
  )
  expect(await client.configs.list()).toEqual([config])
  expect(waits).toEqual([250, 500, 1000])
})

test('a creation is tried again with the same key, and the next one has another', async () => {
  const { client, requests } = answering(
    lost('ECONNRESET'),
    problem(409, 'conflict', { 'retry-after': '1' }),
    json(config, 201),
    json(config, 201),
  )
  await client.configs.create({ name: 'a', data: {} })
  await client.configs.create({ name: 'a', data: {} })

  const keys = requests.map(({ headers }) => headers.get('idempotency-key'))
  expect(keys[0]).toMatch(/^[0-9a-f]{32}$/)
  expect(keys).toEqual([keys[0], keys[0], keys[0], keys[3]])
  expect(keys[3]).not.toBe(keys[0])
  expect(await requests[2]?.json()).toEqual({ name: 'a', data: {} })
})

test('what may not be sent twice is sent once', async () => {
  const { client, requests } = answering(lost('ECONNRESET'), json({}))
  await expect(client.request('/api/v1/pay', { method: 'POST', json: {} })).rejects.toMatchObject({
    code: 'unreachable',
  })
  expect(requests).toHaveLength(1)

  const stream = answering(lost('ECONNRESET'), json({}))
  const body = new ReadableStream<Uint8Array>({ start: (controller) => controller.close() })
  await expect(stream.client.artifacts.upload(body)).rejects.toMatchObject({ code: 'unreachable' })
  expect(stream.requests).toHaveLength(1)
})

test('a refusal that will stay is not tried again', async () => {
  for (const status of [400, 401, 404, 409, 422, 500, 507]) {
    const { client, requests } = answering(problem(status, 'some-code'), json([]))
    await expect(client.configs.list()).rejects.toMatchObject({
      status,
      code: 'some-code',
      detail: 'It is some-code',
      requestId: 'R1',
    })
    expect(requests).toHaveLength(1)
  }
})

test('Retry-After is waited for, in seconds or as a date, unless it is too long', async () => {
  const seconds = answering(problem(429, 'too-many-requests', { 'retry-after': '7' }), json([]))
  await seconds.client.configs.list()
  expect(seconds.waits).toEqual([7000])

  const date = answering(
    problem(503, 'unavailable', {
      date: 'Wed, 25 Nov 2026 10:00:00 GMT',
      'retry-after': 'Wed, 25 Nov 2026 10:00:09 GMT',
    }),
    json([]),
  )
  await date.client.configs.list()
  expect(date.waits).toEqual([9000])

  const long = answering(problem(429, 'too-many-requests', { 'retry-after': '3600' }), json([]))
  await expect(long.client.configs.list()).rejects.toMatchObject({ status: 429 })
  expect(long.waits).toEqual([])
})

test('tries come to an end, with the last error', async () => {
  const { client, requests } = answering()
  await expect(client.configs.list()).rejects.toMatchObject({ code: 'unreachable' })
  expect(requests).toHaveLength(5)
  await expect(client.configs.list({ retries: 1 })).rejects.toMatchObject({ status: null })
  expect(requests).toHaveLength(7)
})

test('what was deleted by a try whose answer was lost is deleted', async () => {
  const again = answering(lost('ECONNRESET'), problem(404, 'not-found'))
  await again.client.configs.remove(config.id)

  const never = answering(problem(404, 'not-found'))
  await expect(never.client.configs.remove(config.id)).rejects.toMatchObject({ status: 404 })
})

test('canceling a job twice is canceling it once', async () => {
  const job = { id: config.id, type: 'train', status: 'canceled' }
  const twice = answering(lost('ECONNRESET'), problem(409, 'conflict'), json(job))
  expect(await twice.client.jobs.cancel(job.id)).toMatchObject(job)

  const late = answering(problem(409, 'conflict'), json({ ...job, status: 'completed' }))
  await expect(late.client.jobs.cancel(job.id)).rejects.toMatchObject({ code: 'conflict' })
})

test('an error of the network says which URL, and what to look at', async () => {
  const told = async (thrown: Error) =>
    (
      await answering(thrown)
        .client.configs.list({ retries: 0 })
        .catch((error) => error)
    ).detail
  expect(await told(lost('ECONNREFUSED'))).toBe(
    'No answer from http://service.test/api/v1/configs: nothing listens there: is the service running, and is the port right?',
  )
  expect(await told(lost('ENOTFOUND'))).toContain('check the name in the URL')
  expect(await told(lost('ERR_SSL_WRONG_VERSION_NUMBER'))).toContain('http://')
  expect(await told(new TypeError('Failed to fetch'))).toContain('is the service running')
})

test('an answer that is none of a chapkit service says so', async () => {
  const page = () => new Response('<h1>Router</h1>', { headers: { 'content-type': 'text/html' } })
  await expect(answering(page()).client.configs.list()).rejects.toMatchObject({
    code: 'unexpected-answer',
    detail: expect.stringContaining('text/html'),
  })
  const proxy = new Response('<h1>No</h1>', { status: 403 })
  await expect(answering(proxy).client.configs.list()).rejects.toMatchObject({
    code: 'unexpected-answer',
    status: 403,
    detail: expect.stringContaining('<h1>No</h1>'),
  })
})

test('the errors of the Python chapkit are understood as well', async () => {
  const told = async (status: number, body: unknown) =>
    answering(json(body, status))
      .client.configs.list()
      .catch((error) => error)

  expect(await told(404, { detail: 'Artifact with id X not found' })).toMatchObject({
    code: 'not-found',
    detail: 'Artifact with id X not found',
  })
  expect(
    await told(400, { type: 'urn:servicekit:error:invalid-ulid', detail: 'Invalid ULID' }),
  ).toMatchObject({ code: 'invalid-ulid' })
  const missing = { type: 'missing', loc: ['body', 'data'], msg: 'Field required', input: {} }
  expect(await told(422, { detail: [missing] })).toMatchObject({
    code: 'validation-failed',
    detail: 'body.data: Field required',
    issues: [missing],
  })
})

test('a URL that is none is refused at once', () => {
  for (const wrong of ['127.0.0.1:8000', 'ftp://x', '', 'http://', '/api'])
    expect(() => createClient({ url: wrong })).toThrow('Expected the URL of a service such as')
})

test('the path of a URL, the key and headers go with every request', async () => {
  const seen: Request[] = []
  const client = createClient({
    url: 'https://host.test/models/dengue/',
    apiKey: 'secret',
    headers: { 'x-trace': 't' },
    fetch: async (input, init) => {
      seen.push(new Request(input, init))
      return json([])
    },
  })
  await client.jobs.list({ status: 'failed', type: 'a b' }, { headers: { 'x-more': 'm' } })

  const [{ url, headers }] = seen as [Request]
  expect(url).toBe('https://host.test/models/dengue/api/v1/jobs?status_filter=failed&type=a+b')
  expect(Object.fromEntries(headers)).toMatchObject({
    'x-api-key': 'secret',
    'x-trace': 't',
    'x-more': 'm',
  })
})

/** Answers nothing until its request is aborted. */
const silent = ({ signal }: Request) =>
  new Promise<Response>((_, reject) =>
    signal.addEventListener('abort', () => reject(signal.reason), { once: true }),
  )

test('a service that does not answer in time is tried again, and then told', async () => {
  const { client } = answering(silent, silent, json([]))
  expect(await client.configs.list({ timeoutMs: 5 })).toEqual([])
  const never = answering(silent, silent)
  await expect(never.client.configs.list({ timeoutMs: 5, retries: 1 })).rejects.toMatchObject({
    code: 'timeout',
  })
})

test('an abort ends a call, and a wait between two tries, with its reason', async () => {
  const stop = new AbortController()
  const call = answering(silent).client.configs.list({ signal: stop.signal })
  stop.abort(new Error('enough'))
  await expect(call).rejects.toThrow('enough')

  const later = new AbortController()
  const waiting = createClient({
    url,
    signal: later.signal,
    fetch: async () => {
      later.abort(new Error('done with it'))
      return problem(503, 'unavailable', { 'retry-after': '50' })
    },
  })
  await expect(waiting.configs.list()).rejects.toThrow('done with it')
})

/** A stream that gives these pieces, and then ends or breaks. */
function body(pieces: string[], breaks: boolean) {
  const rest = [...pieces]
  return new ReadableStream<Uint8Array>({
    pull(controller) {
      const next = rest.shift()
      if (next !== undefined) controller.enqueue(new TextEncoder().encode(next))
      else if (breaks) controller.error(new TypeError('terminated'))
      else controller.close()
    },
  })
}

test('a download that breaks off goes on where it was', async () => {
  const heads = { etag: '"e"', 'content-length': '9' }
  const part = { status: 206, headers: { etag: '"e"' } }
  const { client, requests } = answering(
    new Response(body(['abc', 'd'], true), { headers: heads }),
    new Response(body(['e'], true), part),
    new Response(body(['fghi'], false), part),
  )
  const seen: number[] = []
  const bytes = await client.artifacts.download(config.id, {
    onBytes: (received) => seen.push(received),
  })

  expect(new TextDecoder().decode(bytes)).toBe('abcdefghi')
  expect(seen).toEqual([3, 4, 5, 9])
  expect(requests.map(({ headers }) => headers.get('range'))).toEqual([
    null,
    'bytes=4-8',
    'bytes=5-8',
  ])
  expect(requests[1]?.headers.get('if-range')).toBe('"e"')
})

test('a download whose content has changed meanwhile is an error, not a mixture', async () => {
  const { client } = answering(
    new Response(body(['abc'], true), { headers: { etag: '"e"', 'content-length': '9' } }),
    new Response('123456789', { headers: { etag: '"f"' } }),
  )
  await expect(client.artifacts.download(config.id)).rejects.toMatchObject({
    code: 'unexpected-answer',
    detail: expect.stringContaining('has changed'),
  })
})
