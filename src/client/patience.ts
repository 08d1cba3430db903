import { ChapkitClientError, toNetworkError } from './errors.ts'
import { backoffMs } from './retry.ts'
import { readEvents } from './sse.ts'
import { type Call, type CallOptions, isLost, type Transport } from './transport.ts'

export interface WatchOptions extends CallOptions {
  /**
   * Milliseconds for which a service may be away, say while it is restarted, before the wait is given up.
   * @default 300000
   */
  patienceMs?: number | undefined
}

/** How a try is to be made. */
interface Manner {
  /** Streams do not get through: ask again and again. */
  polls: boolean
  /** The tries of a single request: those of the client at first, none later, when the whole is tried again. */
  retries: number | undefined
}

/**
 * What `follow` tells, which is called again when it breaks off: it answers true when it has told everything, and calls
 * `alive` whenever it hears of the service. A service that has never answered is an error after the usual tries; one that has is
 * waited for.
 */
export async function* patiently<Item>(
  transport: Transport,
  { patienceMs = 300_000, retries, signal }: WatchOptions,
  follow: (alive: () => void, manner: Manner) => AsyncGenerator<Item, boolean>,
): AsyncGenerator<Item, void> {
  let polls = false
  let tries = 0
  let waitedMs = 0
  const alive = () => {
    tries = 0
    waitedMs = 0
  }
  for (;;) {
    const wasThere = transport.hasAnswered()
    try {
      if (yield* follow(alive, { polls, retries: wasThere ? 0 : retries })) return
    } catch (thrown) {
      if (thrown instanceof NoStream && !polls) {
        polls = true
        continue
      }
      if (!isAway(thrown) || !transport.hasAnswered() || waitedMs >= patienceMs) throw thrown
    }
    tries += 1
    const pauseMs = backoffMs(tries, transport.timing.random)
    await transport.wait(pauseMs, signal)
    waitedMs += pauseMs
  }
}

/** Whether a service may be there again in a while. */
const isAway = (thrown: unknown): boolean =>
  isLost(thrown) ||
  (thrown instanceof ChapkitClientError && [429, 502, 503, 504].includes(thrown.status ?? 0))

/** An event stream that does not get through, while the rest of the service may. */
export class NoStream extends Error {}

/**
 * The data of the events of a stream. Throws `NoStream` when there is none, or when nothing comes where something should: at
 * once, or else the comments that come in silent times.
 */
export async function* streamEvents(
  transport: Transport,
  call: Call,
  first: 'at once' | 'in a while' = 'in a while',
): AsyncGenerator<string, void> {
  const { firstEventMs, silentMs } = transport.timing
  const cut = new AbortController()
  const signal = AbortSignal.any([cut.signal, ...(call.signal ? [call.signal] : [])])
  const response = await openStream(transport, { ...call, signal })
  let heard = false
  let timer = setTimeout(() => cut.abort(), first === 'at once' ? firstEventMs : silentMs)
  const onBytes = () => {
    heard = true
    clearTimeout(timer)
    timer = setTimeout(() => cut.abort(), silentMs)
  }
  try {
    yield* readEvents(response.body as ReadableStream<Uint8Array>, onBytes)
  } catch (thrown) {
    call.signal?.throwIfAborted()
    if (cut.signal.aborted && !heard) throw new NoStream()
    throw toNetworkError(thrown, transport.base + call.path)
  } finally {
    clearTimeout(timer)
  }
}

async function openStream(transport: Transport, call: Call): Promise<Response> {
  try {
    const headers = { ...call.headers, accept: 'text/event-stream' }
    const response = await transport.open({ ...call, headers })
    if (response.body && response.headers.get('content-type')?.includes('event-stream'))
      return response
    await response.body?.cancel()
    throw new NoStream()
  } catch (thrown) {
    if (thrown instanceof ChapkitClientError && [404, 405, 406, 501].includes(thrown.status ?? 0))
      throw new NoStream()
    throw thrown
  }
}
