import { Readable } from 'node:stream'

/** Headers of an event stream: nothing in between may hold it back or keep it. */
export const sseHeaders = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache',
  connection: 'keep-alive',
  'x-accel-buffering': 'no',
} as const

const heartbeatMs = 15_000

/** One frame: the data on one line, without `event:` and `id:`, which clients of the contract do not expect. */
export function sseFrame(json: string): string {
  return `data: ${json}\n\n`
}

/**
 * An event stream from frames of text, with a comment every 15 seconds so that both ends notice when the other is gone.
 * A reader that does not keep up holds its source back: frames are asked for one at a time.
 */
export function sseStream(
  frames: (signal: AbortSignal) => AsyncGenerator<string>,
  stop: AbortSignal,
): Readable {
  const controller = new AbortController()
  const signal = AbortSignal.any([controller.signal, stop])
  const source = frames(signal)
  let reading = false
  let ended = false

  function end() {
    if (!ended) stream.push(null)
    ended = true
  }

  const stream = new Readable({
    async read() {
      if (reading) return
      reading = true
      try {
        const { value, done } = await source.next()
        if (done || signal.aborted) end()
        else stream.push(value)
      } catch (error) {
        stream.destroy(error as Error)
      } finally {
        reading = false
      }
    },
    destroy(error, done) {
      ended = true
      clearInterval(heartbeat)
      // The service outlives its streams: it must not hold on to them.
      stop.removeEventListener('abort', end)
      controller.abort()
      done(error)
    },
  })
  const heartbeat = setInterval(() => {
    if (stream.readableLength === 0 && !ended) stream.push(': heartbeat\n\n')
  }, heartbeatMs)
  heartbeat.unref()
  stop.addEventListener('abort', end, { once: true })
  if (stop.aborted) end()
  return stream
}
