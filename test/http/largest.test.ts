import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { writeCsv } from '../../src/data/csv.ts'
import { recordsText } from '../../src/data/frame-json.ts'
import { frameToParquet } from '../../src/data/parquet.ts'
import {
  createArtifact,
  createConfig,
  expectProblem,
  frameType,
  type Probe,
  startProbe,
  trainAndPredict,
} from '../compat/fixtures.ts'
import { longStretches } from '../setup/long-stretches.ts'

const base = '/api/v1/artifacts'
let probe: Probe
beforeAll(async () => {
  probe = await startProbe()
})
afterAll(() => probe.close())

/** Some 700 KB as it is stored: more than is rendered, or read, without a thread. */
const frame = {
  columns: ['time_period', 'location', 'cases', 'note', 'humidity'],
  data: Array.from({ length: 12_001 }, (_, row) => [
    `20${10 + (row % 90)}-01`,
    `place "${row}"`,
    row % 7 === 0 ? null : row / 8,
    row % 5 === 0 ? 'a, b\r\n' : 'ä€😀',
    row % 100,
  ]),
}
const createFrame = (content: object = frame, type = frameType) =>
  createArtifact(probe, { data: { type: 'generic', content_type: type, content } })
const urlOf = (id: string, format: string) => `${base}/${id}/$download?format=${format}`

describe('a large frame', () => {
  const expected: Record<string, () => Promise<Uint8Array>> = {
    records: async () => Buffer.from(recordsText(frame)),
    json: async () => Buffer.from(JSON.stringify(frame)),
    csv: async () => Buffer.from(writeCsv(frame)),
    parquet: () => frameToParquet(frame),
  }

  test.each(Object.keys(expected))(
    'downloads as %s, whole, by part and by size',
    async (format) => {
      const whole = Buffer.from(await expected[format]!())
      const url = urlOf(await createFrame(), format)
      const head = await probe.bytes(url, {}, 'HEAD')
      expect(head.headers['content-length']).toBe(String(whole.byteLength))
      const got = await probe.bytes(url)
      expect(got.status).toBe(200)
      expect(got.body.equals(whole)).toBe(true)
      expect(got.headers['content-length']).toBe(String(whole.byteLength))
      for (const [start, end] of [
        [0, 1],
        [Math.floor(whole.byteLength / 3), Math.floor(whole.byteLength / 2)],
        [whole.byteLength - 5, whole.byteLength],
      ] as const) {
        const part = await probe.bytes(url, { range: `bytes=${start}-${end - 1}` })
        expect(part.status).toBe(206)
        expect(part.body.equals(whole.subarray(start, end))).toBe(true)
      }
      const etag = String(got.headers.etag)
      expect(await probe.bytes(url, { 'if-none-match': etag })).toMatchObject({ status: 304 })
    },
  )

  test('is the same frame for many who ask at the same time', async () => {
    const url = urlOf(await createFrame({ ...frame, columns: ['a', 'b', 'c', 'd', 'e'] }), 'csv')
    const answers = await Promise.all(Array.from({ length: 12 }, () => probe.bytes(url)))
    const whole = writeCsv({ ...frame, columns: ['a', 'b', 'c', 'd', 'e'] })
    for (const { body } of answers) expect(body.toString()).toBe(whole)
  })

  test('that was announced and is none is downloaded as it is', async () => {
    const content = { rows: 'x'.repeat(200_000) }
    const got = await probe.bytes(urlOf(await createFrame(content), 'csv'))
    expect(got).toMatchObject({ status: 200, headers: { 'content-type': frameType } })
    expect(got.body.toString()).toBe(JSON.stringify(content))
    const list = await createFrame(Array.from({ length: 50_000 }, () => 'x'))
    const refused = await probe.request('GET', urlOf(list, 'csv'))
    expectProblem(refused, 400, 'bad-request')
  })

  test('leaves no file behind', async () => {
    const tempDir = mkdtempSync(join(tmpdir(), 'chapkit-largest-'))
    onTestFinished(() => rmSync(tempDir, { recursive: true }))
    const other = await startProbe({ tempDir })
    const id = await createArtifact(other, {
      data: { type: 'generic', content_type: frameType, content: frame },
    })
    expect((await other.bytes(urlOf(id, 'csv'))).status).toBe(200)
    await other.close()
    expect(readdirSync(tempDir)).toEqual([])
  })
})

