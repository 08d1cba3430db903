import fastify, {
  type FastifyInstance,
  type FastifyPluginCallback,
  type FastifyReply,
  type FastifyRequest,
  LogController,
  type onResponseHookHandler,
  type onSendHookHandler,
} from 'fastify'
import { validationError } from '../errors.ts'
import { frameHeaders } from '../http/frames.ts'
import { noteBody } from '../http/routes.ts'
import { parseJson } from '../kernel/json.ts'
import type { Observe } from '../kernel/observe.ts'
import { AdmittedResponse, createAdmission } from './admission.ts'
import { createBodyBudget } from './body-budget.ts'
import { type Auth, limitRest, useAuth } from './guard.ts'
import { type Logger, RequestLog } from './log.ts'
import { answerClientError, answerRouterError, useProblems } from './problem.ts'
import { createRefusals, type RefusalOptions } from './refusals.ts'
import { createRouteTable, ownRoutes, type RouteTable } from './routing.ts'
import { useSocketRefusals } from './sockets.ts'
import { readTarget } from './target.ts'
import { createTurns } from './turns.ts'
import { createValidatorCompiler } from './validation.ts'

/** A plugin of routes: what every slice gives, and what a user adds with `withRoutes`. */
export type RoutePlugin = (app: FastifyInstance) => Promise<void> | void

export interface AppOptions {
  /** The slices' routes; each asks for a permission. */
  routes: readonly RoutePlugin[]
  /** The user's own routes: `service:use` unless they say otherwise. */
  ownRoutes: readonly RoutePlugin[]
  /** Routes that need the table of all others. */
  pages: (table: RouteTable) => readonly RoutePlugin[]
  /** Bytes of the largest body, where a route takes large ones. */
  maxBody: number
  /** Bytes of the largest body of every other route. */
  maxDocument: number
  /** Bytes of bodies that are held in memory at the same time, of all requests together. */
  maxBodies: number
  maxRequests: number
  maxStreams: number
  maxConnections: number
  /** Paths that are never refused for being too much, with everything below them. */
  probes: readonly string[]
  /** Path of the health checks, which are answered by whatever name a probe calls the service. */
  healthPath: string
  /** Names that the service has. */
  hosts: RefusalOptions['hosts']
  publicUrl: string | null
  corsOrigins: readonly string[]
  /** Origins whose pages may show the user's own pages in a frame. */
  frameOrigins: readonly string[]
  /** Null lets everybody in. */
  auth: Auth | null
  newId: () => string
  logger: Logger
  /** Requests whose line is left out of the log. */
  quiet: (path: string) => boolean
  /** Told of every request that the parser lets through. */
  observe?: Observe | undefined
}

type CorsDelegator = (request: FastifyRequest, done: (error: null, options: object) => void) => void

/** Headers of answers that pages of other origins may read. */
const exposedToOrigins = [
  'accept-ranges',
  'allow',
  'content-disposition',
  'content-range',
  'etag',
  'idempotency-replayed',
  'link',
  'location',
  'preference-applied',
  'retry-after',
  'www-authenticate',
  'x-request-id',
]

const isPreflight = ({ headers }: FastifyRequest): boolean =>
  headers.origin !== undefined && headers['access-control-request-method'] !== undefined

