import { createHash, subtle } from 'node:crypto'
import { Readable } from 'node:stream'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Answered, IdempotentRequest } from '../idempotency/idempotency.ts'
import { ulidSchema } from '../kernel/id.ts'
import { type JsonSchema, toJsonSchema } from '../kernel/json-schema.ts'
import { type Page, type PageQuery, toPage, toPageRequest } from '../kernel/page.ts'
import type { Principal } from '../kernel/principal.ts'
import type { Permission } from '../permissions.ts'
import { type Slice, type Sliced, sliceLength, slices, turn } from './slices.ts'
import { sseHeaders, sseStream } from './sse.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** SHA-256 of the body as it came, in hex; set when there is an `Idempotency-Key`. */
    bodyHash?: () => string | Promise<string>
    /** Who asks; only where the service has `withAuth`, and the route is not open to everyone. */
    principal?: Principal
  }
  interface FastifyContextConfig {
    /** What a caller must be allowed to do. A route without it does not start. */
    permission?: Permission
    /** How the route reads in the OpenAPI document. */
    doc?: RouteDoc
    /** The handler reads the body as it comes: it never stands in memory. */
    streamsBody?: boolean
    /** The body may be as large as any: whoever takes it has a thread read it. */
    largeBody?: boolean
    /** The route answers only where no other does, and of those paths only the ones that this says. */
    onlyFor?: (path: string) => boolean
  }
}

/** Event of a response: its request has nothing left to do but to wait, for a job say. */
export const onlyWaits = Symbol('only waits')

/** What a plugin of routes registers them on, for the places above that only pass it on. */
export type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify'

/** One possible answer of a route, for the OpenAPI document. */
export interface Answer {
  description: string
  schema?: JsonSchema
  example?: unknown
  /** Default `application/json`. */
  contentType?: string
  headers?: Record<string, string>
}

/** How a route reads in the OpenAPI document. */
export interface RouteDoc {
  tag: string
  summary: string
  description?: string
  query?: JsonSchema
  body?: { schema: JsonSchema; example?: unknown; contentType?: string; required?: boolean }[]
  /** Of the parameters in the path; text where nothing is said. */
  params?: Record<string, JsonSchema>
  /** Request headers with a meaning of their own: what they mean, or a schema that also says so. */
  headers?: Record<string, string | JsonSchema>
  /** By status. Problems of the catalogue are added by status alone in `problems`. */
  answers: Record<number, Answer>
  problems?: readonly number[]
}

type Part = StandardSchemaV1 | JsonSchema

/** A route: what it is called, what it needs, what it takes and what it answers. */
export interface Endpoint {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  url: string
  permission: Permission
  tag: string
  summary: string
  description?: string
  query?: Part
  /** Schema of a JSON body; the request is validated against it without coercion. */
  body?: Part
  bodyExample?: unknown
  /** Bodies in other forms, for the document only. */
  otherBodies?: RouteDoc['body']
  /** The handler reads the body as it comes: it never stands in memory. */
  streamsBody?: boolean
  /** The body may be as large as any: whoever takes it has a thread read it. Others are documents, which are small. */
  largeBody?: boolean
  headers?: RouteDoc['headers']
  answers: Record<number, Answer>
  problems?: readonly number[]
}

export interface RequestParts {
  Params: { id: string }
  Querystring: unknown
  Body: unknown
}

/** Registers an endpoint: its schemas for validation, its permission, its entry in the OpenAPI document. */
export function addEndpoint<Parts extends Partial<RequestParts> = RequestParts>(
  app: FastifyInstance,
  endpoint: Endpoint,
  handler: (
    request: FastifyRequest<Parts & RequestParts>,
    reply: FastifyReply,
  ) => Promise<unknown> | unknown,
): void {
  const { method, url, permission, tag, summary, description, headers, answers, problems } =
    endpoint
  const query = endpoint.query && toSchema(endpoint.query)
  const body = endpoint.body && toSchema(endpoint.body)
  const bodies = [
    ...(body ? [{ schema: body, example: endpoint.bodyExample }] : []),
    ...(endpoint.otherBodies ?? []),
  ]
  app.route({
    method,
    url,
    schema: { ...(query && { querystring: query }), ...(body && { body }) },
    config: {
      permission,
      ...(endpoint.streamsBody && { streamsBody: true }),
      ...(endpoint.largeBody && { largeBody: true }),
      doc: {
        tag,
        summary,
        ...(description && { description }),
        ...(query && { query }),
        params: { id: ulidSchema },
        ...(bodies.length > 0 && { body: bodies }),
        ...(headers && { headers }),
        answers,
        ...(problems && { problems }),
      },
    },
    handler(request, reply) {
      const answer = handler(request as never, reply)
      if (!(answer instanceof Promise)) return settle(reply, answer)
      return answer.then((value) => settle(reply, value))
    },
  })
}

