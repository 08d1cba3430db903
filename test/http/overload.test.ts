import { once } from 'node:events'
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http'
import { connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { ServiceBuilder } from 'chapkit'
import { createTestService } from 'chapkit/testing'
import { expect, onTestFinished, test } from 'vitest'
import { createConfig, data, expectProblem, startProbe } from '../compat/fixtures.ts'
import { until } from '../e2e/harness.ts'
import { request, sendRaw } from './raw.ts'

type Limits = Parameters<typeof createTestService>[1]

interface Sent {
  status: number
  headers: IncomingMessage['headers']
  text: string
  json: ReturnType<typeof JSON.parse>
}

/** A service whose `/held` answers when it is let go, listening on a free port. */
async function start(limits: Limits) {
  const released = Promise.withResolvers<void>()
  let held = 0
  let worked = 0
  const service = new ServiceBuilder({ info: { id: 'busy', display_name: 'Busy' } })
    .withHealth()
    .withConfig()
    .withArtifacts()
    .withJobs()
    .withRoutes((app) => {
      app.all('/held', async () => {
        held++
        await released.promise
        return { held }
      })
      app.get('/work', async () => {
        const end = performance.now() + 15
        while (performance.now() < end);
        return { worked: ++worked }
      })
      app.get('/many', async () => Buffer.alloc(32 * 1024 * 1024))
    })
    .build()
  const inside = await createTestService(service, { port: 0, ...limits })
  const { url } = await service.listen({ signals: false })
  const agent = new Agent({ keepAlive: true })
  onTestFinished(async () => {
    released.resolve()
    agent.destroy()
    await inside.close()
  })

  function send(
    method: string,
    path: string,
    body?: string,
    headers: Record<string, string> = {},
  ): Promise<Sent> {
    return new Promise((resolve, reject) => {
      const type = body === undefined ? {} : { 'content-type': 'application/json' }
      httpRequest(`${url}${path}`, { method, agent, headers: { ...type, ...headers } })
        .on('error', reject)
        .on('response', async (response: IncomingMessage) => {
          const answer = await text(response)
          const json = answer === '' ? undefined : JSON.parse(answer)
          const status = response.statusCode ?? 0
          resolve({ status, headers: response.headers, text: answer, json })
        })
        .end(body)
    })
  }

  return {
    url,
    send,
    /** Sends so many requests to `/held` and waits until they are there. */
    async hold(count: number): Promise<Promise<Sent>[]> {
      const before = held
      const sent = Array.from({ length: count }, () => send('GET', '/held'))
      for (const each of sent) each.catch(() => {})
      await until('the requests are held', () => held === before + count)
      return sent
    },
    release: () => released.resolve(),
    /** How many requests to `/work` have been done; each holds the thread for a while. */
    worked: () => worked,
    async open(...pieces: (string | Uint8Array)[]): Promise<Socket> {
      const socket = connect(Number(new URL(url).port), '127.0.0.1')
      socket.on('error', () => {})
      onTestFinished(() => void socket.destroy())
      await once(socket, 'connect')
      for (const piece of pieces) socket.write(piece)
      return socket
    },
  }
}

function expectRefusal(answer: Sent, detail: string) {
  const problem = expectProblem(answer, 503, 'unavailable')
  expect(problem.detail).toContain(detail)
  expect(Number(answer.headers['retry-after'])).toBeGreaterThanOrEqual(1)
  return problem
}

const config = JSON.stringify({ name: 'a', data: {} })

test('a request that is one too many is refused, while health is answered; then all is as before', async () => {
  const { send, hold, release } = await start({ maxRequests: 2 })
  const held = await hold(2)

  const problem = expectRefusal(await send('POST', '/api/v1/configs?a=1', config), 'more requests')
  expect(problem.instance).toBe('/api/v1/configs')
  for (const path of ['/health', '/health/live', '/health/ready', '/health?a=b']) {
    expect(await send('GET', path)).toMatchObject({ status: 200 })
  }
  for (const path of ['/nowhere', '/healthy', '/docs']) {
    expectRefusal(await send('GET', path), 'more requests')
  }

  release()
  for (const each of held) expect(await each).toMatchObject({ status: 200 })
  expect(await send('GET', '/api/v1/configs')).toMatchObject({ status: 200, json: [] })
  expect(await send('POST', '/api/v1/configs', config)).toMatchObject({ status: 201 })
})

test('health is answered between requests that hold the thread, however many have been let in', async () => {
  const { send, worked } = await start({ maxRequests: 150 })
  const sent = Array.from({ length: 150 }, () => send('GET', '/work'))
  await until('the first have been done', () => worked() > 0)

  expect(await send('GET', '/health')).toMatchObject({ status: 200 })
  expect(worked()).toBeLessThan(150)

  for (const each of sent) expect(await each).toMatchObject({ status: 200 })
})

test('nothing is done for a client that has left while its request was in line', async () => {
  const { send, open, worked } = await start({ maxRequests: 30 })
  const sent = Array.from({ length: 10 }, () => send('GET', '/work'))
  await until('the first have been done', () => worked() > 0)
  const sockets = await Promise.all(
    Array.from({ length: 10 }, () => open('GET /work HTTP/1.1\r\nHost: localhost\r\n\r\n')),
  )
  for (const socket of sockets) socket.resetAndDestroy()

  for (const each of sent) await each
  await send('GET', '/api/v1/configs')
  expect(worked()).toBeLessThan(20)
})

test('a refused request leaves its connection open, and its body is not taken for the next request', async () => {
  const { url, hold } = await start({ maxRequests: 1 })
  await hold(1)
  const body = 'GET /smuggled HTTP/1.1\r\n\r\n'.repeat(20_000)
  const head = `POST /api/v1/configs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`
  const answers = await sendRaw(url, head, body, request('GET /health HTTP/1.1'))
  expect(answers.map(({ status }) => status)).toEqual([503, 200])
})

test('who asks before sending a body is not told to send it', async () => {
  const { url, hold } = await start({ maxRequests: 1 })
  const ask = () =>
    sendRaw(
      url,
      request('POST /api/v1/configs HTTP/1.1', [
        'Expect: 100-continue',
        'Content-Type: application/json',
        `Content-Length: ${config.length}`,
      ]) + config,
    )
  const [interim] = await ask()
  expect(interim).toMatchObject({ status: 100, text: expect.stringContaining('HTTP/1.1 201 ') })
  await hold(1)
  const answers = await ask()
  expect(answers.map(({ status }) => status)).toEqual([503])
  expect(answers[0]?.headers.connection).toBe('close')
})

test('bodies that are on their way, and answers that are not read, take no place', async () => {
  const { send, open } = await start({ maxRequests: 1 })
  await open('POST /api/v1/configs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{')
  const reader = await open('GET /many HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await once(reader, 'readable')
  expect(await send('POST', '/api/v1/configs', config)).toMatchObject({ status: 201 })
})

test('a client that goes away gives its place back', async () => {
  const { send, hold, open } = await start({ maxRequests: 2 })
  await hold(1)
  const socket = await open('GET /held HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await until('both places are taken', async () => {
    const { status } = await send('GET', '/api/v1/configs')
    return status === 503
  })
  socket.destroy()
  await until('there is a place again', async () => {
    const { status } = await send('GET', '/api/v1/configs')
    return status === 200
  })
})

test('the key of a refused request is not used up, and nothing of it was stored', async () => {
  const { send, hold, release } = await start({ maxRequests: 1 })
  const [held] = await hold(1)
  const headers = { 'idempotency-key': 'once' }
  expectRefusal(await send('POST', '/api/v1/configs', config, headers), 'more requests')
  release()
  await held
  expect((await send('GET', '/api/v1/configs')).json).toEqual([])
  const other = JSON.stringify({ name: 'another body', data: {} })
  const first = await send('POST', '/api/v1/configs', other, headers)
  expect(first.status).toBe(201)
  expect(first.headers['idempotency-replayed']).toBeUndefined()
})

test('streams and waits take no place of others, and are bounded by themselves', async () => {
  await using probe = await startProbe({ maxRequests: 1, maxStreams: 2 })
  const url = await probe.listen()
  const configId = await createConfig(probe, { behaviour: 'wait' })
  const body = JSON.stringify({ config_id: configId, data })
  const train = (headers: string[]) =>
    request(
      'POST /api/v1/ml/$train HTTP/1.1',
      ['Content-Type: application/json', `Content-Length: ${Buffer.byteLength(body)}`, ...headers],
      body,
    )
  const waiting = sendRaw(url, train(['Prefer: wait=60']))
  await probe.gate.arrived
  const [job] = (await probe.request('GET', '/api/v1/jobs')).json
  const follow = request(`GET /api/v1/jobs/${job.id}/$stream HTTP/1.1`)
  const begin = async () => {
    const stream = connect(Number(new URL(url).port), '127.0.0.1')
    onTestFinished(() => void stream.destroy())
    stream.write(follow)
    const [head] = await once(stream, 'data')
    return { stream, status: Number(String(head).split(' ')[1]) }
  }
  const { stream, status } = await begin()
  expect(status).toBe(200)

  const [refused] = await sendRaw(url, follow)
  expectRefusal(refused as never, 'follows as much')
  // A wait is a wish: without room for it the answer is the usual one.
  const [submitted] = await sendRaw(url, train(['Prefer: wait=60']))
  expect(submitted).toMatchObject({ status: 202, json: { job_id: expect.any(String) } })
  const [jobs] = await sendRaw(url, request('GET /api/v1/jobs HTTP/1.1'))
  expect(jobs?.json).toHaveLength(2)

  stream.destroy()
  probe.gate.open()
  const [waited] = await waiting
  expect(waited).toMatchObject({ status: 200, json: { job: { status: 'completed' } } })
  await until('a stream is let in again', async () => (await begin()).status === 200)
})

test('connections that are too many are answered their probes, and nothing else', async () => {
  const { url, open, send } = await start({ maxConnections: 1 })
  const idle = await open()
  await until('the connection has been seen', async () => {
    const { headers } = await send('GET', '/health')
    return headers.connection === 'close'
  })
  const [refused] = await sendRaw(url, request('GET /api/v1/configs HTTP/1.1'))
  expectRefusal(refused as never, 'too many connections')
  expect(refused?.headers.connection).toBe('close')
  const [probed] = await sendRaw(url, request('GET /health HTTP/1.1'))
  expect(probed?.status).toBe(200)
  idle.destroy()
  await until('there is room again', async () => {
    const [answer] = await sendRaw(url, request('GET /api/v1/configs HTTP/1.1'))
    return answer?.status === 200
  })
})

test('bodies that are more than memory is given for are refused, those that are passed on are not', async () => {
  const { url, open, send } = await start({ maxBodies: 100_000 })
  const head = (headers: string) =>
    `POST /api/v1/artifacts HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${headers}\r\n\r\n`
  const big = JSON.stringify({ data: { type: 'generic', content: 'x'.repeat(50_000) } })
  const chunked = `${big.length.toString(16)}\r\n${big}\r\n0\r\n\r\n`
  // What has come is held until it is answered, and what is worked on makes no room for others.
  const held = await open(
    'POST /held HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 60002\r\n\r\n',
    JSON.stringify('x'.repeat(60_000)),
  )
  await until('the first body has come', async () => {
    const answer = await send('POST', '/api/v1/artifacts', big)
    if (answer.status === 201) return false
    expectRefusal(answer, 'no room')
    return true
  })
  const answers = await sendRaw(url, head('Transfer-Encoding: chunked'), chunked)
  expectRefusal(answers[0] as never, 'no room')
  expect(await send('POST', '/api/v1/configs', config)).toMatchObject({ status: 201 })
  expect(await send('POST', '/api/v1/artifacts/$upload', big)).toMatchObject({ status: 201 })

  held.destroy()
  await until('there is room again', async () => {
    const { status } = await send('POST', '/api/v1/artifacts', big)
    return status === 201
  })
})

test.each(['Content-Length: 60000000', 'Transfer-Encoding: chunked'])(
  'a body holds what has come of it, not what it announces: %s',
  async (headers) => {
    const { open, send } = await start({ maxBodies: 100_000 })
    for (let each = 0; each < 20; each++)
      await open(
        `POST /api/v1/artifacts HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${headers}\r\n\r\n1\r\n{\r\n`,
      )
    const big = JSON.stringify({ data: { type: 'generic', content: 'x'.repeat(50_000) } })
    for (let round = 0; round < 3; round++)
      expect(await send('POST', '/api/v1/artifacts', big)).toMatchObject({ status: 201 })
  },
)

test('who sends nothing more makes room for who sends, and is told so', async () => {
  const { open, send } = await start({ maxBodies: 100_000 })
  const slow = await open(
    'POST /api/v1/artifacts HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 90000\r\n\r\n',
    'x'.repeat(80_000),
  )
  const answered = once(slow, 'data')
  const big = JSON.stringify({ data: { type: 'generic', content: 'x'.repeat(50_000) } })
  await until('there is room', async () => {
    const { status } = await send('POST', '/api/v1/artifacts', big)
    return status === 201
  })
  const [answer] = await answered
  expect(String(answer)).toMatch(/^HTTP\/1\.1 503 /)
  expect(String(answer)).toMatch(/retry-after: 2/)
  expect(String(answer)).toContain('which came the slowest')
})

test('a body that is larger than all may be together is taken when it comes alone', async () => {
  const { send } = await start({ maxBodies: 1024 })
  const big = JSON.stringify({ data: { type: 'generic', content: 'x'.repeat(50_000) } })
  for (let round = 0; round < 3; round++)
    expect(await send('POST', '/api/v1/artifacts', big)).toMatchObject({ status: 201 })
})

test('a submit beyond the queue is refused without being looked at, and its key is not used up', async () => {
  await using probe = await startProbe({ maxQueuedJobs: 1 })
  const configId = await createConfig(probe, { behaviour: 'wait' })
  const body = { config_id: configId, data }
  const train = (key: string, sent: unknown = body) =>
    probe.request('POST', '/api/v1/ml/$train', sent, { 'idempotency-key': key })
  const running = await train('running')
  await probe.gate.arrived
  const waiting = await train('waiting')
  expect([running.status, waiting.status]).toEqual([202, 202])

  const refused = await train('late', { no: 'training' })
  expectProblem(refused, 429, 'too-many-requests')
  expect(Number(refused.headers['retry-after'])).toBeGreaterThanOrEqual(1)
  expect((await probe.request('GET', '/api/v1/jobs')).json).toHaveLength(2)
  // What was taken on before is answered again, however full the queue is.
  const again = await train('waiting')
  expect(again).toMatchObject({ status: 202, json: waiting.json })
  expect(again.headers['idempotency-replayed']).toBe('true')

  probe.gate.open()
  await probe.waitForJob(waiting.json.job_id)
  const late = await train('late')
  expect(late.status).toBe(202)
  expect(late.headers['idempotency-replayed']).toBeUndefined()
})
