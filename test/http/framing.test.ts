import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createConfig, expectProblem, nobody, type Probe, startProbe } from '../compat/fixtures.ts'
import { request, sendRaw } from './raw.ts'

const limit = 64 * 1024
let probe: Probe
let url: string
beforeAll(async () => {
  probe = await startProbe({ maxBody: limit })
  url = await probe.listen()
})
afterAll(() => probe.close())

/** The one answer to a request. */
async function ask(...pieces: (string | Uint8Array)[]) {
  const answers = await sendRaw(url, ...pieces)
  expect(answers).toHaveLength(1)
  return answers[0]!
}
const json = 'Content-Type: application/json'
const post = (body: string, headers: string[] = [json], path = '/api/v1/configs') =>
  request(`POST ${path} HTTP/1.1`, [...headers, `Content-Length: ${Buffer.byteLength(body)}`], body)
const chunked = (...chunks: string[]) =>
  [...chunks, ''].map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join('')

describe('bodies over the limit', () => {
  const paths = ['/api/v1/configs', '/api/v1/artifacts', '/api/v1/ml/$train', '/api/v1/ml/$predict']

  const setting = (path: string) =>
    path === '/api/v1/configs'
      ? 'the lower of CHAPKIT_MAX_DOCUMENT and CHAPKIT_MAX_BODY sets the limit'
      : 'CHAPKIT_MAX_BODY sets the limit'

  test.each(paths)(
    'are refused by their Content-Length at %s, before they are sent',
    async (path) => {
      const headers = [json, `Content-Length: ${limit + 1}`, 'Expect: nothing']
      const answer = await ask(request(`POST ${path} HTTP/1.1`, headers.slice(0, 2)))
      const problem = expectProblem(answer, 413, 'payload-too-large')
      expect(problem.detail).toBe(
        `Expected a body of at most ${limit} bytes, got ${limit + 1}; ${setting(path)}`,
      )
    },
  )

  test.each(paths)('are refused at %s when they come in chunks', async (path) => {
    const head = request(`POST ${path} HTTP/1.1`, [json, 'Transfer-Encoding: chunked'])
    const answer = await ask(head, chunked(...Array.from({ length: 10 }, () => 'x'.repeat(8192))))
    expectProblem(answer, 413, 'payload-too-large')
  })

  test('are taken up to the limit', async () => {
    const body = (length: number) => {
      const empty = JSON.stringify({ name: 'a', data: { note: '' } })
      const note = 'x'.repeat(length - empty.length)
      return JSON.stringify({ name: 'a', data: { note } })
    }
    expect((await ask(post(body(limit)))).status).toBe(201)
    expect((await ask(post(body(limit + 1)))).status).toBe(413)
  })

  test('may be uploaded: those pass through', async () => {
    const body = 'x'.repeat(3 * limit)
    const answer = await ask(post(body, ['Content-Type: text/plain'], '/api/v1/artifacts/$upload'))
    expect(answer.status).toBe(201)
    expect(answer.json.data.content_size).toBe(3 * limit)
  })
})

describe('Content-Type', () => {
  const body = '{"name":"a","data":{"prediction_periods":"x"}}'

  test.each([
    'application/json',
    'application/json; charset=utf-8',
    'application/json;charset=UTF-8',
    'APPLICATION/JSON',
    ' application/json ',
    'application/json ; a=b',
  ])('%j is JSON, and is validated', async (type) => {
    const answer = await ask(post(body, [`Content-Type:${type}`]))
    expectProblem(answer, 422, 'validation-failed', ['body', 'data', 'prediction_periods'])
  })

  test.each([
    'text/plain',
    'text/json',
    'application/xml',
    'application/jsonx',
    'application/vnd.api+json',
    'application/problem+json',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=a',
    'application/octet-stream',
    'text/csv',
    'json',
    '*/*',
    'application/json, text/plain',
    'application/json\ta',
    'application/json garbage',
    '',
  ])('%j is refused, or read as JSON and validated', async (type) => {
    const answer = await ask(post(body, [`Content-Type: ${type}`]))
    if (answer.status === 422) expectProblem(answer, 422, 'validation-failed')
    else {
      const problem = expectProblem(answer, 415, 'unsupported-media-type')
      expect(problem.detail).toContain('Expected `Content-Type: application/json`, got')
    }
    const known = /^application\/json\b/.test(type)
    if (!known) expect(answer.status).toBe(415)
  })

  test('that is missing is refused when there is a body', async () => {
    const problem = expectProblem(await ask(post(body, [])), 415, 'unsupported-media-type')
    expect(problem.detail).toBe('Expected `Content-Type: application/json`, got none')
  })

  test('without a body is 400 where one is needed, and nothing where none is', async () => {
    for (const headers of [[], [json], [json, 'Content-Length: 0'], ['Content-Length: 0']]) {
      const answer = await ask(request('POST /api/v1/configs HTTP/1.1', headers))
      expect(expectProblem(answer, 400, 'invalid-json').detail).toBe(
        'Expected a JSON document, got an empty body',
      )
      const cancel = await ask(request(`POST /api/v1/jobs/${nobody}/$cancel HTTP/1.1`, headers))
      expectProblem(cancel, 404, 'not-found')
    }
  })

  test('on GET and DELETE without a body, as chap-core sends it, says nothing', async () => {
    const id = await createConfig(probe)
    const read = await ask(request(`GET /api/v1/configs/${id} HTTP/1.1`, [json]))
    expect(read.json.id).toBe(id)
    for (const headers of [[json], [json, 'Content-Length: 0']]) {
      const made = await createConfig(probe)
      const answer = await ask(request(`DELETE /api/v1/configs/${made} HTTP/1.1`, headers))
      expect(answer).toMatchObject({ status: 204, text: '' })
    }
  })

  test.each(['gzip', 'br', 'deflate', 'zstd', 'GZIP', 'gzip, gzip', 'x-gzip'])(
    'with Content-Encoding: %s is refused everywhere',
    async (encoding) => {
      for (const path of [
        '/api/v1/configs',
        '/api/v1/ml/$train',
        '/api/v1/artifacts/$upload',
        `/api/v1/jobs/${nobody}/$cancel`,
      ]) {
        const answer = await ask(
          post('\u001f\u008b', [json, `Content-Encoding: ${encoding}`], path),
        )
        const problem = expectProblem(answer, 415, 'unsupported-media-type')
        expect(problem.detail).toContain('uncompressed')
        expect(answer.headers['accept-encoding']).toBe('identity')
      }
      const plain = await ask(post('{"name":"a","data":{}}', [json, 'Content-Encoding: identity']))
      expect(plain.status).toBe(201)
    },
  )
})

