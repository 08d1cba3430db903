import { createHash } from 'node:crypto'
import { DataFrame } from 'chapkit'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  createArtifact,
  expectProblem,
  frameType,
  nobody,
  type Probe,
  startProbe,
  trainAndPredict,
} from './fixtures.ts'

const base = '/api/v1/artifacts'
const records = '[{"time_period":"2020-03","location":"l0","sample_0":2,"sample_1":3.5}]'
let probe: Probe
let made: Awaited<ReturnType<typeof trainAndPredict>>
beforeAll(async () => {
  probe = await startProbe()
  made = await trainAndPredict(probe)
})
afterAll(() => probe.close())

const urlOf = (id: string, query = '') => `${base}/${id}/$download${query}`

/** Names and bytes of a zip of stored entries, read through its central directory. */
function filesOf(zip: Buffer): Map<string, string> {
  const end = zip.lastIndexOf(Buffer.from('PK\x05\x06'))
  const files = new Map<string, string>()
  let at = zip.readUInt32LE(end + 16)
  for (let left = zip.readUInt16LE(end + 10); left > 0; left--) {
    const size = zip.readUInt32LE(at + 24)
    const nameLength = zip.readUInt16LE(at + 28)
    const local = zip.readUInt32LE(at + 42)
    const start = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28)
    expect(zip.readUInt16LE(at + 10)).toBe(0)
    const name = zip.subarray(at + 46, at + 46 + nameLength).toString()
    files.set(name, zip.subarray(start, start + size).toString('latin1'))
    at += 46 + nameLength + zip.readUInt16LE(at + 30) + zip.readUInt16LE(at + 32)
  }
  return files
}

describe('a prediction', () => {
  test('downloads as an array of records', async () => {
    const answer = await probe.request('GET', urlOf(made.predictionId))
    expect(answer).toMatchObject({ status: 200, text: records })
    expect(answer.headers).toMatchObject({
      'content-type': frameType,
      'content-disposition': `attachment; filename=artifact_${made.predictionId}.json`,
      'content-length': String(records.length),
      'accept-ranges': 'bytes',
      etag: expect.stringMatching(/^"[^"]+"$/),
    })
    const same = await probe.request('GET', urlOf(made.predictionId, '?format=records'))
    expect(same).toMatchObject({ text: records, headers: { etag: answer.headers.etag } })
  })

  test('downloads as the frame, as CSV and as Parquet, each with a name and an ETag of its own', async () => {
    const [json, csv] = await Promise.all(
      ['json', 'csv'].map((format) =>
        probe.request('GET', urlOf(made.predictionId, `?format=${format}`)),
      ),
    )
    const stored = await probe.request('GET', `${base}/${made.predictionId}`)
    expect(json?.json).toEqual(stored.json.data.content)
    expect(json?.headers).toMatchObject({
      'content-type': 'application/json',
      'content-disposition': `attachment; filename=artifact_${made.predictionId}.json`,
    })
    expect(csv?.text).toBe('time_period,location,sample_0,sample_1\r\n2020-03,l0,2,3.5\r\n')
    expect(csv?.headers).toMatchObject({
      'content-type': 'text/csv; charset=utf-8',
      'content-disposition': `attachment; filename=artifact_${made.predictionId}.csv`,
    })
    const parquet = await probe.bytes(urlOf(made.predictionId, '?format=parquet'))
    expect(parquet.headers).toMatchObject({
      'content-type': 'application/vnd.apache.parquet',
      'content-disposition': `attachment; filename=artifact_${made.predictionId}.parquet`,
    })
    const frame = await DataFrame.fromParquet(new Uint8Array(parquet.body))
    expect(JSON.stringify(frame.toRecords())).toBe(records)
    const tags = [json?.headers.etag, csv?.headers.etag, parquet.headers.etag]
    expect(new Set(tags).size).toBe(3)
  })

  test('is refused in a format that there is not', async () => {
    const answer = await probe.request('GET', urlOf(made.predictionId, '?format=xml'))
    const problem = expectProblem(answer, 422, 'validation-failed', ['query', 'format'])
    expect(problem.detail).toContain('"records", "json", "csv", "parquet"')
    expect(problem.detail).toContain('got "xml"')
  })
})

