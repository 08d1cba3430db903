import { expect, test } from 'vitest'
import { createClient } from './index.ts'

/* Answers of the Python chapkit 2.4.1, where they differ from those of this one. */

const ids = [
  '01M8KGMQ87TFMJQ3Z2D0J3D06M',
  '01M8KGMW5M74E65DTMZJNJWA3F',
  '01M8KGMZXKE8XRCZCH1DZYRKEP',
]
const job = (id: string, status = 'completed') => ({
  id,
  status,
  submitted_at: '2026-11-29T11:19:47.073808Z',
  started_at: '2026-11-29T11:19:47.074230Z',
  finished_at: '2026-11-29T11:19:55.281768Z',
  error: status === 'failed' ? 'ValueError: cases below zero' : null,
  error_traceback: null,
})
const whole = {
  ...job(ids[0] as string),
  type: '',
  artifact_id: null,
  progress: null,
}

function answering(answer: (path: string) => { body: unknown; status?: number; type?: string }) {
  const asked: string[] = []
  const client = createClient({
    url: 'http://service.test',
    retries: 0,
    fetch: async (input, init) => {
      const { pathname, search } = new URL(String(input))
      asked.push(`${init?.method} ${pathname}${search}`)
      const { body, status = 200, type = 'application/json' } = answer(pathname)
      return new Response(typeof body === 'string' ? body : JSON.stringify(body), {
        status,
        headers: { 'content-type': type },
      })
    },
  })
  return { client, asked }
}

test('what a record of a job lacks is filled in, wherever it comes from', async () => {
  const { client } = answering((path) => {
    if (path.endsWith('/$stream')) {
      const body = `data: ${JSON.stringify(job(ids[0] as string))}\n\n`
      return { body, type: 'text/event-stream; charset=utf-8' }
    }
    return { body: path.endsWith('/jobs') ? [job(ids[0] as string)] : job(ids[0] as string) }
  })
  const id = ids[0] as string
  expect(await client.jobs.get(id)).toEqual(whole)
  expect(await client.jobs.list()).toEqual([whole])
  expect((await client.jobs.page(1, 5)).items).toEqual([whole])
  expect(await Array.fromAsync(client.jobs.iterate())).toEqual([whole])
  expect(await Array.fromAsync(client.jobs.watch(id))).toEqual([whole])
  expect(await client.jobs.wait(id)).toEqual(whole)
})

test('a job without a type that fails is named without one', async () => {
  const id = ids[0] as string
  const body = `data: ${JSON.stringify(job(id, 'failed'))}\n\n`
  const { client } = answering(() => ({ body, type: 'text/event-stream' }))
  await expect(client.jobs.wait(id)).rejects.toMatchObject({
    code: 'job-failed',
    detail: `The job ${id} failed: ValueError: cases below zero`,
  })
})

test('a list that comes whole is told once by key, and cut into pages by number', async () => {
  const { client, asked } = answering(() => ({ body: ids.map((id) => job(id)) }))
  for (const size of [1, 2, 3, 100]) {
    const came = await Array.fromAsync(client.jobs.iterate({}, { size }))
    expect(came.map(({ id }) => id)).toEqual(ids)
  }
  // Only an answer as long as a page leaves open whether there is more.
  expect(asked).toHaveLength(5)
  for (const [number, items] of [
    [1, ids.slice(0, 2)],
    [2, ids.slice(2)],
    [3, []],
  ] as const) {
    const page = await client.jobs.page(number, 2)
    expect(page.items.map(({ id }) => id)).toEqual(items)
    expect(page).toMatchObject({ total: 3, page: number, size: 2, pages: 2 })
  }
})

test('what is no list is no answer of this API', async () => {
  const { client } = answering(() => ({ body: { hello: 'world' } }))
  for (const ask of [
    () => client.jobs.list(),
    () => client.jobs.page(1, 1),
    () => Array.fromAsync(client.jobs.iterate()),
    () => client.configs.list(),
    () => client.artifacts.page(1, 1),
  ])
    await expect(ask()).rejects.toMatchObject({ code: 'unexpected-answer' })
})

const records = [
  { time_period: '2020-03', location: 'l0', sample_0: 11 },
  { time_period: '2020-04', location: 'l0', sample_0: null, sample_1: 4 },
]
const frameType = 'application/vnd.chapkit.dataframe+json'

test('a frame that comes as records is the frame that was asked for', async () => {
  const { client } = answering(() => ({ body: records, type: frameType }))
  expect(await client.artifacts.frame(ids[0] as string)).toEqual({
    columns: ['time_period', 'location', 'sample_0', 'sample_1'],
    data: [
      ['2020-03', 'l0', 11, null],
      ['2020-04', 'l0', null, 4],
    ],
  })
  expect(await client.artifacts.records(ids[0] as string)).toEqual(records)
})

test.each(['csv', 'parquet'] as const)('records are not taken for %s', async (format) => {
  const id = ids[0] as string
  const { client } = answering(() => ({ body: records, type: frameType }))
  const refused = {
    code: 'unexpected-answer',
    detail: `Expected the artifact ${id} as ${format}, got ${frameType}: the service ignores formats; leave the format out to get what it has`,
  }
  await expect(client.artifacts[format](id)).rejects.toMatchObject(refused)
  await expect(client.artifacts.open(id, { format })).rejects.toMatchObject(refused)
  // A zip is a zip in every format.
  const zip = answering(() => ({ body: 'PK', type: 'application/zip' }))
  expect(await zip.client.artifacts.download(id, { format })).toEqual(Uint8Array.from([80, 75]))
})

test.each([
  [404, 'Not Found', 'not-found'],
  [405, 'Method Not Allowed', 'method-not-allowed'],
])('a route that the service lacks is named, with status %i', async (status, detail, code) => {
  const id = ids[0] as string
  const { client } = answering(() => ({ body: { detail }, status }))
  await expect(client.jobs.cancel(id)).rejects.toMatchObject({
    code,
    status,
    detail: `The service has no such operation: http://service.test/api/v1/jobs/${id}/$cancel. It may be of another version, or made with another chapkit`,
  })
  // Something that is not there is told in the words of the service.
  const missing = { type: 'urn:servicekit:error:not-found', detail: 'Job not found' }
  const known = answering(() => ({ body: missing, status: 404 }))
  await expect(known.client.jobs.get(id)).rejects.toMatchObject({ detail: 'Job not found' })
})
