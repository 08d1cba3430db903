import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  eventsOf,
  expectProblem,
  nobody,
  type Probe,
  startProbe,
  submitTraining,
  timestamp,
  train,
  trainAndPredict,
} from './fixtures.ts'

const base = '/api/v1/jobs'
const recordKeys = [
  'id',
  'type',
  'status',
  'submitted_at',
  'started_at',
  'finished_at',
  'error',
  'error_traceback',
  'artifact_id',
  'progress',
]
let probe: Probe
beforeAll(async () => {
  probe = await startProbe()
})
afterAll(() => probe.close())

const ids = (list: { id: string }[]) => list.map(({ id }) => id)

describe('the record of a job', () => {
  test('of a completed one names its times and its artifact', async () => {
    const { jobId, artifactId } = await train(probe)
    const { status, json } = await probe.request('GET', `${base}/${jobId}`)
    expect(status).toBe(200)
    expect(Object.keys(json)).toEqual(recordKeys)
    expect(json).toEqual({
      id: jobId,
      type: 'train',
      status: 'completed',
      submitted_at: expect.stringMatching(timestamp),
      started_at: expect.stringMatching(timestamp),
      finished_at: expect.stringMatching(timestamp),
      error: null,
      error_traceback: null,
      artifact_id: artifactId,
      progress: null,
    })
    expect([json.submitted_at, json.started_at, json.finished_at]).toEqual(
      [json.submitted_at, json.started_at, json.finished_at].toSorted(),
    )
  })

  test('of a failed one says why, without a path of this machine; its artifact is not there', async () => {
    const { jobId, artifactId } = await submitTraining(probe, { behaviour: 'throw' })
    const job = await probe.waitForJob(jobId)
    expect(job).toMatchObject({ status: 'failed', error: 'RangeError: too few rows' })
    expect(job.error_traceback).toContain('RangeError: too few rows')
    expect(job.error_traceback).not.toMatch(/\/work\/|file:\/\//)
    expectProblem(await probe.request('GET', `/api/v1/artifacts/${artifactId}`), 404, 'not-found')
  })

  test('of one that runs and one that waits has no times yet that are not true', async () => {
    await using held = await startProbe()
    const running = await submitTraining(held, { behaviour: 'wait' })
    await held.gate.arrived
    const waiting = await submitTraining(held)
    const { json: first } = await held.request('GET', `${base}/${running.jobId}`)
    expect(first).toMatchObject({ status: 'running', finished_at: null })
    expect(first.started_at).toMatch(timestamp)
    const { json: second } = await held.request('GET', `${base}/${waiting.jobId}`)
    expect(second).toMatchObject({ status: 'pending', started_at: null, finished_at: null })
    held.gate.open()
    expect(await held.waitForJob(waiting.jobId)).toMatchObject({ status: 'completed' })
  })

  test.each([
    ['GET', ''],
    ['DELETE', ''],
    ['GET', '/$logs'],
    ['GET', '/$stream'],
    ['POST', '/$cancel'],
  ])('%s %s of an unknown id is 404, of a malformed one 400', async (method, operation) => {
    const ask = (id: string) => probe.request(method, `${base}/${id}${operation}`)
    expect(expectProblem(await ask(nobody), 404, 'not-found').detail).toBe('Job not found')
    for (const id of ['zz', '$stats', nobody.toLowerCase()])
      expectProblem(await ask(id), 400, 'invalid-ulid')
  })
})

describe('the list of jobs', () => {
  test('is newest first, filtered by status and type, whole or by page', async () => {
    await using fresh = await startProbe()
    expect((await fresh.request('GET', base)).json).toEqual([])
    const made = await trainAndPredict(fresh)
    const failed = await submitTraining(fresh, { behaviour: 'throw' })
    await fresh.waitForJob(failed.jobId)
    const newestFirst = [failed.jobId, made.predictJobId, made.jobId]

    const { json: whole } = await fresh.request('GET', base)
    expect(ids(whole)).toEqual(newestFirst)
    expect(whole[0]).toEqual((await fresh.request('GET', `${base}/${failed.jobId}`)).json)
    const filtered = async (query: string) =>
      ids((await fresh.request('GET', `${base}?${query}`)).json)
    expect(await filtered('status_filter=failed')).toEqual([failed.jobId])
    expect(await filtered('status_filter=pending')).toEqual([])
    expect(await filtered('type=predict')).toEqual([made.predictJobId])
    expect(await filtered('type=train&status_filter=completed')).toEqual([made.jobId])
    expect(await filtered('type=nothing')).toEqual([])

    const page = await fresh.request('GET', `${base}?page=2&size=2`)
    expect(page.json).toEqual({ items: [whole[2]], total: 3, page: 2, size: 2, pages: 2 })
    const counted = await fresh.request('GET', `${base}?type=train&page=1&size=1`)
    expect(counted.json).toMatchObject({ total: 2, pages: 2 })
    const keyed = await fresh.request('GET', `${base}?after=${failed.jobId}&size=1`)
    expect(ids(keyed.json)).toEqual([made.predictJobId])
    expect(keyed.headers.link).toBe(`<?after=${made.predictJobId}&size=1>; rel="next"`)
    const filteredByKey = await fresh.request('GET', `${base}?after=${failed.jobId}&type=train`)
    expect(ids(filteredByKey.json)).toEqual([made.jobId])
  })

  test('has none that is canceling: a state of other services', async () => {
    expect((await probe.request('GET', `${base}?status_filter=canceling`)).json).toEqual([])
    const page = await probe.request('GET', `${base}?status_filter=canceling&page=1&size=5`)
    expect(page.json).toEqual({ items: [], total: 0, page: 1, size: 5, pages: 0 })
  })

  test('refuses a status that there is not', async () => {
    const answer = await probe.request('GET', `${base}?status_filter=cancelled`)
    const problem = expectProblem(answer, 422, 'validation-failed', ['query', 'status_filter'])
    expect(problem.errors[0].msg).toBe(
      'Expected one of "pending", "running", "completed", "failed", "canceled", "canceling", got "cancelled"',
    )
  })

  test('has a schema', async () => {
    const { json } = await probe.request('GET', `${base}/$schema`)
    expect(json.type).toBe('array')
    expect(Object.keys(json.items.properties)).toEqual(recordKeys)
  })
})

describe('canceling a job', () => {
  test('that waits ends it at once; one that runs is asked to stop', async () => {
    await using held = await startProbe()
    const running = await submitTraining(held, { behaviour: 'wait' })
    await held.gate.arrived
    const waiting = await submitTraining(held)
    const second = await held.request('POST', `${base}/${waiting.jobId}/$cancel`)
    expect(second.status).toBe(202)
    expect(second.json).toMatchObject({ id: waiting.jobId, status: 'canceled', started_at: null })
    expect(second.json.finished_at).toMatch(timestamp)

    const first = await held.request('POST', `${base}/${running.jobId}/$cancel`)
    expect(first.status).toBe(202)
    expect(Object.keys(first.json)).toEqual(recordKeys)
    expect(await held.waitForJob(running.jobId)).toMatchObject({ status: 'canceled', error: null })
    const gone = await held.request('GET', `/api/v1/artifacts/${running.artifactId}`)
    expectProblem(gone, 404, 'not-found')

    const again = await held.request('POST', `${base}/${running.jobId}/$cancel`)
    expect(expectProblem(again, 409, 'conflict').detail).toContain('canceled already')
  })

  test('that has completed is 409, that is unknown 404', async () => {
    const { jobId } = await train(probe)
    expectProblem(await probe.request('POST', `${base}/${jobId}/$cancel`), 409, 'conflict')
    expectProblem(await probe.request('POST', `${base}/${nobody}/$cancel`), 404, 'not-found')
  })
})

describe('deleting a job', () => {
  test('that has ended forgets it; what it made stays', async () => {
    const { jobId, artifactId } = await train(probe)
    const answer = await probe.request('DELETE', `${base}/${jobId}`)
    expect(answer).toMatchObject({ status: 204, text: '' })
    expectProblem(await probe.request('GET', `${base}/${jobId}`), 404, 'not-found')
    expect((await probe.request('GET', `/api/v1/artifacts/${artifactId}`)).status).toBe(200)
  })

  test('that runs cancels it first and answers when it has ended', async () => {
    await using held = await startProbe()
    const running = await submitTraining(held, { behaviour: 'wait' })
    await held.gate.arrived
    expect((await held.request('DELETE', `${base}/${running.jobId}`)).status).toBe(204)
    expect((await held.request('GET', base)).json).toEqual([])
    // Nothing of it is left to hold the next one up.
    const next = await train(held)
    expect(next.artifactId).not.toBe(running.artifactId)
  })
})

describe('following a job', () => {
  test('that has ended gives exactly one event, the record', async () => {
    const { jobId } = await train(probe)
    const answer = await probe.request('GET', `${base}/${jobId}/$stream`)
    expect(answer.status).toBe(200)
    expect(answer.headers).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
      connection: 'keep-alive',
      'x-accel-buffering': 'no',
    })
    const { text: record } = await probe.request('GET', `${base}/${jobId}`)
    expect(answer.text).toBe(`data: ${record}\n\n`)
  })

  test('that runs gives it at once, then its end, and closes', async () => {
    await using held = await startProbe()
    const { jobId } = await submitTraining(held, { behaviour: 'wait' })
    await held.gate.arrived
    const url = await held.listen()
    const response = await fetch(`${url}${base}/${jobId}/$stream?poll_interval=60`)
    let text = ''
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      if (text === '') {
        expect(JSON.parse(eventsOf(chunk)[0]!)).toMatchObject({ id: jobId, status: 'running' })
        held.gate.open()
      }
      text += chunk
    }
    const records = eventsOf(text).map((event) => JSON.parse(event))
    expect(records.at(-1)).toMatchObject({ id: jobId, status: 'completed' })
    for (const record of records) expect(Object.keys(record)).toEqual(recordKeys)
    expect(records.filter(({ status }) => status === 'completed')).toHaveLength(1)
  })

  test('repeats the record every poll_interval, though nothing has changed', async () => {
    await using held = await startProbe()
    const { jobId } = await submitTraining(held, { behaviour: 'wait' })
    await held.gate.arrived
    const url = await held.listen()
    const response = await fetch(`${url}${base}/${jobId}/$stream?poll_interval=0.1`)
    const events: string[] = []
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      events.push(...eventsOf(chunk))
      if (events.length >= 4) break
    }
    expect(new Set(events.slice(-2)).size).toBe(1)
    held.gate.open()
  })

  test('that is deleted ends with its end', async () => {
    await using held = await startProbe()
    const { jobId } = await submitTraining(held, { behaviour: 'wait' })
    await held.gate.arrived
    const url = await held.listen()
    const response = await fetch(`${url}${base}/${jobId}/$stream?poll_interval=60`)
    let text = ''
    let deleting: Promise<unknown> | undefined
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      text += chunk
      deleting ??= held.request('DELETE', `${base}/${jobId}`)
    }
    await deleting
    // Which of the two is read first is a race that either may win.
    const last = eventsOf(text).at(-1)!
    if (last !== '{"status": "deleted"}') expect(JSON.parse(last).status).toBe('canceled')
  })

  test('that is unknown is 404, with a bad id 400, with a bad interval 422', async () => {
    const unknown = await probe.request('GET', `${base}/${nobody}/$stream`)
    expectProblem(unknown, 404, 'not-found')
    const bad = expectProblem(await probe.request('GET', `${base}/zz/$stream`), 400, 'invalid-ulid')
    expect(bad.detail).toBe('Invalid ULID format: zz')
    for (const interval of ['x', '0', '-1', '61', 'NaN', '']) {
      const answer = await probe.request(
        'GET',
        `${base}/${nobody}/$stream?poll_interval=${interval}`,
      )
      expectProblem(answer, 422, 'validation-failed', ['query', 'poll_interval'])
    }
  })

  test('with HEAD answers the headers and does not wait for the end', async () => {
    await using held = await startProbe()
    const { jobId } = await submitTraining(held, { behaviour: 'wait' })
    await held.gate.arrived
    const answer = await held.request('HEAD', `${base}/${jobId}/$stream`)
    expect(answer).toMatchObject({ status: 200, text: '' })
    expect(answer.headers['content-type']).toBe('text/event-stream; charset=utf-8')
    held.gate.open()
  })
})