describe('ranges and revalidation', () => {
  test.each([
    ['bytes=0-3', 0, 4],
    ['bytes=5-', 5, records.length],
    ['bytes=-4', records.length - 4, records.length],
    ['bytes=2-99999', 2, records.length],
    ['bytes=-99999', 0, records.length],
    [`bytes=${records.length - 1}-`, records.length - 1, records.length],
  ])('%s answers that part', async (range, start, end) => {
    const answer = await probe.bytes(urlOf(made.predictionId), { range })
    expect(answer.status).toBe(206)
    expect(answer.body.toString()).toBe(records.slice(start, end))
    expect(answer.headers).toMatchObject({
      'content-range': `bytes ${start}-${end - 1}/${records.length}`,
      'content-length': String(end - start),
    })
  })

  test.each(['bytes=0-1,4-5', 'bytes=5-2', 'items=0-1', 'bytes=-', 'bytes=a-b', 'bytes'])(
    '%s answers the whole',
    async (range) => {
      const answer = await probe.request('GET', urlOf(made.predictionId), undefined, { range })
      expect(answer).toMatchObject({ status: 200, text: records })
      expect(answer.headers).not.toHaveProperty('content-range')
    },
  )

  test.each([`bytes=${records.length}-`, 'bytes=99999-100000', 'bytes=-0'])(
    '%s is not satisfiable',
    async (range) => {
      const answer = await probe.request('GET', urlOf(made.predictionId), undefined, { range })
      expectProblem(answer, 416, 'range-not-satisfiable')
      expect(answer.headers['content-range']).toBe(`bytes */${records.length}`)
    },
  )

  test('If-Range answers the part only of the same bytes', async () => {
    const url = urlOf(made.predictionId)
    const { headers } = await probe.request('GET', url)
    const ask = (tag: string) => probe.bytes(url, { range: 'bytes=0-3', 'if-range': tag })
    expect((await ask(String(headers.etag))).status).toBe(206)
    const whole = await ask('"other"')
    expect(whole.status).toBe(200)
    expect(whole.body.toString()).toBe(records)
  })

  test('If-None-Match answers 304 without a body when the bytes are the same', async () => {
    const url = urlOf(made.predictionId)
    const etag = String((await probe.request('GET', url)).headers.etag)
    for (const value of [etag, `"x", ${etag}`, `W/${etag}`, '*']) {
      const answer = await probe.request('GET', url, undefined, { 'if-none-match': value })
      expect(answer).toMatchObject({ status: 304, text: '', headers: { etag } })
    }
    const other = await probe.request('GET', url, undefined, { 'if-none-match': '"x"' })
    expect(other).toMatchObject({ status: 200, text: records })
  })

  test('HEAD answers the headers alone', async () => {
    const url = urlOf(made.predictionId)
    const { headers } = await probe.request('GET', url)
    const answer = await probe.request('HEAD', url)
    expect(answer).toMatchObject({ status: 200, text: '' })
    for (const name of ['etag', 'content-length', 'content-type', 'content-disposition']) {
      expect(answer.headers[name]).toBe(headers[name])
    }
  })
})

