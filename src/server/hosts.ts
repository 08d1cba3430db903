import { isIP, isIPv4 } from 'node:net'
import { isLoopback } from '../kernel/loopback.ts'

export interface HostOptions {
  /** Address or name that the service listens on. */
  listensOn: string
  /** Names that the service is known to have; empty where there is none. */
  names: readonly (string | null)[]
  /** Names that were allowed besides: `*` is every one, `*.example.org` every one below `example.org`. */
  allowed: readonly string[]
}

/** What a `Host` header says: a name or address of the service, that of something else, or nothing that can be read. */
export type HostKind = 'own' | 'foreign' | 'malformed'

/** Names that lead to the machine itself. */
const loopbackName =
  /^(?:(?:.+\.)?localhost|localhost\.localdomain|ip6-localhost|ip6-loopback|localhost[46])$/

/**
 * Names that no page of the Internet can have: of one part, or below a domain that is never given to anybody there (RFC 6762,
 * RFC 8375, ICANN's `internal`, and those that networks and clusters use among themselves).
 */
const privateName = /^[^.]+$|\.(?:local|internal|home\.arpa|localdomain|lan|svc)$/

/** Answers remembered, at most: clients use few names. */
const remembered = 100

/**
 * Tells what a `Host` header names. A page that was loaded from a name of its own, whose address in the DNS it then changes to
 * that of the service (DNS rebinding), sends its own name: it is refused by that. Addresses need no list, since no DNS is asked
 * for them, and neither does a request without a host, which no browser sends.
 */
export function createHosts({
  listensOn,
  names,
  allowed,
}: HostOptions): (header: string | undefined) => HostKind {
  const isLocal = isLoopback(listensOn) || loopbackName.test(listensOn)
  const own = new Set([listensOn, ...names].flatMap((name) => (name ? [normalize(name)] : [])))
  const rules = allowed.map(normalize)
  const known = new Map<string, HostKind>()

  function isOwn(name: string): boolean {
    if (isIP(name) || loopbackName.test(name) || own.has(name)) return true
    if (rules.some((rule) => matches(rule, name))) return true
    // Whoever owns such a name is in the same network, and reaches the service there without a browser's help.
    return !isLocal && privateName.test(name)
  }

  function kindOf(header: string): HostKind {
    const name = toName(header)
    if (name === undefined) return 'malformed'
    return isOwn(name) ? 'own' : 'foreign'
  }

  return (header) => {
    if (header === undefined || header === '') return 'own'
    let kind = known.get(header)
    if (kind === undefined) {
      kind = kindOf(header)
      if (known.size < remembered) known.set(header, kind)
    }
    return kind
  }
}

/** The name or address in a `Host` header, without its port; undefined where it has another form. */
function toName(header: string): string | undefined {
  const found = /^(?:\[([^\]]+)\]|([\w.-]+))(?::\d{0,5})?$/.exec(header)
  if (!found) return undefined
  const [, address, name] = found
  if (name !== undefined) return /^\.|\.\./.test(name) ? undefined : normalize(name)
  // A zone is written as `%25eth0` in an address of the web, and often as `%eth0`.
  const plain = (address as string).replace('%25', '%')
  return isIP(plain) && !isIPv4(plain) ? plain : undefined
}

/** Case does not count, and neither does the dot of a name that is complete. */
function normalize(name: string): string {
  return name
    .toLowerCase()
    .replace(/\.$/, '')
    .replace(/^\[(.*)\]$/, '$1')
}

function matches(rule: string, name: string): boolean {
  if (rule === '*') return true
  return rule.startsWith('*.') ? name.endsWith(rule.slice(1)) : name === rule
}

/** Names of a machine: what it is called, and what it is called in its own network. */
export function namesOf(hostname: string): string[] {
  const [first = hostname] = hostname.split('.', 1)
  return [hostname, first, `${first}.local`]
}
