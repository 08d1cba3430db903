import type { IncomingHttpHeaders } from 'node:http'

export interface OriginOptions {
  /** Address by which clients know the service. */
  publicUrl: string | null
  /** Origins whose pages may use the service; `*` is every one. */
  corsOrigins: readonly string[]
}

interface Asked {
  method?: string | undefined
  headers: IncomingHttpHeaders
}

/** Methods that change nothing: a page may send them anywhere, and reads the answer only where CORS lets it. */
const safeMethods = new Set(['GET', 'HEAD', 'OPTIONS'])

/**
 * Tells whether a page of another origin asks for a change that CORS has not allowed it. A browser sends plain forms and
 * bodies of text without asking first, and says who sends them: in `Sec-Fetch-Site`, or, of pages that came without TLS from
 * another machine, in `Origin` alone. A request with neither does not come from a page.
 */
export function createOrigins({
  publicUrl,
  corsOrigins,
}: OriginOptions): (request: Asked) => boolean {
  const allowsAll = corsOrigins.includes('*')
  const allowed = new Set(corsOrigins)
  const own = publicUrl === null ? null : new URL(publicUrl).origin

  return ({ method = '', headers }) => {
    // A browser lets every page open a WebSocket anywhere.
    if (safeMethods.has(method) && headers.upgrade === undefined) return false
    const { origin, 'sec-fetch-site': site } = headers
    if (site === 'same-origin' || site === 'none') return false
    if (allowsAll || (origin !== undefined && (allowed.has(origin) || origin === own))) return false
    if (site !== undefined) return true
    return origin !== undefined && !isOfHost(origin, headers.host)
  }
}

/** Whether a page came from where it sends its request. Its scheme does not count: a proxy may speak TLS before the service. */
function isOfHost(origin: string, host: string | undefined): boolean {
  const found = /^(https?):\/\/(.+)$/i.exec(origin)
  if (!found || host === undefined) return false
  const [, scheme = '', from = ''] = found
  const port = scheme.toLowerCase() === 'https' ? /:443$/ : /:80$/
  const plain = (text: string) => text.toLowerCase().replace(port, '')
  return plain(from) === plain(host)
}
