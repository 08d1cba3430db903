import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type OrchestratorOptions, startOrchestrator } from '../../test/compat/orchestrator.ts'
import { createOrchestratorClient } from './client.ts'
import { createRegistration, waitAfter } from './registration.ts'

/** Time that passes when it is told to. */
function fakeTime() {
  let at = Date.UTC(2026, 0, 1)
  const waits = new Set<{ end: number; wake: () => void }>()
  return {
    now: () => at,
    pause: (milliseconds: number, signal?: AbortSignal) =>
      new Promise<void>((resolve) => {
        if (signal?.aborted) return resolve()
        const wait = { end: at + milliseconds, wake: resolve }
        const wake = () => {
          waits.delete(wait)
          resolve()
        }
        wait.wake = wake
        waits.add(wait)
        signal?.addEventListener('abort', wake, { once: true })
      }),
    /** How long the shortest wait still takes; nothing when nobody waits. */
    next: () => (waits.size === 0 ? undefined : Math.min(...[...waits].map(({ end }) => end - at))),
    advance(milliseconds: number) {
      at += milliseconds
      for (const wait of [...waits]) if (wait.end <= at) wait.wake()
    },
  }
}

async function until<Value>(ask: () => Value): Promise<NonNullable<Value>> {
  for (;;) {
    const value = ask()
    if (value !== undefined && value !== null && value !== false) return value as never
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

const id = 'probe-svc'
const info = {
  ...{ id, display_name: 'Probe', version: '1.0.0', model_metadata: {} },
  ...{ git_revision: 'abc1234', period_type: 'monthly' },
}
/** Nobody answers there: the stand-in's calls back fail at once, and it registers all the same. */
const url = 'http://127.0.0.1:9'

async function begin({
  key = null,
  random = 0.5,
  timeoutMs = 5000,
  orchestratorUrl,
  ...rest
}: {
  key?: string | null
  random?: number
  timeoutMs?: number
  orchestratorUrl?: string
} & Omit<OrchestratorOptions, 'key' | 'now'> & { expectedKey?: string } = {}) {
  const time = fakeTime()
  const orchestrator = await startOrchestrator({
    ...rest,
    key: rest.expectedKey ?? null,
    now: time.now,
  })
  const lines: { level: string; event: unknown; text: string }[] = []
  const line = (level: string) => (fields: Record<string, unknown>, message: string) =>
    lines.push({ level, event: fields.event, text: `${message} ${JSON.stringify(fields)}` })
  const client = createOrchestratorClient({
    orchestratorUrl: orchestratorUrl ?? orchestrator.registerUrl,
    key,
    id,
    info,
    now: time.now,
    timeoutMs,
  })
  const registration = createRegistration({
    client,
    keepaliveMs: 10_000,
    log: { info: line('info'), warn: line('warn') },
    now: time.now,
    random: () => random,
    pause: time.pause,
  })
  const stop = (atOnce = new AbortController().signal) => registration.stop(atOnce)
  onTestFinished(() => stop(AbortSignal.abort()))
  /** Waits until somebody waits, for how long, and lets that time pass. */
  const pass = async () => {
    const wait = await until(time.next)
    time.advance(wait)
    return wait
  }
  const events = () => lines.map(({ event }) => event)
  const methods = () => orchestrator.asked.map(({ method }) => method).join(' ')
  return { orchestrator, registration, time, lines, events, methods, stop, pass }
}

/** A server that is no orchestrator. */
async function startServer(answer: Parameters<typeof createServer>[1]) {
  const server = createServer(answer)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

describe('a registration', () => {
  test('says id, address and info, and is kept by a sign of life every ten seconds', async () => {
    const { orchestrator, registration, methods, pass, time } = await begin()
    registration.start(url)
    expect(await pass()).toBe(10_000)
    const [first] = orchestrator.asked
    expect(first).toMatchObject({ method: 'POST', path: '/v2/services/$register', status: 200 })
    expect(JSON.parse(first!.body)).toEqual({ id, url, info })
    expect(registration.isRegistered()).toBe(true)

    for (let at = 0; at < 6; at++) expect(await pass()).toBe(10_000)
    await until(() => time.next())
    expect(methods()).toBe('POST PUT PUT PUT PUT PUT PUT PUT')
    expect(orchestrator.asked.at(-1)).toMatchObject({ path: `/v2/services/${id}/$ping`, body: '' })
    expect(orchestrator.service(id)).toMatchObject({ url })
  })

  test('passes on what the orchestrator says besides its greeting, once, without the key', async () => {
    const { orchestrator, registration, lines, events, pass, time } = await begin({
      key: 'hunter2',
    })
    const said = (message: unknown) =>
      orchestrator.trouble((request, response) => {
        if (request.method !== 'POST') return false
        response.end(JSON.stringify({ message }))
        return true
      })
    const texts = () =>
      lines.filter(({ event }) => event === 'registration.message').map(({ text }) => text)
    const greeting = 'Service registered successfully'
    said(greeting)
    registration.start(url)
    await pass()
    await until(time.next)
    expect(events()).toEqual(['registration.success'])

    for (const message of ['Service registration updated', '', null, 7]) {
      said(message)
      await pass()
      await until(time.next)
    }
    expect(texts()).toEqual([])

    const reason = 'Version 1 of probe-svc is stored with commit 1234567: set a new info.version.'
    for (const greet of [greeting, 'Service registration updated']) {
      said(`${greet} ${reason}\u001b[31m hunter2`)
      await pass()
      await until(time.next)
    }
    expect(texts()).toHaveLength(1)
    expect(texts()[0]).toContain(`${reason} [31m [redacted]`)
    expect(lines.at(-1)!.level).toBe('warn')
  })

  test('is made again at once when the orchestrator has forgotten it', async () => {
    const { orchestrator, registration, methods, pass, time, events } = await begin()
    registration.start(url)
    await until(time.next)
    orchestrator.forget()
    await pass()
    await until(() => time.next())
    expect(methods()).toBe('POST PUT POST')
    expect(orchestrator.service(id)).toMatchObject({ url })
    expect(events()).toEqual(['registration.success', 'registration.lost', 'registration.success'])
  })

  test('is made again when no sign of life arrived for longer than it lasts', async () => {
    const { orchestrator, registration, methods, pass, time, lines } = await begin()
    registration.start(url)
    await until(time.next)
    let isDown = true
    orchestrator.trouble((request, response) => {
      if (!isDown || request.method !== 'PUT') return false
      response.writeHead(500).end('{"detail":"no redis"}')
      return true
    })
    for (let at = 0; at < 3; at++) await pass()
    await until(time.next)
    expect(methods()).toBe('POST PUT PUT PUT POST')
    isDown = false
    await pass()
    await until(time.next)
    expect(methods()).toBe('POST PUT PUT PUT POST PUT')
    const failures = lines.filter(({ event }) => event === 'registration.keepalive.failed')
    expect(failures).toHaveLength(1)
    expect(failures[0]!.text).toContain('500 no redis')
  })

  test('is tried for ever, ever more seldom, while nobody answers', async () => {
    const { orchestrator, registration, pass, events, time } = await begin()
    await orchestrator.stop()
    registration.start(url)
    const waits: number[] = []
    for (let at = 0; at < 40; at++) waits.push(await pass())
    expect(waits.slice(0, 6)).toEqual([1000, 2000, 4000, 8000, 15_000, 15_000])
    expect(events()).toEqual(['registration.failed'])
    await orchestrator.start()
    await pass()
    await until(() => registration.isRegistered())
    expect(orchestrator.service(id)).toMatchObject({ url })
    expect(await until(time.next)).toBe(10_000)
  })

  test('that is refused is told once with the reason, tried seldom, and made after a change', async () => {
    const { orchestrator, registration, pass, lines, time } = await begin({
      key: 'hunter2',
      expectedKey: 'another',
    })
    registration.start(url)
    for (let at = 0; at < 5; at++) expect(await pass()).toBe(22_500)
    expect(lines).toHaveLength(1)
    expect(lines[0]!.text).toContain('401 Missing or invalid service key')
    orchestrator.trouble((_request, response) => {
      response.writeHead(403).end('hunter2 is\nnot welcome')
      return true
    })
    await pass()
    await until(time.next)
    expect(lines).toHaveLength(2)
    expect(lines[1]!.text).toContain('403 [redacted] is not welcome')

    orchestrator.trouble(() => false)
    orchestrator.setKey('hunter2')
    await pass()
    await until(() => registration.isRegistered())
    expect(JSON.stringify(lines)).not.toContain('hunter2')
  })

  test('says what the orchestrator found wrong', async () => {
    const { orchestrator, registration, time, lines } = await begin()
    orchestrator.trouble((_request, response) => {
      const detail = [{ loc: ['body', 'info', 'id'], msg: 'String should match pattern' }]
      response.writeHead(422).end(JSON.stringify({ detail }))
      return true
    })
    registration.start(url)
    await until(time.next)
    expect(lines[0]!.text).toContain('422 body.info.id: String should match pattern')
  })

  test.each([
    ['no JSON', '<html>hello</html>', 'no JSON object'],
    ['JSON that is no object', '[]', 'no JSON object'],
    ['more than it reads', 'x'.repeat(70_000), 'more than 64 KiB'],
  ])('that is answered with %s has failed', async (_name, body, reason) => {
    const { orchestrator, registration, time, lines } = await begin()
    orchestrator.trouble((_request, response) => {
      response.writeHead(200).end(body)
      return true
    })
    registration.start(url)
    await until(time.next)
    expect(lines[0]!.text).toContain(reason)
    expect(registration.isRegistered()).toBe(false)
  })

  test('does not follow a redirect, and says where it leads', async () => {
    let visits = 0
    const elsewhere = await startServer((_request, response) => {
      visits++
      response.end('{}')
    })
    const { orchestrator, registration, time, lines } = await begin({ key: 'hunter2' })
    orchestrator.trouble((_request, response) => {
      response.writeHead(307, { location: `${elsewhere}/x?token=secret` }).end()
      return true
    })
    registration.start(url)
    await until(time.next)
    expect(lines[0]!.text).toContain(`307 leads to ${elsewhere}/x, which is not followed`)
    expect(visits).toBe(0)
  })

  test('gives up an orchestrator that does not answer, and tries again', async () => {
    const { orchestrator, registration, methods, pass, lines } = await begin({ timeoutMs: 50 })
    orchestrator.trouble(() => true)
    registration.start(url)
    await pass()
    expect(lines[0]!.text).toContain('no answer within 0.05 s')
    orchestrator.trouble(() => false)
    await until(() => registration.isRegistered())
    expect(methods()).toBe('POST POST')
  })

  test('shows neither user nor password of a URL, and sends them', async () => {
    const { orchestrator, registration, time, lines } = await begin({
      orchestratorUrl: 'http://me:hunter2@127.0.0.1:1/v2/services/$register',
    })
    registration.start(url)
    await until(time.next)
    expect(lines[0]!.text).toContain('http://127.0.0.1:1/v2/services/$register')
    expect(JSON.stringify(lines)).not.toContain('hunter2')

    const open = await begin({
      orchestratorUrl: orchestrator.registerUrl.replace('//', '//me:hunter2@'),
    })
    open.registration.start(url)
    await open.pass()
    const authorization = `Basic ${Buffer.from('me:hunter2').toString('base64')}`
    await until(() => orchestrator.asked.length === 2)
    for (const { headers } of orchestrator.asked) expect(headers).toMatchObject({ authorization })
  })

  test('hints at $register when the URL lost it', async () => {
    const { orchestrator } = await begin()
    const cut = await begin({ orchestratorUrl: orchestrator.registerUrl.replace('$register', '') })
    cut.registration.start(url)
    await until(cut.time.next)
    expect(cut.lines[0]!.text).toContain('ends in /$register')
  })
})

describe('signs of life', () => {
  const answering = async (answer: object, key: string | null = null) => {
    const begun = await begin({ key })
    begun.orchestrator.trouble((request, response) => {
      if (request.method !== 'POST') return false
      response.writeHead(201).end(JSON.stringify(answer))
      return true
    })
    begun.registration.start(url)
    return begun
  }

  test('come within a third of what the orchestrator allows', async () => {
    const { time } = await answering({ ttl_seconds: 12, ping_url: 'x' })
    expect(await until(time.next)).toBe(4000)
  })

  test('are never more often than every second for that', async () => {
    const { time } = await answering({ ttl_seconds: 0.001, ping_url: 'x' })
    expect(await until(time.next)).toBe(1000)
  })

  test('keep their pace when the orchestrator is slow', async () => {
    const { orchestrator, registration, pass, time } = await begin()
    registration.start(url)
    await until(time.next)
    const held = Promise.withResolvers<void>()
    orchestrator.trouble((_request, response) => {
      held.promise.then(() => response.end('{}'))
      return true
    })
    await pass()
    await until(() => orchestrator.askedBy('PUT').length === 1)
    time.advance(3000)
    held.resolve()
    expect(await until(time.next)).toBe(7000)
  })

  test('go where the orchestrator says, relative to its own URL', async () => {
    const { pass, orchestrator } = await answering({ ping_url: 'here/$ping?a=1' })
    await pass()
    await until(() => orchestrator.askedBy('PUT').length === 1)
    expect(orchestrator.askedBy('PUT')[0]).toMatchObject({ path: '/v2/services/here/$ping?a=1' })
  })

  test('go to another host without the key', async () => {
    const seen: unknown[] = []
    const elsewhere = await startServer((request, response) => {
      seen.push(request.headers['x-service-key'])
      response.end()
    })
    const { pass } = await answering({ ping_url: `${elsewhere}/ping` }, 'hunter2')
    await pass()
    await until(() => seen.length === 1)
    expect(seen).toEqual([undefined])
  })

  test.each([{}, { ping_url: null }, { ping_url: 'ftp://x/' }, { ping_url: 7 }])(
    'are registrations when there is no place for them: %j',
    async (answer) => {
      const { pass, time, methods, events } = await answering(answer)
      expect(await pass()).toBe(10_000)
      expect(await until(time.next)).toBe(10_000)
      expect(methods()).toBe('POST POST')
      expect(events()).toEqual(['registration.success'])
    },
  )
})

describe('a stop', () => {
  test('takes the registration back', async () => {
    const { orchestrator, registration, time, events, stop } = await begin({
      key: 'k',
      expectedKey: 'k',
    })
    registration.start(url)
    await until(time.next)
    await stop()
    expect(orchestrator.askedBy('DELETE')).toMatchObject([
      { path: `/v2/services/${id}`, status: 204 },
    ])
    expect(orchestrator.service(id)).toBeUndefined()
    expect(registration.isRegistered()).toBe(false)
    expect(time.next()).toBeUndefined()
    expect(events().at(-1)).toBe('registration.deregistered')
  })

  test('before anything began sends nothing, and nothing begins after it', async () => {
    const { orchestrator, registration, stop } = await begin()
    await stop()
    registration.start(url)
    expect(orchestrator.asked).toEqual([])
  })

  test('of one that nobody took sends nothing', async () => {
    const { orchestrator, registration, time, stop } = await begin({ expectedKey: 'k' })
    registration.start(url)
    await until(time.next)
    await stop()
    expect(orchestrator.askedBy('DELETE')).toEqual([])
    expect(time.next()).toBeUndefined()
  })

  test('of one that reached nobody tells nobody', async () => {
    const { orchestrator, registration, time, stop, events } = await begin()
    await orchestrator.stop()
    registration.start(url)
    await until(time.next)
    await stop()
    expect(events()).toEqual(['registration.failed'])
  })

  test('while it is on its way lets it end, and takes it back', async () => {
    const { orchestrator, registration, stop, methods } = await begin()
    const held = Promise.withResolvers<void>()
    let isCut = false
    orchestrator.trouble((request, response) => {
      if (request.method !== 'POST') return false
      response.on('close', () => {
        isCut = !response.writableFinished
      })
      held.promise.then(() => response.writeHead(200).end('{}'))
      return true
    })
    registration.start(url)
    await until(() => orchestrator.asked.length === 1)
    const stopped = stop()
    // By the time of this answer a cut would be known.
    await (await fetch(orchestrator.registerUrl)).text()
    held.resolve()
    await stopped
    expect(methods()).toBe('POST GET DELETE')
    expect(isCut).toBe(false)
  })

  test('of an orchestrator that hangs takes two seconds at most', async () => {
    const { orchestrator, registration, time, stop, methods, events } = await begin({
      timeoutMs: 1e9,
    })
    orchestrator.trouble(() => true)
    registration.start(url)
    await until(() => orchestrator.asked.length === 1)
    const stopped = stop()
    time.advance(1000)
    await until(() => orchestrator.asked.length === 2)
    time.advance(1000)
    await stopped
    expect(methods()).toBe('POST DELETE')
    expect(events()).toEqual(['registration.deregister.failed'])
    expect(time.next()).toBeUndefined()
  })

  test.each(['before', 'meanwhile'])('at once waits for nothing: asked %s', async (when) => {
    const { orchestrator, registration, stop } = await begin({ timeoutMs: 1e9 })
    orchestrator.trouble(() => true)
    registration.start(url)
    await until(() => orchestrator.asked.length === 1)
    const atOnce = new AbortController()
    if (when === 'before') atOnce.abort()
    const stopped = stop(atOnce.signal)
    atOnce.abort()
    await stopped
    expect(orchestrator.askedBy('DELETE')).toEqual([])
  })
})

describe('the wait after a failure', () => {
  const failure = {
    ok: false,
    status: null,
    reason: '',
    retryAfterMs: null,
    isUncertain: false,
  } as const
  const waits = (random: number) =>
    [0, 1, 2, 3, 4, 5, 1e9].map((attempt) => waitAfter(failure, attempt, () => random))

  test('is anywhere below a bound that doubles up to 30 s', () => {
    expect(waits(1)).toEqual([2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000])
    expect(waits(0)).toEqual([0, 0, 0, 0, 0, 0, 0])
  })

  test.each([
    [0, 1000],
    [7000, 7000],
    [3_600_000, 30_000],
  ])('is what the orchestrator asks for, within bounds: %i', (retryAfterMs, wait) => {
    expect(waitAfter({ ...failure, status: 503, retryAfterMs }, 0, () => 0)).toBe(wait)
  })

  test.each([
    [401, 15_000],
    [302, 15_000],
    [422, 15_000],
    [408, 0],
    [429, 0],
    [500, 0],
  ])('of a %i is at least %i ms', (status, wait) => {
    expect(waitAfter({ ...failure, status }, 0, () => 0)).toBe(wait)
  })
})

test.each([
  ['7', 7000],
  ['Thu, 01 Jan 2026 00:00:09 GMT', 9000],
  ['soon', 500],
])('Retry-After: %s is understood', async (retryAfter, wait) => {
  const { orchestrator, registration, time } = await begin({ random: 0.25 })
  orchestrator.trouble((_request, response) => {
    response.writeHead(503, { 'retry-after': retryAfter }).end()
    return true
  })
  registration.start(url)
  expect(await until(time.next)).toBe(wait)
})
