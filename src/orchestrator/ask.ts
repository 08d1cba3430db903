import { request as overHttp } from 'node:http'
import { request as overHttps } from 'node:https'

export interface AskOptions {
  method: 'POST' | 'PUT' | 'DELETE'
  headers: Readonly<Record<string, string>>
  /** Empty for none. */
  body: string
  timeoutMs: number
  /** Gives up. */
  signal: AbortSignal
}

export interface Answer {
  status: number
  /** Of the header `Retry-After`; null without it. */
  retryAfter: string | null
  location: string | null
  text: string
}

/** No answer came. `arrived` says whether the request had left, so that it may have had an effect. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer'
  readonly arrived: boolean

  constructor(message: string, arrived: boolean) {
    super(message)
    this.arrived = arrived
  }
}

/** Bytes of an answer beyond which it is not read. */
const largestAnswer = 64 * 1024

/**
 * One request on a connection of its own, which leaves nothing open. Redirects are answers like others: following one would take
 * the key to wherever it points. Throws `NoAnswer`.
 */
export async function ask(url: URL, options: AskOptions): Promise<Answer> {
  const { method, headers, body, timeoutMs, signal } = options
  const request = (url.protocol === 'https:' ? overHttps : overHttp)(url, {
    method,
    agent: false,
    headers: {
      accept: 'application/json',
      ...(body !== '' && { 'content-type': 'application/json' }),
      'content-length': String(Buffer.byteLength(body)),
      ...headers,
    },
  })
  const { promise: answer, resolve, reject } = Promise.withResolvers<Answer>()
  const giveUp = (reason: string) => {
    reject(new Error(reason))
    request.destroy()
  }
  const timer = setTimeout(() => giveUp(`no answer within ${timeoutMs / 1000} s`), timeoutMs)
  const onAbort = () => giveUp('given up')
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    request.on('error', reject)
    request.on('response', (response) => {
      const chunks: Buffer[] = []
      let size = 0
      response.on('data', (chunk: Buffer) => {
        size += chunk.length
        if (size > largestAnswer) giveUp('an answer of more than 64 KiB')
        else chunks.push(chunk)
      })
      response.on('error', reject)
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          retryAfter: response.headers['retry-after'] ?? null,
          location: response.headers.location ?? null,
          text: Buffer.concat(chunks).toString('utf8'),
        }),
      )
    })
    if (signal.aborted) onAbort()
    else request.end(body)
    return await answer
  } catch (error) {
    throw new NoAnswer(describe(error), request.writableFinished)
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', onAbort)
    request.destroy()
  }
}

/** The message of an error; one of several addresses that all failed has only a code. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.message || String((error as NodeJS.ErrnoException).code ?? error.name)
}
