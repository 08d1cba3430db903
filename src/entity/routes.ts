import type { FastifyInstance, FastifyRequest } from 'fastify'
import { ChapkitError } from '../errors.ts'
import {
  absoluteUrl,
  addEndpoint,
  type CrudVerbs,
  idempotencyHeader,
  listAnswer,
  sendAnswered,
  sendList,
  statsAnswer,
  toIdempotentRequest,
} from '../http/routes.ts'
import type { Idempotency } from '../idempotency/idempotency.ts'
import { parseUlid, ulidSchema } from '../kernel/id.ts'
import { type JsonSchema, toJsonSchema } from '../kernel/json-schema.ts'
import { pageQueryProperties } from '../kernel/page.ts'
import { Tags } from '../kernel/tags.ts'
import type { Entities, Row } from './entities.ts'

/** Registers the routes of an entity. */
export type EntityPlugin = (app: FastifyInstance) => Promise<void>

export interface EntityRoutesDeps {
  /** Singular; the permissions begin with it. */
  name: string
  path: string
  entities: Entities
  idempotency: Idempotency
  publicUrl: string | null
  verbs: CrudVerbs
  /** JSON Schema of the fields: as clients send them, the same without references, and as they are answered. */
  schemas: { described: JsonSchema; input: JsonSchema; output: JsonSchema }
  examples: { input: object; row: Row }
}

/** The CRUD of a user's own entity. */
export function entityRoutes(deps: EntityRoutesDeps) {
  const { name, path, entities, idempotency, publicUrl, verbs, schemas, examples } = deps
  const noun = name.replaceAll(/[-_]/g, ' ')
  const nouns = (path.split('/').at(-1) ?? name).replaceAll(/[-_]/g, ' ')
  const tag = noun.charAt(0).toUpperCase() + noun.slice(1)
  const rowSchema = toRowSchema(schemas.output)
  const one = { description: `The ${noun}`, schema: rowSchema, example: examples.row }
  // The schema itself judges the fields: JSON Schema can say less than it, and not every pattern of it.
  const body = { schema: toInputSchema(schemas.input), example: examples.input }

  return (app: FastifyInstance) => {
    if (verbs.create) {
      addEndpoint(
        app,
        {
          method: 'POST',
          url: path,
          permission: `${name}:create`,
          tag,
          summary: `Create ${noun}`,
          description:
            'The fields are checked against the schema at `$schema`; defaults are filled in and unknown keys are left out. An `id` that exists already is a conflict.',
          otherBodies: [body],
          headers: idempotencyHeader,
          answers: { 201: { ...one, headers: { Location: `URL of the ${noun}` } } },
          problems: [400, 409, 422],
        },
        async (request, reply) => {
          const input = bodyOf(request)
          const toAnswer = (row: Row) => ({
            status: 201,
            headers: { location: absoluteUrl(request, `${path}/${row.id}`, publicUrl) },
            body: JSON.stringify(row),
            jobId: null,
          })
          const outcome = await idempotency.run(toIdempotentRequest(request), async (remember) =>
            toAnswer(await entities.create(input, (tx, row) => remember(tx, toAnswer(row)))),
          )
          return sendAnswered(reply, outcome)
        },
      )
    }

    if (verbs.read) {
      addEndpoint(
        app,
        {
          method: 'GET',
          url: path,
          permission: `${name}:read`,
          tag,
          summary: `List ${nouns}`,
          description:
            'A bare array in order of creation; an envelope with totals when `page` and `size` are both given.',
          query: { type: 'object', properties: pageQueryProperties },
          answers: { 200: listAnswer(`The ${nouns}`, rowSchema, examples.row) },
          problems: [422],
        },
        (request, reply) => sendList(request, reply, { fetch: entities.list, page: entities.page }),
      )
      addEndpoint(
        app,
        {
          method: 'GET',
          url: `${path}/$schema`,
          permission: `${name}:read`,
          tag,
          summary: `JSON Schema of the fields of ${noun}`,
          answers: {
            200: {
              description: 'The schema',
              schema: { type: 'object' },
              example: schemas.described,
            },
          },
        },
        async () => schemas.described,
      )
      addEndpoint(
        app,
        {
          method: 'GET',
          url: `${path}/$stats`,
          permission: `${name}:read`,
          tag,
          summary: `Count ${nouns}`,
          answers: { 200: statsAnswer },
        },
        async () => ({ total: await entities.count() }),
      )
      addEndpoint(
        app,
        {
          method: 'GET',
          url: `${path}/:id`,
          permission: `${name}:read`,
          tag,
          summary: `Get ${noun}`,
          answers: { 200: one },
          problems: [400, 404],
        },
        (request) => entities.get(parseUlid(request.params.id)),
      )
    }

    if (verbs.update) {
      addEndpoint(
        app,
        {
          method: 'PUT',
          url: `${path}/:id`,
          permission: `${name}:update`,
          tag,
          summary: `Replace ${noun}`,
          description:
            'The fields that are sent are replaced; optional fields and tags that are not sent stay as they are. An `id` in the body is ignored.',
          otherBodies: [body],
          answers: { 200: one },
          problems: [400, 404, 409, 422],
        },
        (request) => entities.update(parseUlid(request.params.id), bodyOf(request)),
      )
    }

    if (verbs.delete) {
      addEndpoint(
        app,
        {
          method: 'DELETE',
          url: `${path}/:id`,
          permission: `${name}:delete`,
          tag,
          summary: `Delete ${noun}`,
          answers: { 204: { description: 'Deleted' } },
          problems: [400, 404, 409],
        },
        async (request, reply) => {
          await entities.remove(parseUlid(request.params.id))
          return reply.code(204).send()
        },
      )
    }
  }
}

function bodyOf({ body }: Pick<FastifyRequest, 'body'>): unknown {
  if (body !== undefined) return body
  throw new ChapkitError('invalid-json', 'Expected a JSON document, got an empty body')
}

function toInputSchema({ properties, ...rest }: JsonSchema): JsonSchema {
  const id = { ...ulidSchema, type: ['string', 'null'] }
  const tags = { ...toJsonSchema(Tags), default: [] }
  return { ...rest, properties: { id, tags, ...(properties as object) } }
}

function toRowSchema({ properties, required, additionalProperties, ...rest }: JsonSchema) {
  const time = { type: 'string', format: 'date-time' }
  return {
    ...rest,
    required: ['id', 'created_at', 'updated_at', 'tags', ...((required ?? []) as string[])],
    properties: {
      id: { type: 'string' },
      created_at: time,
      updated_at: time,
      tags: { type: 'array', items: { type: 'string' } },
      ...(properties as object),
    },
  }
}
