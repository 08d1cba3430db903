import { type AddressInfo, createServer } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { isLoopback } from '../kernel/loopback.ts'
import type { Settings } from '../settings.ts'
import { watchPace } from './pace.ts'

const endSignals = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const

export interface ListenHooks {
  /** Called once the socket is open: what may be prepared meanwhile. */
  warm: () => Promise<void> | undefined
  /** Called once the socket is open and requests are answered, with where. */
  announce: (listening: AddressInfo) => void
  /** Ends the service: when the socket cannot be opened, and when the process is asked to end. */
  close: (atOnce: AbortSignal) => Promise<void>
  /** Whether SIGTERM, SIGINT and SIGHUP end the service; false leaves them alone. */
  signals: boolean
  /** Whether the service asks for keys; else it warns when others can reach it. */
  isProtected: boolean
}

/** Opens the socket of an app. Resolves with its address. */
export async function openSocket(
  app: FastifyInstance,
  settings: Settings,
  hooks: ListenHooks,
): Promise<{ url: string }> {
  const pace = watchPace(app.server)
  app.server.once('close', () => pace.stop())
  // The framework has a line of its own for every address; ours, below, says more.
  const { level } = app.log
  app.log.level = 'silent'
  try {
    await app.listen({ host: settings.host, port: settings.port })
  } catch (error) {
    await hooks.close(AbortSignal.abort())
    throw explain(error, settings)
  } finally {
    app.log.level = level
  }
  const listening = app.server.address() as AddressInfo
  const { address, family, port } = listening
  const host = family === 'IPv6' ? `[${address}]` : address
  if (!hooks.isProtected && !isLoopback(address)) {
    app.log.warn(
      { event: 'service.exposed', host: address },
      'The service answers beyond this machine without authentication: anyone who reaches it may train, read and delete; withAuth() asks for API keys',
    )
  }
  app.log.info(
    { event: 'service.started', url: `http://${host}:${port}` },
    `listening at http://${host}:${port}`,
  )
  if (hooks.signals) endOnSignals(app, hooks.close)
  hooks.announce(listening)
  hooks.warm()?.catch((error: unknown) => {
    app.log.error({ err: error, event: 'host.start.failed' }, 'the model host does not start')
  })
  return { url: `http://${host}:${port}` }
}

/** Throws when a service could not listen. Whoever comes between this and listening is found there. */
export async function assertPortFree(settings: Settings): Promise<void> {
  if (settings.port === 0) return
  const probe = createServer()
  try {
    await new Promise<void>((done, fail) => {
      probe.once('error', fail)
      probe.listen({ host: settings.host, port: settings.port }, done)
    })
  } catch (error) {
    throw explain(error, settings)
  }
  await new Promise<void>((done) => probe.close(() => done()))
}

/**
 * The first SIGTERM, SIGINT or SIGHUP drains, a second one stops now, a third one does not wait for that either. A SIGHUP after the
 * first signal counts for nothing: a terminal that closes sends two, and some supervisors send one beside SIGTERM.
 */
function endOnSignals(app: FastifyInstance, close: (atOnce: AbortSignal) => Promise<void>) {
  const atOnce = new AbortController()
  let stopping = false
  const onSignal = (signal: NodeJS.Signals) => {
    if (stopping && signal === 'SIGHUP') return
    if (atOnce.signal.aborted) process.exit(1)
    if (stopping) {
      atOnce.abort()
      return
    }
    stopping = true
    app.log.info(
      { event: 'service.stopping', signal },
      'stopping: requests and jobs may finish; again to stop now',
    )
    close(atOnce.signal).then(
      () => process.exit(0),
      (error: unknown) => {
        app.log.fatal(
          { err: error, event: 'service.stop.failed' },
          'the service did not stop in good order',
        )
        process.exit(1)
      },
    )
  }
  for (const signal of endSignals) process.on(signal, onSignal)
  app.server.once('close', () => {
    // Signals during the rest of a stop still count; without one under way they are no longer ours.
    if (stopping) return
    for (const signal of endSignals) process.off(signal, onSignal)
  })
}

function explain(error: unknown, { host, port }: Settings): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : ''
  if (code === 'EADDRINUSE') {
    return new Error(`Port ${port} is in use; choose another with PORT=8001 (or --port 8001)`, {
      cause: error,
    })
  }
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') {
    return new Error(`The host ${host} is no address of this machine; choose another with HOST`, {
      cause: error,
    })
  }
  if (code === 'EACCES') {
    return new Error(`Port ${port} needs privileges; choose one above 1023 with PORT`, {
      cause: error,
    })
  }
  return error
}
