import { Readable } from 'node:stream'
import type { ReadableStream as NodeReadableStream } from 'node:stream/web'
import type { Service } from '../definition.ts'

/** Statuses whose answers have no body, not even an empty one. */
const bodiless = new Set([101, 204, 205, 304])

/** `fetch` into a service without a socket. Answers arrive as they are written, so event streams work too. */
export function injectFetch(service: Pick<Service, 'inject'>): typeof fetch {
  return async (input, init) => {
    const request = new Request(input, init)
    const { pathname, search } = new URL(request.url)
    const payload = request.body === null ? undefined : Buffer.from(await request.arrayBuffer())
    const answer = await service.inject({
      method: request.method as 'GET',
      url: pathname + search,
      headers: Object.fromEntries(request.headers),
      signal: request.signal,
      payloadAsStream: true,
      ...(payload && { payload }),
    })
    const headers = new Headers()
    for (const [name, value] of Object.entries(answer.headers)) {
      for (const each of [value ?? []].flat()) headers.append(name, String(each))
    }
    const stream = answer.stream()
    if (bodiless.has(answer.statusCode)) {
      stream.resume()
      return new Response(null, { status: answer.statusCode, headers })
    }
    const body = Readable.toWeb(stream) as NodeReadableStream as ReadableStream<Uint8Array>
    return new Response(body, { status: answer.statusCode, headers })
  }
}