test('whatever large comes or goes, the thread that answers everybody reads and writes it by threads or in parts', async () => {
  const id = await createFrame()
  const made = await trainAndPredict(probe)
  const configId = await createConfig(probe, {})
  const text = JSON.stringify(frame)
  const small = '{"columns":["time_period","location","humidity"],"data":[["2024-01","a",1]]}'
  const map = `{"type":"FeatureCollection","features":[],"note":"${'x'.repeat(400_000)}"}`
  const training = `{"config_id":"${configId}","data":${small},"geo":${map}}`
  const prediction = `{"artifact_id":"${made.artifactId}","historic":${small},"future":${small},"geo":${map}}`
  const bodies: [string, string, string][] = [
    ['POST', base, `{"data":{"type":"generic","content":${text}}}`],
    ['PUT', `${base}/${id}`, `{"data":{"content":${text},"type":"generic"}}`],
    ['PUT', `${base}/${made.predictionId}`, `{"data":{"content":${text}}}`],
    ['POST', '/api/v1/ml/$train', `{"config_id":"${configId}","data":${text}}`],
    ['POST', '/api/v1/ml/$validate', `{"type":"train","config_id":"${configId}","data":${text}}`],
    ['POST', '/api/v1/ml/$train', training],
    ['POST', '/api/v1/ml/$predict', prediction],
    ['POST', '/api/v1/configs', `{"name":"a","data":{"a":${text}}}`],
    ['POST', '/nowhere', text],
  ]
  const found = await longStretches(async () => {
    for (const format of ['records', 'json', 'csv', 'parquet'])
      for (const method of ['HEAD', 'GET'] as const)
        await probe.bytes(urlOf(id, format), {}, method)
    await probe.bytes(`${base}/${id}`)
    for (const [method, url, body] of bodies) {
      const key = `${method} ${url} ${body.length}`
      // The run of a job counts as well.
      const headers = {
        ...{ 'content-type': 'application/json', prefer: 'wait=30', 'idempotency-key': key },
      }
      const { status, json } = await probe.request(method, url, body, headers)
      expect([200, 201, 202, 404, 409, 413], json?.detail).toContain(status)
    }
  })
  expect(found).toEqual([])
})

describe('what has no use when it is large is refused, with what was expected and what came', () => {
  const put = (url: string, body: string, method = 'POST') =>
    probe.request(method, url, body, { 'content-type': 'application/json' })
  const keys = (count: number) =>
    `{${Array.from({ length: count }, (_, key) => `"k${key}":1`).join(',')}}`

  test('members of an object', async () => {
    const answer = await put('/api/v1/configs', `{"name":"a","data":${keys(10_001)}}`)
    const { detail } = expectProblem(answer, 422, 'validation-failed')
    expect(detail).toMatch(/^Expected at most 10000 members in an object, got more at line 1/)
    const most = await put('/api/v1/configs', `{"name":"a","data":${keys(10_000)}}`)
    expect(most.status).toBe(201)
  })

  test.each(['/api/v1/configs', '/api/v1/nowhere/else'])('a document at %s', async (url) => {
    const answer = await put(url, JSON.stringify({ name: 'a', data: { a: 'x'.repeat(262_144) } }))
    if (url === '/api/v1/configs') {
      const { detail } = expectProblem(answer, 413, 'payload-too-large')
      expect(detail).toMatch(/^Expected a body of at most 262144 bytes, got 2621\d\d;/)
    } else expectProblem(answer, 404, 'not-found')
  })

  test('columns of a frame, and their names', async () => {
    const configId = await createConfig(probe, {})
    const names = (count: number, name = 'c') => [
      ...['time_period', 'location', 'humidity'],
      ...Array.from({ length: count - 3 }, (_, at) => `${name}${at}`),
    ]
    const send = async (columns: string[], form: 'json' | 'csv') => {
      const row = ['2024-01', 'a', ...columns.slice(2).map(() => 1)]
      if (form === 'json')
        return put(
          '/api/v1/ml/$train',
          JSON.stringify({ config_id: configId, data: { columns, data: [row] } }),
        )
      const csv = `${columns}\n${row}\n`
      const url = `/api/v1/ml/$train?config_id=${configId}`
      return probe.request('POST', url, csv, { 'content-type': 'text/csv' })
    }
    for (const [form, loc] of [
      ['json', ['body', 'data', 'columns']],
      ['csv', ['body', 1]],
    ] as const) {
      const many = expectProblem(await send(names(20_001), form), 422, 'validation-failed', [
        ...loc,
      ])
      expect(many.detail).toContain('Expected at most 20000 columns, got 20001')
      const long = await send(names(4, 'x'.repeat(250)), form)
      expect(expectProblem(long, 422, 'validation-failed', [...loc]).detail).toContain(
        'Expected names of columns of at most 250 characters, got 251 in column 3',
      )
      expect((await send(names(20_000), form)).status).toBe(202)
    }
  })

  test('the name of a config', async () => {
    const body = (length: number) => JSON.stringify({ name: 'n'.repeat(length), data: {} })
    const answer = await put('/api/v1/configs', body(1001))
    const { detail } = expectProblem(answer, 422, 'validation-failed', ['body', 'name'])
    expect(detail).toContain('Expected text of at most 1000 characters, got "nnn')
    expect((await put('/api/v1/configs', body(1000))).status).toBe(201)
  })

  test('data of an artifact beside its content', async () => {
    const body = (metadata: string) => JSON.stringify({ data: { type: 'a', metadata } })
    const answer = await put(base, body('x'.repeat(262_144)))
    const { detail } = expectProblem(answer, 422, 'validation-failed', ['body', 'data'])
    expect(detail).toMatch(/at most 262144 bytes of JSON beside `content`, got 2621\d\d/)
    expect((await put(base, body('x'.repeat(262_000)))).status).toBe(201)
  })

  test('what stands beside the data of an artifact', async () => {
    const answer = await put(base, JSON.stringify({ tags: Array(70_000).fill('abc'), data: {} }))
    const { detail } = expectProblem(answer, 422, 'validation-failed', ['body'])
    expect(detail).toMatch(/at most 262144 bytes of JSON beside `data`, got 420010/)
  })
})

