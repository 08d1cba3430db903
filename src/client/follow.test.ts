import { expect, test } from 'vitest'
import type { JobRecord } from '../job/schema.ts'
import { createClient } from './index.ts'

const id = '01M82EBCXSJH55R1P2FPAESF2G'

const job = (status: JobRecord['status'], fraction: number | null = null): JobRecord => ({
  id,
  type: 'train',
  status,
  submitted_at: '2026-11-22T20:14:52.345Z',
  started_at: null,
  finished_at: null,
  error: status === 'failed' ? 'too few rows' : null,
  error_traceback: null,
  artifact_id: id,
  progress: fraction === null ? null : { fraction, message: null },
})

/** An event stream of these events, which then ends, breaks, or says nothing more. */
function events(items: unknown[], end: 'ends' | 'breaks' | 'is silent' = 'ends') {
  const rest = items.map((item) => `: heartbeat\n\ndata: ${JSON.stringify(item)}\n\n`)
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      const next = rest.shift()
      if (next !== undefined) controller.enqueue(new TextEncoder().encode(next))
      else if (end === 'ends') controller.close()
      else if (end === 'breaks') controller.error(new TypeError('terminated'))
      else return new Promise(() => {})
    },
  })
  return new Response(body, { headers: { 'content-type': 'text/event-stream; charset=utf-8' } })
}

const json = (body: unknown, status = 200) => new Response(JSON.stringify(body), { status })
const notFound = () => json({ type: 'urn:chapkit:error:not-found', detail: 'Job not found' }, 404)
const away = () => new TypeError('fetch failed')

/** A client that gets these answers, with the paths that it has asked for and its waits. */
function answering(...answers: (Response | Error)[]) {
  const asked: string[] = []
  const waits: number[] = []
  const client = createClient({
    url: 'http://service.test',
    fetch: async (input, init) => {
      const { pathname, search } = new URL(String(input))
      asked.push(pathname.slice('/api/v1/jobs/'.length + id.length) + search)
      const next = answers.shift() ?? away()
      if (next instanceof Error) throw next
      // As fetch does it: an abort breaks the body off.
      const { signal } = init as { signal: AbortSignal }
      if (!next.body) return next
      const { readable, writable } = new TransformStream()
      next.body.pipeTo(writable, { signal }).catch(() => {})
      return new Response(readable, { status: next.status, headers: next.headers })
    },
    timing: {
      sleep: async (milliseconds) => void waits.push(milliseconds),
      random: () => 1,
      firstEventMs: 20,
      silentMs: 20,
    },
  })
  return { client, asked, waits }
}

const states = async (client: ReturnType<typeof answering>['client'], options = {}) =>
  (await Array.fromAsync(client.jobs.watch(id, options))).map(
    ({ status, progress }) => `${status} ${progress?.fraction ?? ''}`,
  )

test('each state of a job is told once, however often its stream breaks', async () => {
  const { client, asked } = answering(
    events([job('pending'), job('running'), job('running', 0.5)], 'breaks'),
    events([job('running', 0.5)], 'ends'),
    events([job('running', 0.5), job('completed', 1), job('completed', 1)], 'is silent'),
  )
  expect(await states(client)).toEqual(['pending ', 'running ', 'running 0.5', 'completed 1'])
  expect(asked).toEqual(Array(3).fill('/$stream?poll_interval=1'))
})

test('a service that was there is waited for, as long as patience lasts', async () => {
  const back = answering(
    events([job('running')], 'breaks'),
    ...Array.from({ length: 6 }, away),
    json({}, 503),
    events([job('completed')]),
  )
  expect(await states(back.client)).toEqual(['running ', 'completed '])
  expect(back.waits).toEqual([250, 500, 1000, 2000, 4000, 8000, 15_000, 15_000])

  const gone = answering(events([job('running')], 'breaks'))
  await expect(states(gone.client, { patienceMs: 60_000 })).rejects.toMatchObject({
    code: 'unreachable',
  })
  expect(gone.waits.reduce((sum, each) => sum + each)).toBeGreaterThanOrEqual(60_000)
})

