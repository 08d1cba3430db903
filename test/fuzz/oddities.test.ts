import { connect } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Probe, startProbe } from '../compat/fixtures.ts'
import { type Oddity, oddities } from './oddities.ts'

const together = 20
const longest = 3000

let probe: Probe
let url: string
beforeAll(async () => {
  probe = await startProbe({ maxBody: 64 * 1024 })
  url = await probe.listen()
})
afterAll(() => probe.close())

interface Outcome {
  statuses: number[]
  /** `open` when the service had neither closed the connection nor answered in time. */
  end: 'closed' | 'open'
}

/** Sends the bytes and then no more, as a client that half closes, and reads until the other side closes. */
function send({ pieces }: Oddity): Promise<Outcome> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    const socket = connect({ port: Number(port), host: hostname, allowHalfOpen: true })
    const finish = (end: Outcome['end']) => {
      clearTimeout(timer)
      socket.destroy()
      const text = Buffer.concat(chunks).toString('latin1')
      const statuses = [...text.matchAll(/^HTTP\/1\.1 (\d{3}) /gm)].map(([, code]) => Number(code))
      resolve({ statuses, end })
    }
    const timer = setTimeout(() => finish('open'), longest)
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    // A refusal may reset the connection while we still send: what came until then counts.
    socket.on('error', () => {})
    socket.on('close', () => finish('closed'))
    socket.on('end', () => finish('closed'))
    for (const piece of pieces) socket.write(piece)
    socket.end()
  })
}

const all = oddities()

test('there are at least 500 oddities, each with a name of its own', () => {
  expect(all.length).toBeGreaterThanOrEqual(500)
  expect(new Set(all.map(({ name }) => name)).size).toBe(all.length)
})

test.each([...new Set(all.map(({ name }) => name.split(':', 1)[0]))])(
  '%s: refused or closed in time, and the service stays up',
  async (group) => {
    const some = all.filter(({ name }) => name.startsWith(`${group}:`))
    const wrong: unknown[] = []
    for (let at = 0; at < some.length; at += together) {
      const batch = some.slice(at, at + together)
      for (const [index, { statuses, end }] of (await Promise.all(batch.map(send))).entries()) {
        const { name, allowed, answers = 1 } = batch[index]!
        const answered = statuses.filter((status) => status >= 200)
        const isRight = statuses.every((status) => status < 500 && (allowed || status >= 400))
        if (!isRight || answered.length > answers || end === 'open')
          wrong.push({ name, statuses, end })
      }
      const health = await fetch(`${url}/health`)
      expect({ status: health.status, body: await health.json() }).toMatchObject({
        status: 200,
        body: { status: 'healthy' },
      })
    }
    expect(wrong).toEqual([])
  },
)
