import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { FunctionalModelRunner, MLServiceBuilder, type Service, ShellModelRunner } from 'chapkit'
import { createTestService, type TestService } from 'chapkit/testing'
import { expect, onTestFinished, test } from 'vitest'
import { type Program, testWith } from './setup/needs.ts'
import { shapeOf } from './setup/pages.ts'
import { serve } from './setup/serve.ts'

const page = readFileSync(join(import.meta.dirname, '../docs/guides/troubleshooting.md'), 'utf8')
const bin = join(import.meta.dirname, '../src/cli/bin.ts')
const chapkit = [process.execPath, '--conditions=chapkit-source', bin]

/** What the page quotes below each of its headings. */
const quotes = new Map(
  page.split(/^##+ /m).map((part) => {
    const [title = ''] = part.split('\n', 1)
    const quoted = [...part.matchAll(/^```\n(.*?)^```$/gms)].map(([, text = '']) => text)
    return [title, quoted.join('').split('\n').filter(Boolean)]
  }),
)

const configId = '01K72P5N5KCRM6MD3BRE4P0778'
const info = { id: 'm', display_name: 'M', period_type: 'monthly' } as const
const modelFile = (more = '') => `
import { FunctionalModelRunner, MLServiceBuilder } from 'chapkit'
const runner = new FunctionalModelRunner({
  onTrain: ({ data }) => {
    if (data.has('ends')) process.exit(3)
    return {}
  },
  onPredict: ({ future }) => future,
})
const info = { id: 'm', display_name: 'M', period_type: 'monthly' }
export default new MLServiceBuilder({ info, runner, module: import.meta.url })${more}.build()
`

