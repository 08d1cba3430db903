import { Readable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import type { Artifacts } from '../artifact/artifacts.ts'
import { exampleArtifact, outSchema } from '../artifact/examples.ts'
import { addEndpoint, sendPieces } from '../http/routes.ts'
import { parseUlid, ulidPattern } from '../kernel/id.ts'
import type { Links } from './links.ts'

export interface LinkRoutesDeps {
  links: Links
  artifacts: Artifacts
  configPrefix: string
  artifactPrefix: string
}

const LinkIn = z.object({
  artifact_id: z.string().regex(ulidPattern).meta({ description: 'ULID of a root artifact' }),
})
type LinkIn = z.infer<typeof LinkIn>

/** The operations that lead from a config to its artifacts and back. */
export function linkRoutes({ links, artifacts, configPrefix, artifactPrefix }: LinkRoutesDeps) {
  const body = { body: LinkIn, bodyExample: { artifact_id: '01M82EBCXSKZTTGQH3QVBRBH9G' } }

  return async (app: FastifyInstance) => {
    for (const [name, operate, summary] of [
      ['$link-artifact', links.link, 'Link an artifact to a config'],
      ['$unlink-artifact', links.unlink, 'Take the link of an artifact away'],
    ] as const) {
      addEndpoint<{ Body: LinkIn }>(
        app,
        {
          method: 'POST',
          url: `${configPrefix}/:id/${name}`,
          permission: 'config:update',
          tag: 'Config',
          summary,
          ...body,
          answers: { 204: { description: 'Done' } },
          problems: [400, 404, 409, 422],
        },
        async (request, reply) => {
          const configId = parseUlid(request.params.id)
          const { artifact_id: artifactId } = request.body
          await operate(configId, artifactId)
          return reply.code(204).send()
        },
      )
    }

    addEndpoint(
      app,
      {
        method: 'GET',
        url: `${configPrefix}/:id/$artifacts`,
        permission: 'artifact:read',
        tag: 'Config',
        summary: 'List the artifacts linked to a config, with their content',
        answers: {
          200: {
            description: 'The root artifacts; empty also for a config that does not exist',
            schema: { type: 'array', items: outSchema },
            example: [exampleArtifact],
          },
        },
        problems: [400],
      },
      async (request, reply) => {
        // One after the other: each may have content of any size.
        async function* pieces() {
          let before = '['
          for await (const row of links.artifactsOf(parseUlid(request.params.id))) {
            yield before
            for (const piece of await artifacts.fullText(row)) {
              if (typeof piece === 'string') yield piece
              else yield* piece
            }
            before = ','
          }
          yield before === '[' ? '[]' : ']'
        }
        return sendPieces(reply, [Readable.from(pieces(), { objectMode: false })])
      },
    )

    addEndpoint(
      app,
      {
        method: 'GET',
        url: `${artifactPrefix}/:id/$config`,
        permission: 'config:read',
        tag: 'Artifacts',
        summary: "Get the config that an artifact's tree was made from",
        answers: {
          200: {
            description: 'The config',
            schema: { type: 'object' },
            example: {
              id: '01K72P5N5KCRM6MD3BRE4P0778',
              created_at: '2026-11-22T20:13:11.482Z',
              updated_at: '2026-11-22T20:13:11.482Z',
              tags: [],
              name: 'weekly',
              data: { prediction_periods: 3, additional_continuous_covariates: [] },
            },
          },
        },
        problems: [400, 404],
      },
      (request) => links.configOf(parseUlid(request.params.id)),
    )
  }
}
