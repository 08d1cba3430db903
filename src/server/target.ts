import type { IncomingMessage } from 'node:http'

/** Scheme, authority and the rest of a target in absolute form (RFC 9112 §3.2.2). */
const absoluteForm = /^https?:\/\/([^/?#@]+)([/?].*)?$/i

/** Characters that mean the same in a path with and without percent-encoding (RFC 3986: unreserved, and the rest of `pchar`). */
const plainCharacter = /^[\w.~!$&'()*+,;=:@-]$/

/**
 * Brings the target of a request into the one form that the rest of the service sees: a path, in which only what has to be
 * percent-encoded is. The host of a target in absolute form takes the place of the `Host` header. A target that cannot be read
 * stays as it is. Called again, it changes nothing.
 */
export function readTarget(request: IncomingMessage): void {
  const target = request.url ?? ''
  const absolute = absoluteForm.exec(target)
  if (absolute) {
    const [, authority, rest = '/'] = absolute
    request.headers.host = authority as string
    request.url = normalizePath(rest.startsWith('/') ? rest : `/${rest}`)
  } else if (target.startsWith('/')) request.url = normalizePath(target)
}

/** Decodes once: `%2524` stays. What separates parts, such as `%2F`, stays data of its part. */
function normalizePath(target: string): string {
  const query = target.indexOf('?')
  const path = query === -1 ? target : target.slice(0, query)
  if (!path.includes('%')) return target
  return path.replace(/%[\da-f]{2}/gi, toPlain) + target.slice(path.length)
}

function toPlain(encoded: string): string {
  const character = String.fromCharCode(Number.parseInt(encoded.slice(1), 16))
  return plainCharacter.test(character) ? character : encoded.toUpperCase()
}
