import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BaseServiceBuilder } from 'chapkit'
import { createTestService, type TestService } from 'chapkit/testing'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import {
  createArtifact,
  createProbe,
  expectProblem,
  type Probe,
  startProbe,
} from '../compat/fixtures.ts'

let probe: Probe
beforeAll(async () => {
  probe = await startProbe()
})
afterAll(() => probe.close())

async function upload(type: string, run: Pick<TestService, 'request'> = probe): Promise<string> {
  const headers = { 'content-type': type }
  const answer = await run.request('POST', '/api/v1/artifacts/$upload', 'alert(1)', headers)
  expect(answer.status).toBe(201)
  return `/api/v1/artifacts/${answer.json.id}/$download`
}

describe('what was uploaded', () => {
  test.each([
    ...['text/javascript', 'application/javascript', 'application/x-javascript', 'text/ecmascript'],
    ...['text/jscript', 'text/livescript', 'text/javascript1.5', 'TEXT/JavaScript; charset=utf-8'],
    ...['text/x-ecmascript', 'application/ecmascript', 'text/css', 'text/css; charset=utf-8'],
    ...['application/wasm', 'multipart/x-mixed-replace; boundary=a', 'multipart/mixed'],
  ])('of type %s comes back as bytes of no type', async (type) => {
    const { headers, text } = await probe.request('GET', await upload(type))
    expect(headers['content-type']).toBe('application/octet-stream')
    expect(text).toBe('alert(1)')
  })

  test.each([
    ['text/html', 'text/html; charset=utf-8'],
    ['image/svg+xml', 'image/svg+xml'],
    ['application/pdf', 'application/pdf'],
    ['text/csv', 'text/csv; charset=utf-8'],
    ['application/json', 'application/json'],
    ['image/png', 'image/png'],
    ['text/javascripting', 'text/javascripting; charset=utf-8'],
  ])('of type %s keeps it, and can do nothing', async (type, sent) => {
    const path = await upload(type)
    for (const method of ['GET', 'HEAD']) {
      const { status, headers } = await probe.request(method, path)
      expect(status).toBe(200)
      expect(headers).toMatchObject({
        'content-type': sent,
        'content-security-policy': "default-src 'none'; frame-ancestors 'none'; sandbox",
        'cross-origin-resource-policy': 'same-origin',
        'x-content-type-options': 'nosniff',
        'x-frame-options': 'DENY',
        'content-disposition': expect.stringMatching(/^attachment; filename=/),
      })
    }
  })

  test('is as harmless in parts and when it was known before', async () => {
    const path = await upload('text/javascript')
    const { headers } = await probe.request('GET', path)
    const part = await probe.request('GET', path, undefined, { range: 'bytes=0-2' })
    expect(part.status).toBe(206)
    expect(part.headers['content-type']).toBe('application/octet-stream')
    expect(part.headers['content-security-policy']).toContain('sandbox')
    const etag = String(headers.etag)
    const known = await probe.request('GET', path, undefined, { 'if-none-match': etag })
    expect(known.status).toBe(304)
    expect(known.headers['content-security-policy']).toContain('sandbox')
  })

  test.each([
    ...['script', 'style', 'worker', 'sharedworker', 'serviceworker', 'audioworklet', 'iframe'],
    ...['paintworklet', 'xslt', 'frame', 'embed', 'object', 'manifest', 'report', 'SCRIPT', 'new'],
  ])('is not given to a browser as a %s', async (dest) => {
    for (const type of ['text/javascript', 'text/html', 'application/pdf']) {
      const headers = { 'sec-fetch-dest': dest, 'sec-fetch-site': 'same-origin' }
      const answer = await probe.request('GET', await upload(type), undefined, headers)
      expectProblem(answer, 403, 'forbidden')
      expect(answer.text).not.toContain('alert')
    }
  })

  test('is not given to a browser that registers a service worker', async () => {
    const headers = { 'service-worker': 'script' }
    const path = await upload('text/javascript')
    expectProblem(await probe.request('GET', path, undefined, headers), 403, 'forbidden')
  })

  test.each(['empty', 'document', 'image', 'audio', 'video', 'track'])(
    'is given to a browser as %s',
    async (dest) => {
      const headers = { 'sec-fetch-dest': dest }
      expect(
        (await probe.request('GET', await upload('image/png'), undefined, headers)).status,
      ).toBe(200)
    },
  )

  test('is nothing that a browser runs, whatever type was said', () =>
    fc.assert(
      fc.asyncProperty(
        fc.constantFrom('text', 'application', 'TEXT', 'Application'),
        fc.constantFrom(
          'javascript',
          'x-javascript',
          'JavaScript',
          'ecmascript',
          'x-ecmascript',
          'jscript',
          'javascript1.3',
          'livescript',
          'css',
          'wasm',
        ),
        fc.constantFrom('', ';charset=utf-8', '; charset=utf-8', ' ; a=b', ';', '\t;a=b'),
        async (type, subtype, rest) => {
          const { headers } = await probe.request('GET', await upload(`${type}/${subtype}${rest}`))
          expect(headers['content-type']).not.toMatch(/script|text\/css|application\/wasm/i)
        },
      ),
      { numRuns: 300 },
    ))
})

