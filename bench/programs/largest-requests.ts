import { fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { Agent, request as httpRequest } from 'node:http'
import { join } from 'node:path'
import { completed, createClient, submit } from '../client.ts'
import { panel } from '../frames.ts'
import { pause, type Running, root, Scope } from '../harness.ts'
import { atMost, type Program, type Result, toResult } from '../measure.ts'
import { seedTree } from '../seed.ts'

const api = '/api/v1'
const megabyte = 2 ** 20
/** Where the search for the largest body that a route takes begins: the default of CHAPKIT_MAX_BODY. */
const largestBody = 64 * megabyte
const atOnce = 12

/** Values of about so many bytes, each of another kind of work. */
const shapes: Readonly<Record<string, (bytes: number) => string>> = {
  text: (bytes) => JSON.stringify('x'.repeat(bytes - 2)),
  numbers: (bytes) => `[${'1,'.repeat(bytes / 2 - 2)}1]`,
  keys: (bytes) => {
    const members: string[] = []
    for (let left = bytes - 20, key = 0; left > 0; key++) {
      const member = `"k${key.toString(36)}":1`
      members.push(member)
      left -= member.length + 1
    }
    return `{${members.join(',')}}`
  },
  arrays: (bytes) => `[${'[],'.repeat(bytes / 3 - 2)}[]]`,
  texts: (bytes) => `[${'"ab",'.repeat(bytes / 5 - 2)}"ab"]`,
}

interface Sent {
  method: string
  path: string
  body?: Buffer
  headers?: Record<string, string>
}

interface Case {
  /** Method and path as the OpenAPI document has them. */
  operation: string
  what: string
  send: Sent
  /** Also twelve at the same time. */
  many?: boolean
}

export const largestRequests: Program = {
  name: 'largest-requests',
  row: '/health while every endpoint gets the largest request that it takes',
  async run({ quick }) {
    await using scope = new Scope()
    const dataDir = scope.folder()
    await (await scope.serve('largest.ts', { dataDir })).stop()
    const tree = seedTree(dataDir, quick ? 4000 : 40_000)
    const service = await scope.serve('largest.ts', { dataDir })
    const watch = await createWatch(service)
    try {
      return await measure(service, watch, tree, quick)
    } finally {
      watch.close()
    }
  },
}

async function measure(
  service: Running,
  watch: Watch,
  tree: { root: string; config: string },
  quick: boolean,
): Promise<Result[]> {
  const send = createSender(service.url)
  const results: Result[] = []
  const tried = new Set<string>()

  async function add(what: string, count: number, bar: number, work: () => Promise<string>) {
    const held = async () =>
      (JSON.parse((await send({ method: 'GET', path: '/bench/held' })).text) as { held: number })
        .held
    await held()
    const { longest, grown, said } = await watch.during(work)
    const processor = await held()
    results.push(
      toResult({
        what,
        unit: 'ms',
        ours: [longest],
        bar: atMost(bar),
        note: `held the loop for ${processor.toFixed(0)} ms of processor time, memory +${grown.toFixed(0)} MB; ${count > 1 ? `${count} at once, ` : ''}${said}`,
      }),
    )
  }

  async function one({ operation, what, send: sent, many = false }: Case) {
    tried.add(operation)
    const name = `${operation}, ${what}`
    await add(name, 1, 100, async () => told(await send(sent)))
    if (!many || quick) return
    await add(`${name}, ${atOnce} times`, atOnce, 250, async () => {
      const answers = await Promise.all(Array.from({ length: atOnce }, () => send(sent)))
      return answers.map(told).join(', ')
    })
  }

  await add('nothing', 1, 20, async () => {
    await pause(2000)
    return 'idle'
  })
  const ids = await fill(service.url, quick)
  for (const operation of bodies(ids)) {
    for (const [shape, make] of Object.entries(shapes)) {
      let bytes = quick ? megabyte : largestBody
      for (let round = 0; round < 4; round++) {
        const body = Buffer.from(operation.wrap(make(bytes)))
        const answer = await send({ ...operation, body })
        const most = /at most (\d+) bytes/.exec(answer.text)?.[1]
        const isTooLarge = most !== undefined && (answer.status === 413 || answer.status === 422)
        if (!isTooLarge || Number(most) >= body.byteLength) break
        bytes = Number(most) - 500
      }
      await one({
        operation: `${operation.method} ${operation.template}`,
        what: `${shape}, ${(bytes / megabyte).toFixed(1)} MB`,
        send: { ...operation, body: Buffer.from(operation.wrap(make(bytes))) },
        // More than two of the largest are refused: there is no room for their bodies.
        many: bytes <= megabyte && (shape === 'keys' || shape === 'numbers'),
      })
    }
  }
  for (const each of reads(ids, tree)) await one(each)
  const execute = `POST ${api}/tasks/{id}/$execute`
  await add(`${execute}, a function that reads all that is large, to its end`, 1, 100, async () => {
    const { text } = await send({
      method: 'POST',
      path: `${api}/tasks/${ids.reader}/$execute`,
      headers: { 'content-type': 'application/json' },
      body: Buffer.from(JSON.stringify({ parameters: { id: ids.frame } })),
    })
    const { job_id: id } = JSON.parse(text) as { job_id: string }
    await send({ method: 'GET', path: `${api}/jobs/${id}/$stream` })
    const job = await send({ method: 'GET', path: `${api}/jobs/${id}` })
    return (JSON.parse(job.text) as { status: string }).status
  })
  const untried = (await operations(send)).filter((operation) => !tried.has(operation))
  for (const operation of untried) {
    const [method, template] = operation.split(' ') as [string, string]
    if (method === 'DELETE' || /\$stream$/.test(template)) continue
    const path = template.replace('{id}', idFor(template, ids))
    await one({ operation, what: 'as it is', send: { method, path } })
  }
  return results
}

interface Ids {
  config: string
  largeConfig: string
  model: string
  prediction: string
  frame: string
  csvFrame: string
  task: string
  reader: string
  place: string
  job: string
  trainingJob: string
  schedule: string
}

/** Puts in what the reading requests read: frames of 57 MB, a model made of one, forecasts of one, a long log. */
async function fill(url: string, quick: boolean): Promise<Ids> {
  const client = createClient(url)
  const create = async (path: string, body: object): Promise<string> =>
    (await client.json<{ id: string }>('POST', `${api}${path}`, body)).id
  const config = await create('/configs', { name: 'bench', data: { lines: quick ? 100 : 9000 } })
  const largeConfig = await create('/configs', {
    name: 'large',
    data: { text: 'x'.repeat(200 * 1024) },
  })
  for (let count = 0; count < (quick ? 5 : 100); count++)
    await create('/configs', { name: `large ${count}`, data: { text: 'x'.repeat(200 * 1024) } })
  // 2 800 locations of 320 months: 57 MB.
  const frame = panel(quick ? 100 : 2800, 320)
  const stored = (content_type: string, content: object) =>
    create('/artifacts', { data: { type: 'generic', content_type, content } })
  const half = panel(quick ? 50 : 1350, 320)
  const training = await submit(client, 'train', { config_id: config, data: frame })
  await completed(client, training.job_id)
  const prediction = await submit(client, 'predict', {
    artifact_id: training.artifact_id,
    historic: half,
    future: half,
  })
  await completed(client, prediction.job_id)
  const tasks = await client.json<{ id: string; name: string }[]>('GET', `${api}/tasks`)
  const taskOf = (wanted: string) => tasks.find(({ name }) => name === wanted)?.id ?? ''
  const task = taskOf('echo')
  const ids = {
    config,
    largeConfig,
    model: training.artifact_id,
    prediction: prediction.artifact_id,
    frame: await stored('application/vnd.chapkit.dataframe+json', frame),
    csvFrame: await stored('text/csv', panel(quick ? 100 : 2801, 320)),
    task,
    reader: taskOf('reader'),
    place: await create('/places', { code: 'a' }),
    job: prediction.job_id,
    trainingJob: training.job_id,
    schedule: await create('/schedules', {
      name: 'hourly',
      task_id: task,
      trigger: { type: 'interval', every: 3600 },
    }),
  }
  client.close()
  return ids
}

interface BodyOperation {
  method: string
  template: string
  path: string
  headers: Record<string, string>
  wrap: (value: string) => string
}

function bodies(ids: Ids): BodyOperation[] {
  const json = { 'content-type': 'application/json' }
  const of = (
    method: string,
    template: string,
    id: string | null,
    wrap: (value: string) => string,
  ): BodyOperation => ({
    method,
    template,
    path: id === null ? template : template.replace('{id}', id),
    headers: json,
    wrap,
  })
  const ml = (name: string, wrap: (value: string) => string) =>
    of('POST', `${api}/ml/$${name}`, null, wrap)
  const row = '["2020-01","a",1]'
  const frame = `{"columns":["time_period","location","v"],"data":[${row}]}`
  return [
    of('POST', `${api}/configs`, null, (value) => `{"name":"a","data":{"extra":${value}}}`),
    of('PUT', `${api}/configs/{id}`, ids.config, (value) => `{"name":"a","data":{"e":${value}}}`),
    of(
      'POST',
      `${api}/configs/{id}/$link-artifact`,
      ids.config,
      (value) => `{"artifact_id":${value}}`,
    ),
    of(
      'POST',
      `${api}/artifacts`,
      null,
      (value) => `{"data":{"type":"generic","content":${value}}}`,
    ),
    {
      ...of('POST', `${api}/artifacts`, null, (value) => `{"data":{"content":${value}}}`),
      headers: { ...json, 'idempotency-key': 'largest' },
    },
    of('PUT', `${api}/artifacts/{id}`, ids.model, (value) => `{"data":{"content":${value}}}`),
    of('POST', `${api}/artifacts`, null, (value) => `{"data":{"metadata":${value}}}`),
    of('POST', `${api}/artifacts`, null, (value) => `{"tags":${value},"data":{}}`),
    of('POST', `${api}/tasks`, null, (value) => `{"command":"true","parameters":{"p":${value}}}`),
    of(
      'PUT',
      `${api}/tasks/{id}`,
      ids.task,
      (value) => `{"command":"true","parameters":{"p":${value}}}`,
    ),
    of('POST', `${api}/tasks/{id}/$execute`, ids.task, (value) => `{"parameters":{"p":${value}}}`),
    of(
      'POST',
      `${api}/schedules`,
      null,
      (value) =>
        `{"name":"a","task_id":"${ids.task}","trigger":{"type":"interval","every":60},"parameters":{"p":${value}}}`,
    ),
    of('POST', `${api}/places`, null, (value) => `{"code":"a","extra":${value}}`),
    of('PUT', `${api}/places/{id}`, ids.place, (value) => `{"code":"a","extra":${value}}`),
    of('POST', '/own', null, (value) => value),
    ml(
      'train',
      (value) => `{"config_id":"${ids.config}","data":{"columns":["a"],"data":${value}}}`,
    ),
    ml('train', (value) => `{"config_id":"${ids.config}","data":{"columns":${value},"data":[]}}`),
    ml(
      'train',
      (value) =>
        `{"config_id":"${ids.config}","data":${frame},"geo":{"type":"FeatureCollection","features":[{"type":"Feature","geometry":null,"properties":{"p":${value}}}]}}`,
    ),
    ml(
      'predict',
      (value) =>
        `{"artifact_id":"${ids.model}","historic":${frame},"future":${frame},"geo":${value}}`,
    ),
    ml(
      'validate',
      (value) =>
        `{"type":"train","config_id":"${ids.config}","data":{"columns":["a"],"data":${value}}}`,
    ),
    {
      ...of(
        'POST',
        `${api}/ml/$train`,
        null,
        (value) => `a\r\n${value.replaceAll('],[', ']\r\n[')}`,
      ),
      path: `${api}/ml/$train?config_id=${ids.config}`,
      headers: { 'content-type': 'text/csv' },
    },
  ]
}

function reads(ids: Ids, tree: { root: string; config: string }): Case[] {
  const get = (template: string, id: string, what: string, query = '', many = true): Case => ({
    operation: `GET ${api}${template}`,
    what,
    send: { method: 'GET', path: `${api}${template.replace('{id}', id)}${query}` },
    many,
  })
  const download = '/artifacts/{id}/$download'
  const downloads = [
    ...['records', 'json', 'csv', 'parquet'].map((format) => [format, ids.frame] as const),
    ['records', ids.prediction] as const,
    ['csv', ids.csvFrame] as const,
  ].flatMap(([format, id]) =>
    (
      [
        ['HEAD', {}],
        ['GET', { range: 'bytes=0-0' }],
        ['GET', { 'if-none-match': '"other"' }],
        ['GET', {}],
      ] as const
    ).map(([method, headers]): Case => {
      const base = get(download, id, '', `?format=${format}`)
      const which = Object.entries(headers).flat().join(' ')
      const whose = id === ids.frame ? 'a frame' : id === ids.prediction ? 'forecasts' : 'a table'
      return {
        ...base,
        what: `${method} ${whose} as ${format} ${which}`,
        send: { ...base.send, method, headers },
      }
    }),
  )
  return [
    ...downloads,
    get(download, ids.model, 'a workspace'),
    get('/artifacts/{id}', ids.frame, 'a frame'),
    get('/artifacts/{id}', ids.prediction, 'forecasts'),
    get('/artifacts/{id}/$tree', tree.root, 'a large tree'),
    get('/artifacts/{id}/$expand', tree.root, 'a large tree'),
    get('/configs/{id}/$artifacts', tree.config, 'many trees'),
    get('/artifacts', '', 'all'),
    get('/artifacts', '', 'a page', '?page=40&size=1000'),
    get('/configs', '', 'all, some of them large'),
    get('/configs', '', 'a page, some of them large', '?page=1&size=1000'),
    get('/configs', '', 'a page by key', '?size=1000&after=00000000000000000000000000'),
    get('/configs/{id}', ids.largeConfig, 'a large one'),
    get('/jobs', '', 'all'),
    get('/jobs/{id}/$logs', ids.trainingJob, 'a long log', '?limit=1000'),
    get('/schedules/{id}/$next', ids.schedule, 'many', '?count=100'),
    get(
      '/ml/$generate-sample-data',
      '',
      'much',
      '?num_locations=1000&num_periods=30&num_features=3',
    ),
    get('/ml/$generate-sample-data', '', 'a long query', `?seed=1${'&a=1'.repeat(3500)}`),
  ]
}

function idFor(template: string, ids: Ids): string {
  if (template.includes('/configs/')) return ids.config
  if (template.includes('/tasks/')) return ids.task
  if (template.includes('/places/')) return ids.place
  if (template.includes('/jobs/')) return ids.job
  return template.includes('/schedules/') ? ids.schedule : ids.model
}

/** Methods and paths of the OpenAPI document. */
async function operations(send: ReturnType<typeof createSender>): Promise<string[]> {
  const { text } = await send({ method: 'GET', path: '/openapi.json' }, Number.POSITIVE_INFINITY)
  const { paths } = JSON.parse(text) as { paths: Record<string, object> }
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  )
}