/** The HTTP face of a service, without a socket: `inject` asks it, `listen` of another file opens it. */
export async function createApp(options: AppOptions): Promise<FastifyInstance> {
  const { newId, logger, maxBody, maxDocument, corsOrigins, auth, observe } = options
  const app = fastify({
    loggerInstance: logger,
    logController: new LogController({
      disableRequestLogging: true,
      requestIdLogLabel: 'request_id',
    }),
    childLoggerFactory: (parent, bindings, options) =>
      new RequestLog(parent as Logger, bindings, options),
    genReqId: newId,
    requestIdHeader: false,
    bodyLimit: Math.min(maxDocument, maxBody),
    // A body may take as long as it moves: pace.ts cuts those that do not. Headers have 15 s.
    requestTimeout: 0,
    // For those without a socket; for all others it has happened by then.
    rewriteUrl: (request) => {
      readTarget(request as never)
      return request.url as string
    },
    http: {
      // It is asked for in refusals.ts, which also says so.
      requireHostHeader: false,
      headersTimeout: 15_000,
      connectionsCheckingInterval: 2000,
      maxHeaderSize: 16_384,
      ServerResponse: AdmittedResponse as never,
    },
    keepAliveTimeout: 72_000,
    forceCloseConnections: 'idle',
    return503OnClosing: true,
    routerOptions: { maxParamLength: 128, caseSensitive: true },
    clientErrorHandler: (error, socket) => answerClientError(error, socket, newId()),
    frameworkErrors: (error, request, reply) => {
      if (observe) observeRequest(observe, request as never, reply as never)
      // This answer goes past the framework's own headers.
      reply.raw.setHeaders(new Map([['x-request-id', request.id], ...commonHeaders]))
      if (auth) limitRest(request.raw as never, reply.raw)
      answerRouterError(error, request as never, reply as never, auth)
    },
  }) as unknown as FastifyInstance

  createAdmission(options).guard(app.server)
  app.addHook('onRoute', (route) => {
    if (route.config?.largeBody) route.bodyLimit = maxBody
  })
  useBodyBudget(app, options.maxBodies)
  const table = createRouteTable()
  table.collect(app)
  const answerNowhere = useProblems(app, table.allowed)
  app.setValidatorCompiler(createValidatorCompiler())
  app.decorateRequest('bodyHash', undefined)
  app.decorateRequest('principal', undefined)
  useStrictJson(app)
  const refuse = createRefusals(options)
  useHeadersAndLog(app, options.quiet, observe)
  app.addHook('onRequest', (request, _reply, done) => {
    const { url } = request.routeOptions
    done(
      refuse(request.raw, { isProbe: url !== undefined && isAtOrBelow(url, options.healthPath) }),
    )
  })
  useSocketRefusals(app, refuse, newId)

  if (corsOrigins.length > 0) {
    const { default: cors } = await import('@fastify/cors')
    const shared = {
      origin: corsOrigins.includes('*') ? '*' : [...corsOrigins],
      methods: ['GET', 'HEAD', 'POST', 'PUT', 'DELETE'],
      exposedHeaders: exposedToOrigins,
    }
    await app.register(cors as unknown as FastifyPluginCallback<{ delegator: CorsDelegator }>, {
      delegator: (request, done) => done(null, { ...shared, preflight: isPreflight(request) }),
    })
  }
  // Behind CORS: a preflight carries no key, and a page has to be able to read why it is refused.
  if (auth) useAuth(app, auth)
  app.addHook('onRequest', (request, reply, done) => {
    // The router takes nothing for a parameter too: `/configs/` is no config without an id.
    if (hasEmptyParameter(request)) return reply.callNotFound()
    // What leads nowhere has no use for a body that was not sent yet.
    if (request.is404 && (reply.raw as AdmittedResponse).asksFirst) {
      answerNowhere(request, reply)
      return
    }
    done()
  })
  for (const plugin of options.routes) await app.register(async (scope) => plugin(scope))
  for (const plugin of options.ownRoutes) {
    await app.register(async (scope) => {
      scope.decorate(ownRoutes, true)
      scope.addHook('onSend', withoutCharset)
      scope.addHook('onSend', notFramed(options.frameOrigins))
      letJsonBeReplaced(scope)
      await explainMeeting(scope, plugin)
    })
  }
  for (const plugin of options.pages(table)) {
    await app.register(async (scope) => explainMeeting(scope, plugin))
  }
  return app
}

/** Status of a request whose client went away before an answer began. */
const clientGone = 499

const requestBegan = { kind: 'request.began' } as const

/** Tells of a request, and of its end: an answer closes in any case, a stream also when its reader leaves. */
function observeRequest(observe: Observe, request: FastifyRequest, { raw }: FastifyReply) {
  const began = performance.now()
  observe(requestBegan)
  raw.on('close', () =>
    observe({
      kind: 'request.ended',
      method: request.method,
      route: request.routeOptions.url ?? null,
      status: raw.headersSent ? raw.statusCode : clientGone,
      seconds: (performance.now() - began) / 1000,
    }),
  )
}

const notAnObject = validationError([
  { loc: ['body'], msg: 'Expected an object, got null', type: 'type' },
])

/** A user's routes or web apps. One that meets a route that is there is refused with what to do about it. */
async function explainMeeting(scope: FastifyInstance, plugin: RoutePlugin): Promise<void> {
  try {
    await plugin(scope)
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'FST_ERR_DUPLICATED_ROUTE') throw error
    throw new Error(
      `${(error as Error).message}: the service, or another of your plugins, answers there; choose another path, or move the service's own with withPrefixes`,
      { cause: error },
    )
  }
}

/** Members that an object of a document may have: a service keeps configs and parameters, no tables. */
const maximumKeys = 10_000

