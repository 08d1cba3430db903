import { request as httpRequest } from 'node:http'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createProbe } from '../compat/fixtures.ts'

const ups = ['..', '%2e%2e', '%2E.', '.%2e', '..;', '%252e%252e', '....', '..%00', '%c0%ae%c0%ae']
const slashes = ['/', '%2f', '%5c', '\\', '%252f', '%c0%af']
const targets = ['etc/passwd', 'package.json', 'chapkit.db']

/** Names that lead to a file somewhere else, for whoever takes them for paths. */
const payloads = [
  ...ups.flatMap((up) =>
    slashes.flatMap((slash) =>
      targets.flatMap((target) =>
        [1, 6].map((times) => `${(up + slash).repeat(times)}${target.replaceAll('/', slash)}`),
      ),
    ),
  ),
  ...['/etc/passwd', '%2fetc%2fpasswd', 'file:///etc/passwd', '~/.ssh/id_rsa', '%00', '.', '..'],
  ...['C:\\Windows\\win.ini', '\\\\host\\share', '/proc/self/environ', '-', '--config=/etc/passwd'],
]

const service = createProbe().builder.build()
let port = 0

beforeAll(async () => {
  const { url } = await service.listen({
    port: 0,
    databaseUrl: ':memory:',
    logLevel: 'silent',
    signals: false,
  })
  port = Number(new URL(url).port)
})
afterAll(() => service.close())

/** A request whose path is sent as it stands. */
function ask(method: string, path: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ port, host: '127.0.0.1', method, path }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk) => {
        text += chunk
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
    })
    request.on('error', reject)
    request.end()
  })
}

test('no id that looks like a path reads a file', async () => {
  expect(payloads.length).toBeGreaterThan(300)
  const places = [
    (name: string) => `/api/v1/artifacts/${name}`,
    (name: string) => `/api/v1/artifacts/${name}/$download`,
    (name: string) => `/api/v1/configs/${name}`,
    (name: string) => `/api/v1/jobs/${name}/$logs`,
    (name: string) => `/docs/${name}`,
    (name: string) => `/${name}`,
  ]
  for (const payload of payloads) {
    for (const place of places) {
      const path = place(payload).replaceAll(' ', '%20')
      const { status, text } = await ask('GET', path)
      expect([400, 404, 414], path).toContain(status)
      expect(text, path).not.toMatch(/root:|"dependencies"|SQLite format|PATH=/)
    }
  }
})