test('a service that was never there is told after the usual tries', async () => {
  const { client, asked } = answering()
  await expect(states(client)).rejects.toMatchObject({ code: 'unreachable' })
  expect(asked).toHaveLength(5)
})

test('a stream that has gone silent is opened again', async () => {
  const { client } = answering(events([job('running')], 'is silent'), events([job('completed')]))
  expect(await states(client)).toEqual(['running ', 'completed '])
})

test('where streams do not get through, the job is asked for again and again', async () => {
  const page = new Response('<html>', { headers: { 'content-type': 'text/html' } })
  for (const refusal of [events([], 'is silent'), page, json({}, 501), notFound()]) {
    const { client, asked, waits } = answering(
      refusal,
      json(job('pending')),
      json(job('pending')),
      json(job('running')),
      json(job('completed')),
    )
    expect(await states(client)).toEqual(['pending ', 'running ', 'completed '])
    expect(asked).toEqual(['/$stream?poll_interval=1', '', '', '', ''])
    expect(waits).toEqual([250, 500, 250])
  }
})

test('a job that was never there is not found; one that is gone was deleted', async () => {
  await expect(states(answering(notFound(), notFound()).client)).rejects.toMatchObject({
    code: 'not-found',
  })
  const deleted = events([job('running'), { status: 'deleted' }])
  await expect(states(answering(deleted).client)).rejects.toMatchObject({ code: 'job-deleted' })
  const meanwhile = answering(events([job('running')], 'breaks'), notFound(), notFound())
  await expect(states(meanwhile.client)).rejects.toMatchObject({ code: 'job-deleted' })
})

test('an abort ends a watch with its reason', async () => {
  const stop = new AbortController()
  const { client } = answering(events([job('running')], 'is silent'))
  const watched = (async () => {
    for await (const _ of client.jobs.watch(id, { signal: stop.signal }))
      stop.abort(new Error('enough'))
  })()
  await expect(watched).rejects.toThrow('enough')
})

const line = (seq: number) => ({
  seq,
  time: '2026-11-22T20:14:52.345Z',
  stream: 'log',
  line: `${seq}`,
})

test('lines of a log are told once and in order, over streams and pages', async () => {
  const { client, asked } = answering(
    events([line(1), line(2)], 'breaks'),
    events([line(3)], 'ends'),
    json(job('running')),
    json({ items: [line(4)], next: 4 }),
    events([line(5)], 'ends'),
    json(job('completed')),
    json({ items: [line(6)], next: 6 }),
  )
  const lines = await Array.fromAsync(client.jobs.followLogs(id))
  expect(lines.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6])
  expect(asked).toEqual([
    '/$logs?after=0',
    '/$logs?after=2',
    '',
    '/$logs?after=3&limit=1000',
    '/$logs?after=4',
    '',
    '/$logs?after=5&limit=1000',
  ])
})

test('a log is asked for page by page where streams do not get through', async () => {
  const { client } = answering(
    json({}, 406),
    json(job('running')),
    json({ items: [line(1)], next: 1 }),
    json(job('completed')),
    json({ items: [line(2)], next: 2 }),
  )
  const lines = await Array.fromAsync(client.jobs.followLogs(id))
  expect(lines.map(({ seq }) => seq)).toEqual([1, 2])
})

test('waiting for a job that fails throws why, and can answer its record instead', async () => {
  const failed = () => events([job('running'), job('failed')])
  await expect(answering(failed()).client.jobs.wait(id)).rejects.toMatchObject({
    code: 'job-failed',
    detail: `The train job ${id} failed: too few rows`,
    job: { status: 'failed' },
  })
  expect(await answering(failed()).client.jobs.wait(id, { mustComplete: false })).toMatchObject({
    status: 'failed',
  })
})
