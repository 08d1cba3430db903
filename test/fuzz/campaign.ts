import { defineTask } from 'chapkit'
import { createTestService } from 'chapkit/testing'
import fc from 'fast-check'
import { type Answer, createProbe, expectProblem, nobody, train } from '../compat/fixtures.ts'
import { createComparer, type Document, type Operation, readOperations } from './document.ts'
import { type Kind, kindOf, kinds, type Plan, plansFor } from './requests.ts'

export interface Violation {
  operation: string
  rule: string
  seed: number
  request: string
  answer: string
  times: number
}

export interface Report {
  cases: number
  seconds: number
  slowestMs: number
  /** Answers by operation and status. */
  table: Map<string, Map<number, number>>
  violations: Violation[]
}

export interface CampaignOptions {
  cases: number
  seed: number
  /** Ends the campaign early. */
  seconds?: number
  progress?: (line: string) => void
}

/** A request as it was sent: its ids are real ones. */
interface Sent extends Plan {
  url: string
  /** Whether its path names something that had been deleted, or something that is there. */
  subject: 'freed' | 'live' | 'other'
}

class Broken extends Error {
  readonly rule: string
  readonly sent: Sent
  readonly answer: Answer | undefined
  constructor(rule: string, sent: Sent, answer?: Answer) {
    super(rule)
    this.rule = rule
    this.sent = sent
    this.answer = answer
  }
}

/** What `inject` takes for the Host. */
const origin = 'http://localhost:80'
const longest = 5000
const kept = 60

