import { getEventListeners, once } from 'node:events'
import { text } from 'node:stream/consumers'
import { afterEach, expect, test, vi } from 'vitest'
import { pause } from '../kernel/abort.ts'
import { sseFrame, sseStream } from './sse.ts'

afterEach(() => {
  vi.useRealTimers()
})

/** Frames without end, a millisecond apart. */
async function* endless(signal: AbortSignal) {
  for (let frame = 0; !signal.aborted; frame++) {
    yield sseFrame(String(frame))
    await pause(1, signal)
  }
}

test('a stream gives its frames and ends with its source, and the service holds on to nothing of it', async () => {
  const stop = new AbortController()
  const stream = sseStream(async function* () {
    yield sseFrame('1')
    yield sseFrame('2')
  }, stop.signal)
  expect(getEventListeners(stop.signal, 'abort').length).toBeGreaterThan(0)
  expect(await text(stream)).toBe('data: 1\n\ndata: 2\n\n')
  await vi.waitUntil(() => stream.closed, { timeout: 90_000 })
  const before = getEventListeners(stop.signal, 'abort')
  expect(before).toEqual([])
})

test('a stream ends when the service stops, also one that begins after that', async () => {
  const stop = new AbortController()
  const stream = sseStream(endless, stop.signal)
  await once(stream, 'readable')
  stop.abort()
  await text(stream)
  expect(await text(sseStream(endless, stop.signal))).toBe('')
})

test('a reader that goes ends the source, and one that does not read is not read ahead for', async () => {
  let given = 0
  let ended = false
  const stream = sseStream(async function* (signal) {
    signal.addEventListener('abort', () => {
      ended = true
    })
    for (;;) {
      given++
      yield sseFrame('x'.repeat(10_000))
    }
  }, new AbortController().signal)
  await once(stream, 'readable')
  await pause(50)
  expect(given).toBeLessThan(20)
  stream.destroy()
  await vi.waitUntil(() => ended, { timeout: 90_000 })
})

test('a source that fails ends the stream with its error', async () => {
  const failing = sseStream(
    // biome-ignore lint/correctness/useYield: it fails before its first frame
    async function* (): AsyncGenerator<string> {
      throw new Error('gone')
    },
    new AbortController().signal,
  )
  await expect(text(failing)).rejects.toThrow('gone')
})

test('a stream that is silent beats, and no longer when it has ended', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  const stop = new AbortController()
  const stream = sseStream(async function* (signal) {
    await pause(60_000, signal)
    yield sseFrame('late')
  }, stop.signal)
  stream.on('error', () => {})
  // Nobody reads yet: what has ended has not been read to its end.
  stream.read()
  vi.advanceTimersByTime(15_000)
  expect(String(stream.read())).toBe(': heartbeat\n\n')
  stop.abort()
  vi.advanceTimersByTime(60_000)
  expect(stream.errored).toBeNull()
  expect(await text(stream)).toBe('')
})
