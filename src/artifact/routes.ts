import type { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Blobs } from '../blob/blobs.ts'
import { ChapkitError, validationError } from '../errors.ts'
import { answerDownload, namesTag, notModified } from '../http/bytes.ts'
import { assertNotPartOfPage, inertHeaders } from '../http/inert.ts'
import {
  absoluteUrl,
  addEndpoint,
  type CrudVerbs,
  idempotencyHeader,
  listAnswer,
  sendAnswered,
  sendList,
  sendPieces,
  statsAnswer,
  toIdempotentRequest,
} from '../http/routes.ts'
import { wholeBody } from '../http/whole-body.ts'
import type { Idempotency } from '../idempotency/idempotency.ts'
import { parseUlid, ulidSchema } from '../kernel/id.ts'
import { pageQueryProperties } from '../kernel/page.ts'
import { Tags } from '../kernel/tags.ts'
import type { Artifacts, TakenArtifact } from './artifacts.ts'
import { frameTag, toDownload } from './download.ts'
import { exampleArtifact, exampleFrameArtifact, nodeSchema, outSchema } from './examples.ts'
import { type FrameFormat, frameFormats } from './frame-forms.ts'
import type { ArtifactIntake } from './intake-queue.ts'
import type { Layouts } from './layouts.ts'
import { artifactHalves, summaryText } from './render.ts'
import type { Renderings } from './renderings.ts'
import { ArtifactIn } from './schema.ts'
import type { ArtifactRow } from './store.ts'

export interface ArtifactRoutesDeps {
  artifacts: Artifacts
  blobs: Blobs
  renderings: Renderings
  layouts: Layouts
  intake: ArtifactIntake
  idempotency: Idempotency
  /** Replaces an artifact, unless something forbids its move. */
  update: (id: string, input: TakenArtifact) => Promise<ArtifactRow>
  /** Removes an artifact and what is only about it. */
  remove: (id: string) => Promise<void>
  prefix: string
  publicUrl: string | null
  verbs: CrudVerbs
}