/** Sends what a handler has answered, unless it did so itself. Gives the reply while it is under way, as the framework wants. */
function settle(reply: FastifyReply, answer: unknown): FastifyReply | undefined {
  if (answer !== reply && !reply.sent) sendJson(reply, JSON.stringify(answer))
  return reply.sent ? undefined : reply
}

/**
 * Sends JSON text, with its type as it stands: a serializer of its own keeps the framework from adding a charset, which JSON does
 * not have, and clients of the contract know the type without one. As text and not as bytes: the head and the body then leave in
 * one write, which halves what a small answer costs.
 */
export function sendJson(
  reply: FastifyReply,
  text: string,
  type = 'application/json',
): FastifyReply {
  return reply.header('content-type', type).serializer(asItIs).send(text)
}

const asItIs = (text: string): string => text

function toSchema(part: Part): JsonSchema {
  return '~standard' in part ? toJsonSchema(part as StandardSchemaV1) : part
}

/**
 * The URL of something just created, below the service's public address or the one the client used, which is one of the
 * service's own names by then. A client that named no host gets the path alone.
 */
export function absoluteUrl(
  request: FastifyRequest,
  path: string,
  publicUrl: string | null,
): string {
  if (publicUrl !== null) return `${publicUrl}${path}`
  return request.host ? `${request.protocol}://${request.host}${path}` : path
}

/** The query part of a `Link` header that leads to the next page by key. */
export function nextPageLink(request: FastifyRequest, after: string, size: number): string {
  const query = new URLSearchParams(request.query as Record<string, string>)
  query.set('after', after)
  query.set('size', String(size))
  return `<?${query}>; rel="next"`
}

/** Items of a page by number that are read together, however large each is. */
const readAtOnce = 10
/** Items of a list from which on it is streamed, and never whole in memory. */
const streamedFrom = 100

interface List<Item extends { id: string }> extends Sliced<Item> {
  /** The envelope of a page by number, or its text. */
  page: (page: number, size: number) => Promise<unknown>
}

/** Answers a list as clients of the contract expect it: an envelope, a page by key, or the whole as a bare array. */
export async function sendList<Item extends { id: string }>(
  request: FastifyRequest,
  reply: FastifyReply,
  list: List<Item>,
): Promise<unknown> {
  const wanted = toPageRequest(request.query as PageQuery)
  if (wanted.kind === 'number') {
    const { page, size } = wanted
    if (size > readAtOnce) return sendPieces(reply, await numberedPage(list, page, size))
    const envelope = await list.page(page, size)
    return sendJson(reply, typeof envelope === 'string' ? envelope : JSON.stringify(envelope))
  }
  if (wanted.kind === 'key') {
    const texts: string[] = []
    let last = ''
    for await (const slice of slices(list, wanted.after, wanted.size)) {
      texts.push(...slice.texts)
      last = slice.last
    }
    if (texts.length === wanted.size) {
      reply.header('link', nextPageLink(request, last, wanted.size))
    }
    return sendPieces(reply, inBrackets(texts))
  }
  const whole = slices(list, null, Number.POSITIVE_INFINITY)
  const texts: string[] = []
  let length = 0
  for (;;) {
    const next = await whole.next()
    if (next.done) return sendJson(reply, `[${texts.join(',')}]`)
    for (const text of next.value.texts) length += text.length
    texts.push(...next.value.texts)
    if (texts.length >= streamedFrom || length > sentAtOnce) break
  }
  reply.header('content-type', 'application/json')
  return reply.send(Readable.from(wholeList(texts, whole)))
}

/** A page by number that is too large to be read at a stretch: its first item says where the others begin. */
async function numberedPage<Item extends { id: string }>(
  list: List<Item>,
  page: number,
  size: number,
): Promise<string[]> {
  const found = await list.page((page - 1) * size + 1, 1)
  const envelope = (typeof found === 'string' ? JSON.parse(found) : found) as Page<Item>
  const [first] = envelope.items
  const texts = first ? [JSON.stringify(first)] : []
  if (first) for await (const slice of slices(list, first.id, size - 1)) texts.push(...slice.texts)
  const { items: _, ...rest } = toPage([], envelope.total, page, size)
  const [open, ...others] = inBrackets(texts)
  return [`{"items":${open}`, ...others, `,${JSON.stringify(rest).slice(1)}`]
}