describe('targets and headers', () => {
  test.each(['*', 'example.org:443', 'ftp://localhost/health', 'http:///health'])(
    'the target %s is refused',
    async (target) => {
      const answer = await ask(request(`GET ${target} HTTP/1.1`))
      expectProblem(answer, 400, 'bad-request')
    },
  )

  test('the target * asks for the methods of the whole service', async () => {
    const answer = await ask(request('OPTIONS * HTTP/1.1'))
    expect(answer.status).toBe(204)
    expect(answer.headers.allow).toBe('DELETE, GET, HEAD, OPTIONS, POST, PUT')
  })

  test('a target with a fragment is refused', async () => {
    expectProblem(await ask(request('GET /health#a HTTP/1.1')), 400, 'bad-request')
  })

  test('headers beyond 16 KiB are 431', async () => {
    const answer = await ask(request('GET /health HTTP/1.1', [`X-Long: ${'x'.repeat(17_000)}`]))
    const problem = expectProblem(answer, 431, 'headers-too-large')
    expect(problem.detail).toContain('16 KiB')
    const target = await ask(request(`GET /${'x'.repeat(17_000)} HTTP/1.1`))
    expect(target.status).toBe(431)
  })

  test.each([
    ['both lengths', ['Content-Length: 2', 'Transfer-Encoding: chunked']],
    ['two lengths', ['Content-Length: 2', 'Content-Length: 3']],
    ['a length that is none', ['Content-Length: abc']],
    ['a length below 0', ['Content-Length: -1']],
    ['an encoding that there is not', ['Transfer-Encoding: xchunked']],
    ['a NUL', ['X-A: a\u0000b']],
    ['a blank before the colon', ['Content-Length : 2']],
    ['a folded line', ['X-A: a', ' b']],
    ['a line folded with a tab', ['X-A: a', '\tb']],
    ['a first line that is folded', [' X-A: b']],
    ['a list of lengths', ['Content-Length: 2, 2']],
    ['the same length twice', ['Content-Length: 2', 'Content-Length: 2']],
    ['a length with a sign', ['Content-Length: +2']],
    ['a length in hex', ['Content-Length: 0x2']],
    ['a length beyond all numbers', ['Content-Length: 99999999999999999999']],
    ['an empty length', ['Content-Length: ']],
  ])('%s: 400, one answer and the end', async (_name, headers) => {
    const answer = await ask(request('POST /api/v1/configs HTTP/1.1', [json, ...headers], '{}'))
    expectProblem(answer, 400, 'bad-request')
  })

  test.each([
    ['gzip, chunked', ['Transfer-Encoding: gzip, chunked']],
    ['GZIP,chunked', ['Transfer-Encoding: GZIP,chunked']],
    ['deflate, gzip, chunked', ['Transfer-Encoding: deflate, gzip, chunked']],
    ['gzip and chunked in two lines', ['Transfer-Encoding: gzip', 'Transfer-Encoding: chunked']],
    ['chunked twice', ['Transfer-Encoding: chunked, chunked']],
    ['chunked with a parameter', ['Transfer-Encoding: chunked;a=b']],
    ['identity', ['Transfer-Encoding: identity']],
    ['nothing', ['Transfer-Encoding: ', 'Content-Length: 2']],
  ])('the transfer coding %s is refused, and the connection ends', async (_name, headers) => {
    const before = await probe.request('GET', '/api/v1/configs/$stats')
    const head = ['POST /api/v1/configs HTTP/1.1', 'Host: localhost', json, ...headers]
    const body = chunked('{"name":"a","data":{}}')
    const answer = await ask(`${head.join('\r\n')}\r\n\r\n${body}`)
    expectProblem(answer, 400, 'bad-request')
    expect(answer.headers.connection).toBe('close')
    expect((await probe.request('GET', '/api/v1/configs/$stats')).json).toEqual(before.json)
  })

  test('chunks are taken whatever the case of their name, but not by HTTP/1.0', async () => {
    const send = (version: string) =>
      ask(
        request(`POST /api/v1/configs HTTP/${version}`, [json, 'Transfer-Encoding: CHUNKED']),
        chunked('{"name":"a","data":{}}'),
      )
    expect((await send('1.1')).status).toBe(201)
    expectProblem(await send('1.0'), 400, 'bad-request')
  })

  test('a tunnel is refused with a reason', async () => {
    const answer = await ask('CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n')
    expectProblem(answer, 400, 'bad-request')
  })

  test('what is no HTTP at all is 400', async () => {
    for (const bytes of [
      'hello\r\n\r\n',
      'GET /health\r\n\r\n',
      '\x16\x03\x01\x02\x00',
      'GET / HTTP/9.9\r\n\r\n',
    ]) {
      expectProblem(await ask(bytes), 400, 'bad-request')
    }
  })

  test('a chunk that is broken ends the request', async () => {
    const head = request('POST /api/v1/configs HTTP/1.1', [json, 'Transfer-Encoding: chunked'])
    const answer = await ask(head, 'zz\r\n{}\r\n0\r\n\r\n')
    expect(answer.status).toBe(400)
  })

  test('without a Host, or with two, a request is 400', async () => {
    const none = await ask('GET /health HTTP/1.1\r\nConnection: close\r\n\r\n')
    expect(none.status).toBe(400)
    expectProblem(none, 400, 'bad-request')
    const two = await ask(request('GET /health HTTP/1.1', ['Host: localhost', 'Host: localhost']))
    expectProblem(two, 400, 'bad-request')
  })

  test('a forged X-Forwarded-Host changes no link', async () => {
    const forged = ['X-Forwarded-Host: evil.example', 'X-Forwarded-Proto: https']
    const answer = await ask(post('{"name":"a","data":{}}', [json, ...forged]))
    expect(answer.headers.location).toMatch(/^http:\/\/localhost\/api\/v1\/configs\//)
  })

  test('requests in a row are answered in a row', async () => {
    const line = 'GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n'
    const answers = await sendRaw(url, line.repeat(50), request('GET /api/v1/info HTTP/1.1'))
    expect(answers.map(({ status }) => status)).toEqual(Array(51).fill(200))
    expect(answers.at(-1)?.json.id).toBe('probe-svc')
    expect(new Set(answers.map(({ headers }) => headers['x-request-id'])).size).toBe(51)
  })

  test.each(['get', 'FOO', 'get /health', 'CONNECT', 'PROPFIND', 'QUERY', 'TRACE'])(
    'the method %s is refused',
    async (method) => {
      const [answer] = await sendRaw(url, request(`${method} /health HTTP/1.1`))
      expect([400, 405]).toContain(answer?.status)
      expectProblem(
        answer!,
        answer!.status,
        answer!.status === 405 ? 'method-not-allowed' : 'bad-request',
      )
    },
  )

  test('the service goes on as if nothing had been', async () => {
    expect((await probe.request('GET', '/health')).json.status).toBe('healthy')
  })
})

describe('an expectation', () => {
  const send = (
    expectation: string,
    line = 'POST /api/v1/configs HTTP/1.1',
    more: string[] = [],
  ) => {
    const body = '{"name":"a","data":{}}'
    const length = `Content-Length: ${body.length}`
    return ask(request(line, [json, length, `Expect:${expectation}`, ...more]), body)
  }

  test.each([' nothing', ' 100-continue, nothing', ' 100-continues', ' 200-ok'])(
    'that nobody knows (%s) is refused with a problem, and the connection ends',
    async (expectation) => {
      const answer = await send(expectation)
      const { detail } = expectProblem(answer, 417, 'expectation-failed')
      expect(detail).toBe(
        `Expected no \`Expect\` but \`100-continue\`, got ${JSON.stringify(expectation.trim())}`,
      )
      expect(answer.headers).toMatchObject({ connection: 'close' })
    },
  )

  test('is looked at behind the host and the page that sends', async () => {
    const page = ['Origin: https://evil.example']
    expectProblem(await send(' x', undefined, page), 403, 'forbidden')
    const probe = await send(' x', 'GET /health HTTP/1.1')
    expectProblem(probe, 417, 'expectation-failed')
  })

  test('that says nothing, or of HTTP/1.0, counts for nothing', async () => {
    expect((await send('')).status).toBe(201)
    expect((await send(' nothing', 'POST /api/v1/configs HTTP/1.0')).status).toBe(201)
  })
})