interface Answer {
  status: number
  /** The beginning of the body. */
  text: string
  bytes: number
}

const told = ({ status, bytes }: Answer): string => `${status} (${bytes} bytes)`

function createSender(url: string) {
  const { hostname, port } = new URL(url)
  const agent = new Agent({ keepAlive: true })
  return ({ method, path, body, headers = {} }: Sent, keep = 2000): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const length = body ? { 'content-length': body.byteLength } : {}
      const sent = httpRequest(
        { hostname, port, method, path, agent, headers: { ...headers, ...length } },
        (response) => {
          let bytes = 0
          let text = ''
          response.on('data', (chunk: Buffer) => {
            bytes += chunk.byteLength
            if (text.length < keep) text += chunk
          })
          response.on('error', reject)
          response.on('end', () => resolve({ status: response.statusCode ?? 0, text, bytes }))
        },
      )
      // A refusal may come before the body has left.
      sent.on('error', (error) => resolve({ status: 0, text: String(error), bytes: 0 }))
      sent.end(body)
    })
}

interface Watch {
  during(work: () => Promise<string>): Promise<{ longest: number; grown: number; said: string }>
  close(): void
}

async function createWatch({ url, pid }: Running): Promise<Watch> {
  const child = fork(join(root, 'bench', 'watch-health.ts'), [url])
  await once(child, 'message')
  await pause(500)
  return {
    async during(work) {
      const before = memory(pid, 'VmRSS')
      // Begins the highest value anew.
      writeFileSync(`/proc/${pid}/clear_refs`, '5')
      child.send('begin')
      await once(child, 'message')
      const said = await work()
      child.send('end')
      const [{ longest }] = (await once(child, 'message')) as [{ longest: number }]
      return { longest, grown: memory(pid, 'VmHWM') - before, said }
    },
    close: () => child.disconnect(),
  }
}

/** Megabytes of a process: what it has, or the most that it has had. */
function memory(pid: number, which: 'VmRSS' | 'VmHWM'): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(new RegExp(`^${which}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1024
}