function inBrackets(texts: readonly string[]): string[] {
  return ['[', ...texts.map((text, at) => (at === 0 ? text : `,${text}`)), ']']
}

/** The whole list as JSON text, a slice at a time: a long list must not stand in memory. */
async function* wholeList(
  first: readonly string[],
  others: AsyncGenerator<Slice<unknown>, void>,
): AsyncGenerator<string> {
  yield `[${first.join(',')}`
  for await (const { texts } of others) yield `,${texts.join(',')}`
  yield ']'
}

/** What an idempotent route needs of a request. */
export function toIdempotentRequest(request: FastifyRequest): IdempotentRequest {
  return {
    key: request.headers['idempotency-key'] as string | undefined,
    principal: request.principal?.id ?? '',
    method: request.method,
    route: request.routeOptions.url ?? '',
    fingerprint: () => request.bodyHash?.() ?? '',
  }
}

/** Sends an answer that was kept with its key, or has just been made. */
export function sendAnswered(
  reply: FastifyReply,
  { answered, replayed }: { answered: Answered; replayed: boolean },
): unknown {
  if (replayed) reply.header('idempotency-replayed', 'true')
  return sendJson(reply.code(answered.status).headers(answered.headers), answered.body)
}

/** Above this size bytes are hashed by a thread of the runtime's. */
const hashedElsewhere = 64 * 1024

/** Keeps what is needed to compare a request with an earlier one of the same idempotency key. */
export function noteBody(request: FastifyRequest, body: Buffer): void {
  if (request.headers['idempotency-key'] === undefined) return
  if (body.byteLength <= hashedElsewhere) {
    request.bodyHash = () => createHash('sha256').update(body).digest('hex')
    return
  }
  // It takes the bytes as they are now: afterwards they may be handed over.
  const hash = subtle.digest('SHA-256', body).then((digest) => Buffer.from(digest).toString('hex'))
  request.bodyHash = () => hash
}

export const idempotencyHeader = {
  'Idempotency-Key': {
    description:
      'A request sent again with the same key and body gets the first answer again, for 24 hours',
    pattern: '^[!#-~]([ -~]{0,253}[!#-~])?$',
  },
} as const

/** Which of the standard verbs a collection offers. Without `read` there is no `$schema` and no `$stats` either. */
export interface CrudVerbs {
  create: boolean
  read: boolean
  update: boolean
  delete: boolean
}

/** What a list answers: the bare array, or the envelope of a page by number. */
export function listAnswer(description: string, item: JsonSchema, example: unknown): Answer {
  const items = { type: 'array', items: item }
  const count = { type: 'integer', minimum: 0 }
  const page = {
    type: 'object',
    required: ['items', 'total', 'page', 'size', 'pages'],
    properties: { items, total: count, page: count, size: count, pages: count },
  }
  const headers = { Link: 'With `after`: where the next page is' }
  return { description, schema: { anyOf: [items, page] }, example: [example], headers }
}

/** What every `$stats` answers. */
export const statsAnswer = {
  description: 'The number of entities',
  schema: { type: 'object', required: ['total'], properties: { total: { type: 'integer' } } },
  example: { total: 12 },
} as const

/** Answers an event stream. A HEAD asks for its headers only: nothing is to run for it. */
export function sendEvents(
  request: FastifyRequest,
  reply: FastifyReply,
  frames: (signal: AbortSignal) => AsyncGenerator<string>,
  stopping: AbortSignal,
): FastifyReply {
  reply.headers(sseHeaders)
  return request.method === 'HEAD' ? reply.send('') : reply.send(sseStream(frames, stopping))
}

/** Texts up to this length leave in one piece. */
const sentAtOnce = 1024 * 1024

/** Pieces of JSON as one answer; only what is long is streamed. */
export async function sendPieces(
  reply: FastifyReply,
  pieces: readonly (string | Readable)[],
): Promise<unknown> {
  const length = pieces.reduce(
    (sum, piece) => sum + (typeof piece === 'string' ? piece.length : sentAtOnce + 1),
    0,
  )
  if (length <= sentAtOnce) return sendJson(reply, pieces.join(''))
  reply.header('content-type', 'application/json')
  return reply.send(
    Readable.from(
      (async function* () {
        let written = 0
        for (const piece of pieces) {
          if (typeof piece !== 'string') {
            yield* piece
            continue
          }
          yield Buffer.from(piece)
          written += piece.length
          // Whoever reads quickly would be written to without an end.
          if (written < sliceLength) continue
          written = 0
          await turn()
        }
      })(),
      { objectMode: false },
    ),
  )
}