/** Asks a service everything its document offers, rightly and wrongly, and compares every answer with the document. */
export async function runCampaign(options: CampaignOptions): Promise<Report> {
  const service = createProbe()
    .builder.withTasks({
      functions: { echo: defineTask({ run: ({ parameters }) => parameters }) },
      shell: { nothing: { command: 'true' } },
    })
    .withSchedules({ yearly: { task: 'nothing', cron: '0 0 1 1 *' } })
    .build()
  await using test = await createTestService(service, {
    port: 0,
    maxBody: 256 * 1024,
    maxQueuedJobs: 10_000,
  })
  const document: Document = (await test.request('GET', '/openapi.json')).json
  const operations = readOperations(document)
  const byName = new Map(operations.map((each) => [each.name, each]))
  const faults = createComparer(document)
  const ids = createIds()
  const report: Report = {
    cases: 0,
    seconds: 0,
    slowestMs: 0,
    table: new Map(operations.map(({ name }) => [name, new Map()])),
    violations: [],
  }
  const known = new Map<string, Violation>()
  const began = performance.now()
  const elapsed = () => (performance.now() - began) / 1000

  const made = await train(test)
  ids.add('config', made.configId)
  ids.add('job', made.jobId)
  ids.add('artifact', made.artifactId)
  ids.models.push(made.artifactId)
  for (const kind of ['task', 'schedule'] as const)
    for (const { id } of (await test.request('GET', `/api/v1/${kind}s`)).json) ids.add(kind, id)

  async function send(sent: Sent): Promise<Answer> {
    const { method, url, headers, body } = sent
    if (sent.path.endsWith('$stream') && method === 'GET') return readStream(sent)
    return test.request(method, url, typeof body === 'string' ? Buffer.from(body) : body, headers)
  }

  /** The head and the first moments of what may never end. */
  async function readStream({ url, headers }: Sent): Promise<Answer> {
    const gone = new AbortController()
    const response = await service.inject({
      method: 'GET',
      url,
      headers,
      payloadAsStream: true,
      signal: gone.signal,
    })
    const chunks: Buffer[] = []
    const stream = response.stream()
    stream.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', () => {})
    const ended = new Promise((resolve) => stream.once('close', resolve))
    await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 3))])
    response.raw.res.destroy()
    gone.abort()
    const bytes = Buffer.concat(chunks)
    const isJson = String(response.headers['content-type']).includes('json')
    return {
      status: response.statusCode,
      headers: response.headers,
      text: bytes.toString(),
      bytes,
      json: isJson ? JSON.parse(bytes.toString()) : undefined,
    }
  }

  async function runCase(operation: Operation, plan: Plan): Promise<void> {
    const sent = ids.fill(plan)
    const started = performance.now()
    const answer = await within(longest, send(sent), () => new Broken('answers in time', sent))
    report.slowestMs = Math.max(report.slowestMs, performance.now() - started)
    const counts = report.table.get(operation.name)
    counts?.set(answer.status, (counts.get(answer.status) ?? 0) + 1)
    const rule = judge(operation, sent, answer)
    ids.learn(sent, answer)
    if (rule !== null) throw new Broken(rule, sent, answer)
  }

  function judge(asked: Operation, sent: Sent, answer: Answer): string | null {
    // An id may read like the name of another operation: `/configs/$schema`.
    const operation = byName.get(`${sent.method} ${sent.path}`) ?? asked
    const { status } = answer
    if (status >= 500) return `no 5xx: ${status}`
    if (/\bat .+:\d+:\d+|node_modules|SQLITE_/.test(status < 400 ? '' : answer.text))
      return 'tells nothing of the inside'
    if (status >= 400) {
      const problem = problemFault(sent, answer)
      if (problem) return problem
    }
    const isOwn = sent.method === operation.method
    const isHead = sent.method === 'HEAD' && operation.method === 'GET'
    // Another method at the same path is another operation, or none.
    if (!isOwn && !isHead) return null
    const declared = operation.responses[status]
    if (!declared) return isGeneric(sent, status) ? null : `status ${status} is declared`
    if (status < 300) {
      const type = String(answer.headers['content-type'] ?? '').split(';', 1)[0] ?? ''
      const content = declared.content ?? {}
      const media = content[type] ?? content['*/*']
      if (!media && (type !== '' || Object.keys(content).length > 0) && !isHead) {
        return `content type ${type} is declared`
      }
      if (isHead) return answer.text === '' ? null : 'a HEAD has no body'
      if (media && type === 'application/json' && !sent.path.endsWith('$download')) {
        const fault = faults(media.schema, answer.json)
        if (fault) return `body of ${status} fits its schema: ${fault}`
      }
      const isNamed =
        status !== 201 ||
        answer.headers.location ===
          `${origin}${sent.path.replace('/$upload', '')}/${answer.json?.id}`
      if (!isNamed) return 'a Location leads to what was created'
      return acceptedWrongly(operation, sent)
    }
    return refusedWrongly(operation, sent) ? `what is valid is accepted, not ${status}` : null
  }

  function acceptedWrongly(operation: Operation, sent: Sent): string | null {
    if (sent.subject === 'freed' && !sent.path.endsWith('$artifacts')) return 'no use after free'
    for (const { name, schema, in: place } of operation.parameters) {
      const values = sent.query.filter(([key]) => key === name).map(([, value]) => value)
      if (place !== 'query' || values.length !== 1) continue
      const whole = { type: 'object', properties: { [name]: schema } }
      const fault = faults(cached(schema, whole), { [name]: values[0] }, 'as-query')
      if (fault) return `query ${name} that does not fit is refused`
    }
    const type = sent.headers['content-type']?.split(';', 1)[0]?.toLowerCase()
    const media = operation.bodies.find(([each]) => each === type)?.[1]
    if (!media || type !== 'application/json' || sent.headers['idempotency-key']) return null
    if (!operation.needsBody && (sent.body === undefined || sent.body === '')) return null
    const value = parsed(sent.body)
    if (value === undefined) return 'a body that is no JSON is refused'
    const fault = faults(media.schema, value)
    return fault ? `a body that does not fit is refused: ${fault}` : null
  }

  const note = (operation: Operation, seed: number, broken: Broken) => {
    const key = `${operation.name} ${broken.rule}`
    const violation: Violation = {
      operation: operation.name,
      rule: broken.rule,
      seed,
      request: describe(broken.sent),
      answer: `${broken.answer?.status} ${broken.answer?.text.slice(0, 300)}`,
      times: 1,
    }
    known.set(key, violation)
    report.violations.push(violation)
  }

  /** A handful of requests for one operation; the first new violation is made as small as it gets. */
  async function runSome(operation: Operation, seed: number, numRuns: number): Promise<void> {
    let fresh: string | undefined
    let smallest: Broken | undefined
    const property = fc.asyncProperty(plansFor(operation), async (plan) => {
      try {
        if (fresh === undefined) report.cases++
        await runCase(operation, plan)
      } catch (error) {
        if (!(error instanceof Broken)) throw error
        const seen = known.get(`${operation.name} ${error.rule}`)
        if (seen) seen.times++
        if (seen || (fresh !== undefined && fresh !== error.rule)) return
        fresh = error.rule
        smallest = error
        throw error
      }
    })
    const result = await fc.check(property, { seed, numRuns })
    if (smallest) note(operation, seed, smallest)
    else if (result.failed) throw result.errorInstance ?? new Error(`${operation.name} failed`)
  }

  /** Keeps the service small, so that lists stay short: the oldest go. */
  async function tidy(): Promise<void> {
    for (const kind of kinds) {
      const { json } = await test.request('GET', `/api/v1/${kind}s`)
      ids.set(
        kind,
        json.map(({ id }: { id: string }) => id),
      )
      for (const { id } of json.slice(0, Math.max(0, json.length - kept))) {
        if (ids.models.includes(id) || id === made.configId) continue
        const sent = ids.fill(plain('DELETE', `/api/v1/${kind}s/${id}`))
        const answer = await test.request('DELETE', sent.url)
        if (answer.status >= 500) throw new Error(`Tidying up: ${answer.text}`)
        ids.learn(sent, answer)
      }
    }
    if ((await test.request('GET', `/api/v1/artifacts/${ids.models[0]}`)).status === 200) return
    const again = await train(test)
    ids.models.splice(0, 1, again.artifactId)
  }

  const bound = options.seconds ?? Number.POSITIVE_INFINITY
  let lastSaid = 0
  for (let round = 0; report.cases < options.cases && elapsed() < bound; round++) {
    for (const [at, operation] of operations.entries()) {
      const left = options.cases - report.cases
      if (left <= 0 || elapsed() >= bound) break
      const seed = (options.seed + round * operations.length + at) | 0
      await runSome(operation, seed, Math.min(left, share(operation)))
    }
    await tidy()
    if (elapsed() - lastSaid > 10) {
      lastSaid = elapsed()
      options.progress?.(
        `${report.cases} cases, ${lastSaid.toFixed(0)} s, ${report.violations.length} violations`,
      )
    }
  }
  report.seconds = elapsed()
  return report
}

