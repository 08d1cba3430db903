import { connect } from 'node:net'
import type { Readable } from 'node:stream'
import { text as readText } from 'node:stream/consumers'
import { MLServiceBuilder, type Service } from 'chapkit'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { createProbe, expectProblem, info, nobody } from '../compat/fixtures.ts'
import { parseAnswers } from './raw.ts'

const limit = 64 * 1024
let service: Service
let url: string

beforeAll(async () => {
  service = new MLServiceBuilder({ info, runner: createProbe().runner })
    .withAuth({ openPaths: ['/api', '/own'] })
    .withRoutes((app) => {
      app.get('/shut', async () => ({}))
      app.post('/shut', async () => ({}))
      app.post(
        '/own/refused',
        { onRequest: async (_request, reply) => reply.code(409).send() },
        async () => ({}),
      )
      app.addContentTypeParser('text/raw', (_request, payload, done) => done(null, payload))
      app.post('/own/raw', async ({ body }) => readText(body as Readable))
      app.addContentTypeParser('multipart/form-data', (_request, _payload, done) => done(null))
      app.post('/own/multipart', async ({ raw }) => readText(raw))
    })
    .withRoutes((app) => {
      const parser = { parseAs: 'string' } as const
      app.addContentTypeParser('application/json', parser, (_request, text, done) =>
        done(null, { text }),
      )
      app.post('/own/json', async ({ body }) => body)
    })
    .build() as never
  const settings = { port: 0, databaseUrl: ':memory:', logLevel: 'silent', signals: false } as const
  url = (
    await service.listen({
      ...settings,
      hosting: 'inline',
      maxBody: limit,
      apiKeys: ['only-a-test'],
    })
  ).url
})
afterAll(() => service.close())

const body = '{"name":"a","data":{}}'
const json = 'Content-Type: application/json'
const key = 'X-API-Key: only-a-test'

/** What comes to a client that asks before it sends its body, and sends it when it is told to. */
async function ask(line: string, headers: string[] = [], length: number | null = body.length) {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  socket.on('error', () => {})
  const size = length === null ? 'Transfer-Encoding: chunked' : `Content-Length: ${length}`
  const host = headers.some((header) => header.startsWith('Host:')) ? [] : ['Host: localhost']
  const lines = [`${line} HTTP/1.1`, ...host, size, 'Expect: 100-continue', ...headers]
  socket.write(`${lines.join('\r\n')}\r\n\r\n`)
  const told = 'HTTP/1.1 100 Continue\r\n\r\n'
  let came = ''
  let wasTold = false
  for await (const chunk of socket.setEncoding('latin1')) {
    came += chunk
    if (!wasTold && came.startsWith(told)) {
      wasTold = true
      socket.write(length === null ? `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n` : body)
      came = came.slice(told.length)
    }
    const [answer] = came.includes('\r\n\r\n') ? parseAnswers(came) : []
    const whole = answer && answer.text.length >= Number(answer.headers['content-length'] ?? 0)
    if (whole) return { wasTold, ...answer }
  }
  throw new Error(`No answer came: ${came}`)
}

test.each([
  ['is too large', 413, 'POST /api/v1/configs', [json], limit + 1],
  ['is of the wrong type', 415, 'POST /api/v1/configs', ['Content-Type: text/plain'], undefined],
  ['has no type', 415, 'POST /api/v1/configs', [], undefined],
  ['is compressed', 415, 'POST /api/v1/configs', [json, 'Content-Encoding: gzip'], undefined],
  ['leads nowhere', 404, 'POST /api/v1/nothing', [json, key], undefined],
  ['has the wrong method', 405, 'PATCH /api/v1/configs', [json, key], undefined],
  ['lacks a key', 401, 'POST /shut', [json], undefined],
  ['is for another host', 421, 'POST /api/v1/configs', [json, 'Host: evil.example'], undefined],
  [
    'is of another site',
    403,
    'POST /api/v1/configs',
    [json, 'Origin: https://evil.example'],
    undefined,
  ],
  [
    'has a digest that is none',
    400,
    'POST /api/v1/artifacts/$upload',
    [json, 'Content-Digest: a'],
    undefined,
  ],
  ['a hook refuses', 409, 'POST /own/refused', [json], undefined],
  ['is encoded twice', 400, 'POST /api/v1/configs', [json, 'Transfer-Encoding: gzip'], null],
] as [string, number, string, string[], number | null | undefined][])(
  'no body is asked for where the request %s, and the connection ends',
  async (_name, status, line, headers, length) => {
    const answer = await ask(line, headers, length)
    expect(answer).toMatchObject({ status, wasTold: false })
    if (status !== 409) expectProblem(answer, status, answer.json.type.replace(/.*:/, ''))
    expect(answer.headers.connection).toBe('close')
  },
)

test.each([null, undefined])('a body that will be read is asked for, once', async (length) => {
  const created = await ask('POST /api/v1/configs', [json], length)
  expect(created).toMatchObject({ status: 201, wasTold: true })
  const uploaded = await ask('POST /api/v1/artifacts/$upload', ['Content-Type: text/plain'], length)
  expect(uploaded).toMatchObject({ status: 201, wasTold: true })
  expect(uploaded.json.data.content_size).toBe(body.length)
})

test('a body that is not needed is not asked for', async () => {
  const answer = await ask(`GET /api/v1/jobs/${nobody}`)
  expect(answer).toMatchObject({ status: 404, wasTold: false })
})

test.each([
  ['from the payload of its parser', '/own/raw', 'text/raw'],
  [
    'from the raw request, as upload plugins do',
    '/own/multipart',
    'multipart/form-data; boundary=a',
  ],
])('a plugin of the user reads a body %s', async (_name, path, type) => {
  for (const length of [null, undefined]) {
    const answer = await ask(`POST ${path}`, [`Content-Type: ${type}`], length)
    expect(answer).toMatchObject({ status: 200, wasTold: true, text: body })
  }
})

test('a plugin reads uploads that are larger than a body may be, whole and in chunks', async () => {
  const large = 'x'.repeat(5 * limit)
  for (const [path, type] of [
    ['/own/raw', 'text/raw'],
    ['/own/multipart', 'multipart/form-data; boundary=a'],
  ] as const) {
    const whole = await fetch(url + path, {
      method: 'POST',
      headers: { 'content-type': type },
      body: large,
    })
    expect([whole.status, (await whole.text()).length]).toEqual([200, large.length])
    const chunked = await fetch(url + path, {
      method: 'POST',
      headers: { 'content-type': type },
      body: new Blob([large]).stream(),
      duplex: 'half',
    } as RequestInit)
    expect([chunked.status, (await chunked.text()).length]).toEqual([200, large.length])
  }
})

test("a parser of the user's own for JSON is for the routes beside it alone", async () => {
  const answer = await ask('POST /own/json', [json])
  expect(answer.json).toEqual({ text: body })
  expect((await ask('POST /api/v1/configs', [json])).status).toBe(201)
})
