import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { onTestFinished } from 'vitest'

/** Something that the orchestrator was asked, or that it asked a service. */
export interface Exchange {
  method: string
  path: string
  status: number
}

export interface OrchestratorOptions {
  /** What `X-Service-Key` must be; null lets everyone in. */
  key?: string | null
  /** @default 0, a free one */
  port?: number
  /** Its time, in milliseconds. @default time of the machine */
  now?: () => number
}

/** Takes over the answer to a request; answers false to leave it. */
export type Trouble = (request: IncomingMessage, response: ServerResponse) => boolean

interface Entry {
  url: string
  info: Record<string, unknown>
  registeredAt: number
  expiresAt: number
}

const ttlSeconds = 30
const commit = /^[0-9a-f]{7,40}$/i
const slug = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/
const callTimeoutMs = 5000

/**
 * Stands in for the registry of chap-core 2.5: its paths, its rules, and its call back to the service, which it makes before it
 * answers a registration. A model is stored once for each version, and only with a commit. Restarting it forgets every service.
 */
export async function startOrchestrator(options: OrchestratorOptions = {}) {
  const { now = Date.now } = options
  /** Commits by model and version: what is stored once stays, also when the list of services is lost. */
  const templates = new Map<string, string>()
  let key = options.key ?? null
  let services = new Map<string, Entry>()
  let trouble: Trouble = () => false
  const asked: (Exchange & { headers: IncomingMessage['headers']; body: string })[] = []
  const calls: Exchange[] = []

  const live = (id: string) => {
    const entry = services.get(id)
    return entry && entry.expiresAt > now() ? entry : undefined
  }

  async function register(body: string, base: string) {
    const payload = JSON.parse(body) as { url?: unknown; info?: Record<string, unknown> }
    const { url, info } = payload
    const issue = (loc: string[], msg: string) => ({
      status: 422,
      json: { detail: [{ type: 'value_error', loc: ['body', ...loc], msg, input: null }] },
    })
    if (typeof url !== 'string') return issue(['url'], 'Field required')
    if (typeof info !== 'object') return issue(['info'], 'Field required')
    for (const name of ['id', 'display_name', 'model_metadata', 'period_type']) {
      if (info[name] === undefined) return issue(['info', name], 'Field required')
    }
    const id = String(info.id)
    if (!slug.test(id)) return issue(['info', 'id'], 'String should match pattern')
    const known = live(id)
    const registeredAt = known?.registeredAt ?? now()
    services.set(id, { url, info, registeredAt, expiresAt: now() + ttlSeconds * 1000 })
    const conflict = await sync(url, info)
    return {
      status: 200,
      json: {
        id,
        status: 'registered',
        service_url: url,
        message: `${known ? 'Service registration updated' : 'Service registered successfully'}${conflict}`,
        ttl_seconds: ttlSeconds,
        ping_url: `${base}/v2/services/${id}/$ping`,
      },
    }
  }

  /** Stores the options of a version that is new. Answers what stands against the model, as the end of a message. */
  async function sync(url: string, info: Record<string, unknown>): Promise<string> {
    const name = `${info.id} ${info.version}`
    const told = String(info.git_revision ?? '').trim()
    const revision = commit.test(told) ? told.toLowerCase() : null
    const stored = templates.get(name)
    if (stored !== undefined) {
      if (stored === revision) return ''
      return ` Version ${info.version} of ${info.id} is stored with another commit: set a new info.version.`
    }
    if (revision === null)
      return ` ${info.id} reports no commit: build the image with the GIT_REVISION build arg and register it again.`
    const path = '/api/v1/configs/$schema'
    const answer = await fetch(`${url}${path}`, {
      signal: AbortSignal.timeout(callTimeoutMs),
      redirect: 'manual',
      headers: { 'content-type': 'application/json' },
    }).catch(() => undefined)
    calls.push({ method: 'GET', path, status: answer?.status ?? 0 })
    await answer?.text()
    if (answer?.ok) templates.set(name, revision)
    return ''
  }

  async function answer(request: IncomingMessage, path: string, body: string) {
    const { method } = request
    const refused = key !== null && request.headers['x-service-key'] !== key
    if (refused && method !== 'GET') {
      return { status: 401, json: { detail: 'Missing or invalid service key' } }
    }
    const base = `http://${request.headers.host}`
    if (method === 'POST' && path === '/v2/services/$register') return register(body, base)
    const [, id = '', ping] = /^\/v2\/services\/([^/$]+)(\/\$ping)?$/.exec(path) ?? []
    const entry = live(id)
    if (!entry) return { status: 404, json: { detail: `Service '${id}' not found` } }
    if (method === 'PUT' && ping) {
      entry.expiresAt = now() + ttlSeconds * 1000
      const [last_ping_at, expires_at] = [now(), entry.expiresAt].map((at) => new Date(at).toJSON())
      return { status: 200, json: { id, status: 'alive', last_ping_at, expires_at } }
    }
    if (method === 'DELETE' && !ping) {
      services.delete(id)
      return { status: 204, json: undefined }
    }
    return { status: 405, json: { detail: 'Method Not Allowed' } }
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? ''
    const body = await text(request)
    const record = { method: request.method ?? '', path, status: 0, headers: request.headers, body }
    asked.push(record)
    if (trouble(request, response)) return
    const { status, json } = await answer(request, path, body)
    record.status = status
    response.writeHead(status, { 'content-type': 'application/json' })
    response.end(json === undefined ? undefined : JSON.stringify(json))
  }

  const create = () =>
    createServer((request, response) => {
      handle(request, response).catch(() => response.destroy())
    })
  let server = create()
  const listen = (port: number) =>
    new Promise<number>((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
    })
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  const port = await listen(options.port ?? 0)
  onTestFinished(close)

  return {
    port,
    registerUrl: `http://127.0.0.1:${port}/v2/services/$register`,
    /** Every request, in the order of their arrival; the status is 0 while there is no answer. */
    asked,
    /** Requests of a method, in short. */
    askedBy: (method: string) => asked.filter((each) => each.method === method),
    /** Models that are stored: commits by id and version. */
    templates: templates as ReadonlyMap<string, string>,
    /** What it asked of services. */
    calls,
    /** A service that is on its list now. */
    service: live,
    trouble(next: Trouble) {
      trouble = next
    },
    setKey(next: string | null) {
      key = next
    },
    stop: close,
    /** Begins anew at the same port, with an empty list. */
    async start() {
      services = new Map()
      server = create()
      await listen(port)
    },
    forget() {
      services = new Map()
    },
  }
}

export type Orchestrator = Awaited<ReturnType<typeof startOrchestrator>>
