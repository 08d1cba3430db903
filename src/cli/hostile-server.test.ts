import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createClient } from '../client/index.ts'
import { listen } from './fixtures/service.ts'
import { createUse, data } from './fixtures/use.ts'

/*
 * A service that is not what it should be: whatever text it says has characters in it that a terminal obeys. The commands
 * speak to it through a proxy that puts them there.
 */

const evil = '\u001b]0;owned\u0007\u001b[2J\u009b31m\u202e\u2066\u200f\u2028\u007f\r'
const obeyed =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/

let service: Awaited<ReturnType<typeof listen>>
let proxy: ReturnType<typeof createServer>
let url: string
let model: string
let failed: string

beforeAll(async () => {
  service = await listen()
  const client = createClient({ url: service.url })
  const good = await client.configs.create({ name: 'default', data: {} })
  const bad = await client.configs.create({ name: 'bad', data: { mode: 'fail' } })
  const rows = {
    columns: ['time_period', 'location', 'disease_cases'],
    data: [['2024-01', 'a', 1]],
  }
  const trained = await client.ml.train({ config_id: good.id, data: rows })
  await client.jobs.wait(trained.job_id)
  model = trained.artifact_id
  const refused = await client.ml.train({ config_id: bad.id, data: rows })
  await client.jobs.wait(refused.job_id, { mustComplete: false })
  failed = refused.job_id

  proxy = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const { host: _, connection: __, 'accept-encoding': ___, ...headers } = request.headers
    const answer = await fetch(`${service.url}${request.url}`, {
      method: request.method ?? 'GET',
      headers: headers as Record<string, string>,
      ...(chunks.length > 0 && { body: Buffer.concat(chunks) }),
    })
    const type = answer.headers.get('content-type') ?? ''
    const bytes = Buffer.from(await answer.arrayBuffer())
    const isJson = type.includes('json') && bytes.length > 0
    const body = isJson ? JSON.stringify(poisoned(JSON.parse(bytes.toString()))) : bytes
    response.writeHead(answer.status, { 'content-type': type }).end(body)
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => proxy.once('listening', resolve))
  url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
})
afterAll(async () => {
  proxy.closeAllConnections()
  proxy.close()
  await service.close()
})

/** What the commands go by stays; the rest is text. */
const kept =
  /^(id|.*_id|status|code|type|.*_at|stream|href|url|openapi|\$ref|time_period|period_type|media_type|sha256)$/

function poisoned(value: unknown, key = ''): unknown {
  if (typeof value === 'string') return kept.test(key) ? value : `${value}${evil}`
  if (Array.isArray(value)) return value.map((each) => poisoned(each, key))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [name, poisoned(each, name)]),
  )
}

const { use } = createUse(() => url)

test.each<[string, () => string[]]>([
  ['config list', () => ['config', 'list']],
  ['config create', () => ['config', 'create', 'new', '--set', 'mode=quick']],
  ['config create, refused', () => ['config', 'create', 'bad', '--set', 'mode=slow']],
  ['config edit', () => ['config', 'edit', 'nobody', '--set', 'mode=quick']],
  ['artifact list', () => ['artifact', 'list']],
  ['artifact tree', () => ['artifact', 'tree', model]],
  ['artifact download', () => ['artifact', 'download', model, '-o', 'here', '--force']],
  ['artifact download of nothing', () => ['artifact', 'download', '01ARZ3NDEKTSV4RRFFQ69G5FAV']],
  ['job list', () => ['job', 'list']],
  ['job watch', () => ['job', 'watch', failed, '--logs']],
  ['job logs', () => ['job', 'logs', failed]],
  ['job cancel of nothing', () => ['job', 'cancel', '01ARZ3NDEKTSV4RRFFQ69G5FAV']],
  ['train', () => ['train', 'train.csv', '--logs']],
  ['predict', () => ['predict', 'train.csv', 'future.csv', '--model', model]],
  ['test', () => ['test']],
  ['an argument', () => ['config', 'edit', evil, '--set', 'mode=quick']],
  ['an unknown command', () => [evil]],
])('%s prints nothing that a terminal obeys, whatever the service says', async (_, args) => {
  const cwd = data()
  const said = await Promise.all([[], ['--json']].map((more) => use([...args(), ...more], { cwd })))
  for (const { out, err } of said) {
    expect(out + err).not.toBe('')
    // The break before a line feed ends a line of CSV.
    expect(out.replaceAll('\r\n', '\n')).not.toMatch(obeyed)
    expect(err).not.toMatch(obeyed)
  }
})

test('with --json programs read what the service said, to the last character', async () => {
  const { out } = await use(['config', 'list', '--json'])
  const names = JSON.parse(out).map(({ name }: { name: string }) => name)
  expect(names).toContain(`default${evil}`)
})
