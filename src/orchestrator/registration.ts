import { pause as realPause } from '../kernel/abort.ts'
import type { Clock } from '../kernel/clock.ts'
import type { Failure, OrchestratorClient, Outcome, Registered } from './client.ts'

type Line = (fields: Record<string, unknown>, message: string) => void

export interface RegistrationDeps {
  client: OrchestratorClient
  keepaliveMs: number
  log: { info: Line; warn: Line }
  /** Nobody sets it: signs of life go on while the clock of the machine jumps. */
  now: Clock
  /** From 0 to below 1. */
  random: () => number
  /** How time passes; tests pass their own. */
  pause?: typeof realPause
}

/** Bounds of the first wait after a failure, of every later one, and of a stop, in milliseconds. */
const firstWaitMs = 2000
const longestWaitMs = 30_000
const stopMs = 2000
/** Signs of life are not sent more often than this because the orchestrator allows little time. */
const shortestIntervalMs = 1000

export type Registration = ReturnType<typeof createRegistration>

/**
 * Registers a service and keeps it registered, for as long as it runs: failures are tried again for ever, an orchestrator that has
 * forgotten the service is told again. Nothing here throws, and nobody waits for it but `stop`.
 */
export function createRegistration(deps: RegistrationDeps) {
  const { client, keepaliveMs, log, now, random, pause = realPause } = deps
  const orchestrator = client.name
  /** Ends waits and signs of life. */
  const waiting = new AbortController()
  /** Ends a registration on its way. */
  const asking = new AbortController()
  let running: Promise<void> | undefined
  let stopping: Promise<void> | undefined
  let isRegistered = false
  /** Whether the orchestrator may have the service on its list. */
  let isKnown = false

  async function run(url: string): Promise<void> {
    while (!waiting.signal.aborted) {
      const registered = await registerAtLast(url)
      if (!registered) return
      isRegistered = true
      log.info({ event: 'registration.success', orchestrator, url }, `registered as ${url}`)
      tellMessage(registered.message)
      const reason = await keep(url, registered)
      if (reason === undefined) return
      isRegistered = false
      log.warn(
        { event: 'registration.lost', orchestrator, reason },
        `no longer registered (${reason}); registering again`,
      )
    }
  }

  const tellMessage = onceEach((message) =>
    log.warn(
      { event: 'registration.message', orchestrator, reason: message },
      `the orchestrator took the registration and says: ${message}`,
    ),
  )

  async function registerOnce(url: string): Promise<Outcome<Registered>> {
    const outcome = await client.register(url, asking.signal)
    isKnown ||= outcome.ok || outcome.isUncertain
    return outcome
  }

  /** Tries until it is done. Answers nothing when the service stops. */
  async function registerAtLast(url: string): Promise<Registered | undefined> {
    const tell = onceEach((reason) =>
      log.warn(
        { event: 'registration.failed', orchestrator, reason },
        `cannot register with ${orchestrator}: ${reason}; trying again`,
      ),
    )
    for (let attempt = 0; !waiting.signal.aborted; attempt++) {
      const outcome = await registerOnce(url)
      if (waiting.signal.aborted) return undefined
      if (outcome.ok) return outcome.value
      tell(outcome.reason)
      await pause(waitAfter(outcome, attempt, random), waiting.signal)
    }
    return undefined
  }

  /** Gives signs of life. Answers why that no longer helps, or nothing when the service stops. */
  async function keep(url: string, registered: Registered): Promise<string | undefined> {
    let current = registered
    let heardAt = now()
    let askedAt = heardAt
    let tell = onceEach(tellKeepalive)
    for (;;) {
      const { ttlMs, ping } = current
      const interval = Math.min(keepaliveMs, Math.max(shortestIntervalMs, ttlMs / 3))
      await pause(Math.max(0, askedAt + interval - now()), waiting.signal)
      if (waiting.signal.aborted) return undefined
      askedAt = now()
      const outcome = ping
        ? await client.ping({ ping, ttlMs }, waiting.signal)
        : await registerOnce(url)
      if (waiting.signal.aborted) return undefined
      if (outcome.ok) {
        if (typeof outcome.value !== 'string') {
          current = outcome.value
          tellMessage(current.message)
        }
        heardAt = now()
        tell = onceEach(tellKeepalive)
        continue
      }
      if (outcome.status === 404 || outcome.status === 410) return outcome.reason
      tell(outcome.reason)
      if (now() - heardAt >= ttlMs) return `no sign of life arrived for ${ttlMs / 1000} s`
    }
  }

  function tellKeepalive(reason: string): void {
    log.warn(
      { event: 'registration.keepalive.failed', orchestrator, reason },
      `the orchestrator could not be told that the service lives: ${reason}; trying again`,
    )
  }

  async function leave(atOnce: AbortSignal): Promise<void> {
    const limit = new AbortController()
    const giveUp = () => {
      asking.abort()
      limit.abort()
    }
    atOnce.addEventListener('abort', giveUp, { once: true })
    if (atOnce.aborted) giveUp()
    waiting.abort()
    // A registration on its way may end: given up now, it could be done after it was taken back.
    void pause(stopMs / 2, limit.signal).then(() => asking.abort())
    void pause(stopMs, limit.signal).then(() => limit.abort())
    await running
    isRegistered = false
    if (isKnown && !limit.signal.aborted) await deregister(limit.signal)
    limit.abort()
    atOnce.removeEventListener('abort', giveUp)
  }

  async function deregister(signal: AbortSignal): Promise<void> {
    const outcome = await client.deregister(signal)
    if (outcome.ok || outcome.status === 404) {
      log.info({ event: 'registration.deregistered', orchestrator }, 'no longer registered')
      return
    }
    log.warn(
      { event: 'registration.deregister.failed', orchestrator, reason: outcome.reason },
      `the orchestrator could not be told of the stop: ${outcome.reason}`,
    )
  }

  return {
    /** Begins, with the address that others reach the service at. Call it once the service answers. */
    start(url: string): void {
      running ??= run(url)
    },

    /** Whether the orchestrator has the service on its list, as far as is known. */
    isRegistered: (): boolean => isRegistered,

    /** Takes the registration back, for 2 s at most; `atOnce` does not wait for that. */
    stop(atOnce: AbortSignal): Promise<void> {
      stopping ??= running === undefined ? Promise.resolve() : leave(atOnce)
      return stopping
    },
  }
}

/**
 * How long to wait after a failure. The bound doubles and the wait is anywhere below it, so that services that lost their
 * orchestrator together do not come back together. What only a change of settings can mend is tried seldom.
 */
export function waitAfter(failure: Failure, attempt: number, random: () => number): number {
  const { status, retryAfterMs } = failure
  if (retryAfterMs !== null) return Math.min(longestWaitMs, Math.max(1000, retryAfterMs))
  const isFinal = status !== null && status < 500 && ![408, 425, 429].includes(status)
  if (isFinal) return longestWaitMs * (0.5 + random() / 2)
  return random() * Math.min(longestWaitMs, firstWaitMs * 2 ** Math.min(attempt, 10))
}

/** Passes a text on when it is another than the last. */
function onceEach(tell: (text: string) => void): (text: string | null) => void {
  let last: string | null = null
  return (text) => {
    if (text !== null && text !== last) tell(text)
    last = text
  }
}