function folderWith(files: Record<string, string> = {}): string {
  const folder = mkdtempSync(join(tmpdir(), 'chapkit-trouble-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  return folder
}

/** What `chapkit serve` says when it cannot. */
function refusal(args: string[], cwd: string, env: Record<string, string> = {}): string[] {
  const { stderr } = spawnSync(chapkit[0]!, [...chapkit.slice(1), 'serve', ...args], {
    cwd,
    encoding: 'utf8',
    timeout: 90_000,
    env: { ...process.env, LOG_FORMAT: 'json', ...env },
  })
  return stderr.replaceAll(`${cwd}/`, '').trimEnd().split('\n')
}

async function started(service: Service, options: object = {}): Promise<TestService> {
  const running = await createTestService(service, options)
  onTestFinished(() => running.close())
  await running.request('POST', '/api/v1/configs', { id: configId, name: 'a', data: {} })
  return running
}

const frame = (columns: string[], ...data: unknown[][]) => ({ columns, data })
const counts = frame(['time_period', 'location', 'disease_cases'], ['2024-01', 'north', 1])

function model(onTrain: () => object | Promise<object> = () => ({}), most = 24): Service {
  const runner = new FunctionalModelRunner({ onTrain, onPredict: ({ future }) => future })
  return new MLServiceBuilder({ info: { ...info, max_prediction_periods: most }, runner }).build()
}

const train = (service: TestService, data: object = counts) =>
  service.request('POST', '/api/v1/ml/$train', { config_id: configId, data })

/** Trains, and answers the record of the job. */
async function trained(service: TestService, data: object = counts) {
  return service.waitForJob((await train(service, data)).json.job_id)
}

/** The error of a training by a command, in a project of its own. */
async function commandError(trainCommand: string, files: Record<string, string> = {}, limit = 60) {
  const project = folderWith(files)
  // The script of a folder that has one.
  const predictCommand = 'predict.sh' in files ? 'sh predict.sh {output_file}' : 'true'
  const runner = new ShellModelRunner({
    ...{ trainCommand, predictCommand, project, timeoutSeconds: limit },
  })
  const service = await started(new MLServiceBuilder({ info, runner }).build())
  const data = frame(['time_period', 'location', 'cases'], ['2024-01', 'north', 1])
  const { error } = await trained(service, data)
  return { service, lines: (error ?? '').split('\n') }
}

const details = async (...answers: Promise<{ json: { detail: string } }>[]) =>
  (await Promise.all(answers)).map(({ json }) => json.detail)

interface Case {
  title: string
  needs?: Program[]
  cause: () => Promise<string[]>
}

const cases: Case[] = [
  {
    title: 'The port is taken',
    async cause() {
      const folder = folderWith({ 'service.ts': modelFile() })
      const server = createServer().listen(0, '127.0.0.1')
      await new Promise((resolve) => server.once('listening', resolve))
      onTestFinished(() => void server.close())
      return refusal(
        ['service.ts', '--port', String((server.address() as AddressInfo).port)],
        folder,
      )
    },
  },
  {
    title: 'The data folder is in use',
    async cause() {
      const folder = folderWith({ 'service.ts': modelFile() })
      const { dataDir } = await serve(join(folder, 'service.ts'))
      const lines = refusal(
        ['service.ts', '--port', '0', '--data-dir', join(dataDir, 'data')],
        folder,
      )
      const owner =
        'process 4711 on forecast-1 since 2026-11-29T09:41:34.482Z, at http://127.0.0.1:8000'
      return lines.map((line) =>
        line
          .replace(join(dataDir, 'data'), 'data')
          .replace(/process \d+ on \S+ since \S+Z, at http:\/\/127\.0\.0\.1:\d+/, owner),
      )
    },
  },
  {
    title: 'The file is no service',
    async cause() {
      const folder = folderWith({ 'model.ts': 'export const model = 1' })
      return [...refusal(['servce.ts'], folder), ...refusal(['model.ts'], folder)]
    },
  },
  {
    title: 'A setting cannot be used',
    cause: async () =>
      refusal(['service.ts'], folderWith({ 'service.ts': modelFile() }), { PORT: 'eight' }),
  },
  {
    title: 'There are no API keys',
    cause: async () =>
      refusal(['service.ts'], folderWith({ 'service.ts': modelFile('.withAuth()') })),
  },
  {
    title: 'The data are those of a newer program',
    async cause() {
      const folder = folderWith({ 'service.ts': modelFile() })
      const service = model()
      await service.start({ dataDir: join(folder, 'data'), logLevel: 'silent', hosting: 'inline' })
      await service.close()
      const database = new Database(join(folder, 'data/chapkit.db'))
      database.prepare("insert into migration values ('9999-later', '2030')").run()
      database.close()
      return refusal(['service.ts', '--port', '0'], folder)
    },
  },
  {
    title: '401: no key, or a wrong one',
    async cause() {
      const runner = new FunctionalModelRunner({
        onTrain: () => ({}),
        onPredict: ({ future }) => future,
      })
      const service = new MLServiceBuilder({ info, runner }).withAuth().build()
      const { request } = await started(service, { apiKeys: ['right'.repeat(8)] })
      const headers = { 'X-API-Key': 'wrong' }
      return details(
        request('GET', '/api/v1/configs'),
        request('GET', '/api/v1/configs', undefined, headers),
      )
    },
  },
  {
    title: '403: a page of another site',
    async cause() {
      const { request } = await started(model())
      const headers = { origin: 'https://maps.example.org', 'sec-fetch-site': 'cross-site' }
      return details(request('POST', '/api/v1/configs', { name: 'a', data: {} }, headers))
    },
  },
  {
    title: '404: nothing there',
    async cause() {
      const { request } = await started(model())
      const gone = await request('GET', '/api/v1/configs/01K72P5N5KCRM6MD3BRE4P0779')
      const nowhere = await request('GET', '/api/v1/config')
      return [gone.json.detail, nowhere.json.detail]
    },
  },
  {
    title: '404 of `$train`, with an empty name',
    cause: async () => details((await started(model())).request('POST', '/api/v1/ml/', {})),
  },
  {
    title: '409: not now, or not here',
    async cause() {
      const gate = Promise.withResolvers<object>()
      const { service } = await commandError('false')
      const failed = (await service.request('GET', '/api/v1/jobs')).json[0]
      const predict = { artifact_id: failed.artifact_id, historic: counts, future: counts }
      const busy = await started(model(() => gate.promise))
      await train(busy)
      const told = await details(
        service.request('POST', '/api/v1/ml/$predict', predict),
        service.request('POST', `/api/v1/jobs/${failed.id}/$cancel`),
        busy.request('DELETE', `/api/v1/configs/${configId}`),
      )
      gate.resolve({})
      return told.map((line) => line.replace('is failed already', 'is completed already'))
    },
  },
  {
    title: '413: too large',
    async cause() {
      const { request } = await started(model(), { maxBody: 1024 })
      const name = 'a'.repeat(2000)
      return details(request('POST', '/api/v1/configs', { name, data: {} }))
    },
  },
  {
    title: '415: unsupported media type',
    async cause() {
      const { request } = await started(model())
      const headers = { 'content-type': 'application/x-www-form-urlencoded' }
      return details(request('POST', '/api/v1/configs', '{"name":"a","data":{}}', headers))
    },
  },
  {
    title: '421: another name',
    async cause() {
      const { request } = await started(model())
      return details(request('GET', '/api/v1/configs', undefined, { host: 'forecast.example.org' }))
    },
  },
  {
    title: '422: it is JSON, but not what was expected',
    async cause() {
      const service = await started(model(undefined, 12))
      const { request } = service
      const config = (id: string, data: object) =>
        request('POST', '/api/v1/configs', { id, name: 'a', data })
      const long = '01K72P5N5KCRM6MD3BRE4P0779'
      await config(long, { prediction_periods: 100 })
      const csv = { 'content-type': 'text/csv' }
      const csvUrl = `/api/v1/ml/$train?config_id=${long}`
      const keys = ['time_period', 'location']
      return details(
        train(service, frame(['time_period', 'location'], ['2024-01'])),
        train(
          service,
          frame([...keys, 'disease_cases'], ['2024-01', 'a', 1], ['2024-02', 'a', '<5']),
        ),
        request('POST', csvUrl, 'time_period;location\n2024-01;a\n', csv),
        request('POST', csvUrl, 'time_period,rainfall\n2024-01,1\n2024-02,"71,5"\n', csv),
        train(service, frame(['time_period', 'location'])),
        request('POST', '/api/v1/ml/$train', { config_id: 'abc', data: counts }),
        config(configId, { prediction_periods: 'three' }),
        request('POST', '/api/v1/ml/$train', { config_id: long, data: counts }),
        request('POST', '/api/v1/ml/$train', 'time_period\n2024-01\n', csv),
      )
    },
  },
  {
    title: '429: too many jobs wait',
    async cause() {
      const gate = Promise.withResolvers<object>()
      const service = await started(
        model(() => gate.promise),
        { maxQueuedJobs: 1 },
      )
      const answers: { status: number; json: { detail: string } }[] = []
      // One runs, one waits; the third is one too many.
      while (answers.length < 10 && answers.at(-1)?.status !== 429)
        answers.push(await train(service))
      gate.resolve({})
      return [answers.at(-1)?.json.detail ?? '']
    },
  },
  {
    title: 'The model says what it misses',
    needs: ['bash'],
    async cause() {
      const service = await started(
        model(() => {
          throw new Error('Expected at least 24 months, got 2')
        }),
      )
      const script = 'echo "Expected a column disease_cases, got $(head -1 "$1")" >&2; exit 1'
      const command = await commandError('sh train.sh {data_file}', { 'train.sh': script })
      return [(await trained(service)).error ?? '', ...command.lines]
    },
  },
  {
    title: 'A script is not found',
    cause: async () => (await commandError('sh train.sh')).lines,
  },
  {
    title: 'A program is not found',
    cause: async () => (await commandError('Rscriptt train.R')).lines,
  },
  {
    title: 'A script may not be run',
    cause: async () => (await commandError('./train.sh', { 'train.sh': 'true' })).lines,
  },
  {
    title: 'A script has Windows line ends',
    cause: async () => (await commandError('sh train.sh', { 'train.sh': 'true\r\n' })).lines,
  },
  {
    title: 'A package of R is missing',
    needs: ['Rscript'],
    cause: async () =>
      (await commandError('Rscript --vanilla train.R', { 'train.R': 'library(forecasting)' }))
        .lines,
  },
  {
    title: 'A module of Python is missing',
    needs: ['python3'],
    cause: async () =>
      (await commandError('python3 train.py', { 'train.py': 'import forecasting' })).lines,
  },
  {
    title: 'It takes too long',
    cause: async () => (await commandError('sleep 60', {}, 1)).lines,
  },
  {
    title: 'There is no forecast',
    async cause() {
      const { service } = await commandError('true')
      const [{ artifact_id }] = (await service.request('GET', '/api/v1/jobs')).json
      const body = { artifact_id, historic: counts, future: counts }
      const { json } = await service.request('POST', '/api/v1/ml/$predict', body)
      return [(await service.waitForJob(json.job_id)).error ?? '']
    },
  },
  {
    title: 'The forecast is another one',
    async cause() {
      const { service } = await commandError('true', {
        'predict.sh': `printf 'time_period,location,sample_0\\n2024-01,north,1\\n' > "$1"`,
      })
      const [{ artifact_id }] = (await service.request('GET', '/api/v1/jobs')).json
      const future = frame(['time_period', 'location'], ['2024-01', 'north'], ['2024-02', 'north'])
      const body = { artifact_id, historic: counts, future }
      const { json } = await service.request('POST', '/api/v1/ml/$predict', body)
      return [(await service.waitForJob(json.job_id)).error ?? '']
    },
  },
  {
    title: 'The process of the model ends',
    async cause() {
      const { url } = await serve(join(folderWith({ 'service.ts': modelFile() }), 'service.ts'))
      const post = async (path: string, body: object, headers = {}) =>
        (
          await fetch(`${url}/api/v1/${path}`, {
            method: 'POST',
            headers: { 'content-type': 'application/json', ...headers },
            body: JSON.stringify(body),
          })
        ).json() as Promise<{ job?: { error: string } }>
      await post('configs', { id: configId, name: 'a', data: {} })
      const data = frame(['ends'], [1])
      const { job } = await post('ml/$train', { config_id: configId, data }, { Prefer: 'wait=60' })
      return [job?.error ?? '']
    },
  },
  {
    title: 'chap-core does not take the service',
    async cause() {
      const issue = { loc: ['body', 'info', 'id'], msg: 'String should match pattern', type: 'x' }
      const server = createServer((_, response) =>
        response
          .writeHead(422, { 'content-type': 'application/json' })
          .end(JSON.stringify({ detail: [issue] })),
      ).listen(0, '127.0.0.1')
      await new Promise((resolve) => server.once('listening', resolve))
      onTestFinished(() => void server.close())
      const { port } = server.address() as AddressInfo
      const folder = folderWith({ 'service.ts': modelFile('.withRegistration()') })
      return [await registrationRefusal(folder, `http://127.0.0.1:${port}/v2/services/$register`)]
    },
  },
]

/** The `reason` in the log of a service that an orchestrator does not take. */
async function registrationRefusal(folder: string, orchestrator: string): Promise<string> {
  const child = spawn(chapkit[0]!, [...chapkit.slice(1), 'serve', 'service.ts', '--port', '0'], {
    cwd: folder,
    env: { ...process.env, LOG_FORMAT: 'json', SERVICEKIT_ORCHESTRATOR_URL: orchestrator },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const exited = new Promise((resolve) => child.once('exit', resolve))
  try {
    let said = ''
    for await (const chunk of child.stdout) {
      said += chunk
      const line = said.split('\n').find((each) => each.includes('"registration.failed"'))
      if (line?.endsWith('}')) return (JSON.parse(line) as { reason: string }).reason
    }
    throw new Error(`The service ended: ${said}`)
  } finally {
    child.kill('SIGTERM')
    await exited
  }
}

for (const { title, needs = [], cause } of cases) {
  testWith(...needs)(`says what the page quotes: ${title}`, async () => {
    const quoted = quotes.get(title) ?? []
    expect(quoted).not.toEqual([])
    const told = (await cause()).flatMap((line) => shapeOf(line))
    const wrong = quoted.filter((line) => !told.includes(shapeOf(line)[0] ?? ''))
    expect(wrong, `It says: ${told.join('\n')}`).toEqual([])
  })
}

/** Whether this system lets a process have a disk of its own. */
const mayMount = spawnSync('unshare', ['-rm', 'mount', '-t', 'tmpfs', 'none', '/mnt']).status === 0

test.skipIf(!mayMount)('says what the page quotes: 507: no space', async () => {
  const folder = folderWith({ 'service.ts': modelFile() })
  const disk = join(folder, 'disk')
  mkdirSync(disk)
  const small = `mount -t tmpfs -o size=2m none '${disk}' && exec "$@"`
  const args = ['service.ts', '--port', '0', '--data-dir', join(disk, 'data')]
  const child = spawn('unshare', ['-rm', 'sh', '-c', small, 'sh', ...chapkit, 'serve', ...args], {
    cwd: folder,
    env: { ...process.env, LOG_FORMAT: 'json' },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const exited = new Promise((resolve) => child.once('exit', resolve))
  onTestFinished(async () => {
    child.kill('SIGTERM')
    await exited
  })
  let said = ''
  for await (const chunk of child.stdout) {
    said += chunk
    if (/"url":"http:[^"]+"/.test(said)) break
  }
  const [, url] = /"url":"(http:[^"]+)"/.exec(said) ?? []
  let detail = ''
  for (let round = 0; round < 100 && detail === ''; round++) {
    const response = await fetch(`${url}/api/v1/configs`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'a', data: { note: 'a'.repeat(50_000) } }),
    })
    const answer = (await response.json()) as { detail: string }
    if (response.status === 507) detail = answer.detail
  }
  expect(quotes.get('507: no space')).toContain(detail)
})

test('every symptom that the page quotes is made to happen', () => {
  const made = [...cases.map(({ title }) => title), '507: no space']
  const quoted = [...quotes].filter(([, lines]) => lines.length > 0).map(([title]) => title)
  expect(quoted.sort()).toEqual(made.sort())
})
