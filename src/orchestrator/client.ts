import { z } from 'zod'
import type { Clock } from '../kernel/clock.ts'
import { type Answer, ask, NoAnswer } from './ask.ts'

/** What the orchestrator said to a registration. */
export interface Registered {
  /** Where signs of life go; null when it named no place, and registering again is the sign. */
  ping: URL | null
  /** How long it keeps the service without a sign of life. */
  ttlMs: number
  /** What it has to say besides; null when it only greets. */
  message: string | null
}

export interface Failure {
  ok: false
  /** Null when no answer came. */
  status: number | null
  /** In words, for people. Has neither the key nor credentials of URLs. */
  reason: string
  /** How long the orchestrator asks to wait; null when it says nothing. */
  retryAfterMs: number | null
  /** Whether the request may have had an effect all the same. */
  isUncertain: boolean
}

export type Outcome<Value> = { ok: true; value: Value } | Failure

export interface OrchestratorClientOptions {
  /** Whole URL of `$register`. A user and password in it are sent to its host, and shown nowhere. */
  orchestratorUrl: string
  key: string | null
  id: string
  info: Readonly<Record<string, unknown>>
  now: Clock
  /** How long one request may take, in milliseconds. @default 10000 */
  timeoutMs?: number
}

/** How long an orchestrator keeps a service when it does not say so. */
const usualTtlMs = 30_000

const RegisterAnswer = z.looseObject({
  ping_url: z.string().nullish().catch(null),
  ttl_seconds: z.number().positive().nullish().catch(null),
  message: z.string().nullish().catch(null),
})

/** How chap-core says that it took the registration; what it has to say besides stands behind it. */
const greeting = /^service (registered successfully|registration updated)[.!]?\s*/i
const longestMessage = 1000

export type OrchestratorClient = ReturnType<typeof createOrchestratorClient>

