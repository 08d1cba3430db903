import { pause } from '../kernel/abort.ts'

/** How the client waits; tests give their own, so that nothing sleeps. */
export interface Timing {
  /** Resolves after `milliseconds`, or at once when `signal` aborts. */
  sleep: (milliseconds: number, signal?: AbortSignal) => Promise<void>
  /** From 0 up to but without 1. */
  random: () => number
  /** Milliseconds in which a stream whose first event comes at once has to begin. */
  firstEventMs: number
  /** Milliseconds after which a silent stream is dead: the service says something every 15 seconds. */
  silentMs: number
}

export const systemTiming: Timing = {
  sleep: pause,
  firstEventMs: 10_000,
  silentMs: 45_000,
  random: () => crypto.getRandomValues(new Uint32Array(1))[0]! / 2 ** 32,
}

const firstMs = 250
const longestMs = 15_000
/** The longest wait that an answer may ask for; a service that wants more is not waited for. */
const longestAskedMs = 60_000

/** How long to wait before try `attempt` (from 1): twice as long each time, less a random part, so that many clients spread. */
export function backoffMs(attempt: number, random: () => number): number {
  const full = Math.min(longestMs, firstMs * 2 ** (attempt - 1))
  return full / 2 + (full / 2) * random()
}

/** Milliseconds of a `Retry-After`, in seconds or as a date; 0 without one, null when it is too long to wait. */
export function retryAfterMs(headers: Headers): number | null {
  const asked = headers.get('retry-after')
  if (asked === null) return 0
  // A date is measured against the clock of who wrote it.
  const ms = /^\d+$/.test(asked)
    ? Number(asked) * 1000
    : Date.parse(asked) - Date.parse(headers.get('date') ?? '')
  if (Number.isNaN(ms)) return 0
  return ms > longestAskedMs ? null : Math.max(0, ms)
}

const passing = new Set([429, 502, 503, 504])

/** Whether an answer may be another one in a while. */
export function isPassing({ status, headers }: Response): boolean {
  // 409 with a wait: an earlier try of the same key is still being worked on.
  return passing.has(status) || (status === 409 && headers.has('retry-after'))
}

/** A key for one logical request, the same on each try of it. */
export function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
    byte.toString(16).padStart(2, '0'),
  ).join('')
}