/** How many cases an operation gets in a round: more where more can be said. */
function share({ bodies, parameters }: Operation): number {
  if (bodies.length > 0) return 14
  return parameters.length > 0 ? 6 : 2
}

const plain = (method: string, path: string): Plan => ({
  change: 'valid',
  method,
  path,
  query: [],
  headers: {},
  body: undefined,
})

/** Statuses that any request may meet, whatever is asked: they are about its form, or the page that sends it. */
function isGeneric({ path, headers, body, change }: Sent, status: number): boolean {
  const encoding = headers['content-encoding']
  if (status === 414) return path.length > 128
  if (status === 403) return change === 'header origin'
  if (status === 404) return change === 'id'
  // An id that reads like an operation, which has other methods.
  if (status === 405) return change === 'id' && /\/\$[\w-]+$/.test(path)
  if (status === 400) return /%(?![\da-f]{2})|%[89a-f][\da-f]/i.test(path)
  if (status === 413) return (body?.length ?? 0) > 200_000
  return status === 415 && (encoding !== undefined || change === 'content type')
}

/** Refusals of requests that nothing is wrong with, where that can be told without knowing the model. */
function refusedWrongly({ name, parameters, bodies }: Operation, sent: Sent): boolean {
  if (sent.change !== 'valid' || sent.headers['idempotency-key'] !== undefined) return false
  if (bodies.length === 0 && parameters.length === 0) return true
  if (/^(GET|PUT) \/api\/v1\/configs\/\{id\}$/.test(name)) {
    return sent.subject === 'live' && (sent.body === undefined || bodyHasNoId(sent))
  }
  if (name === 'POST /api/v1/configs') return bodyHasNoId(sent)
  if (name === 'POST /api/v1/artifacts') return bodyHasNoId(sent) && !hasParent(sent)
  if (name === 'POST /api/v1/ml/$validate') return true
  const isList = /^GET \/api\/v1\/(configs|artifacts|jobs)$/.test(name)
  return isList && !sent.query.some(([key]) => key === 'after')
}

const bodyHasNoId = ({ body }: Sent) =>
  ((parsed(body) as { id?: unknown } | undefined)?.id ?? null) === null
const hasParent = ({ body }: Sent) =>
  ((parsed(body) as { parent_id?: unknown } | undefined)?.parent_id ?? null) !== null

function problemFault(sent: Sent, answer: Answer): string | null {
  if (sent.method === 'HEAD') return null
  try {
    const code = String(answer.json?.type).replace('urn:chapkit:error:', '')
    expectProblem(answer, answer.status, code as 'not-found')
    return null
  } catch (error) {
    return `a refusal is a whole problem document: ${(error as Error).message.split('\n', 1)[0]}`
  }
}

