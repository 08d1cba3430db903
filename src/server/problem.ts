import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { ChapkitError, type ErrorCode, errorCatalogue, type Issue } from '../errors.ts'
import { sendJson } from '../http/routes.ts'
import type { Auth } from './guard.ts'

/** An RFC 9457 problem document as it is answered. */
export interface Problem {
  type: string
  title: string
  status: number
  detail: string
  instance: string
  request_id: string
  /** The same as `request_id`, by the name that chap-core shows. */
  trace_id: string
  errors?: readonly Issue[]
}

/** The one place where an error becomes an answer. Routes never catch. Gives the answer to what leads nowhere. */
export function useProblems(
  app: FastifyInstance,
  allowed: (path: string) => string[],
): (request: FastifyRequest, reply: FastifyReply) => FastifyReply {
  app.setErrorHandler<FastifyError | ChapkitError>((error, request, reply) =>
    // What is nowhere is not there, whatever the framework thinks of its body.
    (request.is404 && !(error instanceof ChapkitError)) || isOperationTakenForId(error, request)
      ? answerNowhere(request, reply)
      : sendProblem(toChapkitError(error, request), request, reply),
  )
  app.setNotFoundHandler(answerNowhere)
  return answerNowhere

  /** `PUT /api/v1/configs/$schema`: where an id could stand, there is an operation with other methods. */
  function isOperationTakenForId(error: FastifyError | ChapkitError, request: FastifyRequest) {
    const path = request.url.split('?', 1)[0] ?? ''
    if (error.code !== 'invalid-ulid' || !/\/\$[^/]*$/.test(path)) return false
    const methods = allowed(path)
    return methods.length > 0 && !methods.includes(request.method)
  }

  function answerNowhere(request: FastifyRequest, reply: FastifyReply) {
    const path = request.url.split('?', 1)[0] ?? ''
    const methods = allowed(path)
    if (methods.length === 0) {
      return sendProblem(
        new ChapkitError('not-found', `Nothing is at ${request.method} ${shorten(path)}`),
        request,
        reply,
      )
    }
    reply.header('allow', methods.join(', '))
    if (request.method === 'OPTIONS') return reply.code(204).send()
    const detail = `Expected one of ${methods.join(', ')} at ${shorten(path)}, got ${request.method}`
    return sendProblem(new ChapkitError('method-not-allowed', detail), request, reply)
  }
}

export function toProblem(error: ChapkitError, instance: string, requestId: string): Problem {
  return {
    type: `urn:chapkit:error:${error.code}`,
    ...inOrder(errorCatalogue[error.code]),
    // What went wrong inside stays inside: only the log has it.
    detail: error.message,
    instance,
    request_id: requestId,
    trace_id: requestId,
    ...(error.issues && { errors: error.issues }),
  }
}

const inOrder = ({ title, status }: { title: string; status: number }) => ({ title, status })

/** Answers what the router refuses: no hook has run for it, and none will. */
export function answerRouterError(
  error: FastifyError,
  request: FastifyRequest,
  reply: FastifyReply,
  auth: Pick<Auth, 'authenticate'> | null,
) {
  const refusal = strangerOf(request, auth) ?? routerRefusal(error)
  const path = shorten(request.url.split('?', 1)[0] ?? '')
  const body = JSON.stringify(toProblem(refusal, path, request.id))
  const { method, ip: client_host } = request
  const status_code = refusal.status
  request.log.info(
    { event: 'http.request.complete', method, path, status_code, client_host },
    'request',
  )
  reply.hijack()
  reply.raw
    .writeHead(refusal.status, {
      ...refusal.headers,
      'content-type': 'application/problem+json',
      'content-length': Buffer.byteLength(body),
    })
    .end(request.method === 'HEAD' ? undefined : body)
}

/** No route was found that could be open: who has no key is told nothing else. */
function strangerOf(request: FastifyRequest, auth: Pick<Auth, 'authenticate'> | null) {
  try {
    auth?.authenticate(request.headers)
    return undefined
  } catch (error) {
    return error as ChapkitError
  }
}

function routerRefusal({ code }: FastifyError): ChapkitError {
  return code === 'FST_ERR_MAX_PARAM_LENGTH'
    ? new ChapkitError('uri-too-long', 'Expected a shorter path, got one with a part too long')
    : new ChapkitError('bad-request', 'Expected a valid path, got one that cannot be decoded')
}

