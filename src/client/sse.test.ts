import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createEventParser, readEvents } from './sse.ts'

const parse = (...chunks: string[]) => chunks.flatMap(createEventParser())

test('an event is its data, whatever the ends of its lines', () => {
  for (const end of ['\n', '\r', '\r\n']) {
    expect(parse(`data: {"a":1}${end}${end}`)).toEqual(['{"a":1}'])
    expect(parse(`data:x${end}${end}data:${end}${end}`)).toEqual(['x', ''])
    expect(parse(`data: a${end}data:  b${end}data${end}${end}`)).toEqual(['a\n b\n'])
  }
})

test('comments and other fields are left out, and so is an event without its blank line', () => {
  expect(parse(': heartbeat\n\nevent: x\nid: 7\nretry: 1\ndatum: y\n\ndata: a\n')).toEqual([])
})

test('a stream may be cut anywhere', () => {
  const event = fc.record({
    data: fc.array(fc.stringMatching(/^[^\r\n\0]{0,12}$/), { minLength: 1, maxLength: 3 }),
    end: fc.constantFrom('\n', '\r\n', '\r'),
    noise: fc.constantFrom('', ': heartbeat', 'event: x', 'id: 1'),
  })
  fc.assert(
    fc.property(
      fc.array(event, { maxLength: 5 }),
      fc.array(fc.nat(200), { maxLength: 8 }),
      (events, cuts) => {
        const text = events
          .map(({ data, end, noise }) =>
            [...(noise ? [noise] : []), ...data.map((each) => `data: ${each}`), '', ''].join(end),
          )
          .join('')
        const places = [0, ...cuts.map((cut) => cut % (text.length + 1)), text.length].sort(
          (a, b) => a - b,
        )
        const chunks = places.slice(1).map((to, index) => text.slice(places[index], to))

        expect(parse(...chunks)).toEqual(events.map(({ data }) => data.join('\n')))
      },
    ),
    { numRuns: 10_000 },
  )
})

test('letters of several bytes may be cut in the middle', async () => {
  const bytes = new TextEncoder().encode('data: épidémie 🦟\n\n')
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const byte of bytes) controller.enqueue(Uint8Array.of(byte))
      controller.close()
    },
  })
  expect(await Array.fromAsync(readEvents(stream))).toEqual(['épidémie 🦟'])
})

test('who stops reading ends the stream', async () => {
  let canceled = false
  const stream = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(new TextEncoder().encode('data: 1\n\ndata: 2\n\n')),
    cancel: () => {
      canceled = true
    },
  })
  for await (const data of readEvents(stream)) {
    expect(data).toBe('1')
    break
  }
  expect(canceled).toBe(true)
})
