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

  const stream = new Readable({
    async read() {
      if (reading) return
      reading = true
      try {
        const { value, done } = await source.next()
        stream.push(done || signal.aborted ? null : value)
      } catch (error) {
        stream.destroy(error as Error)
      } finally {
        reading = false
      }
    },
    destroy(error, done) {
      clearInterval(heartbeat)
      controller.abort()
      done(error)
    },
  })
  const heartbeat = setInterval(() => {
    if (stream.readableLength === 0 && !stream.readableEnded) stream.push(': heartbeat\n\n')
  }, heartbeatMs)
  heartbeat.unref()
  stop.addEventListener('abort', () => stream.push(null), { once: true })
  return stream
}