/** The three requests that an orchestrator is sent. They answer what came of them, and throw nothing. */
export function createOrchestratorClient(options: OrchestratorClientOptions) {
  const { key, id, info, now, timeoutMs = 10_000 } = options
  const base = new URL(options.orchestratorUrl)
  const credentials = toCredentials(base)
  base.username = ''
  base.password = ''
  base.hash = ''
  const entry = new URL(base)
  entry.pathname = `${base.pathname.replace(/\/+((\$|%24)register\/*)?$/i, '')}/${id}`
  const name = `${base.origin}${base.pathname}`

  /** The key goes to the host that it was given for, and never from https to http. */
  function secretsFor(url: URL): Record<string, string> {
    const isOther = url.host !== base.host
    if (isOther || (base.protocol === 'https:' && url.protocol !== 'https:')) return {}
    return {
      ...(credentials !== null && { authorization: credentials }),
      ...(key !== null && { 'x-service-key': key }),
    }
  }

  async function send(
    method: 'POST' | 'PUT' | 'DELETE',
    url: URL,
    signal: AbortSignal,
    { body = '', limitMs = timeoutMs } = {},
  ): Promise<Outcome<string>> {
    try {
      const headers = secretsFor(url)
      const answer = await ask(url, { method, headers, body, timeoutMs: limitMs, signal })
      return answer.status >= 200 && answer.status < 300
        ? { ok: true, value: answer.text }
        : refusal(answer)
    } catch (error) {
      const arrived = error instanceof NoAnswer && error.arrived
      const reason = shown(error instanceof Error ? error.message : String(error))
      return { ok: false, status: null, reason, retryAfterMs: null, isUncertain: arrived }
    }
  }

  function refusal({ status, retryAfter, location, text }: Answer): Failure {
    const hint =
      (status === 404 || status === 405) && !/(\$|%24)register\/?$/i.test(base.pathname)
        ? ' (the URL of an orchestrator usually ends in /$register; in a compose file that is written $$register)'
        : ''
    const said =
      location !== null && status >= 300 && status < 400
        ? `leads to ${withoutSecrets(location, base)}, which is not followed: give the URL itself`
        : toReason(text)
    return {
      ok: false,
      status,
      reason: shown(`${status} ${said}`.trim()) + hint,
      retryAfterMs: toWait(retryAfter, now()),
      isUncertain: status >= 500,
    }
  }

  /** A text for people: one line, not too long, without the key. */
  function shown(text: string, longest = 300): string {
    const line = text.replace(/[\p{Cc}\p{Cf}\s]+/gu, ' ').trim()
    const clean = key === null ? line : line.replaceAll(key, '[redacted]')
    return clean.length > longest ? `${clean.slice(0, longest)}…` : clean
  }

  /** The place of signs of life. On the host of the orchestrator https stays https: behind a proxy it may not know better. */
  function toPing(text: string): URL | null {
    const url = URL.canParse(text, base.href) ? new URL(text, base) : null
    if (url === null || !/^https?:$/.test(url.protocol)) return null
    if (url.host === base.host && base.protocol === 'https:') url.protocol = 'https:'
    url.username = ''
    url.password = ''
    return url
  }

  return {
    /** Where registrations go, as it may be shown. */
    name,

    async register(url: string, signal: AbortSignal): Promise<Outcome<Registered>> {
      const body = JSON.stringify({ id, url, info })
      const outcome = await send('POST', base, signal, { body })
      if (!outcome.ok) return outcome
      const answer = RegisterAnswer.safeParse(parseJson(outcome.value))
      if (!answer.success) {
        const reason = 'an answer that is no JSON object: is this the URL of an orchestrator?'
        return { ok: false, status: null, reason, retryAfterMs: null, isUncertain: true }
      }
      const { ping_url: ping, ttl_seconds: ttl, message } = answer.data
      const said = shown(message ?? '', longestMessage).replace(greeting, '')
      return {
        ok: true,
        value: {
          ping: ping == null ? null : toPing(ping),
          ttlMs: ttl == null ? usualTtlMs : ttl * 1000,
          message: said === '' ? null : said,
        },
      }
    },

    /** A sign of life. Takes no longer than a third of the time that the orchestrator waits for it, though at least 2 s. */
    ping({ ping, ttlMs }: { ping: URL; ttlMs: number }, signal: AbortSignal) {
      const limitMs = Math.min(timeoutMs, Math.max(2000, ttlMs / 3))
      return send('PUT', ping, signal, { limitMs })
    },

    deregister: (signal: AbortSignal) => send('DELETE', entry, signal),
  }
}

/** The user and password of a URL, as a header has them. */
function toCredentials({ username, password }: URL): string | null {
  if (username === '' && password === '') return null
  const pair = `${decode(username)}:${decode(password)}`
  return `Basic ${Buffer.from(pair).toString('base64')}`
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function withoutSecrets(text: string, base: URL): string {
  if (!URL.canParse(text, base.href)) return 'no URL'
  const { origin, pathname } = new URL(text, base)
  return `${origin}${pathname}`
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** What a refusal says, of the forms that are common: a problem document, the errors of a validation, or plain text. */
function toReason(text: string): string {
  const json = parseJson(text)
  if (json === undefined) return /<html|<!doctype/i.test(text) ? '' : text
  const { detail, message, title } = (json ?? {}) as Record<string, unknown>
  if (Array.isArray(detail)) return detail.map(toIssue).join('; ')
  const said = [detail, message, title].find((each) => typeof each === 'string')
  return said === undefined ? text : String(said)
}

function toIssue(issue: unknown): string {
  const { loc, msg } = (issue ?? {}) as Record<string, unknown>
  return Array.isArray(loc) ? `${loc.join('.')}: ${msg}` : JSON.stringify(issue)
}

/** `Retry-After` in milliseconds, from seconds or a date. */
function toWait(text: string | null, at: number): number | null {
  if (text === null) return null
  if (/^\d+$/.test(text)) return Number(text) * 1000
  const date = Date.parse(text)
  return Number.isNaN(date) ? null : Math.max(0, date - at)
}