describe('a workspace', () => {
  test('downloads as a zip of config, data and model, equal every time', async () => {
    const { status, headers, body } = await probe.bytes(urlOf(made.artifactId))
    expect(status).toBe(200)
    expect(headers).toMatchObject({
      'content-type': 'application/zip',
      'content-disposition': `attachment; filename=artifact_${made.artifactId}.zip`,
      'content-length': String(body.byteLength),
    })
    const { json } = await probe.request('GET', `${base}/${made.artifactId}`)
    expect(json.data.content_size).toBe(body.byteLength)
    const files = filesOf(body)
    expect([...files.keys()].toSorted()).toEqual(['config.yml', 'data.csv', 'model.chapkit'])
    expect(files.get('config.yml')).toBe(
      'additional_continuous_covariates: []\nbehaviour: plain\nlearning-rate: 0.5\nn_lags: 3\nprediction_periods: 3\n',
    )
    expect(files.get('data.csv')).toBe(
      'time_period,location,rainfall,mean_temperature,disease_cases,population,humidity\n' +
        '2020-01,l0,210.5,26.1,12,426640,71\n2020-02,l0,180.2,26.4,,426640,68.5\n',
    )
    const again = await probe.bytes(urlOf(made.artifactId))
    expect(again.body.equals(body)).toBe(true)
    expect(again.headers.etag).toBe(headers.etag)
  })

  test('of a prediction has its inputs and its output too', async () => {
    const { json } = await probe.request('GET', `${base}/${made.predictionId}/$tree`)
    const { body } = await probe.bytes(urlOf(json.children[0].id))
    expect([...filesOf(body).keys()].toSorted()).toEqual([
      'config.yml',
      'future.csv',
      'historic.csv',
      'model.chapkit',
      'predictions.csv',
    ])
  })

  test('comes in parts that add up to the whole', async () => {
    const { body } = await probe.bytes(urlOf(made.artifactId))
    const parts = []
    for (let start = 0; start < body.byteLength; start += 100) {
      const part = await probe.bytes(urlOf(made.artifactId), {
        range: `bytes=${start}-${start + 99}`,
      })
      expect(part.status).toBe(206)
      parts.push(part.body)
    }
    expect(Buffer.concat(parts).equals(body)).toBe(true)
  })
})

describe('content of a client’s own', () => {
  const downloadOf = async (data: unknown) => {
    const id = await createArtifact(probe, { data })
    return { id, answer: await probe.request('GET', urlOf(id)) }
  }

  test('that is an object downloads as its JSON, with the name of its type', async () => {
    const { id, answer } = await downloadOf({
      content: { a: [1] },
      content_type: 'application/json',
    })
    expect(answer).toMatchObject({ status: 200, text: '{"a":[1]}' })
    expect(answer.headers).toMatchObject({
      'content-type': 'application/json',
      'content-disposition': `attachment; filename=artifact_${id}.json`,
    })
  })

  test('without a type, or with one that is none, is a plain file', async () => {
    for (const type of [undefined, 'text\r\nx: y', 'nonsense', 7]) {
      const { id, answer } = await downloadOf({ content: { a: 1 }, content_type: type })
      expect(answer.headers).toMatchObject({
        'content-type': 'application/octet-stream',
        'content-disposition': `attachment; filename=artifact_${id}.bin`,
      })
    }
  })

  test('that is a frame of type text/csv downloads as CSV', async () => {
    const frame = { columns: ['a', 'b'], data: [[1, 'x,y']] }
    const { answer } = await downloadOf({ content: frame, content_type: 'text/csv' })
    expect(answer).toMatchObject({ status: 200, text: 'a,b\r\n1,"x,y"\r\n' })
  })

  test.each([
    ['str', 'text'],
    ['list', [1]],
    ['number', 7],
    ['bool', true],
  ])('that is a %s is refused', async (kind, content) => {
    const { answer } = await downloadOf({ content })
    expect(expectProblem(answer, 400, 'bad-request').detail).toContain(
      `Cannot serialize content of type ${kind}`,
    )
  })

  test('that is not there is 404, in data that is no object 400', async () => {
    for (const data of [{ a: 1 }, { content: null }]) {
      const { answer } = await downloadOf(data)
      expect(expectProblem(answer, 404, 'not-found').detail).toBe('Artifact has no content')
    }
    for (const data of ['text', [1], 5]) {
      const { answer } = await downloadOf(data)
      expect(expectProblem(answer, 400, 'bad-request').detail).toContain(
        'Artifact has no downloadable content',
      )
    }
  })
})

