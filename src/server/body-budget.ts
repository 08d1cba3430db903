import { Readable } from 'node:stream'
import type { preParsingHookHandler, RequestPayload } from 'fastify'
import { ChapkitError } from '../errors.ts'

/**
 * Bounds the bytes of all bodies that are held in memory at the same time: as many as are announced, or, where a body comes in
 * chunks, as many as have come. Each counts until its request has been answered. Bodies of routes that pass them on
 * (`streamsBody`) are not held.
 */
export function createBodyBudget(maxBytes: number): preParsingHookHandler {
  let held = 0

  /** Throws when there is no room. */
  function take(bytes: number): void {
    if (held > 0 && held + bytes > maxBytes) {
      throw new ChapkitError(
        'unavailable',
        `The service holds ${held} bytes of other requests and has no room for this body; try again later`,
        { headers: { 'retry-after': '2' } },
      )
    }
    held += bytes
  }

  return (request, reply, payload, done) => {
    const { 'content-length': length, 'transfer-encoding': encoding } = request.headers
    if (length === undefined && encoding === undefined) return done()
    const { bodyLimit, config } = request.routeOptions
    if (config?.streamsBody) return done()
    const announced = Number(length ?? 0)
    // More than the route takes is refused without being read.
    if (announced > (bodyLimit ?? maxBytes)) return done()
    let own = 0
    const takeOwn = (bytes: number) => {
      take(bytes)
      own += bytes
    }
    reply.raw.once('close', () => {
      held -= own
      own = 0
    })
    try {
      takeOwn(announced)
    } catch (error) {
      return done(error as Error)
    }
    done(null, encoding === undefined ? payload : counted(payload, takeOwn))
  }
}

function counted(payload: RequestPayload, take: (bytes: number) => void): Readable {
  return Readable.from(
    (async function* () {
      // Its end must not end the connection: there is an answer to be sent.
      for await (const chunk of (payload as Readable).iterator({ destroyOnReturn: false })) {
        take((chunk as Buffer).byteLength)
        yield chunk
      }
    })(),
    { objectMode: false },
  )
}
