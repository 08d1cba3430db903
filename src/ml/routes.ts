import type { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Artifacts } from '../artifact/artifacts.ts'
import type { Blobs } from '../blob/blobs.ts'
import { ChapkitError, validationError } from '../errors.ts'
import {
  addEndpoint,
  type Endpoint,
  idempotencyHeader,
  onlyWaits,
  sendAnswered,
  sendPieces,
  toIdempotentRequest,
} from '../http/routes.ts'
import { wholeBody } from '../http/whole-body.ts'
import type { Answered, Idempotency, IdempotentRequest } from '../idempotency/idempotency.ts'
import { exampleJob, isFinal, type JobRecord, jobSchema } from '../job/schema.ts'
import { isUlid, parseUlid } from '../kernel/id.ts'
import { ulidIssue } from '../kernel/page.ts'
import { examples, schemas } from './examples.ts'
import { type MLServiceInfo, samplePeriod } from './info.ts'
import type { PredictIntake, TrainIntake } from './intake.ts'
import type { IntakeQueue } from './intake-queue.ts'
import type { Ml, Submitted } from './ml.ts'

export interface MlRoutesDeps {
  ml: Ml
  intake: IntakeQueue
  idempotency: Idempotency
  artifacts: Artifacts
  blobs: Blobs
  info: MLServiceInfo
  prefix: string
  stopping: AbortSignal
}

const preferHeader = {
  Prefer: '`wait=N` (1 to 60): answer when the job has ended, if it does within N seconds',
}