test('content that was sent as JSON is as harmless', async () => {
  const id = await createArtifact(probe, {
    data: { type: 'generic', metadata: {}, content: { a: 1 } },
  })
  const { headers } = await probe.request('GET', `/api/v1/artifacts/${id}/$download`)
  expect(headers['content-security-policy']).toContain('sandbox')
  const answer = await probe.request('GET', `/api/v1/artifacts/${id}/$download`, undefined, {
    'sec-fetch-dest': 'script',
  })
  expectProblem(answer, 403, 'forbidden')
})

test('pages of other origins may embed what CORS shares with them, and nothing else', async () => {
  const run = await createTestService(createProbe().builder.build() as never, {
    corsOrigins: ['https://maps.example.org'],
  })
  onTestFinished(() => run.close())
  const path = await upload('image/png', run as never)
  const policy = async (origin?: string) => {
    const headers: Record<string, string> = origin === undefined ? {} : { origin }
    const answer = await run.request('GET', path, undefined, headers)
    return answer.headers['cross-origin-resource-policy']
  }
  expect(await policy('https://maps.example.org')).toBe('cross-origin')
  expect(await policy('https://evil.example')).toBe('same-origin')
  expect(await policy()).toBe('same-origin')
})

describe('pages', () => {
  const folder = mkdtempSync(join(tmpdir(), 'chapkit-framed-'))
  afterAll(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'manifest.json'), '{"name":"A","version":"1","prefix":"/app"}')
  writeFileSync(join(folder, 'index.html'), '<!doctype html>')

  async function headersOf(
    path: string,
    { options = {}, settings = {} }: { options?: object; settings?: object } = {},
  ) {
    const service = new BaseServiceBuilder({ info: { id: 'a', display_name: 'A' } })
      .withApp(folder, options)
      .withRoutes((app) => {
        app.get('/own', async (_request, reply) => reply.type('text/html').send('<p>'))
        app.get('/framed', async (_request, reply) =>
          reply
            .type('text/html')
            .header('content-security-policy', "frame-ancestors 'self' https://a.example")
            .send('<p>'),
        )
      })
      .build()
    await using run = await createTestService(service, settings)
    return (await run.request('GET', path)).headers
  }
  const framing = (headers: Record<string, unknown>) => ({
    old: headers['x-frame-options'],
    policy: /frame-ancestors [^;]*/.exec(String(headers['content-security-policy'] ?? ''))?.[0],
  })

  test.each(['/', '/docs'])('%s is shown in no frame', async (path) => {
    const settings = { frameOrigins: ['https://dhis2.example.org'] }
    for (const options of [{}, { settings }]) {
      expect(framing(await headersOf(path, options))).toEqual({
        old: 'DENY',
        policy: "frame-ancestors 'none'",
      })
    }
  })

  test('web apps and pages of routes are shown in frames of their own origin alone', async () => {
    const own = { old: 'SAMEORIGIN', policy: "frame-ancestors 'self'" }
    expect(framing(await headersOf('/app/'))).toEqual(own)
    expect(framing(await headersOf('/own'))).toEqual({ old: 'SAMEORIGIN' })
    const options = { contentSecurityPolicy: "default-src 'self'" }
    expect(framing(await headersOf('/app/', { options }))).toEqual({ old: 'SAMEORIGIN' })
    const none = { options: { contentSecurityPolicy: false } }
    expect(framing(await headersOf('/app/', none))).toEqual({ old: 'SAMEORIGIN' })
  })

  test('web apps and pages of routes are shown in frames of origins that are named', async () => {
    const origins = ['https://dhis2.example.org', 'http://localhost:8080']
    const policy = `frame-ancestors 'self' ${origins.join(' ')}`
    const settings = { frameOrigins: origins }
    for (const path of ['/app/', '/own']) {
      expect(framing(await headersOf(path, { settings }))).toEqual({ policy })
    }
    expect(framing(await headersOf('/app/', { options: { framedBy: origins } }))).toEqual({
      policy,
    })
    const never = { options: { framedBy: [] }, settings }
    expect(framing(await headersOf('/app/', never)).old).toBe('SAMEORIGIN')
    const own = { options: { contentSecurityPolicy: 'img-src *' }, settings }
    expect((await headersOf('/app/', own))['content-security-policy']).toBe(`img-src *; ${policy}`)
  })

  test('a policy that says who may frame a page is left as it is', async () => {
    const policy = "default-src 'self'; frame-ancestors https://a.example"
    const settings = { frameOrigins: ['https://dhis2.example.org'] }
    const headers = await headersOf('/app/', {
      options: { contentSecurityPolicy: policy },
      settings,
    })
    expect(headers['content-security-policy']).toBe(policy)
    expect(headers).not.toHaveProperty('x-frame-options')
    const own = await headersOf('/framed', { settings })
    expect(framing(own)).toEqual({ policy: "frame-ancestors 'self' https://a.example" })
  })

  test.each([
    'dhis2.example.org',
    'https://a.example/path',
    "https://a.example; script-src 'none'",
  ])('framedBy refuses %s', (origin) => {
    const builder = new BaseServiceBuilder({ info: { id: 'a', display_name: 'A' } })
    expect(() => builder.withApp(folder, { framedBy: [origin] })).toThrow('framedBy')
  })
})
