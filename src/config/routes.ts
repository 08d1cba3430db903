import type { FastifyInstance } from 'fastify'
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
import { parseUlid } from '../kernel/id.ts'
import { pageQueryProperties, toPage } from '../kernel/page.ts'
import { type Configs, configText } from './configs.ts'
import { ConfigIn, type ConfigOut } from './schema.ts'

export interface ConfigRoutesDeps {
  configs: Configs
  idempotency: Idempotency
  /** Removes a config and what hangs on it. */
  remove: (id: string) => Promise<void>
  prefix: string
  publicUrl: string | null
  verbs: CrudVerbs
}

const exampleIn = { name: 'weekly', tags: ['demo'], data: { prediction_periods: 3 } }
const exampleOut: ConfigOut = {
  id: '01K72P5N5KCRM6MD3BRE4P0778',
  created_at: '2026-11-22T20:13:11.482Z',
  updated_at: '2026-11-22T20:13:11.482Z',
  tags: ['demo'],
  name: 'weekly',
  data: { prediction_periods: 3, additional_continuous_covariates: [] },
}
const outSchema = {
  type: 'object',
  required: ['id', 'created_at', 'updated_at', 'tags', 'name', 'data'],
  properties: {
    id: { type: 'string' },
    created_at: { type: 'string', format: 'date-time' },
    updated_at: { type: 'string', format: 'date-time' },
    tags: { type: 'array', items: { type: 'string' } },
    name: { type: 'string' },
    data: { type: 'object', additionalProperties: true },
  },
} as const

/** `/configs`: the CRUD of configurations. */
export function configRoutes(deps: ConfigRoutesDeps) {
  const { configs, idempotency, prefix, publicUrl, verbs } = deps
  const tag = 'Config'
  const one = { description: 'The config', schema: outSchema, example: exampleOut }

  return async (app: FastifyInstance) => {
    if (verbs.create) {
      addEndpoint<{ Body: ConfigIn }>(
        app,
        {
          method: 'POST',
          url: prefix,
          permission: 'config:create',
          tag,
          summary: 'Create a config',
          description:
            '`data` is checked against the schema at `$schema`; defaults are filled in. An `id` that exists already is a conflict.',
          body: ConfigIn,
          bodyExample: exampleIn,
          headers: idempotencyHeader,
          answers: { 201: { ...one, headers: { Location: 'URL of the config' } } },
          problems: [400, 409, 422],
        },
        async (request, reply) => {
          const toAnswer = (config: ConfigOut) => ({
            status: 201,
            headers: { location: absoluteUrl(request, `${prefix}/${config.id}`, publicUrl) },
            body: JSON.stringify(config),
            jobId: null,
          })
          const outcome = await idempotency.run(toIdempotentRequest(request), async (remember) =>
            toAnswer(
              await configs.create(request.body, (tx, config) => remember(tx, toAnswer(config))),
            ),
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
          url: prefix,
          permission: 'config:read',
          tag,
          summary: 'List configs',
          description:
            'A bare array in order of creation; an envelope with totals when `page` and `size` are both given.',
          query: { type: 'object', properties: pageQueryProperties },
          answers: { 200: listAnswer('The configs', outSchema, exampleOut) },
          problems: [422],
        },
        (request, reply) =>
          sendList(request, reply, {
            fetch: configs.rows,
            page: async (page, size) => {
              const items = (await configs.rows({ kind: 'number', page, size })).map(configText)
              const rest = JSON.stringify(toPage([], await configs.count(), page, size))
              return rest.replace('[]', () => `[${items.join(',')}]`)
            },
            toText: configText,
          }),
      )
      addEndpoint(
        app,
        {
          method: 'GET',
          url: `${prefix}/$schema`,
          permission: 'config:read',
          tag,
          summary: "JSON Schema of a config's data",
          answers: {
            200: {
              description: 'The schema',
              schema: { type: 'object' },
              example: {
                type: 'object',
                title: 'Config',
                properties: { prediction_periods: { type: 'integer', default: 3 } },
              },
            },
          },
        },
        async () => configs.schema(),
      )
      addEndpoint(
        app,
        {
          method: 'GET',
          url: `${prefix}/$stats`,
          permission: 'config:read',
          tag,
          summary: 'Count configs',
          answers: { 200: statsAnswer },
        },
        async () => ({ total: await configs.count() }),
      )
      addEndpoint(
        app,
        {
          method: 'GET',
          url: `${prefix}/:id`,
          permission: 'config:read',
          tag,
          summary: 'Get a config',
          answers: { 200: one },
          problems: [400, 404],
        },
        (request) => configs.get(parseUlid(request.params.id)),
      )
    }

    if (verbs.update) {
      addEndpoint<{ Body: ConfigIn }>(
        app,
        {
          method: 'PUT',
          url: `${prefix}/:id`,
          permission: 'config:update',
          tag,
          summary: 'Replace a config',
          description: 'Name and data are replaced. Tags that are not sent stay as they are.',
          body: ConfigIn,
          bodyExample: exampleIn,
          answers: { 200: one },
          problems: [400, 404, 422],
        },
        (request) => configs.update(parseUlid(request.params.id), request.body),
      )
    }

    if (verbs.delete) {
      addEndpoint(
        app,
        {
          method: 'DELETE',
          url: `${prefix}/:id`,
          permission: 'config:delete',
          tag,
          summary: 'Delete a config',
          description:
            'Also deletes the artifact trees that are linked to it: its models and their predictions.',
          answers: { 204: { description: 'Deleted' } },
          problems: [400, 404, 409],
        },
        async (request, reply) => {
          await deps.remove(parseUlid(request.params.id))
          return reply.code(204).send()
        },
      )
    }
  }
}
