import fastify, { type FastifyInstance, type FastifyPluginCallback, LogController } from 'fastify'
import { ChapkitError } from '../errors.ts'
import { noteBody } from '../http/routes.ts'
import { parseJson } from '../kernel/json.ts'
import type { Logger } from './log.ts'
import { answerClientError, useProblems } from './problem.ts'
import { createRouteTable, ownRoutes, type RouteTable } from './routing.ts'
import { createValidatorCompiler } from './validation.ts'

/** A plugin of routes: what every slice gives, and what a user adds with `withRoutes`. */
export type RoutePlugin = (app: FastifyInstance) => Promise<void> | void

export interface AppOptions {
  /** The slices' routes; each asks for a permission. */
  routes: readonly RoutePlugin[]
  /** The user's own routes: `service:use` unless they say otherwise. */
  ownRoutes: readonly RoutePlugin[]
  /** Routes that need the table of all others. */
  pages: (table: RouteTable) => RoutePlugin
  maxBody: number
  corsOrigins: readonly string[]
  newId: () => string
  logger: Logger
  /** Requests whose line is left out of the log. */
  quiet: (path: string) => boolean
}

/** The HTTP face of a service, without a socket: `inject` asks it, `listen` of another file opens it. */
export async function createApp(options: AppOptions): Promise<FastifyInstance> {
  const { newId, logger, maxBody, corsOrigins } = options
  const app = fastify({
    loggerInstance: logger,
    logController: new LogController({
      disableRequestLogging: true,
      requestIdLogLabel: 'request_id',
    }),
    genReqId: newId,
    requestIdHeader: false,
    bodyLimit: maxBody,
    // A body may take as long as it moves: pace.ts cuts those that do not. Headers have 15 s.
    requestTimeout: 0,
    http: { headersTimeout: 15_000, connectionsCheckingInterval: 2000, maxHeaderSize: 16_384 },
    keepAliveTimeout: 72_000,
    forceCloseConnections: 'idle',
    return503OnClosing: true,
    routerOptions: { maxParamLength: 128, caseSensitive: true },
    clientErrorHandler: (error, socket) => answerClientError(error, socket, newId()),
    frameworkErrors: (_error, request, reply) => {
      const problem = new ChapkitError(
        'bad-request',
        'Expected a valid path, got one that cannot be decoded',
      )
      reply.header('x-request-id', request.id)
      return reply.send(problem as never)
    },
  }) as unknown as FastifyInstance

  const table = createRouteTable()
  table.collect(app)
  useProblems(app, table.allowed)
  app.setValidatorCompiler(createValidatorCompiler())
  app.decorateRequest('bodyHash', undefined)
  useStrictJson(app)
  useHeadersAndLog(app, options.quiet)

  if (corsOrigins.length > 0) {
    const { default: cors } = await import('@fastify/cors')
    const origin = corsOrigins.includes('*') ? '*' : [...corsOrigins]
    await app.register(
      cors as unknown as FastifyPluginCallback<{ origin: unknown; exposedHeaders: string[] }>,
      {
        origin,
        exposedHeaders: ['location', 'link', 'x-request-id', 'idempotency-replayed'],
      },
    )
  }
  for (const plugin of options.routes) await app.register(async (scope) => plugin(scope))
  for (const plugin of options.ownRoutes) {
    await app.register(async (scope) => {
      scope.decorate(ownRoutes, true)
      await plugin(scope)
    })
  }
  const pages = options.pages(table)
  await app.register(async (scope) => pages(scope))
  return app
}

function useStrictJson(app: FastifyInstance) {
  app.removeContentTypeParser('application/json')
  app.addContentTypeParser(
    'application/json',
    { parseAs: 'buffer' },
    (request, body: Buffer, done) => {
      noteBody(request, body)
      if (body.byteLength === 0) return done(null, undefined)
      try {
        done(null, parseJson(body))
      } catch (error) {
        done(error as Error)
      }
    },
  )
}

function useHeadersAndLog(app: FastifyInstance, quiet: (path: string) => boolean) {
  app.addHook('onRequest', (request, reply, done) => {
    reply.raw.setHeader('x-request-id', request.id)
    reply.raw.setHeader('x-content-type-options', 'nosniff')
    reply.raw.setHeader('referrer-policy', 'no-referrer')
    if (request.raw.url?.startsWith('/')) return done()
    done(
      new ChapkitError(
        'bad-request',
        'Expected a path that begins with `/` as the target of the request',
      ),
    )
  })
  app.addHook('onSend', (_request, reply, payload, done) => {
    // JSON is UTF-8 by definition; clients of the contract know its type without a charset.
    const type = reply.getHeader('content-type')
    if (
      typeof type === 'string' &&
      type.startsWith('application/') &&
      type.endsWith('; charset=utf-8')
    ) {
      reply.header('content-type', type.slice(0, -15))
    }
    done(null, payload)
  })
  app.addHook('onResponse', (request, reply, done) => {
    const path = request.url.split('?', 1)[0] ?? ''
    if (!quiet(path)) {
      request.log.info(
        {
          event: 'http.request.complete',
          method: request.method,
          path: path.slice(0, 500),
          status_code: reply.statusCode,
          duration_ms: Math.round(reply.elapsedTime * 100) / 100,
          client_host: request.ip,
        },
        'request',
      )
    }
    done()
  })
}