describe('the log of a job', () => {
  test('is read in parts by sequence number', async () => {
    const { jobId } = await train(probe, { behaviour: 'chatter' })
    const { json } = await probe.request('GET', `${base}/${jobId}/$logs`)
    expect(Object.keys(json)).toEqual(['items', 'next'])
    expect(json.items).toEqual(
      ['one', 'two', 'three'].map((line, index) => ({
        seq: index + 1,
        time: expect.stringMatching(timestamp),
        stream: 'log',
        line,
      })),
    )
    expect(json.next).toBe(3)
    const part = await probe.request('GET', `${base}/${jobId}/$logs?after=1&limit=1`)
    expect(part.json).toEqual({ items: [json.items[1]], next: 2 })
    const end = await probe.request('GET', `${base}/${jobId}/$logs?after=3`)
    expect(end.json).toEqual({ items: [], next: 3 })
  })

  test('is followed as events, a line each, until the job ends', async () => {
    const { jobId } = await submitTraining(probe, { behaviour: 'chatter' })
    const answer = await probe.request('GET', `${base}/${jobId}/$logs`, undefined, {
      accept: 'text/event-stream',
    })
    expect(answer.headers['content-type']).toBe('text/event-stream; charset=utf-8')
    const lines = eventsOf(answer.text).map((event) => JSON.parse(event))
    expect(lines.map(({ seq, stream, line }) => [seq, stream, line])).toEqual([
      [1, 'log', 'one'],
      [2, 'log', 'two'],
      [3, 'log', 'three'],
    ])
    const behind = await probe.request('GET', `${base}/${jobId}/$logs?after=2`, undefined, {
      accept: 'text/event-stream',
    })
    expect(eventsOf(behind.text).map((event) => JSON.parse(event).line)).toEqual(['three'])
  })

  test('keeps the last progress in the record', async () => {
    const { jobId } = await train(probe, { behaviour: 'chatter' })
    const { json } = await probe.request('GET', `${base}/${jobId}`)
    expect(json.progress).toEqual({ fraction: 0.5, message: 'half way' })
  })

  test('of an unknown job is 404; bad bounds are 422', async () => {
    for (const accept of ['application/json', 'text/event-stream']) {
      const answer = await probe.request('GET', `${base}/${nobody}/$logs`, undefined, { accept })
      expectProblem(answer, 404, 'not-found')
    }
    for (const [query, name] of [
      ['after=-1', 'after'],
      ['after=x', 'after'],
      ['limit=0', 'limit'],
      ['limit=10001', 'limit'],
      ['after=1.5', 'after'],
      ['after=1e400', 'after'],
    ] as const) {
      const answer = await probe.request('GET', `${base}/${nobody}/$logs?${query}`)
      expectProblem(answer, 422, 'validation-failed', ['query', name])
    }
  })
})
