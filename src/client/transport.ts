import { ChapkitClientError, toAnswerError, toNetworkError } from './errors.ts'
import { backoffMs, isPassing, newKey, retryAfterMs, systemTiming, type Timing } from './retry.ts'

/** What every method of the client takes. */
export interface CallOptions {
  /** Ends the call; it throws the reason of the signal. What the service has begun goes on. */
  signal?: AbortSignal | undefined
  /** Milliseconds until the answer has to begin, for each try. @default that of the client */
  timeoutMs?: number | undefined
  /** Tries after the first. @default those of the client */
  retries?: number | undefined
  headers?: Readonly<Record<string, string>> | undefined
}

/** What methods that create something take. */
export interface CreateOptions extends CallOptions {
  /**
   * Names the request: sent again with the same key and body within 24 hours, it gets the first answer again.
   * @default one of its own for each call, the same on its retries
   */
  idempotencyKey?: string | undefined
}

export interface TransportOptions {
  /** Where the service is, such as `http://127.0.0.1:8000`; a path in it is kept. */
  url: string | URL
  /** Sent as `X-API-Key`. */
  apiKey?: string | undefined
  /** @default the global one */
  fetch?: typeof fetch | undefined
  /**
   * Milliseconds until an answer has to begin, for each try, beyond the time to send the body.
   * @default 60000
   */
  timeoutMs?: number | undefined
  /**
   * Tries after the first, of requests that may be sent twice: reads, replacements, deletions, and what carries an
   * `Idempotency-Key`. Waits are 0.25 s, 0.5 s, 1 s, …, or what `Retry-After` asks for.
   * @default 4
   */
  retries?: number | undefined
  /** Ends every call of this client. */
  signal?: AbortSignal | undefined
  /** Sent with every request. */
  headers?: Readonly<Record<string, string>> | undefined
  /** How to wait and to roll dice: for tests. */
  timing?: Partial<Timing> | undefined
}

export type Query = Readonly<Record<string, string | number | boolean | null | undefined>>

export interface Call extends CreateOptions {
  method?: string
  /** Below the URL of the service, such as `/api/v1/configs`. */
  path: string
  query?: Query | undefined
  /** Sent as JSON. */
  json?: unknown
  /** Sent as it is. */
  body?: NonNullable<RequestInit['body']> | undefined
  contentType?: string | undefined
  /** Gets an `Idempotency-Key`, unless the caller has one. */
  creates?: boolean
  /** May be sent twice although its method does not say so. */
  repeatable?: boolean
  /** Deletes: what is gone after a try that got no answer has been deleted by it. */
  doneIfGone?: boolean
  /** Whether an answer that is no success is read all the same. */
  takes?: (response: Response) => boolean
}

export type Transport = ReturnType<typeof createTransport>

const safeMethods = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])
/** Slower lines than this do not count as lines. */
const slowestBytesPerMs = 16