describe('uploading', () => {
  const bytes = Buffer.from([0, 255, 1, 254, 13, 10])
  const digest = (of: Buffer) => `sha-256=:${createHash('sha256').update(of).digest('base64')}:`
  const upload = (body: Buffer, headers: Record<string, string> = {}, query = '') =>
    probe.request('POST', `${base}/$upload${query}`, body, {
      'content-type': 'image/png',
      ...headers,
    })

  test('makes a generic artifact whose content is the bytes', async () => {
    const root = await createArtifact(probe, { data: 1 })
    const answer = await upload(bytes, {}, `?parent_id=${root}&tags=a,b`)
    const { id } = answer.json
    expect(answer.status).toBe(201)
    expect(answer.headers.location).toMatch(new RegExp(`${base}/${id}$`))
    expect(answer.json).toMatchObject({
      tags: ['a', 'b'],
      parent_id: root,
      level: 1,
      data: { type: 'generic', content_type: 'image/png', content_size: 6 },
    })
    expect(answer.json.data.content._repr).toBe('<6 bytes>')
    expect((await probe.request('GET', `${base}/${id}`)).json).toEqual(answer.json)
    const download = await probe.bytes(urlOf(id))
    expect(download.body.equals(bytes)).toBe(true)
    expect(download.headers).toMatchObject({
      'content-type': 'image/png',
      'content-disposition': `attachment; filename=artifact_${id}.png`,
    })
    const part = await probe.bytes(urlOf(id), { range: 'bytes=1-2' })
    expect([...part.body]).toEqual([255, 1])
  })

  test('takes many bytes, and none', async () => {
    const large = Buffer.alloc(3_000_000, 'abcdefg')
    const { json } = await upload(large)
    expect((await probe.bytes(urlOf(json.id))).body.equals(large)).toBe(true)
    const empty = await upload(Buffer.alloc(0))
    expect(empty.json.data.content_size).toBe(0)
    expect((await probe.bytes(urlOf(empty.json.id))).body.byteLength).toBe(0)
  })

  test('checks Content-Digest when it is given', async () => {
    const { total } = (await probe.request('GET', `${base}/$stats`)).json
    const right = await upload(bytes, { 'content-digest': digest(bytes) })
    expect(right.status).toBe(201)
    const wrong = await upload(bytes, { 'content-digest': digest(Buffer.from('other')) })
    expect(wrong.status).toBeGreaterThanOrEqual(400)
    expect(wrong.status).toBeLessThan(500)
    expectProblem(wrong, wrong.status, wrong.json.type.slice('urn:chapkit:error:'.length))
    const malformed = await upload(bytes, { 'content-digest': 'md5=abc' })
    expectProblem(malformed, 400, 'bad-request')
    expect((await probe.request('GET', `${base}/$stats`)).json.total).toBe(total + 1)
  })

  test('is refused under a parent that is not there, and with tags that are none', async () => {
    expectProblem(await upload(bytes, {}, `?parent_id=${nobody}`), 422, 'validation-failed')
    expectProblem(await upload(bytes, {}, '?parent_id=zz'), 422, 'validation-failed', [
      'query',
      'parent_id',
    ])
    for (const tags of ['a b', 'a,a', 'x'.repeat(101)]) {
      expectProblem(
        await upload(bytes, {}, `?tags=${encodeURIComponent(tags)}`),
        422,
        'validation-failed',
        ['query', 'tags'],
      )
    }
  })

  test('with an idempotency key happens once', async () => {
    const headers = { 'idempotency-key': 'upload-1' }
    const first = await upload(bytes, headers)
    const again = await upload(bytes, headers)
    expect(again).toMatchObject({ status: 201, text: first.text })
    expect(again.headers['idempotency-replayed']).toBe('true')
    expect(again.headers.location).toBe(first.headers.location)
    expectProblem(await upload(Buffer.from('x'), headers), 422, 'idempotency-mismatch')
    expectProblem(await upload(bytes, headers, '?tags=t'), 422, 'idempotency-mismatch')
  })
})
