import { spawn } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'

const script = new URL('./start.ts', import.meta.url)
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dengue-test-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** Starts the example with a temporary folder of its own; `until` stops it when that much was printed. */
async function start(args: string[], environment: Record<string, string> = {}, until?: RegExp) {
  const child = spawn(process.execPath, ['--conditions=chapkit-source', script.pathname, ...args], {
    env: { PATH: process.env.PATH, TMPDIR: folder, ...environment },
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
    if (until?.test(stdout)) child.kill('SIGINT')
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { code, stdout, stderr }
}

test('--once shows forecast and scores, ends with 0 and leaves nothing behind', async () => {
  const { code, stdout, stderr } = await start(['--once'])
  expect(stderr).toBe('')
  expect(code).toBe(0)
  expect(stdout).toMatch(/^location +month +observed +median/m)
  expect(stdout).toMatch(/^ +2019-12 /m)
  expect(stdout).toMatch(/^all +[\d.]+ +[\d.]+ +[\d.]+ +[\d.]+ +[\d.]+ +[\d.]+$/m)
  expect(await readdir(folder)).toEqual([])

  // The README promises these numbers.
  const readme = await readFile(new URL('./README.md', import.meta.url), 'utf8')
  const scores = stdout.match(/^(all|\d{4}-\d\d to \d{4}-\d\d)( +[\d.]+){6}$/gm) ?? []
  expect(scores.length).toBe(7)
  for (const row of scores) expect(readme).toContain(`| ${row.split(/ {2,}/).join(' | ')} |`)
})

test('a --once that is interrupted leaves nothing behind either', async () => {
  const { code, stdout, stderr } = await start(['--once'], {}, /Forecast 1/)
  expect(stderr).toBe('')
  expect(code).toBe(130)
  expect(stdout).not.toMatch(/^all /m)
  expect(await readdir(folder)).toEqual([])
})

test('without it the service stays up until it is stopped, its data where they were asked for', async () => {
  const dataDir = join(folder, 'kept')
  const { code, stdout } = await start(
    [],
    { PORT: '0', CHAPKIT_DATA_DIR: dataDir },
    /Ctrl-C stops it/,
  )
  expect(code).toBe(0)
  expect(stdout).toMatch(/curl http:\/\/127\.0\.0\.1:\d+\/health/)
  expect(await readdir(dataDir)).toContain('chapkit.db')
  await rm(dataDir, { recursive: true })
})

test('a port that is taken is said in one line', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  const dataDir = join(folder, 'unused')
  const { code, stderr } = await start([], { PORT: String(port), CHAPKIT_DATA_DIR: dataDir })
  server.close()
  expect(code).toBe(1)
  expect(stderr).toBe(`Port ${port} is taken; choose another: PORT=${port + 1} npm start\n`)
  await rm(dataDir, { recursive: true, force: true })
})

test.each([
  ['an option that is unknown', ['--twice'], {}, /--twice/],
  ['a setting that makes no sense', [], { PORT: 'many' }, /PORT=many/],
  ['a host that is not this machine', ['--once'], { HOST: '192.0.2.1' }, /192\.0\.2\.1/],
])('%s is said in one line', async (_, args, environment, message) => {
  const { code, stderr } = await start(args, environment)
  expect(code).toBe(1)
  expect(stderr).toMatch(message)
  expect(stderr.trimEnd().split('\n').length).toBe(1)
})