function sendProblem(error: ChapkitError, request: FastifyRequest, reply: FastifyReply) {
  const path = request.url.split('?', 1)[0] ?? ''
  const problem = toProblem(error, shorten(path), request.id)
  if (problem.status >= 500)
    request.log.error({ err: error.cause ?? error, event: 'http.request.error' }, problem.detail)
  reply.code(problem.status).headers(error.headers)
  return sendJson(reply, JSON.stringify(problem), 'application/problem+json')
}

function toChapkitError(error: FastifyError | ChapkitError, request: FastifyRequest): ChapkitError {
  if (error instanceof ChapkitError) return error
  const code = fastifyCodes[error.code ?? '']
  if (code) return new ChapkitError(code, explain(error, request))
  // Other refusals of the framework are about the request: safe to show.
  if (error.code?.startsWith('FST_') && error.statusCode !== undefined && error.statusCode < 500) {
    return new ChapkitError('bad-request', error.message)
  }
  if (isAborted(error))
    return new ChapkitError('bad-request', 'The request ended before its body was complete')
  // Anything else is ours, and its message may hold a path, a query or a secret.
  return new ChapkitError(
    'internal',
    'An unexpected error occurred; the log of the service has it under this request id',
    {
      cause: error,
    },
  )
}

const fastifyCodes: Readonly<Record<string, ErrorCode>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'payload-too-large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported-media-type',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'bad-request',
  FST_ERR_REOPENED_CLOSE_SERVER: 'unavailable',
}

function explain(error: FastifyError, request: FastifyRequest): string {
  switch (error.code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE': {
      const { bodyLimit, config } = request.routeOptions
      const setting = config?.largeBody
        ? 'CHAPKIT_MAX_BODY sets the limit'
        : 'the lower of CHAPKIT_MAX_DOCUMENT and CHAPKIT_MAX_BODY sets the limit'
      const came = request.headers['content-length'] ?? 'more'
      return `Expected a body of at most ${bodyLimit} bytes, got ${came}; ${setting}`
    }
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE': {
      const came = request.headers['content-type']
      const bodies = request.routeOptions.config?.doc?.body ?? []
      const types = bodies.map(({ contentType = 'application/json' }) => contentType)
      const expected = types.length > 0 ? types.join(' or ') : 'application/json'
      return `Expected \`Content-Type: ${expected}\`, got ${came === undefined ? 'none' : JSON.stringify(came.slice(0, 100))}`
    }
    default:
      return error.message
  }
}

function isAborted(error: FastifyError): boolean {
  return error.code === 'ECONNRESET' || error.code === 'ERR_STREAM_PREMATURE_CLOSE'
}

export function shorten(path: string): string {
  return path.length > 200 ? `${path.slice(0, 200)}…` : path
}

/** Answers what the HTTP parser refuses, before there is a request. */
export function answerClientError(
  error: NodeJS.ErrnoException,
  socket: Socket,
  requestId: string,
): void {
  if (error.code === 'ECONNRESET' || socket.destroyed || !socket.writable)
    return void socket.destroy()
  // In the midst of an answer, or behind one, a second one would be taken for a part of it, or for that to another request.
  const { _httpMessage: answered } = socket as { _httpMessage?: { headersSent: boolean } | null }
  if (answered?.headersSent) return void socket.destroySoon()
  const code: ErrorCode =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? 'headers-too-large'
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? 'request-timeout'
        : 'bad-request'
  const detail =
    code === 'request-timeout'
      ? 'Expected the whole request in time, got only a part of it'
      : code === 'headers-too-large'
        ? 'Expected request headers of at most 16 KiB, got more'
        : 'Expected an HTTP/1.1 request, got something else'
  answerSocket(new ChapkitError(code, detail), socket, requestId)
}

/** Answers where there is no response, and ends the connection. */
export function answerSocket(error: ChapkitError, socket: Duplex, requestId: string): void {
  const problem = toProblem(error, '', requestId)
  const body = JSON.stringify(problem)
  // A client that resets the connection meanwhile has no use for an answer.
  socket.on('error', () => socket.destroy())
  socket.end(
    `HTTP/1.1 ${problem.status} ${problem.title}\r\nconnection: close\r\ncontent-type: application/problem+json\r\nx-request-id: ${requestId}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  )
}
