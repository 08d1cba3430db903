import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { ChapkitError } from '../errors.ts'
import { answerSocket } from './problem.ts'
import type { Refusals } from './refusals.ts'
import { readTarget } from './target.ts'

type UpgradeListener = (request: IncomingMessage, socket: Duplex, head: Buffer) => void

/** Refuses what never becomes a request of the framework: tunnels, and upgrades that a plugin listens for. */
export function useSocketRefusals(
  app: FastifyInstance,
  refuse: Refusals,
  newId: () => string,
): void {
  const { server } = app
  server.on('connect', (_request, socket) => answerSocket(tunnel, socket, newId()))
  app.addHook('onReady', (done) => {
    const listeners = server.listeners('upgrade') as UpgradeListener[]
    // Without a listener an upgrade is a request like any other.
    if (listeners.length > 0) {
      server.removeAllListeners('upgrade')
      server.on('upgrade', (request, socket, head) => {
        readTarget(request)
        const refusal = refuse(request)
        if (refusal) answerSocket(refusal, socket, newId())
        else for (const listener of listeners) listener.call(server, request, socket, head)
      })
    }
    done()
  })
}

/** A tunnel is asked for with a target that is no path. */
const tunnel = new ChapkitError(
  'bad-request',
  'Expected a request of this service, got one for a tunnel',
)
