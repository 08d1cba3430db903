import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { type Answer, type Probe, startProbe, timestamp, ulid } from './fixtures.ts'

/**
 * Conversations of chap-core with a service, a file each, in the order in which its client has them. In an answer, `<ulid:name>`
 * is an id that later requests name as `{name}`, `<timestamp>`, `<text>`, `<number>` and `<object>` stand for any of
 * their kind, and an object with the key `…` may have further keys. Everything else is meant literally.
 */
interface Conversation {
  title: string
  /** Whose requests these are; `chap-core.test.ts` compares them with the real ones. */
  client: string
  exchanges: Exchange[]
}

interface Exchange {
  name: string
  request: { method: string; path: string; headers: Record<string, string>; body?: unknown }
  /** The client asks until the job has ended. */
  poll?: boolean
  answer: { status: number; body?: unknown }
}

const folder = new URL('./recorded/', import.meta.url)
const jobStatuses = ['pending', 'running', 'completed', 'failed', 'canceled']

test.each(
  readdirSync(folder).map((file): Conversation => {
    return JSON.parse(readFileSync(new URL(file, folder), 'utf8'))
  }),
)('$client $title', async ({ exchanges }) => {
  await using probe = await startProbe()
  const names = new Map<string, string>()
  for (const { name, request, poll, answer: wanted } of exchanges) {
    const { method, path, headers, body } = fillIn(request, names)
    const ask = () => probe.request(method, path, body, headers)
    const answer = poll ? await askUntilEnd(probe, ask) : await ask()
    expect(answer.status, `${name}: ${answer.text}`).toBe(wanted.status)
    if (wanted.body === undefined) expect(answer.text, name).toBe('')
    else expect(answer.json, name).toEqual(toMatcher(wanted.body, answer.json, names))
  }
})

async function askUntilEnd(probe: Probe, ask: () => Promise<Answer>): Promise<Answer> {
  const first = await ask()
  expect(jobStatuses).toContain(first.json.status)
  await probe.waitForJob(first.json.id)
  return ask()
}

function fillIn<Value>(value: Value, names: ReadonlyMap<string, string>): Value {
  const text = JSON.stringify(value).replace(/\{(\w+)\}/g, (whole, name) => {
    return names.get(name) ?? whole
  })
  return JSON.parse(text)
}

/** What an answer must equal; ids that it gives names to are remembered. */
function toMatcher(wanted: unknown, came: unknown, names: Map<string, string>): unknown {
  if (typeof wanted === 'string') return toTextMatcher(wanted, came, names)
  if (Array.isArray(wanted)) {
    const list = Array.isArray(came) ? came : []
    return wanted.map((each, index) => toMatcher(each, list[index], names))
  }
  if (wanted === null || typeof wanted !== 'object') return wanted
  const { '…': more, ...rest } = wanted as Record<string, unknown>
  const fields = Object.entries(rest).map(([key, value]) => [
    key,
    toMatcher(value, (came as Record<string, unknown> | null)?.[key], names),
  ])
  const whole = Object.fromEntries(fields)
  return more === undefined ? whole : expect.objectContaining(whole)
}

function toTextMatcher(wanted: string, came: unknown, names: Map<string, string>): unknown {
  const name = /^<ulid:(\w+)>$/.exec(wanted)?.[1]
  if (name !== undefined) {
    names.set(name, String(came))
    return expect.stringMatching(ulid)
  }
  switch (wanted) {
    case '<timestamp>':
      return expect.stringMatching(timestamp)
    case '<text>':
      return expect.stringMatching(/\S/)
    case '<number>':
      return expect.any(Number)
    case '<object>':
      return expect.any(Object)
    default:
      return fillIn(wanted, names)
  }
}