function parsed(body: Plan['body']): unknown {
  try {
    // Which drops a byte order mark, as the service does.
    return JSON.parse(new TextDecoder().decode(Buffer.from((body ?? '') as string)))
  } catch {
    return undefined
  }
}

const wholes = new WeakMap<object, object>()
/** The same schema for the same key, so that it is compiled once. */
function cached(key: object, whole: object): object {
  if (!wholes.has(key)) wholes.set(key, whole)
  return wholes.get(key) ?? whole
}

async function within<T>(ms: number, work: Promise<T>, late: () => Error): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late()), ms)
  })
  return Promise.race([work, limit]).finally(() => clearTimeout(timer))
}

function describe({ change, method, url, headers, body }: Sent): string {
  const text = body === undefined ? '' : Buffer.from(body as string).toString()
  const long = text.length > 600 ? `${text.slice(0, 600)}… (${text.length})` : text
  return `[${change}] ${method} ${url.slice(0, 300)} ${JSON.stringify(headers)} ${long}`
}

const toLists = () =>
  Object.fromEntries(kinds.map((kind) => [kind, [] as string[]])) as Record<Kind, string[]>

/** What exists, what is gone, and how the places of a plan are filled with it. */
function createIds() {
  const live = toLists()
  const freed = toLists()
  const models: string[] = []

  const pool = (name: string): string[] => {
    if (name === 'model') return models
    if (name.startsWith('freed')) return freed[name.slice('freed'.length) as Kind] ?? []
    return live[name as Kind] ?? []
  }
  const fillText = (text: string) =>
    text.replace(/\{\{([a-z]+):(\d+)\}\}/g, (_, name: string, index: string) => {
      const among = pool(name)
      return among[Number(index) % among.length] ?? nobody
    })

  function add(kind: Kind, id: string) {
    freed[kind] = freed[kind].filter((each) => each !== id)
    if (!live[kind].includes(id)) live[kind].push(id)
  }

  function remove(kind: Kind, id: string) {
    live[kind] = live[kind].filter((each) => each !== id)
    freed[kind] = [...freed[kind].filter((each) => each !== id), id].slice(-50)
  }

  return {
    models,
    add,

    set(kind: Kind, now: string[]) {
      live[kind] = [...now]
      freed[kind] = freed[kind].filter((id) => !now.includes(id))
    },

    fill(plan: Plan): Sent {
      const path = fillText(plan.path)
      const query = plan.query.map(([name, value]): [string, string] => [name, fillText(value)])
      const text = new URLSearchParams(query)
      const id = path.split('/').find((part) => part.length === 26) ?? ''
      const kind = kindOf(path)
      const isFreed = freed[kind].includes(id)
      return {
        ...plan,
        path,
        query,
        url: query.length > 0 ? `${path}?${text}` : path,
        body: typeof plan.body === 'string' ? fillText(plan.body) : plan.body,
        subject: isFreed ? 'freed' : live[kind].includes(id) ? 'live' : 'other',
      }
    },

    learn({ method, path }: Sent, { status, json, headers }: Answer) {
      if (status >= 300 || headers['idempotency-replayed'] !== undefined) return
      const isMl = path.includes('/ml/')
      if (isMl && typeof json?.job_id === 'string') add('job', json.job_id)
      const created = status === 201 && typeof json?.id === 'string'
      if (created) add(kindOf(path), json.id)
      if (method === 'DELETE' && status === 204) remove(kindOf(path), path.split('/').at(-1) ?? '')
    },
  }
}

/** The report as people read it. */
export function printReport({ cases, seconds, slowestMs, table, violations }: Report): string {
  const rows = [...table].map(([name, counts]) => {
    const total = [...counts.values()].reduce((sum, each) => sum + each, 0)
    const each = [...counts].sort(([a], [b]) => a - b).map(([code, count]) => `${code}×${count}`)
    return `${name.padEnd(46)} ${String(total).padStart(7)}  ${each.join(' ')}`
  })
  const found = violations.map(
    ({ operation, rule, seed, request, answer, times }) =>
      `✗ ${operation}: ${rule} (seed ${seed}, ${times} times)\n    ${request}\n    → ${answer}`,
  )
  return [
    ...rows,
    `${cases} cases in ${seconds.toFixed(1)} s, slowest answer ${slowestMs.toFixed(0)} ms`,
    ...found,
    `${violations.length} violations`,
  ].join('\n')
}
