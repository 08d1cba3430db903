import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { ChapkitError } from '../errors.ts'
import type { Principal } from '../kernel/principal.ts'

type Headers = Readonly<Record<string, string | string[] | undefined>>

export interface AuthDeps {
  keys: readonly string[]
  headerName: string
  openPaths: readonly string[] | null
  /** Random and unguessable; another one at every start. */
  secret: string
}

/** Says who may come in: whoever has a key, and everybody where it is open. */
export function createAuth({ keys, headerName, openPaths, secret }: AuthDeps) {
  const header = headerName.toLowerCase()
  const digest = (key: string) => createHmac('sha256', secret).update(key).digest()
  const known = keys.map((key, at) => ({ digest: digest(key), principal: toPrincipal(key, at) }))

  return {
    headerName,

    /** Whether a route needs no key. What is no route needs one. */
    isOpen: ({ url, permission }: { url: string; permission: string }): boolean =>
      openPaths === null
        ? permission === 'public'
        : openPaths.some((path) => url === path || (path !== '/' && url.startsWith(`${path}/`))),

    /** Who sent the headers. Throws 401 when they have no key, or none of ours. */
    authenticate(headers: Headers): Principal {
      const key = oneText(headers[header]) ?? bearerOf(headers)
      if (key === undefined) throw refusal(`Missing authentication header: ${headerName}`)
      const given = digest(key)
      let principal: Principal | undefined
      // All are compared, and as hashes: how long it takes says nothing about a key.
      for (const each of known) {
        if (timingSafeEqual(each.digest, given)) principal = each.principal
      }
      if (!principal) throw refusal('Invalid API key')
      return principal
    },
  }
}

function toPrincipal(key: string, at: number): Principal {
  const id = createHash('sha256').update(key).digest('hex')
  return { kind: 'key', name: `key-${at + 1}`, id }
}

/** Nothing is no key. */
function oneText(value: string | string[] | undefined): string | undefined {
  return value === undefined || value === '' ? undefined : String(value)
}

function bearerOf({ authorization }: Headers): string | undefined {
  return oneText(/^bearer +(.*)$/i.exec(String(authorization ?? ''))?.[1])
}

function refusal(detail: string): ChapkitError {
  return new ChapkitError('unauthorized', detail, {
    headers: { 'www-authenticate': 'Bearer realm="chapkit"' },
  })
}