/** `/ml`: training, predicting, and asking first. */
export function mlRoutes(deps: MlRoutesDeps) {
  const { ml, intake, idempotency, artifacts, blobs, info, prefix, stopping } = deps
  const tag = 'ML'

  /** Submits, once per idempotency key, and waits for the end when the client prefers that. */
  async function submit(
    request: FastifyRequest,
    reply: FastifyReply,
    kind: 'train' | 'predict',
    create: (along: Parameters<Ml['train']>[1]) => Promise<Submitted>,
  ) {
    const toAnswer = (submitted: Submitted): Answered => ({
      status: 202,
      headers: {},
      body: JSON.stringify(submitAnswer(kind, submitted)),
      jobId: submitted.jobId,
    })
    const wait = parseWait(request.headers.prefer as string | undefined)
    const outcome = await idempotency.run(toSubmitRequest(request), async (remember) => {
      await ml.assertRoom(kind)
      return toAnswer(await create((tx, submitted) => remember(tx, toAnswer(submitted))))
    })
    const { jobId } = outcome.answered
    if (wait === null || jobId === null) return sendAnswered(reply, outcome)

    const gone = new AbortController()
    reply.raw.once('close', () => gone.abort())
    reply.raw.emit(onlyWaits)
    const job = await ml.waitFor(jobId, wait * 1000, AbortSignal.any([stopping, gone.signal]))
    // Still running, or deleted since: then the promise is all there is to say.
    if (!job || !isFinal(job.status)) return sendAnswered(reply, outcome)
    if (outcome.replayed) reply.header('idempotency-replayed', 'true')
    reply.headers({ 'preference-applied': `wait=${wait}`, 'content-type': 'application/json' })
    return sendPieces(reply, await withEnd(outcome.answered.body, job, kind))
  }

  /** The answer of a submit whose job has ended; a prediction's frame is passed on as it is stored. */
  async function withEnd(
    body: string,
    job: JobRecord,
    kind: 'train' | 'predict',
  ): Promise<(string | Readable)[]> {
    const head = `${body.slice(0, -1)},"job":${JSON.stringify(job)}`
    if (kind === 'train' || job.status !== 'completed' || job.artifact_id === null) {
      return [`${head}}`]
    }
    const { content_hash: hash } = await artifacts.getRow(job.artifact_id)
    return [`${head},"prediction":`, hash === null ? 'null' : await blobs.stream(hash), '}']
  }

  return async (app: FastifyInstance) => {
    // The bodies of this slice are read by the intake, not by the framework: they may be large.
    app.removeAllContentTypeParsers()
    takeBytes(app, 'application/json')

    const submitAnswers: Endpoint['answers'] = {
      202: {
        description: 'Stored; the job will run',
        schema: schemas.submitted,
        example: examples.submitted,
      },
      200: {
        description: 'The job has ended while the client waited',
        schema: {
          ...schemas.submitted,
          properties: { ...schemas.submitted.properties, job: jobSchema },
        },
        example: { ...examples.submitted, job: { ...exampleJob, status: 'completed' } },
      },
    }

    await app.register(async (scope) => {
      takeBytes(scope, 'text/csv')
      addEndpoint<{ Body: Buffer; Querystring: TrainQuery }>(
        scope,
        {
          method: 'POST',
          url: `${prefix}/$train`,
          permission: 'ml:train',
          tag,
          summary: 'Submit a training',
          description:
            'With `?config_id=…` the body may also be a CSV file with a header line; other parameters say how it is written. How many periods the model is to forecast says `run_info`, or `prediction_periods` in the query of a CSV file, else the config.',
          query: schemas.trainQuery,
          largeBody: true,
          otherBodies: [
            { contentType: 'application/json', schema: schemas.trainIn, example: examples.trainIn },
            { contentType: 'text/csv', schema: { type: 'string' }, example: examples.csv },
          ],
          headers: { ...idempotencyHeader, ...preferHeader },
          answers: submitAnswers,
          problems: [400, 404, 409, 413, 415, 422, 429],
        },
        (request, reply) =>
          submit(request, reply, 'train', async (along) =>
            ml.train((await takeTrain(request)) as TrainIntake, along),
          ),
      )
    })

    function takeTrain(request: FastifyRequest<{ Body: Buffer; Querystring: TrainQuery }>) {
      if (!isCsv(request)) {
        return intake.take({ form: 'json', type: 'train', body: bodyOf(request) })
      }
      const {
        config_id: configId,
        prediction_periods: periods = null,
        delimiter,
        decimal,
        map,
        date_format: dateFormat,
      } = request.query
      if (!isUlid(configId)) throw validationError([ulidIssue(['query', 'config_id'], configId)])
      const dialect = { delimiter, decimal, map: [map ?? []].flat(), dateFormat }
      const periodType = info.period_type
      const body = bodyOf(request)
      return intake.take({ form: 'csv', configId, periods, body, dialect, periodType })
    }

    addEndpoint<{ Body: Buffer }>(
      app,
      {
        method: 'POST',
        url: `${prefix}/$predict`,
        permission: 'ml:predict',
        tag,
        summary: 'Submit a prediction',
        description:
          'How many periods the model is to forecast says `run_info`, else `future`: as many as one of its locations has.',
        largeBody: true,
        otherBodies: [
          {
            contentType: 'application/json',
            schema: schemas.predictIn,
            example: examples.predictIn,
          },
        ],
        headers: { ...idempotencyHeader, ...preferHeader },
        answers: submitAnswers,
        problems: [400, 404, 409, 413, 415, 422, 429],
      },
      (request, reply) =>
        submit(request, reply, 'predict', async (along) => {
          const taken = await intake.take({ form: 'json', type: 'predict', body: bodyOf(request) })
          return ml.predict(taken as PredictIntake, along)
        }),
    )

    addEndpoint<{ Body: Buffer }>(
      app,
      {
        method: 'POST',
        url: `${prefix}/$validate`,
        permission: 'ml:validate',
        tag,
        summary: 'Check a training or a prediction without running it',
        largeBody: true,
        otherBodies: [
          {
            contentType: 'application/json',
            schema: schemas.validateIn,
            example: examples.validateIn,
          },
        ],
        answers: {
          200: {
            description: 'The findings; `valid` when none of them is an error',
            schema: schemas.verdict,
            example: examples.verdict,
          },
        },
        problems: [400, 413, 415, 422],
      },
      async (request) =>
        ml.validate(intake.take({ form: 'json', type: 'by-type', body: bodyOf(request) })),
    )

    addEndpoint<{ Querystring: SampleQuery }>(
      app,
      {
        method: 'GET',
        url: `${prefix}/$generate-sample-data`,
        permission: 'ml:validate',
        tag,
        summary: 'Make sample data',
        description:
          'At most 200 000 cells. A seed below 0 gives other data every time. With `config_id` the covariates of that config are columns, too. `future` has as many periods as were asked for, within the bounds of the service.',
        query: schemas.sampleQuery,
        answers: {
          200: {
            description: 'A request body to try',
            schema: { type: 'object' },
            example: examples.sample,
          },
        },
        problems: [400, 404, 422],
      },
      async (request) => {
        const query = request.query
        const configId = query.config_id ? parseUlid(query.config_id) : null
        const sample = await ml.sample({
          configId,
          kind: query.kind ?? 'train',
          numLocations: query.num_locations ?? 5,
          numPeriods: query.num_periods ?? 50,
          numFeatures: query.num_features ?? 3,
          periodType: query.period_type ?? samplePeriod(info),
          geoType: query.geo_type ?? 'polygon',
          includeGeo: query.include_geo ?? info.requires_geo,
          seed: query.seed ?? -1,
        })
        return 'data' in sample && configId !== null ? { ...sample, config_id: configId } : sample
      },
    )
  }
}

