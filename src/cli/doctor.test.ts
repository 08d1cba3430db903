import { symlinkSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { checkLocale, checkNode, checkPort } from './doctor.ts'
import { folderWith, run } from './fixtures/run.ts'
import { listen } from './fixtures/service.ts'

interface Report {
  ok: boolean
  findings: { name: string; state: string; about: string; remedy: string | null }[]
}

async function examine(cwd: string, { args = [] as string[], PATH = process.env.PATH ?? '' } = {}) {
  const { code, out } = await run(['doctor', '--port', '0', '--json', ...args], {
    cwd,
    env: { PATH },
  })
  const report = JSON.parse(out) as Report
  const finding = (name: string) => report.findings.find((each) => each.name === name)
  return { code, report, finding }
}

/** A PATH that has these programs of the machine only. */
function pathWith(...programs: string[]): string {
  const folder = folderWith()
  for (const program of programs) symlinkSync('/bin/true', join(folder, program))
  return folder
}

test('an empty folder lacks nothing that is needed', async () => {
  const { code, report, finding } = await examine(folderWith(), { PATH: pathWith('apt-get') })
  expect(code).toBe(0)
  expect(report.ok).toBe(true)
  expect(finding('Node')).toMatchObject({ state: 'ok', about: process.versions.node })
  expect(finding('service file')).toMatchObject({ state: 'absent' })
  expect(finding('R')).toMatchObject({
    state: 'absent',
    remedy: expect.stringContaining('apt-get install -y r-base-core'),
  })
})

test('R is missing where there are R scripts, with the command of the machine that gets it', async () => {
  const cwd = folderWith({ 'train.R': '' })
  const { code, finding } = await examine(cwd, { PATH: pathWith('apk') })
  expect(code).toBe(1)
  expect(finding('R')).toMatchObject({
    state: 'missing',
    about: 'not found, but there are R scripts here',
    remedy: expect.stringContaining('apk add R'),
  })
})

test('the locale that scripts get is told', async () => {
  const { finding } = await examine(folderWith())
  expect(finding('locale')).toMatchObject({
    state: 'ok',
    about: expect.stringMatching(/^scripts get \S+utf-?8 /i),
  })
})

test('a machine without a UTF-8 locale lacks something where there are scripts', () => {
  const none = { name: null, isOwn: false, variables: {} }
  expect(checkLocale(none, 'there are scripts here')).toMatchObject({
    state: 'missing',
    about: expect.stringContaining('there are scripts here'),
    remedy: expect.stringContaining('C.UTF-8'),
  })
  expect(checkLocale(none, null)).toMatchObject({ state: 'absent' })
})

test('the programs of a model of commands are looked for', async () => {
  const cwd = folderWith({
    'service.ts': `
import { MLServiceBuilder, ShellModelRunner } from 'chapkit'
const runner = new ShellModelRunner({ trainCommand: 'julia train.jl', predictCommand: './predict {output_file}' })
const info = { id: 'shell', display_name: 'Shell', period_type: 'monthly' } as const
export default new MLServiceBuilder({ info, runner }).build()
`,
  })
  const { code, finding } = await examine(cwd, { PATH: pathWith('docker') })
  expect(code).toBe(1)
  expect(finding('service file')).toMatchObject({ state: 'ok', about: "service.ts: 'Shell'" })
  expect(finding('program julia')).toMatchObject({ state: 'missing' })
  expect(finding('program ./predict')).toMatchObject({
    state: 'missing',
    remedy: expect.stringContaining('chmod +x ./predict'),
  })
})

test('a service file that cannot be loaded is told with the reason', async () => {
  const cwd = folderWith({ 'service.ts': "import 'a-package-that-is-not-there'\n" })
  const { code, finding } = await examine(cwd)
  expect(code).toBe(1)
  expect(finding('service file')?.about).toContain('npm install a-package-that-is-not-there')
})

test('a data folder that cannot be made is missing', async () => {
  const { code, finding } = await examine(folderWith(), { args: ['--data-dir', '/proc/chapkit'] })
  expect(code).toBe(1)
  expect(finding('data folder')).toMatchObject({ state: 'missing' })
})

test('a port is well when it is free or a chapkit service answers there, and missing otherwise', async () => {
  expect(await checkPort(0, '127.0.0.1')).toMatchObject({ state: 'ok', about: 'free' })

  const service = await listen()
  onTestFinished(() => service.close())
  const port = Number(new URL(service.url).port)
  expect(await checkPort(port, '127.0.0.1')).toMatchObject({
    state: 'ok',
    about: "the service 'Mean cases' answers there",
  })

  const other = createServer((_request, response) => response.end('{}'))
  await new Promise<void>((done) => other.listen(0, '127.0.0.1', done))
  onTestFinished(() => void other.close())
  expect(await checkPort((other.address() as AddressInfo).port, '127.0.0.1')).toMatchObject({
    state: 'missing',
    about: 'another program listens there',
  })
})

test('a Node that is too old is missing', () => {
  expect(checkNode('22.4.1')).toMatchObject({ state: 'missing' })
  expect(checkNode('26.0.0')).toMatchObject({ state: 'ok' })
})
