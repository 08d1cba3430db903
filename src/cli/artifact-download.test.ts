import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { createClient } from '../client/index.ts'
import { chapkit, folderWith, run, start } from './fixtures/run.ts'
import { listen } from './fixtures/service.ts'

const bytes = randomBytes(3_000_000)
let service: Awaited<ReturnType<typeof listen>>
let id: string

beforeAll(async () => {
  service = await listen()
  const { artifacts } = createClient({ url: service.url })
  ;({ id } = await artifacts.upload(new Uint8Array(bytes)))
})
afterAll(() => service.close())

/**
 * Stands before the service. Of the first downloads each passes on no more than `limit` bytes, and then breaks or just stops.
 * Answers its URL and the ranges that it was asked for.
 */
async function between({
  times,
  limit,
  end,
}: {
  times: number
  limit: number
  end: 'break' | 'stall'
}) {
  const ranges: (string | undefined)[] = []
  const pass = (incoming: IncomingMessage, outgoing: ServerResponse) => {
    const isDownload = incoming.url?.includes('download') ?? false
    if (isDownload) ranges.push(incoming.headers.range)
    const isCut = isDownload && ranges.length <= times
    const { method, headers, url = '' } = incoming
    const asked = request(service.url + url, { method: method ?? 'GET', headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 500, answer.headers)
      let passed = 0
      answer.on('data', (chunk: Buffer) => {
        const room = isCut ? limit - passed : chunk.length
        passed += chunk.length
        if (room > 0) outgoing.write(chunk.subarray(0, room))
        if (isCut && passed >= limit && end === 'break') setImmediate(() => outgoing.destroy())
      })
      answer.on('end', () => {
        if (!isCut) outgoing.end()
      })
    })
    incoming.pipe(asked)
  }
  const server = createServer(pass)
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, ranges }
}

test('a download that breaks off goes on where it was, and is the same to the byte', async () => {
  const cwd = folderWith()
  const { url, ranges } = await between({ times: 2, limit: 1_000_000, end: 'break' })
  const ended = await run(['artifact', 'download', id, '-o', 'all.bin', '--url', url], { cwd })
  expect(ended).toMatchObject({ code: 0, out: 'Wrote all.bin (2.9 MiB)\n' })
  expect(readFileSync(join(cwd, 'all.bin')).equals(bytes)).toBe(true)
  expect(readdirSync(cwd)).toEqual(['all.bin'])
  expect(ranges.length).toBeGreaterThan(1)
  expect(ranges[0]).toBeUndefined()
  for (const range of ranges.slice(1)) expect(range).toMatch(/^bytes=[1-9]\d*-/)
})

test('after Ctrl-C the name is free, and the same command goes on', async () => {
  const cwd = folderWith()
  const { url, ranges } = await between({ times: 1, limit: 1_000_000, end: 'stall' })
  const args = ['artifact', 'download', id, '-o', 'all.bin', '--url', url]
  const first = start([...chapkit, ...args], { cwd })
  await first.says(/976\.6 KiB of 2\.9 MiB/)
  first.child.kill('SIGINT')
  const { code, out, err } = await first.ended
  expect({ code, out }).toEqual({ code: 130, out: '' })
  expect(err).toMatch(/interrupted; the same command goes on where this one ended\n$/)
  expect(readdirSync(cwd)).toEqual([expect.stringMatching(/^\.all\.bin\.\w+\.part$/)])

  expect((await run(args, { cwd })).code).toBe(0)
  expect(readFileSync(join(cwd, 'all.bin')).equals(bytes)).toBe(true)
  expect(readdirSync(cwd)).toEqual(['all.bin'])
  expect(ranges.at(-1)).toBe('bytes=1000000-')
})

test('a download that has no room leaves nothing behind', async () => {
  const cwd = folderWith()
  // A bound of the shell stands for a disk: files beyond 100 blocks of 512 bytes are refused.
  const script = 'trap "" XFSZ; ulimit -f 100; exec "$0" "$@"'
  const args = [...chapkit, 'artifact', 'download', id, '-o', 'all.bin', '--url', service.url]
  const ended = await start(['sh', '-c', script, ...args], { cwd }).ended
  expect(ended).toMatchObject({
    code: 1,
    out: '',
    err: expect.stringContaining(
      'chapkit: all.bin cannot be written: it is larger than a file may be',
    ),
  })
  expect(readdirSync(cwd)).toEqual([])
})
