import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createTestService } from 'chapkit/testing'
import { afterEach, expect, onTestFinished, test } from 'vitest'
import { parse } from 'yaml'
import plain from '../../examples/class-model/service.ts'
import { testWith } from '../../test/setup/needs.ts'

const bin = resolve(import.meta.dirname, 'bin.ts')
const examples = resolve(import.meta.dirname, '../../examples')
const folders: string[] = []

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

function folderWith(files: Record<string, string> = {}): string {
  const folder = mkdtempSync(join(tmpdir(), 'chapkit-openapi-'))
  folders.push(folder)
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  return folder
}

async function chapkit(args: string[], cwd: string, env: Record<string, string> = {}) {
  const child = spawn(process.execPath, ['--conditions=chapkit-source', bin, 'openapi', ...args], {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let out = ''
  let err = ''
  child.stdout.on('data', (chunk) => {
    out += chunk
  })
  child.stderr.on('data', (chunk) => {
    err += chunk
  })
  const [code] = (await once(child, 'close')) as [number]
  return { code, out, err }
}

const serviceFile = (more = '') => `
import { FunctionalModelRunner, MLServiceBuilder } from 'chapkit'
const runner = new FunctionalModelRunner({
  onTrain: ({ data }) => ({ rows: data.length }),
  onPredict: ({ model, future }) => future.derive('sample_0', () => model.rows),
})
const info = { id: 'told', display_name: 'Told', period_type: 'monthly' }
export default new MLServiceBuilder({ info, runner })${more}.build()
`

async function listen(answer: (path: string) => { status: number; body: string }): Promise<string> {
  const server: Server = createServer((request, response) => {
    const { status, body } = answer(request.url ?? '')
    response.writeHead(status, { 'content-type': 'application/json' }).end(body)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

test('the document of a service file is the one that the service answers, and nothing else is printed or kept', async () => {
  const folder = folderWith()
  const { code, out, err } = await chapkit([join(examples, 'class-model/service.ts')], folder)
  expect({ code, err }).toEqual({ code: 0, err: '' })
  await using service = await createTestService(plain)
  expect(JSON.parse(out)).toEqual((await service.request('GET', '/openapi.json')).json)
  expect(readdirSync(folder)).toEqual([])
})

test('what the file prints does not get into the document, and its hooks and timers do not run on', async () => {
  const file = `${serviceFile(".onStartup(() => { console.log('started') })")}
console.log('loaded')
setInterval(() => {}, 1000)`
  const { code, out, err } = await chapkit(['service.ts'], folderWith({ 'service.ts': file }))
  expect(code).toBe(0)
  expect(JSON.parse(out).info.title).toBe('Told')
  expect(err).toBe('loaded\n')
})

test('a service that asks for keys tells what it wants without having any', async () => {
  const folder = folderWith({ 'service.ts': serviceFile(".withAuth({ headerName: 'X-Ours' })") })
  const { code, out } = await chapkit(['service.ts', '--postman'], folder)
  expect(code).toBe(0)
  const { auth, variable } = JSON.parse(out)
  expect(auth.apikey).toContainEqual({ key: 'key', value: 'X-Ours', type: 'string' })
  expect(variable).toContainEqual(expect.objectContaining({ key: 'api_key', value: '' }))
})

test('--yaml says the same', async () => {
  const folder = folderWith({ 'service.ts': serviceFile() })
  const json = await chapkit(['service.ts'], folder)
  const yaml = await chapkit(['service.ts', '--yaml'], folder)
  expect(yaml.out).toMatch(/^openapi: "3\.1\.0"\n/)
  expect(parse(yaml.out)).toEqual(JSON.parse(json.out))
})

test('-o puts the whole file in place, and leaves nothing beside it', async () => {
  const folder = folderWith({ 'service.ts': serviceFile(), 'api.json': 'old' })
  const { code, out, err } = await chapkit(['service.ts', '-o', 'api.json'], folder)
  expect({ code, out }).toEqual({ code: 0, out: '' })
  expect(err).toBe('chapkit: OpenAPI document of Told is in api.json\n')
  expect(JSON.parse(readFileSync(join(folder, 'api.json'), 'utf8')).info.title).toBe('Told')
  expect(readdirSync(folder).sort()).toEqual(['api.json', 'service.ts'])
})

test('an MLproject has a document, too', async () => {
  const { code, out } = await chapkit([join(examples, 'mlproject-r'), '--postman'], folderWith())
  expect(code).toBe(0)
  expect(JSON.parse(out).variable[0]).toMatchObject({ value: 'http://127.0.0.1:9090' })
})

test('a running service is asked, with its key, and is where the collection looks for it', async () => {
  const keys: (string | undefined)[] = []
  const document = { openapi: '3.1.0', info: { title: 'Far' }, paths: {} }
  const server = createServer((request, response) => {
    keys.push(request.headers.authorization)
    response.end(JSON.stringify(document))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const folder = folderWith()

  const named = await chapkit(['--url', `${url}/`, '--api-key', 'k1'], folder)
  expect(JSON.parse(named.out)).toEqual(document)
  const byEnvironment = { CHAPKIT_URL: url, CHAPKIT_API_KEY: 'k2' }
  const told = await chapkit(['--postman'], folder, byEnvironment)
  expect(JSON.parse(told.out).variable[0]).toMatchObject({ key: 'base_url', value: url })
  expect(keys).toEqual(['Bearer k1', 'Bearer k2'])
})

test('what cannot be done is one line that says what to do, with an exit code of its own', async () => {
  const folder = folderWith({
    'service.ts': serviceFile(),
    'other.ts': 'export default 1',
    'api.json': 'old',
  })
  const refusing = await listen(() => ({ status: 401, body: '{}' }))
  const foreign = await listen(() => ({ status: 200, body: '{"hello":"world"}' }))
  const absent = await listen(() => ({ status: 404, body: '' }))
  const closed = 'http://127.0.0.1:9'
  const cases: [string[], number, RegExp][] = [
    [['none.ts'], 1, /^chapkit: There is no file none\.ts$/],
    [['other.ts'], 1, /Expected other\.ts to export a service as default/],
    [['service.ts', '--url', closed], 2, /both: name one of them/],
    [['service.ts', '--yaml', '--postman'], 2, /leave --yaml out/],
    [['--url', 'localhost'], 2, /Expected a URL such as http/],
    [['--url', closed], 3, /does not answer .*--url/],
    [['--url', absent], 3, /answered 404: no chapkit service/],
    [['--url', foreign], 3, /Expected an OpenAPI 3 document/],
    [['--url', refusing], 4, /wants an API key: set CHAPKIT_API_KEY/],
    [['--url', refusing, '--api-key', 'k'], 4, /wants another API key/],
    [['service.ts', '-o', 'none/api.json'], 1, /there is no folder none$/],
    [['service.ts', '-o', '.'], 1, /is a folder: name a file/],
  ]
  await Promise.all(
    cases.map(async ([args, code, message]) => {
      const said = await chapkit(args, folder)
      expect(said, args.join(' ')).toMatchObject({ code, out: '' })
      expect(said.err.trimEnd().split('\n'), args.join(' ')).toHaveLength(1)
      expect(said.err.trimEnd(), args.join(' ')).toMatch(message)
    }),
  )
})

testWith('bash')(
  'a file that cannot be written to its end stays as it was, and leaves nothing',
  async () => {
    const folder = folderWith({ 'service.ts': serviceFile(), 'api.json': 'old' })
    // Files of more than 4 KiB end in the middle, as on a full disk.
    const script = `ulimit -f 4; exec '${process.execPath}' --conditions=chapkit-source '${bin}' openapi service.ts -o api.json`
    const { status, stderr } = spawnSync('bash', ['-c', script], { cwd: folder, encoding: 'utf8' })
    expect(status).toBe(1)
    expect(stderr).toMatch(/^chapkit: api\.json cannot be written: .+\n$/)
    expect(readFileSync(join(folder, 'api.json'), 'utf8')).toBe('old')
    expect(readdirSync(folder).sort()).toEqual(['api.json', 'service.ts'])
  },
)