interface TrainQuery {
  config_id?: string
  delimiter?: string
  decimal?: string
  map?: string | string[]
  date_format?: string
  prediction_periods?: number
}

interface SampleQuery {
  kind?: 'train' | 'predict'
  config_id?: string
  num_locations?: number
  num_periods?: number
  num_features?: number
  period_type?: 'monthly' | 'weekly'
  geo_type?: 'polygon' | 'point'
  include_geo?: boolean
  seed?: number
}

/** Bodies of a media type, as the bytes that came. */
function takeBytes(app: FastifyInstance, type: string): void {
  app.addContentTypeParser(type, wholeBody)
}

const isCsv = (request: FastifyRequest): boolean =>
  /^text\/csv\b/i.test(request.headers['content-type'] ?? '')

/** A CSV body says nothing of its config: the same file for another one is another request. */
function toSubmitRequest(request: FastifyRequest): IdempotentRequest {
  const plain = toIdempotentRequest(request)
  if (!isCsv(request)) return plain
  const { config_id: configId, ...reading } = request.query as TrainQuery
  // How it is to be read is part of it, too.
  const how = Object.keys(reading).length === 0 ? '' : ` ${JSON.stringify(reading)}`
  return { ...plain, fingerprint: async () => `${await plain.fingerprint()} ${configId}${how}` }
}

function bodyOf(request: FastifyRequest<{ Body: Buffer }>): Buffer {
  if (request.body?.byteLength > 0) return request.body
  throw new ChapkitError('invalid-json', 'Expected a JSON document, got an empty body')
}

/** Seconds of `Prefer: wait=N` (RFC 7240); other preferences and other numbers are not ours to honour. */
function parseWait(header: string | undefined): number | null {
  const seconds = Number(/(?:^|[,;\s])wait\s*=\s*"?(\d+)"?/i.exec(header ?? '')?.[1])
  return seconds >= 1 && seconds <= 60 ? seconds : null
}

function submitAnswer(kind: 'train' | 'predict', { jobId, artifactId }: Submitted) {
  const title = kind === 'train' ? 'Training' : 'Prediction'
  const alias = kind === 'train' ? 'model_artifact_id' : 'prediction_artifact_id'
  return {
    job_id: jobId,
    artifact_id: artifactId,
    message: `${title} job submitted. Job ID: ${jobId}`,
    [alias]: artifactId,
  }
}