function useStrictJson(app: FastifyInstance) {
  const inTurn = createTurns()
  // Text is no JSON: a route that takes other bodies says so itself.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(
    'application/json',
    { parseAs: 'buffer' },
    (request, body: Buffer, done) => {
      noteBody(request, body)
      if (body.byteLength === 0) return done(null, undefined)
      inTurn(body.byteLength, () => {
        let value: unknown
        try {
          value = parseJson(body, { maximumKeys })
          // To the framework null is no body at all: what it would say of that is not what came.
          if (value === null && request.routeOptions.schema?.body) throw notAnObject
        } catch (error) {
          return done(error as Error)
        }
        done(null, value)
      })
    },
  )
}

/** A plugin may bring a parser of its own for JSON, as it may where the framework's is the only other one. */
function letJsonBeReplaced(scope: FastifyInstance) {
  const add = scope.addContentTypeParser as (...args: unknown[]) => FastifyInstance
  const replace = function (this: FastifyInstance, types: unknown, ...rest: unknown[]) {
    const isOurs = this.addContentTypeParser === replace
    if (isOurs && [types].flat().includes('application/json')) {
      this.removeContentTypeParser('application/json')
      // A second one of theirs is refused as usual.
      this.addContentTypeParser = add as never
    }
    return add.call(this, types, ...rest)
  }
  scope.addContentTypeParser = replace as never
}

/** Where there can be a body; the framework reads none of other requests. */
function useBodyBudget(app: FastifyInstance, maxBodies: number) {
  const budget = createBodyBudget(maxBodies)
  // What leads nowhere has a body, too, and no route.
  app.addHook('preParsing', function (request, reply, payload, done) {
    if (request.is404) budget.call(this, request, reply, payload, done)
    else done()
  })
  app.addHook('onRoute', (options) => {
    if (options.method === 'GET' || options.method === 'HEAD') return
    options.preParsing = [options.preParsing ?? [], budget].flat()
  })
}

/** What every answer says, apart from its `x-request-id`. */
const commonHeaders = [
  ['x-content-type-options', 'nosniff'],
  ['referrer-policy', 'no-referrer'],
] as const

function hasEmptyParameter({ params }: FastifyRequest): boolean {
  const values = (params ?? {}) as Record<string, string>
  for (const name in values) if (values[name] === '' && name !== '*') return true
  return false
}

function isAtOrBelow(path: string, prefix: string): boolean {
  return path === prefix || path.startsWith(`${prefix}/`)
}

function useHeadersAndLog(
  app: FastifyInstance,
  quiet: (path: string) => boolean,
  observe: Observe | undefined,
) {
  app.addHook('onRequest', (request, reply, done) => {
    // First: what this hook and later ones refuse is a request, too. In this hook, as each one costs every request.
    if (observe) observeRequest(observe, request, reply)
    reply.header('x-request-id', request.id)
    for (const [name, value] of commonHeaders) reply.header(name, value)
    // What is nowhere has no route whose hook could log it.
    if (request.is404 && !quiet(request.url)) {
      reply.raw.once('finish', () => logRequest.call(app, request, reply, () => {}))
    }
    done()
  })
  app.addHook('onRoute', (options) => {
    // Probes ask all the time, and say nothing: their routes have no such hook at all.
    if (!quiet(options.url)) options.onResponse = [options.onResponse ?? [], logRequest].flat()
  })
}

const logRequest: onResponseHookHandler = function (request, reply, done) {
  const path = request.url.split('?', 1)[0] ?? ''
  // Not through the request's own log, which would be made for this line alone.
  this.log.info(
    {
      request_id: request.id,
      event: 'http.request.complete',
      method: request.method,
      path: path.slice(0, 500),
      status_code: reply.statusCode,
      duration_ms: Math.round(reply.elapsedTime * 100) / 100,
      client_host: request.ip,
    },
    'request',
  )
  done()
}

/** What a route of a user's sends goes out like our own: JSON without a charset. */
const withoutCharset: onSendHookHandler = (_request, reply, payload, done) => {
  const type = reply.getHeader('content-type')
  if (type === 'application/json; charset=utf-8') reply.header('content-type', 'application/json')
  done(null, payload)
}

/** A page of a user's is not for frames of other sites, unless it says so itself. */
function notFramed(frameOrigins: readonly string[]): onSendHookHandler {
  return (_request, reply, payload, done) => {
    const type = String(reply.getHeader('content-type') ?? '')
    if (type.startsWith('text/html') && !reply.hasHeader('x-frame-options')) {
      const policy = reply.getHeader('content-security-policy')
      reply.headers(frameHeaders(policy === undefined ? null : String(policy), frameOrigins))
    }
    done(null, payload)
  }
}