/** `/artifacts`: the CRUD of artifacts, their trees and their content. */
export function artifactRoutes(deps: ArtifactRoutesDeps) {
  const { artifacts, blobs, intake, idempotency, prefix, publicUrl, verbs } = deps
  const tag = 'Artifacts'
  const one = { description: 'The artifact', schema: outSchema, example: exampleArtifact }
  const ofOne = { permission: 'artifact:read', method: 'GET', tag, problems: [400, 404] } as const

  const toListed = (row: ArtifactRow) => ({ id: row.id, row })

  /** Routes that take artifacts: their bodies are read by the intake, not by the framework. */
  async function writing(taking: FastifyInstance) {
    taking.removeContentTypeParser('application/json')
    taking.addContentTypeParser(
      'application/json',
      async (request: FastifyRequest, payload: Readable) => {
        const body = await wholeBody(request, payload)
        return body.byteLength === 0 ? undefined : intake.take(body)
      },
    )
    if (verbs.create) {
      addEndpoint<{ Body: TakenArtifact }>(
        taking,
        {
          method: 'POST',
          url: prefix,
          permission: 'artifact:create',
          tag,
          summary: 'Create an artifact',
          description:
            '`data` is any JSON. Its member `content` is stored apart and left out of lists; beside it there may be 256 KiB. Types that begin with `ml_` are reserved. An `id` that exists already is a conflict.',
          body: ArtifactIn,
          largeBody: true,
          bodyExample: {
            data: { type: 'generic', metadata: {}, content: { note: 'hello' } },
            tags: [],
          },
          headers: idempotencyHeader,
          answers: { 201: { ...one, headers: { Location: 'URL of the artifact' } } },
          problems: [400, 409, 413, 422],
        },
        async (request, reply) => {
          const echo = (row: ArtifactRow) => ({
            status: 201,
            headers: { location: absoluteUrl(request, `${prefix}/${row.id}`, publicUrl) },
            body: keptText(row, request.body),
            jobId: null,
          })
          const outcome = await idempotency.run(toIdempotentRequest(request), async (remember) =>
            echo(await artifacts.createTaken(request.body, (tx, row) => remember(tx, echo(row)))),
          )
          return sendKept(reply, outcome, blobs)
        },
      )
    }
    if (verbs.update) {
      addEndpoint<{ Body: TakenArtifact }>(
        taking,
        {
          method: 'PUT',
          url: `${prefix}/:id`,
          permission: 'artifact:update',
          tag,
          summary: 'Replace an artifact',
          description:
            'Data is replaced; `parent_id` moves it, null makes it a root. Tags and a parent that are not sent stay as they are. Of models and predictions only tags can be changed.',
          body: ArtifactIn,
          largeBody: true,
          bodyExample: { data: { type: 'generic', metadata: {}, content: { note: 'changed' } } },
          answers: { 200: one },
          problems: [400, 404, 409, 413, 422],
        },
        async (request, reply) =>
          sendPieces(
            reply,
            await artifacts.fullText(await deps.update(parseUlid(request.params.id), request.body)),
          ),
      )
    }
  }

  return async (app: FastifyInstance) => {
    await app.register(writing)

    /** The answer to a create: small ones are kept with their idempotency key, so content comes as it is stored. */
    const created = async (request: Parameters<typeof absoluteUrl>[0], row: ArtifactRow) => ({
      status: 201,
      headers: { location: absoluteUrl(request, `${prefix}/${row.id}`, publicUrl) },
      body: await wholeText(await artifacts.fullText(row)),
      jobId: null,
    })

    if (verbs.create) {
      await app.register(async (raw) => {
        raw.removeAllContentTypeParsers()
        raw.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
        addEndpoint<{ Querystring: UploadQuery; Body: Readable | undefined }>(
          raw,
          {
            method: 'POST',
            url: `${prefix}/$upload`,
            permission: 'artifact:create',
            tag,
            summary: 'Upload bytes as an artifact',
            description:
              'The body, of any type and size, becomes the content of a generic artifact.',
            query: uploadQuery,
            streamsBody: true,
            otherBodies: [
              {
                contentType: 'application/octet-stream',
                schema: { type: 'string', format: 'binary' },
                example: 'any bytes',
              },
            ],
            headers: {
              'Content-Digest': {
                description: '`sha-256=:<base64>:`, checked when given',
                pattern: digestPattern.source,
              },
              ...idempotencyHeader,
            },
            answers: { 201: { ...one, headers: { Location: 'URL of the artifact' } } },
            problems: [400, 422, 507],
          },
          async (request, reply) => {
            const { parent_id: parentId = null, tags } = parseUploadQuery(request.query)
            const expected = parseDigest(request.headers['content-digest'] as string | undefined)
            const staged = await blobs.stage(
              request.body ?? new Uint8Array(),
              expected ? { expected } : {},
            )
            const contentType = request.headers['content-type'] ?? 'application/octet-stream'
            const answer = (row: ArtifactRow) => created(request, row)
            const outcome = await idempotency.run(
              {
                ...toIdempotentRequest(request),
                fingerprint: () => `${staged.hash} ${parentId} ${tags.join(',')}`,
              },
              async (remember) =>
                answer(
                  await artifacts.createFromBytes(
                    { staged, parentId, tags, contentType },
                    async (tx, row) => remember(tx, await answer(row)),
                  ),
                ),
            )
            return sendAnswered(reply, outcome)
          },
        )
      })
    }

    if (verbs.read) {
      addEndpoint(
        app,
        {
          method: 'GET',
          url: prefix,
          permission: 'artifact:read',
          tag,
          summary: 'List artifacts',
          description: 'In order of creation, without their content.',
          query: { type: 'object', properties: pageQueryProperties },
          answers: { 200: listAnswer('The artifacts', outSchema, exampleArtifact) },
          problems: [422],
        },
        (request, reply) =>
          sendList(request, reply, {
            fetch: async (page) => (await artifacts.list(page)).map(toListed),
            page: async (page, size) => {
              const { items, ...rest } = await artifacts.page(page, size)
              const head = `{"items":[${items.map(summaryText).join(',')}]`
              return `${head},${JSON.stringify(rest).slice(1)}`
            },
            toText: ({ row }) => summaryText(row),
          }),
      )
      addEndpoint(
        app,
        {
          ...ofOne,
          url: `${prefix}/$schema`,
          summary: 'JSON Schema of an artifact',
          problems: [],
          answers: {
            200: { description: 'The schema', schema: { type: 'object' }, example: outSchema },
          },
        },
        async () => outSchema,
      )
      addEndpoint(
        app,
        {
          ...ofOne,
          url: `${prefix}/$stats`,
          summary: 'Count artifacts',
          problems: [],
          answers: { 200: statsAnswer },
        },
        async () => ({ total: await artifacts.count() }),
      )
      addEndpoint(
        app,
        {
          ...ofOne,
          url: `${prefix}/:id`,
          summary: 'Get an artifact with its content',
          description:
            'Content that is not JSON is stood for by its size; `$download` has the bytes.',
          answers: { 200: { ...one, example: exampleFrameArtifact } },
        },
        async (request, reply) =>
          sendPieces(reply, await artifacts.text(parseUlid(request.params.id))),
      )
      addEndpoint(
        app,
        {
          ...ofOne,
          url: `${prefix}/:id/$expand`,
          summary: 'Get an artifact with the name of its level',
          answers: {
            200: {
              description: 'The node, without content and children',
              schema: nodeSchema,
              example: {
                ...exampleArtifact,
                level_label: 'ml_training_workspace',
                hierarchy: 'ml',
                children: null,
              },
            },
          },
        },
        (request) => artifacts.expand(parseUlid(request.params.id)),
      )
      addEndpoint(
        app,
        {
          ...ofOne,
          url: `${prefix}/:id/$tree`,
          summary: 'Get the tree below an artifact',
          answers: {
            200: {
              description: 'The node with its descendants, without content',
              schema: nodeSchema,
              example: {
                ...exampleArtifact,
                level_label: 'ml_training_workspace',
                hierarchy: 'ml',
                children: [],
              },
            },
          },
        },
        async (request, reply) =>
          sendPieces(reply, await artifacts.treeText(parseUlid(request.params.id))),
      )
      addEndpoint(
        app,
        {
          ...ofOne,
          url: `${prefix}/:id/$metadata`,
          summary: "Get an artifact's metadata",
          answers: {
            200: {
              description: '`data.metadata`, or an empty object',
              schema: {},
              example: exampleArtifact.data.metadata,
            },
          },
        },
        (request) => artifacts.metadata(parseUlid(request.params.id)),
      )
      addEndpoint(
        app,
        {
          ...ofOne,
          url: `${prefix}/:id/$lineage`,
          summary: 'Get what an artifact was made from',
          description:
            'Of a model: the config as it was, hashes of data and code, the signature, reported metrics.',
          answers: {
            200: {
              description: 'The lineage, or an empty object',
              schema: { type: 'object' },
              example: { config_id: '01K72P5N5KCRM6MD3BRE4P0778', metrics: { mae: 3.2 } },
            },
          },
        },
        (request) => artifacts.lineage(parseUlid(request.params.id)),
      )
      addEndpoint<{ Querystring: { format?: FrameFormat } }>(
        app,
        {
          ...ofOne,
          url: `${prefix}/:id/$download`,
          permission: 'artifact:download',
          summary: 'Download the content of an artifact',
          description:
            'Ranges and ETags are supported. Frames come in the format that is asked for. Scripts and styles come as `application/octet-stream`: a browser runs nothing that was uploaded.',
          query: {
            type: 'object',
            properties: { format: { enum: [...frameFormats], default: 'records' } },
          },
          headers: {
            Range: '`bytes=<from>-<to>`: a part of the bytes',
            'If-Range': 'ETag: the part only of these bytes, else all of others',
            'If-None-Match': 'ETag: nothing when these are still the bytes',
          },
          answers: {
            200: {
              description: 'The bytes',
              contentType: '*/*',
              schema: { type: 'string', format: 'binary' },
              example: '[{"time_period":"2020-03","location":"l0","sample_0":1.5}]',
            },
            206: {
              description: 'The part of them that was asked for',
              contentType: '*/*',
              schema: { type: 'string', format: 'binary' },
              example: '[{"time',
            },
            304: { description: 'They are still those of `If-None-Match`' },
          },
          problems: [400, 403, 404, 416, 422],
        },
        async (request, reply) => {
          assertNotPartOfPage(request.headers)
          const row = await artifacts.getRow(parseUlid(request.params.id))
          const format = request.query.format ?? 'records'
          // Who has the bytes already needs no rendering of them.
          const tag = frameTag(row, format)
          const answer =
            tag !== null && namesTag(request.headers['if-none-match'], tag)
              ? notModified(tag)
              : await answerDownload(
                  await toDownload(row, deps, format),
                  request.headers,
                  request.method,
                )
          const { status, headers, body } = answer
          const isShared = reply.hasHeader('access-control-allow-origin')
          return reply
            .code(status)
            .headers({ ...headers, ...inertHeaders(headers['content-type'], { isShared }) })
            .send(body)
        },
      )
    }

    if (verbs.delete) {
      addEndpoint(
        app,
        {
          method: 'DELETE',
          url: `${prefix}/:id`,
          permission: 'artifact:delete',
          tag,
          summary: 'Delete an artifact',
          description: 'Its children stay and become roots.',
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

interface UploadQuery {
  parent_id?: string
  tags?: string | string[]
}

const uploadQuery = {
  type: 'object',
  properties: {
    parent_id: { ...ulidSchema, description: 'ULID of the parent' },
    tags: { type: 'string', description: 'Comma separated' },
  },
} as const

function parseUploadQuery({ parent_id, tags }: UploadQuery) {
  const list = [tags ?? []].flat().flatMap((each) => each.split(',').filter((tag) => tag !== ''))
  const parsed = Tags.safeParse(list)
  if (!parsed.success || new Set(list).size < list.length) {
    throw validationError([
      {
        loc: ['query', 'tags'],
        msg: 'Expected up to 50 different tags of letters, digits, - and _',
        type: 'tags',
      },
    ])
  }
  return { ...(parent_id !== undefined && { parent_id }), tags: parsed.data }
}

const digestPattern = /(?:^|,)\s*sha-256=:([A-Za-z0-9+/]{43}=):/

/** The SHA-256 of a `Content-Digest` (RFC 9530), in hex. */
function parseDigest(header: string | undefined): string | undefined {
  if (header === undefined) return undefined
  const encoded = digestPattern.exec(header)?.[1]
  if (encoded === undefined) {
    throw new ChapkitError(
      'bad-request',
      'Expected `Content-Digest: sha-256=:<base64>:`, got another form',
    )
  }
  return Buffer.from(encoded, 'base64').toString('hex')
}

async function wholeText(pieces: (string | Readable)[]): Promise<string> {
  const parts: string[] = []
  for (const piece of pieces) {
    parts.push(typeof piece === 'string' ? piece : Buffer.concat(await piece.toArray()).toString())
  }
  return parts.join('')
}

/** Content up to this size is kept with the answer that says it; of larger content the answer is kept around it. */
const keptWhole = 64 * 1024

/**
 * The answer to a create, as it is kept with an idempotency key: the artifact's JSON, or, around large content, a JSON array of
 * what stands before it, its hash, and what stands behind it.
 */
function keptText(row: ArtifactRow, { data }: TakenArtifact): string {
  if (row.content_offset === null) return summaryText(row)
  const { head, tail } = artifactHalves(row)
  const content = data?.content
  if (!content) return `${head}null${tail}`
  return content.bytes.byteLength <= keptWhole
    ? head + Buffer.from(content.bytes).toString() + tail
    : JSON.stringify([head, content.hash, tail])
}

/** Sends what `keptText` has made. Content that has been deleted since the first answer is null. */
async function sendKept(
  reply: FastifyReply,
  outcome: Parameters<typeof sendAnswered>[1],
  blobs: Blobs,
): Promise<unknown> {
  const { answered, replayed } = outcome
  if (!answered.body.startsWith('[')) return sendAnswered(reply, outcome)
  const [head, hash, tail] = JSON.parse(answered.body) as [string, string, string]
  const content = (await blobs.has(hash)) ? await blobs.stream(hash) : 'null'
  if (replayed) reply.header('idempotency-replayed', 'true')
  reply.code(answered.status).headers(answered.headers)
  return sendPieces(reply, [head, content, tail])
}