test('the answer to a create with large content is given again for its key, without what has been deleted since', async () => {
  const headers = { 'idempotency-key': 'large' }
  const body = { data: { type: 'generic', content: frame, note: 'behind' }, tags: ['a'] }
  const first = await probe.request('POST', base, body, headers)
  expect(first.status).toBe(201)
  expect(first.json.data).toEqual(body.data)
  const again = await probe.request('POST', base, body, headers)
  expect(again.text).toBe(first.text)
  expect(again.headers).toMatchObject({
    'idempotency-replayed': 'true',
    location: first.headers.location,
  })
  const stored = await probe.request('GET', `${base}/${first.json.id}`)
  expect(stored.text).toBe(first.text)
  const other = await probe.request('POST', base, { ...body, tags: ['b'] }, headers)
  expectProblem(other, 422, 'idempotency-mismatch')
})

test('a page of many large configs is whole, and says where the next one is', async () => {
  await using own = await startProbe()
  const ids: string[] = []
  for (let at = 0; at < 130; at++) ids.push(await createConfig(own, { text: 'x'.repeat(20_000) }))
  const idsOf = (items: { id: string }[]) => items.map(({ id }) => id)
  const all = await own.request('GET', '/api/v1/configs')
  expect(idsOf(all.json)).toEqual(ids)
  const page = await own.request('GET', '/api/v1/configs?page=1&size=120')
  expect(idsOf(page.json.items)).toEqual(ids.slice(0, 120))
  expect(page.json).toMatchObject({ total: 130, page: 1, size: 120, pages: 2 })
  const second = await own.request('GET', '/api/v1/configs?page=2&size=120')
  expect(idsOf(second.json.items)).toEqual(ids.slice(120))
  const behind = await own.request('GET', '/api/v1/configs?page=3&size=120')
  expect(behind.json).toEqual({ items: [], total: 130, page: 3, size: 120, pages: 2 })
  const byKey = await own.request('GET', `/api/v1/configs?after=${ids[4]}&size=110`)
  expect(idsOf(byKey.json)).toEqual(ids.slice(5, 115))
  expect(byKey.headers.link).toBe(`<?after=${ids[114]}&size=110>; rel="next"`)
})

test('a list of small items and then of large ones is read as far as they are not too large together', async () => {
  await using own = await startProbe()
  const { rows } = own.parts.configs!
  const ids: string[] = []
  for (let at = 0; at < 105; at++) ids.push(await createConfig(own, {}))
  for (let at = 0; at < 12; at++) ids.push(await createConfig(own, { text: 'ä'.repeat(100_000) }))
  const read = async (after: string | undefined, bytes: number) =>
    (await rows({ kind: 'key', after: after ?? null, size: 1000, bytes })).map(({ id }) => id)
  expect(await read(ids[99], 700_000)).toEqual(ids.slice(100, 108))
  expect(await read(ids[110], 700_000)).toEqual(ids.slice(111, 114))
  expect(await read(ids[110], 10)).toEqual([ids[111]])
  expect(await read(ids[116], 10)).toEqual([])
  expect(await read(undefined, 1e9)).toEqual(ids)
  const idsOf = (items: { id: string }[]) => items.map(({ id }) => id)
  const url = '/api/v1/configs'
  expect(idsOf((await own.request('GET', url)).json)).toEqual(ids)
  expect(idsOf((await own.request('GET', `${url}?page=2&size=90`)).json.items)).toEqual(
    ids.slice(90),
  )
  const byKey = await own.request('GET', `${url}?after=${ids[99]}&size=10`)
  expect(idsOf(byKey.json)).toEqual(ids.slice(100, 110))
  expect(byKey.headers.link).toContain(`after=${ids[109]}`)
})

test('a tree of many nodes comes whole and in order', async () => {
  const root = await createArtifact(probe, { data: { node: 'root' } })
  const children: string[] = []
  for (let at = 0; at < 130; at++)
    children.push(await createArtifact(probe, { data: { at }, parent_id: root }))
  const below = await createArtifact(probe, { data: {}, parent_id: children[64] })
  const { json } = await probe.request('GET', `${base}/${root}/$tree`)
  expect(json).toEqual(await probe.parts.artifacts.tree(root))
  expect(json.children.map(({ id }: { id: string }) => id)).toEqual(children)
  expect(json.children[64].children[0]).toMatchObject({ id: below, level: 2, children: [] })
})
