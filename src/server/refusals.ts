import type { IncomingMessage } from 'node:http'
import { ChapkitError } from '../errors.ts'
import { createHosts, type HostOptions } from './hosts.ts'
import { createOrigins, type OriginOptions } from './origins.ts'

export interface RefusalOptions extends OriginOptions {
  hosts: HostOptions
}

/** What is wrong with a request whatever it asks for; undefined where nothing is. */
export type Refusals = (
  request: IncomingMessage,
  route?: { isProbe: boolean },
) => ChapkitError | undefined

/** What is refused before anything of a request is looked at: by its form, by the host that it names, by the page that sends it. */
export function createRefusals(options: RefusalOptions): Refusals {
  const kindOf = createHosts(options.hosts)
  const isForeignChange = createOrigins(options)

  function hostRefusal({ headers: { host } }: IncomingMessage): ChapkitError | undefined {
    switch (kindOf(host)) {
      case 'own':
        return undefined
      case 'malformed':
        return badRequest(
          `Expected a Host header such as \`example.org:8000\`, got ${quote(host ?? '')}`,
        )
      case 'foreign':
        return new ChapkitError(
          'misdirected-request',
          `Expected a name of this service in the Host header, got ${quote(host ?? '')}. If clients use this name, add it to CHAPKIT_ALLOWED_HOSTS or set CHAPKIT_PUBLIC_URL`,
        )
    }
  }

  function originRefusal(request: IncomingMessage): ChapkitError | undefined {
    if (!isForeignChange(request)) return undefined
    const { origin } = request.headers
    return new ChapkitError(
      'forbidden',
      `Expected a page of this service to send this request, got one of ${origin === undefined ? 'another site' : quote(origin)}. If its pages may change data here, add the origin to CHAPKIT_CORS_ORIGINS. If it is the service's own behind a proxy, set CHAPKIT_PUBLIC_URL`,
    )
  }

  return (request, { isProbe } = { isProbe: false }) =>
    formRefusal(request) ??
    // Probes may use any name: they are told whether the service works, and nothing else.
    (isProbe ? undefined : hostRefusal(request)) ??
    originRefusal(request) ??
    expectationRefusal(request) ??
    encodingRefusal(request)
}

function formRefusal({
  httpVersion,
  httpVersionMajor,
  url,
  method,
  headers,
  rawHeaders,
}: IncomingMessage) {
  if (httpVersionMajor !== 1)
    return badRequest(`Expected an HTTP/1.1 request, got HTTP/${httpVersion}`)
  if (!url?.startsWith('/') && !(url === '*' && method === 'OPTIONS')) {
    return badRequest(
      'Expected a path that begins with `/`, or a whole http URL, as the target of the request',
    )
  }
  if (url.includes('#')) return badRequest('Expected a target without `#`')
  const hosts = countHosts(rawHeaders)
  if (hosts > 1) return badRequest('Expected one Host header, got several')
  if (hosts === 0 && httpVersion !== '1.0') return badRequest('Expected a Host header, got none')
  const coding = headers['transfer-encoding']
  if (coding === undefined) return undefined
  if (httpVersion === '1.0')
    return brokenFraming('Expected no `Transfer-Encoding` in an HTTP/1.0 request')
  return coding.toLowerCase() === 'chunked'
    ? undefined
    : brokenFraming(`Expected \`Transfer-Encoding: chunked\`, got ${quote(coding)}`)
}

/** What such a body means is not known, nor where the next request would begin. */
function brokenFraming(detail: string): ChapkitError {
  return new ChapkitError('bad-request', detail, { headers: { connection: 'close' } })
}

/** The one expectation that there is was met, or will be. HTTP/1.0 has none. */
function expectationRefusal({ headers, httpVersion }: IncomingMessage): ChapkitError | undefined {
  const { expect = '' } = headers
  const others = expect.split(',').filter((each) => !/^(?:100-continue)?$/i.test(each.trim()))
  if (others.length === 0 || httpVersion === '1.0') return undefined
  return new ChapkitError(
    'expectation-failed',
    `Expected no \`Expect\` but \`100-continue\`, got ${quote(expect)}`,
  )
}

function encodingRefusal({ headers }: IncomingMessage): ChapkitError | undefined {
  const encoding = headers['content-encoding']
  if (encoding === undefined || encoding.toLowerCase() === 'identity') return undefined
  return new ChapkitError(
    'unsupported-media-type',
    `Expected a body as it is, got \`Content-Encoding: ${encoding.slice(0, 100)}\`; send it uncompressed`,
    { headers: { 'accept-encoding': 'identity' } },
  )
}

function countHosts(rawHeaders: readonly string[]): number {
  let count = 0
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] as string
    if (name.length === 4 && name.toLowerCase() === 'host') count++
  }
  return count
}

function badRequest(detail: string): ChapkitError {
  return new ChapkitError('bad-request', detail)
}

/** What a client sent, for a message. */
function quote(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text)
}
