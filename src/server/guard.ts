import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Principal } from '../kernel/principal.ts'
import type { Permission } from '../permissions.ts'

/** What the server asks about a request, before anything else is done with it. */
export interface Auth {
  /** Header that carries a key, for the document. */
  headerName: string
  /** Whether a route is open to everyone. */
  isOpen: (route: { url: string; permission: Permission }) => boolean
  /** Who sent the headers. Throws 401 when nobody knows. */
  authenticate: (headers: FastifyRequest['headers']) => Principal
}

/** How long a client that was refused may go on with its body, in milliseconds. Cut at once, it would not read the answer. */
const restMs = 2000

/**
 * Lets nobody through without a key, except to routes that are open. It goes by the route that was found, so no spelling of a
 * path leads around it; what leads nowhere asks for a key as well, and says nothing of what there is. No body is read before.
 */
export function useAuth(app: FastifyInstance, { isOpen, authenticate }: Auth): void {
  app.addHook('onRequest', (request, reply, done) => {
    const { url, permission } = request.routeOptions.config
    if (url !== undefined && permission !== undefined && isOpen({ url, permission })) return done()
    try {
      request.principal = authenticate(request.headers)
    } catch (error) {
      limitRest(request.raw, reply.raw)
      return done(error as Error)
    }
    // What was answered to one caller is not for others, whatever cache stands between.
    reply.header('cache-control', 'private')
    done()
  })
}

/** Ends the connection of a client that goes on and on with a body that nobody reads. */
export function limitRest(request: IncomingMessage, response: ServerResponse): void {
  response.once('finish', () => {
    if (request.complete !== false) return
    const timer = setTimeout(() => request.socket.destroy(), restMs)
    timer.unref()
    request.once('end', () => clearTimeout(timer))
  })
}