/** Sends requests to one service: addresses, headers, tries, time limits and errors. */
export function createTransport(options: TransportOptions) {
  const base = parseUrl(options.url)
  const send = options.fetch ?? fetch
  const timing = { ...systemTiming, ...options.timing }
  let hasAnswered = false

  function toRequest(call: Call): { url: string; init: RequestInit & { duplex?: 'half' } } {
    const url = base + call.path + toQuery(call.query)
    const headers = new Headers(options.headers)
    if (options.apiKey !== undefined) headers.set('x-api-key', options.apiKey)
    const key = call.idempotencyKey ?? (call.creates ? newKey() : undefined)
    if (key !== undefined) headers.set('idempotency-key', key)
    const type = call.contentType ?? (call.json === undefined ? undefined : 'application/json')
    if (type !== undefined) headers.set('content-type', type)
    for (const [name, value] of Object.entries(call.headers ?? {})) headers.set(name, value)
    const body = call.json === undefined ? call.body : JSON.stringify(call.json)
    const isStream = body instanceof ReadableStream
    return {
      url,
      init: {
        method: call.method ?? 'GET',
        headers,
        ...(body !== undefined && { body }),
        ...(isStream && { duplex: 'half' }),
      },
    }
  }

  /** One try. What `read` makes of the answer is part of it: an answer that breaks off is no answer. */
  async function attempt<Out>(
    { url, init }: ReturnType<typeof toRequest>,
    call: Call,
    read: (response: Response) => Promise<Out>,
  ): Promise<{ out: Out } | { refused: Response }> {
    const late = new AbortController()
    const limit =
      (call.timeoutMs ?? options.timeoutMs ?? 60_000) + sizeOf(init.body) / slowestBytesPerMs
    const timer = setTimeout(() => late.abort(), limit)
    const signals = [late.signal, call.signal, options.signal].filter((each) => each !== undefined)
    try {
      const response = await send(url, { ...init, signal: AbortSignal.any(signals) })
      // It has begun: how long it goes on is a matter of its size.
      clearTimeout(timer)
      hasAnswered = true
      const isTaken = response.ok || response.status === 304 || call.takes?.(response)
      if (!isTaken) return { refused: response }
      return { out: await read(response) }
    } catch (thrown) {
      call.signal?.throwIfAborted()
      options.signal?.throwIfAborted()
      if (thrown instanceof ChapkitClientError) throw thrown
      if (late.signal.aborted) {
        throw new ChapkitClientError('timeout', `No answer from ${url} in ${limit / 1000} s`)
      }
      throw toNetworkError(thrown, url)
    } finally {
      clearTimeout(timer)
    }
  }

  /** Sends a request, again where that is safe, and answers what `read` makes of a good answer. */
  async function exchange<Out>(
    call: Call,
    read: (response: Response) => Promise<Out>,
  ): Promise<Out> {
    const request = toRequest(call)
    const { init, url } = request
    const isRepeatable =
      !(init.body instanceof ReadableStream) &&
      (call.repeatable ||
        safeMethods.has(init.method as string) ||
        (init.headers as Headers).has('idempotency-key'))
    const retries = isRepeatable ? (call.retries ?? options.retries ?? 4) : 0
    for (let tries = 0; ; tries++) {
      call.signal?.throwIfAborted()
      options.signal?.throwIfAborted()
      let waitMs = backoffMs(tries + 1, timing.random)
      try {
        const result = await attempt(request, call, read)
        if ('out' in result) return result.out
        const { refused } = result
        if (call.doneIfGone && tries > 0 && refused.status === 404) return undefined as Out
        const asked = retryAfterMs(refused.headers)
        if (tries === retries || !isPassing(refused) || asked === null)
          throw await toAnswerError(refused, url)
        await refused.body?.cancel()
        waitMs = Math.max(waitMs, asked)
      } catch (thrown) {
        if (!isLost(thrown) || tries === retries) throw thrown
      }
      await wait(waitMs, call.signal)
    }
  }

  /** Throws when a signal aborts meanwhile. */
  async function wait(milliseconds: number, signal?: AbortSignal): Promise<void> {
    const signals = [signal, options.signal].filter((each) => each !== undefined)
    const either = AbortSignal.any(signals)
    await timing.sleep(milliseconds, either)
    either.throwIfAborted()
  }

  return {
    base,
    timing,
    /** Whether the service has been there, at any time: then it may come back. */
    hasAnswered: (): boolean => hasAnswered,
    wait,
    exchange,
    json: <Out>(call: Call): Promise<Out> =>
      exchange(call, (response) => readJson<Out>(response, base + call.path)),
    /** The answer with its body still to be read. */
    open: (call: Call): Promise<Response> => exchange(call, async (response) => response),
    /** Nothing but that it was done. */
    done: (call: Call): Promise<void> =>
      exchange(call, async (response) => void (await response.arrayBuffer())),
  }
}

/** Whether a request got no answer, so that another try may get one. */
export const isLost = (thrown: unknown): boolean =>
  thrown instanceof ChapkitClientError &&
  (thrown.code === 'unreachable' || thrown.code === 'timeout')

async function readJson<Out>(response: Response, url: string): Promise<Out> {
  const text = await response.text()
  try {
    return JSON.parse(text) as Out
  } catch {
    throw new ChapkitClientError(
      'unexpected-answer',
      `Expected JSON from ${url}, got ${response.headers.get('content-type') ?? 'something else'}; is this the URL of a chapkit service?`,
      { status: response.status },
    )
  }
}

function parseUrl(url: string | URL): string {
  const text = String(url)
  if (!/^https?:\/\/[^/]/.test(text) || !URL.canParse(text)) {
    throw new ChapkitClientError(
      'invalid-url',
      `Expected the URL of a service such as http://127.0.0.1:8000, got ${JSON.stringify(text)}`,
    )
  }
  const { origin, pathname } = new URL(text)
  return origin + pathname.replace(/\/+$/, '')
}

function toQuery(query: Query = {}): string {
  const asked = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null) asked.set(name, String(value))
  }
  return asked.size === 0 ? '' : `?${asked}`
}

function sizeOf(body: RequestInit['body']): number {
  if (typeof body === 'string') return body.length
  if (body instanceof Uint8Array) return body.byteLength
  return body instanceof Blob ? body.size : 0
}
