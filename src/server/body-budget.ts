import { Transform } from 'node:stream'
import type { preParsingHookHandler, RequestPayload } from 'fastify'
import { ChapkitError } from '../errors.ts'

/** A body that is on its way, or has come and waits for its answer. */
interface Body {
  /** Bytes that it takes. */
  held: number
  /** Bytes that came lately: each counts half a second later for less, so that what came long ago earns nothing. */
  recent: number
  /** When `recent` was counted, in milliseconds. */
  at: number
  /** Ends it; undefined as soon as all of it has come. */
  refuse: ((error: ChapkitError) => void) | undefined
}

/** After how many milliseconds bytes count half for the pace of a body. */
const halfLifeMs = 1000
/** What a piece takes in memory beside its bytes: a body that comes byte by byte takes more than it says. */
const pieceBytes = 256
/** Bodies that announce no more than this are not counted: their connection takes as much. */
const uncounted = 16 * 1024

/**
 * Bounds the bytes of all bodies that are held in memory at the same time. A body counts with what has come of it, whatever it
 * has announced, until its request has been answered. Where there is no room, the body that has come the slowest lately makes
 * room, or is refused if it is the one that asks: who sends a little now and then holds nothing against those who send.
 */
export function createBodies(maxBytes: number, now: () => number) {
  const bodies = new Set<Body>()
  let held = 0

  function paceOf(body: Body): number {
    return body.recent * 2 ** ((body.at - now()) / halfLifeMs)
  }

  function slowest(): Body | undefined {
    let found: Body | undefined
    for (const body of bodies) {
      if (body.refuse && (!found || paceOf(body) < paceOf(found))) found = body
    }
    return found
  }

  function release(body: Body): void {
    if (bodies.delete(body)) held -= body.held
    body.held = 0
  }

  return {
    /** Begins to count a body. `refuse` is called at most once, and before it has come. */
    begin(refuse: (error: ChapkitError) => void): Body {
      const body: Body = { held: 0, recent: 0, at: now(), refuse }
      bodies.add(body)
      return body
    },

    /** A piece has come. False when the body has been refused, by then or now. */
    take(body: Body, bytes: number): boolean {
      if (!bodies.has(body)) return false
      body.recent = paceOf(body) + bytes
      body.at = now()
      const size = bytes + pieceBytes
      // Alone it always fits.
      while (held + size > maxBytes && held > body.held) {
        const other = slowest() ?? body
        const { refuse } = other
        other.refuse = undefined
        release(other)
        refuse?.(unavailable(other === body ? noRoom(held) : tooSlow))
        if (other === body) return false
      }
      body.held += size
      held += size
      return true
    },

    /** All of it has come: it is worked on, and makes no room for others. */
    complete(body: Body): void {
      body.refuse = undefined
    },

    release,
    held: (): number => held,
  }
}

const noRoom = (others: number) =>
  `The service holds ${others} bytes of other requests and has no room for this body`
const tooSlow = 'The service needed the room of this body, which came the slowest, for others'

function unavailable(what: string): ChapkitError {
  return new ChapkitError('unavailable', `${what}; try again later`, {
    headers: { 'retry-after': '2' },
  })
}

/** Has the bodies of routes counted, but for those that pass them on (`streamsBody`), which are not held. */
export function createBodyBudget(
  maxBytes: number,
  now: () => number = () => performance.now(),
): preParsingHookHandler {
  const bodies = createBodies(maxBytes, now)

  return (request, reply, payload, done) => {
    const { 'content-length': length, 'transfer-encoding': encoding } = request.headers
    if (length === undefined && encoding === undefined) return done()
    const { bodyLimit, config } = request.routeOptions
    if (config?.streamsBody) return done()
    const announced = Number(length ?? 0)
    // More than the route takes is refused without being read.
    if (announced > (bodyLimit ?? maxBytes)) return done()
    if (encoding === undefined && announced <= uncounted) return done()
    const counted = new Transform({
      transform(chunk: Buffer, _encoding, pass) {
        if (bodies.take(body, chunk.byteLength)) pass(null, chunk)
      },
      flush(pass) {
        bodies.complete(body)
        pass()
      },
    })
    const body = bodies.begin((error) => counted.destroy(error))
    reply.raw.once('close', () => bodies.release(body))
    done(null, passOn(payload, counted))
  }
}

/** Pieces of one into the other. The end of the other must not end the connection: there is an answer to be sent. */
function passOn(payload: RequestPayload, counted: Transform): Transform {
  const fail = (error: Error) => counted.destroy(error)
  payload.once('error', fail)
  counted.once('close', () => {
    payload.off('error', fail)
    // What still comes is nobody's.
    payload.unpipe(counted)
    payload.resume()
  })
  payload.pipe(counted)
  return counted
}
