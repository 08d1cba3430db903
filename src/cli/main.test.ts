import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, expect, test } from 'vitest'
import { version } from '../version.ts'

const bin = resolve(import.meta.dirname, 'bin.ts')
const folders: string[] = []
const children: ChildProcess[] = []

afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

function folderWith(files: Record<string, string>): string {
  const folder = mkdtempSync(join(tmpdir(), 'chapkit-cli-'))
  folders.push(folder)
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  return folder
}

function chapkit(args: string[], cwd = tmpdir(), env: Record<string, string> = {}): ChildProcess {
  const child = spawn(process.execPath, ['--conditions=chapkit-source', bin, ...args], {
    cwd,
    env: { ...process.env, LOG_FORMAT: 'json', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  children.push(child)
  return child
}

async function outcome(
  child: ChildProcess,
): Promise<{ code: number | null; out: string; err: string }> {
  const text = { out: '', err: '' }
  child.stdout?.on('data', (chunk) => {
    text.out += chunk
  })
  child.stderr?.on('data', (chunk) => {
    text.err += chunk
  })
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, ...text }
}

/** Address of a service, from the log line that says it; `skip` goes on to a later start. */
async function address(child: ChildProcess): Promise<string> {
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
  for await (const line of lines) {
    if (!line.startsWith('{')) continue
    const { event, url } = JSON.parse(line) as { event?: string; url?: string }
    if (event === 'service.started' && url) return url
  }
  throw new Error('The service ended before it listened')
}

const serviceFile = (name: string) => `
import { BaseConfig, FunctionalModelRunner, MLServiceBuilder } from 'chapkit'
import { z } from 'zod'
const runner = new FunctionalModelRunner({
  config: BaseConfig.extend({ n_lags: z.int().default(3) }),
  onTrain: ({ data }) => ({ rows: data.length, pid: process.pid }),
  onPredict: ({ model, future }) => future.derive('sample_0', () => model.rows),
})
const info = { id: 'served', display_name: '${name}', period_type: 'monthly' }
export default new MLServiceBuilder({ info, runner }).build()
`

test('serve answers for a file anywhere, without an installation beside it, and ends well on SIGTERM', async () => {
  const folder = folderWith({ 'service.ts': serviceFile('Served') })
  const child = chapkit(['serve', 'service.ts', '--port', '0', '--data-dir', 'kept'], folder)
  const url = await address(child)

  const config = (await (
    await fetch(`${url}/api/v1/configs`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'a', data: {} }),
    })
  ).json()) as { id: string; data: unknown }
  expect(config.data).toMatchObject({ n_lags: 3 })
  const trained = (await (
    await fetch(`${url}/api/v1/ml/$train?config_id=${config.id}`, {
      method: 'POST',
      headers: { 'content-type': 'text/csv', prefer: 'wait=30' },
      body: 'time_period,location,disease_cases\n2020-01,a,1\n',
    })
  ).json()) as { job: { status: string } }
  expect(trained.job.status).toBe('completed')

  child.kill('SIGTERM')
  const [code] = await once(child, 'exit')
  expect(code).toBe(0)
  expect(readFileSync(join(folder, 'kept', 'chapkit.db')).length).toBeGreaterThan(0)
})

test('serve --watch starts again when the file changes', async () => {
  const folder = folderWith({ 'service.ts': serviceFile('Before') })
  const child = chapkit(
    ['serve', 'service.ts', '--port', '0', '--data-dir', 'kept', '--watch'],
    folder,
  )
  const name = async (url: string) =>
    ((await (await fetch(`${url}/api/v1/info`)).json()) as { display_name: string }).display_name
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
  const urls = lines[Symbol.asyncIterator]()
  const nextUrl = async (): Promise<string> => {
    for (;;) {
      const { value, done } = await urls.next()
      if (done) throw new Error('The watcher ended')
      const { event, url } = value.startsWith('{') ? JSON.parse(value) : {}
      if (event === 'service.started') return url
    }
  }
  expect(await name(await nextUrl())).toBe('Before')
  writeFileSync(join(folder, 'service.ts'), serviceFile('After'))
  expect(await name(await nextUrl())).toBe('After')

  child.kill('SIGTERM')
  await once(child, 'exit')
})

test.each([
  ['a file that is not there', ['serve', 'nope.ts'], 1, 'There is no file nope.ts'],
  [
    'a port that is none',
    ['serve', 'nope.ts', '--port', '99999'],
    2,
    "expected a port from 0 to 65535, got '99999'",
  ],
  ['an unknown command', ['srve'], 2, "unknown command 'srve'"],
  ['a missing argument', ['serve'], 2, "missing required argument 'file'"],
])('%s is refused with a reason', async (_name, args, code, reason) => {
  const ended = await outcome(chapkit(args))
  expect(ended.code).toBe(code)
  expect(ended.err).toContain(reason)
})

test('a file that exports no service says what it has to export', async () => {
  const folder = folderWith({ 'service.ts': 'export const answer = 42\n' })
  const ended = await outcome(chapkit(['serve', 'service.ts'], folder))
  expect(ended.code).toBe(1)
  expect(ended.err).toContain('Expected service.ts to export a service as default')
})

test('a file that cannot be loaded says why', async () => {
  const folder = folderWith({ 'service.ts': "throw new Error('no such scanner')\n" })
  const ended = await outcome(chapkit(['serve', 'service.ts'], folder))
  expect(ended.code).toBe(1)
  expect(ended.err).toContain('service.ts cannot be loaded: Error: no such scanner')
})

test('a setting that cannot be used is named', async () => {
  const folder = folderWith({ 'service.ts': serviceFile('Served') })
  const ended = await outcome(chapkit(['serve', 'service.ts'], folder, { PORT: 'eighty' }))
  expect(ended.code).toBe(1)
  expect(ended.err).toContain('PORT=eighty')
})

test('help and version end well', async () => {
  const help = await outcome(chapkit(['serve', '--help']))
  expect(help.code).toBe(0)
  for (const option of ['--port', '--host', '--data-dir', '--watch'])
    expect(help.out).toContain(option)
  expect((await outcome(chapkit(['--version']))).out).toBe(`${version}\n`)
})
