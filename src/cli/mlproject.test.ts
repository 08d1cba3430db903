import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, expect, onTestFinished, test, vi } from 'vitest'
import { toServiceCommands } from '../mlproject/commands.ts'
import { scripts, smallFile, wholeFile } from '../mlproject/fixtures/projects.ts'
import { readProject } from '../mlproject/project.ts'
import { environment } from '../settings.ts'

const root = resolve(import.meta.dirname, '../..')
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

function folderWith(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'chapkit-mlproject-'))
  folders.push(folder)
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
  return folder
}

function start(cwd: string, ...args: string[]): ChildProcess {
  return startWith({}, cwd, ...args)
}

function startWith(env: Record<string, string>, cwd: string, ...args: string[]): ChildProcess {
  const child = spawn(process.execPath, ['--conditions=chapkit-source', bin, ...args], {
    cwd,
    env: { ...environment(), LOG_FORMAT: 'json', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  children.push(child)
  return child
}

function chapkit(cwd: string, ...args: string[]) {
  return chapkitWith({}, cwd, ...args)
}

function chapkitWith(env: Record<string, string>, cwd: string, ...args: string[]) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--conditions=chapkit-source', bin, ...args],
    { cwd, env: { ...environment(), ...env }, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] },
  )
  return { code: status, out: stdout, err: stderr }
}

async function address(child: ChildProcess): Promise<string> {
  for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
    if (!line.startsWith('{')) continue
    const { event, url } = JSON.parse(line) as { event?: string; url?: string }
    if (event === 'service.started' && url) return url
  }
  throw new Error('The service ended before it listened')
}

// biome-ignore lint/suspicious/noExplicitAny: a test says what it expects of an answer
type Json = any

async function send(url: string, body?: unknown): Promise<Json> {
  const response = await fetch(url, {
    headers: { 'content-type': 'application/json', prefer: 'wait=30' },
    ...(body !== undefined && { method: 'POST', body: JSON.stringify(body) }),
  })
  expect(response.ok, await response.clone().text()).toBe(true)
  return response.json()
}

const historic = {
  columns: ['time_period', 'location', 'disease_cases', 'rainfall'],
  data: [
    ['2024-W01', 'a', 3, 1.5],
    ['2024-W02', 'a', 4, 2],
  ],
}
const future = {
  columns: ['time_period', 'location', 'rainfall'],
  data: [['2024-W03', 'a', 2]],
}
const geo = { type: 'FeatureCollection', features: [] }

/** Trains and predicts, and answers what was predicted. */
async function predictOver(url: string, data: object): Promise<Json> {
  const config = await send(`${url}/api/v1/configs`, { name: 'one', data })
  const trained = await send(`${url}/api/v1/ml/$train`, {
    ...{ config_id: config.id, data: historic, geo },
  })
  expect(trained.job).toMatchObject({ status: 'completed', error: null })
  const predicted = await send(`${url}/api/v1/ml/$predict`, {
    ...{ artifact_id: trained.artifact_id, historic, future, geo },
  })
  expect(predicted.job).toMatchObject({ status: 'completed', error: null })
  const artifact = await send(`${url}/api/v1/artifacts/${predicted.artifact_id}`)
  return artifact.data.content.data
}

const project = { MLproject: wholeFile, ...scripts }

test('mlproject run serves a project as it is, in memory, to a prediction', async () => {
  const folder = folderWith(project)
  const before = readdirSync(folder, { recursive: true }).sort()
  const child = start(folder, 'mlproject', 'run', '--port', '0')
  let said = ''
  child.stderr?.on('data', (chunk) => {
    said += chunk
  })
  const url = await address(child)
  expect(await send(`${url}/api/v1/info`)).toMatchObject({
    id: 'dengue-lags',
    display_name: 'Lags of dengue',
    period_type: 'weekly',
    requires_geo: true,
    required_covariates: ['rainfall'],
    ...{ version: '1.10', target: 'cases', min_prediction_periods: 1, max_prediction_periods: 12 },
    hpo_search_space: { rate: { low: 0.1, high: 1 } },
  })
  const { properties, required } = await send(`${url}/api/v1/configs/$schema`)
  expect(properties['n-lags']).toMatchObject({ type: 'integer', default: 3 })
  expect(required).toContain('seed')
  const refused = await fetch(`${url}/api/v1/configs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'no seed', data: {} }),
  })
  expect(refused.status).toBe(422)

  // Three lines of data.csv, and the option as it was given.
  expect(await predictOver(url, { seed: 1, 'n-lags': 4 })).toEqual([['2024-W03', 'a', 7]])
  child.kill('SIGTERM')
  expect(await once(child, 'exit')).toEqual([0, null])
  expect(said).toContain('chapkit: warning: MLproject:2: docker_env: is not set up')
  expect(said).toContain('in memory')
  expect(readdirSync(folder, { recursive: true }).sort()).toEqual(before)
})

test.each([
  ['sqlite:///kept/model.db', ['kept/model.db']],
  [':memory:', []],
  ['sqlite://', []],
])(
  'mlproject run --database %s stores there, and makes no file of that name',
  async (database, files) => {
    const folder = folderWith(project)
    const deep = { recursive: true, encoding: 'utf8' } as const
    const before = readdirSync(folder, deep)
    mkdirSync(join(folder, 'kept'))
    const child = start(folder, 'mlproject', 'run', '--port', '0', '--database', database)
    let said = ''
    child.stderr?.on('data', (chunk) => {
      said += chunk
    })
    await address(child)
    child.kill('SIGTERM')
    expect(await once(child, 'exit')).toEqual([0, null])
    const after = readdirSync(folder, deep)
    const made = after.filter((name) => !before.includes(name) && name !== 'kept')
    expect(made.filter((name) => !/-(wal|shm)$|\.lock/.test(name))).toEqual(
      files.length > 0 ? expect.arrayContaining(files) : [],
    )
    expect(said.includes('in memory')).toBe(files.length === 0)
  },
)

test('mlproject run --env hands variables on, tells of them in the lineage, and says what is not there', async () => {
  const folder = folderWith({
    MLproject: `name: env
entry_points:
  train: {command: "sh train.sh {train_data} {model}"}
  predict: {command: "sh predict.sh {out_file}"}
`,
    'train.sh': 'echo "$OMP_NUM_THREADS,$NOTE,$EMPTY" > "$2"; echo "$OMP_NUM_THREADS,$NOTE,$EMPTY"',
  })
  const child = start(
    folder,
    ...['run', '--port', '0', '--env', 'OMP_NUM_THREADS=3', '--env', 'NOTE=a=b c'],
    ...['--env', 'EMPTY=', '--env', 'NOT_HERE'],
  )
  let said = ''
  child.stderr?.on('data', (chunk) => {
    said += chunk
  })
  const url = await address(child)
  const config = await send(`${url}/api/v1/configs`, { name: 'one', data: {} })
  const data = { columns: ['time_period', 'location'], data: [['2024-01', 'a']] }
  const { job_id, artifact_id } = await send(`${url}/api/v1/ml/$train`, {
    config_id: config.id,
    data,
  })
  const { items } = await send(`${url}/api/v1/jobs/${job_id}/$logs`)
  expect(items.map(({ line }: { line: string }) => line)).toContain('3,a=b c,')
  const { environment } = await send(`${url}/api/v1/artifacts/${artifact_id}/$lineage`)
  expect(environment.variables.OMP_NUM_THREADS).toBe('3')
  expect(environment.names).toEqual(expect.arrayContaining(['EMPTY', 'NOTE']))
  expect(said).toContain('chapkit: warning: --env NOT_HERE: there is no such variable here')
  child.kill('SIGTERM')
  await once(child, 'exit')
})

test.each(['1A', 'A-B=1', '=x', ''])('mlproject run --env refuses %j', (text) => {
  const { code, err } = chapkit(
    folderWith({ MLproject: smallFile }),
    'mlproject',
    'run',
    '--env',
    text,
  )
  expect(code).toBe(2)
  expect(err).toContain(`expected NAME or NAME=VALUE, got '${text}'`)
})

test('mlproject run --data-dir keeps what it stores', async () => {
  const folder = folderWith({ MLproject: smallFile })
  const first = start(folder, 'run', '--port', '0', '--data-dir', 'kept')
  const { id } = await send(`${await address(first)}/api/v1/configs`, { name: 'one', data: {} })
  first.kill('SIGTERM')
  await once(first, 'exit')
  const second = start(tmpdir(), 'run', folder, '--port', '0', '--data-dir', join(folder, 'kept'))
  expect(await send(`${await address(second)}/api/v1/configs/${id}`)).toMatchObject({ id })
})

/** Something that takes registrations, and what it was sent. */
async function orchestrator() {
  const taken: { info: Json; url: string }[] = []
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    if (request.method === 'POST') taken.push(JSON.parse(body))
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ id: 'x', status: 'registered', ttl_seconds: 30 }))
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  onTestFinished(() => void server.close())
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}/v2/services/$register`, taken }
}

test('mlproject run takes the file, and registers with all that it says where the environment names an orchestrator', async () => {
  const folder = folderWith({ 'model/MLproject': wholeFile })
  const { url, taken } = await orchestrator()
  const env = { SERVICEKIT_ORCHESTRATOR_URL: url, GIT_REVISION: 'abcdef0', SERVICEKIT_HOST: 'me' }
  const child = startWith(env, folder, 'mlproject', 'run', 'model/MLproject', '--port', '0')
  const own = await send(`${await address(child)}/api/v1/info`)
  await vi.waitFor(() => expect(taken).toHaveLength(1), { timeout: 90_000 })
  expect(taken[0]?.info).toEqual(own)
  expect(own).toMatchObject({ id: 'dengue-lags', git_revision: 'abcdef0', version: '1.10' })
  expect(taken[0]?.url).toMatch(/^http:\/\/me:\d+$/)
  child.kill('SIGTERM')
  expect(await once(child, 'exit')).toEqual([0, null])
})

test('mlproject run registers as its options say', async () => {
  const folder = folderWith({ MLproject: smallFile })
  const { url, taken } = await orchestrator()
  const child = start(
    ...([folder, 'mlproject', 'run', '--port', '0', '--register-url', url] as const),
    ...['--advertise-host', 'model', '--advertise-port', '8080', '--keepalive-interval', '0.2'],
  )
  await address(child)
  // Without an address for signs of life, the registration is the sign.
  await vi.waitFor(() => expect(taken.length).toBeGreaterThan(1), { timeout: 90_000 })
  expect(taken[0]?.url).toBe('http://model:8080')
})

test('mlproject run lays out config.yml as the file says, or the command line', async () => {
  const show = { 'train.sh': 'cat config.yml\ntouch "$2"\n' }
  const folder = folderWith({
    ...show,
    MLproject: `${smallFile}user_options: { lags: { type: integer, default: 5 } }\nmeta_data: { config_format: flat }\n`,
  })
  const printed = async (...options: string[]) => {
    const child = start(folder, 'mlproject', 'run', '--port', '0', ...options)
    const url = await address(child)
    const config = await send(`${url}/api/v1/configs`, { name: 'one', data: {} })
    const { artifact_id } = await send(`${url}/api/v1/ml/$train`, {
      ...{ config_id: config.id, data: historic },
    })
    const { data } = await send(`${url}/api/v1/artifacts/${artifact_id}`)
    child.kill('SIGTERM')
    await once(child, 'exit')
    return data.metadata.stdout as string
  }
  expect(await printed()).toMatch(/^lags: 5$/m)
  expect(await printed('--config-format', 'chap_core')).toMatch(
    /^user_option_values:\n {2}lags: 5$/m,
  )
})

test('scripts of an MLproject find the columns that its adapters name', async () => {
  const folder = folderWith({
    'train.sh': 'head -2 "$1"\ntouch "$2"\n',
    MLproject: `${smallFile}adapters: { Cases: disease_cases, wk: week }\n`,
  })
  const url = await address(start(folder, 'mlproject', 'run', '--port', '0'))
  const config = await send(`${url}/api/v1/configs`, { name: 'one', data: {} })
  const trained = await send(`${url}/api/v1/ml/$train`, {
    ...{ config_id: config.id, data: historic },
  })
  const { data } = await send(`${url}/api/v1/artifacts/${trained.artifact_id}`)
  expect(data.metadata.stdout).toContain(
    'time_period,location,disease_cases,rainfall,Cases,wk\n2024-W01,a,3,1.5,3,1\n',
  )
})

test('mlproject run refuses a port that is taken before it opens anything', async () => {
  const folder = folderWith({ MLproject: smallFile })
  const server = createServer()
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  onTestFinished(() => void server.close())
  const { port } = server.address() as AddressInfo
  const { code, err } = chapkit(
    ...([folder, 'mlproject', 'run', '--port', `${port}`, '--data-dir', 'kept'] as const),
  )
  expect(code).toBe(1)
  expect(err).toContain(`chapkit: Port ${port} is in use`)
  expect(readdirSync(folder)).toEqual(['MLproject'])
})

test('mlproject run keeps what it stores where the environment says, or in a named database', async () => {
  const folder = folderWith({ MLproject: smallFile })
  const kept = startWith({ CHAPKIT_DATA_DIR: 'kept' }, folder, 'mlproject', 'run', '--port', '0')
  await address(kept)
  expect(existsSync(join(folder, 'kept/chapkit.db'))).toBe(true)
  const named = start(folder, 'mlproject', 'run', '--port', '0', '--database', 'named.db')
  await address(named)
  expect(existsSync(join(folder, 'named.db'))).toBe(true)
})

const shellService = (more: string) => `
import { BaseConfig, MLServiceBuilder, ShellModelRunner } from 'chapkit'
import { z } from 'zod'
const config = BaseConfig.extend({
  'n-lags': z.int().min(1).default(3).describe('How many'),
  lags: z.array(z.int()).default([1, 2]),
  rate: z.number().default(1e-7),
  how: z.enum(['no', '1:30']).default('no'),
  seed: z.int().nullable().default(null),
  must: z.string(),
  whatever: z.unknown().default(2),
})
export default new MLServiceBuilder({
  info: {
    id: 'dengue-lags', display_name: 'Lags: of "dengue"', version: '1.10', period_type: 'any',
    required_covariates: ['rainfall'], min_prediction_periods: 4, target: 'cases',
    hpo_search_space: { rate: [0.1, 1] }, model_metadata: { author: 'Ann' },
  },
  runner: new ShellModelRunner({
    config: config.extend({ prediction_periods: z.int().default(5) }),
    trainCommand: "sh train.sh {data_file} 'a {b}' *.txt",
    predictCommand: ['sh', 'predict.sh', '{historic_file}', '{future_file}', "it's {x}", '{output_file}'],
    adapters: { Cases: 'disease_cases' },
    ${more}
  }),
}).build()
`

/** A service file in a folder that finds this package. */
function serviceFolder(more = ''): string {
  const parent = join(root, 'test', '.docs')
  mkdirSync(parent, { recursive: true })
  const folder = mkdtempSync(join(parent, 'mlproject-export-'))
  folders.push(folder)
  writeFileSync(join(folder, 'service.ts'), shellService(more))
  return folder
}

test('export writes an MLproject that is read as the same service, and --check says so until the service changes', () => {
  const folder = serviceFolder()
  const written = chapkit(folder, 'mlproject', 'export')
  expect(written).toEqual({ code: 0, out: 'Wrote MLproject\n', err: '' })
  expect(chapkit(folder, 'mlproject', 'export', '--check')).toEqual({
    ...{ code: 0, out: 'MLproject is up to date\n', err: '' },
  })
  const text = readFileSync(join(folder, 'MLproject'), 'utf8')
  expect(text).toMatch(/^# Written from service\.ts by `chapkit mlproject export`/)
  const { project } = readProject(text)
  expect(project?.info).toMatchObject({
    ...{ id: 'dengue-lags', version: '1.10', period_type: 'any', target: 'cases' },
    ...{ min_prediction_periods: 4, hpo_search_space: { rate: [0.1, 1] } },
  })
  // Words, quotes and braces are those of the service, for a shell, too.
  expect(toServiceCommands(project!, { params: {}, as: 'placeholders' })).toMatchObject({
    train: "sh train.sh {data_file} 'a {b}' '*.txt'",
    predict: `sh predict.sh {historic_file} {future_file} 'it'"'"'s {x}' {output_file}`,
  })

  const service = readFileSync(join(folder, 'service.ts'), 'utf8')
  writeFileSync(join(folder, 'service.ts'), service.replace('1.10', '1.11'))
  const stale = chapkit(folder, 'mlproject', 'export', '--check')
  expect(stale.code).toBe(1)
  expect(stale.out).toMatch(/^- version: "?1\.10"?$\n^\+ version: "?1\.11"?$/m)
  expect(stale.err).toContain('MLproject is not what service.ts says')
  expect(readFileSync(join(folder, 'MLproject'), 'utf8')).toBe(text)
})

test('export leaves a file alone that somebody wrote, unless it is told', () => {
  const folder = serviceFolder()
  writeFileSync(join(folder, 'MLproject.yml'), smallFile)
  const refused = chapkit(folder, 'mlproject', 'export')
  expect(refused.code).toBe(1)
  expect(refused.err).toContain('MLproject.yml was not written by this command')
  expect(readFileSync(join(folder, 'MLproject.yml'), 'utf8')).toBe(smallFile)
  expect(chapkit(folder, 'mlproject', 'export', '-o', 'other')).toMatchObject({ code: 0 })
  expect(chapkit(folder, 'mlproject', 'export', '--force')).toMatchObject({ code: 0 })
  expect(readFileSync(join(folder, 'MLproject.yml'), 'utf8')).toContain('dengue-lags')
})

test('export tells what an MLproject cannot say, and refuses a model of functions', () => {
  const folder = serviceFolder('timeoutSeconds: 60, onValidateTrain: () => [],')
  const { code, err } = chapkit(folder, 'mlproject', 'export')
  expect(code).toBe(0)
  expect(err).toContain('chapkit: warning: onValidateTrain: no MLproject file can say it')
  expect(err).toContain('chapkit: warning: timeoutSeconds: no MLproject file can say it')
  writeFileSync(
    join(folder, 'functions.ts'),
    "import { FunctionalModelRunner, MLServiceBuilder } from 'chapkit'\nexport default new MLServiceBuilder({ info: { id: 'a', display_name: 'a', period_type: 'any' }, runner: new FunctionalModelRunner({ onTrain: () => 1, onPredict: ({ future }) => future }) }).build()\n",
  )
  const refused = chapkit(folder, 'mlproject', 'export', 'functions.ts')
  expect(refused.code).toBe(1)
  expect(refused.err).toContain('an MLproject runs commands')
})

test('migrate writes a service that serve serves', async () => {
  const folder = folderWith(project)
  const migrated = chapkit(folder, 'mlproject', 'migrate', '.', '--yes')
  expect(migrated).toMatchObject({ code: 0 })
  expect(migrated.out).toContain('move   MLproject to _old/MLproject')
  expect(existsSync(join(folder, 'MLproject'))).toBe(false)

  const child = start(folder, 'serve', 'service.ts', '--port', '0', '--data-dir', 'service-data')
  const url = await address(child)
  expect(await send(`${url}/api/v1/info`)).toMatchObject({ id: 'dengue-lags' })
  const { data } = await send(`${url}/api/v1/configs`, { name: 'one', data: { seed: 1 } })
  // As `mlproject run` has it: a config asks for no column that the file does not name.
  expect(data.additional_continuous_covariates).toEqual([])
  expect(await predictOver(url, { seed: 1, 'n-lags': 4 })).toEqual([['2024-W03', 'a', 7]])

  const trees = await send(`${url}/api/v1/artifacts`)
  const training = trees.find((each: Json) => each.parent_id === null)
  // The scripts see what is theirs, and nothing of the service.
  expect(training.data.metadata.stdout.split('\n').filter(Boolean)).toEqual([
    ...['README.md', 'config.yml', 'data', 'data.csv', 'geo.json', 'model'],
    ...['predict.sh', 'prior-copy.txt', 'train.sh'],
  ])
})

test('the service file that migrate writes has types that fit', () => {
  const parent = join(root, 'test', '.docs')
  mkdirSync(parent, { recursive: true })
  const folder = mkdtempSync(join(parent, 'mlproject-'))
  folders.push(folder)
  writeFileSync(join(folder, 'MLproject'), wholeFile)
  expect(chapkit(folder, 'migrate', '--yes').code).toBe(0)
  const types = JSON.parse(readFileSync(join(folder, 'tsconfig.json'), 'utf8'))
  types.compilerOptions.customConditions = ['chapkit-source']
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(types))
  // Without it `chapkit` is this package.
  rmSync(join(folder, 'package.json'))
  const { stdout } = spawnSync(join(root, 'node_modules/.bin/tsc'), ['-p', folder], {
    cwd: root,
    encoding: 'utf8',
  })
  expect(stdout.split('\n').filter((line) => line.startsWith('test/.docs/mlproject-'))).toEqual([])
})

test('a setting that cannot be used is named', () => {
  const folder = folderWith({ MLproject: smallFile })
  const { code, err } = chapkitWith({ PORT: 'eighty' }, folder, 'mlproject', 'run')
  expect(code).toBe(1)
  expect(err).toContain('PORT=eighty')
})

test.each<[string, Record<string, string>, string[], number, string]>([
  [
    'a folder without a project',
    {},
    ['run', '.'],
    1,
    'chapkit: There is no MLproject (nor MLproject.yaml, MLproject.yml) in .\n',
  ],
  [
    'a folder that is not there',
    {},
    ['run', 'nope'],
    1,
    'chapkit: There is no file and no folder nope\n',
  ],
  [
    'a file that is wrong in two places',
    { 'MLproject.yml': 'name: 3\nentry_points:\n  train: {command: a}\n' },
    ['mlproject', 'run'],
    1,
    'chapkit: MLproject.yml:1: name: expected a text, got 3\nchapkit: MLproject.yml:2: entry_points.predict.command: expected the command that predicts, got none\n',
  ],
  [
    'a parameter that nobody knows',
    { MLproject: smallFile.replace('{model}', '{seed}') },
    ['mlproject', 'run'],
    1,
    'chapkit: entry_points.train.command: {seed} is not known; expected train_data, historic_data, future_data, out_file, model, model_config, polygons, or --param seed=FILENAME\n',
  ],
  [
    'a parameter without a value',
    {},
    ['mlproject', 'migrate', '--param', 'seed'],
    2,
    "chapkit: --param: expected NAME=FILENAME, got 'seed'",
  ],
  [
    'a migration that nobody can agree to',
    { MLproject: smallFile },
    ['mlproject', 'migrate'],
    1,
    'chapkit: There is no terminal to ask on: add --yes, or --dry-run to see more\n',
  ],
  [
    'a migration over files of others',
    { MLproject: smallFile, Dockerfile: 'FROM x', 'package.json': '{}' },
    ['mlproject', 'migrate', '--yes'],
    1,
    'chapkit: package.json is there and would be overwritten: move or rename it\nchapkit: Dockerfile is there and would be overwritten: move or rename it\n',
  ],
])('%s is refused with every reason', (_name, files, args, code, reason) => {
  const folder = folderWith(files)
  const ended = chapkit(folder, ...args)
  expect(ended.code).toBe(code)
  expect(ended.err).toContain(reason)
  expect(ended.err).not.toContain('    at ')
  expect(readdirSync(folder).sort()).toEqual(Object.keys(files).sort())
})

test('each command has help, and the short names are there without being listed', () => {
  const folder = folderWith({})
  const all = chapkit(folder, '--help').out
  expect(all).toContain('  mlproject ')
  expect(all).not.toMatch(/^ {2}(run|migrate) /m)
  for (const args of [['mlproject', 'run'], ['run']]) {
    const { code, out } = chapkit(folder, ...args, '--help')
    expect(code).toBe(0)
    for (const option of ['--host', '--port', '--param', '--data-dir'])
      expect(out).toContain(option)
  }
  for (const args of [['mlproject', 'migrate'], ['migrate']]) {
    const { out } = chapkit(folder, ...args, '--help')
    for (const option of ['--dry-run', '--yes', '--param', '--base-image'])
      expect(out).toContain(option)
  }
})
