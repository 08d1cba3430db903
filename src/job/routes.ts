import type { FastifyInstance } from 'fastify'
import { addEndpoint, listAnswer, sendEvents, sendList } from '../http/routes.ts'
import { sseFrame } from '../http/sse.ts'
import { parseUlid } from '../kernel/id.ts'
import { pageQueryProperties, toPage } from '../kernel/page.ts'
import type { Jobs } from './jobs.ts'
import {
  exampleJob,
  isFinal,
  type JobStatus,
  jobSchema,
  jobStatuses,
  type LogLine,
} from './schema.ts'

export interface JobRoutesDeps {
  jobs: Jobs
  prefix: string
  /** Aborts when the service stops: streams end then. */
  stopping: AbortSignal
}

/** Where a cancel is asked for and not done: other services have that state. */
const canceling = 'canceling'

const exampleLine: LogLine = {
  seq: 1,
  time: '2026-11-22T20:14:52.351Z',
  stream: 'log',
  line: 'location 2 of 5',
}
const logsSchema = {
  type: 'object',
  required: ['items', 'next'],
  properties: {
    items: {
      type: 'array',
      items: {
        type: 'object',
        required: ['seq', 'time', 'stream', 'line'],
        properties: {
          seq: { type: 'integer' },
          time: { type: 'string', format: 'date-time' },
          stream: { enum: ['stdout', 'stderr', 'log'] },
          line: { type: 'string' },
        },
      },
    },
    next: { type: 'integer', description: 'Pass it as `after` to go on' },
  },
} as const

/** `/jobs`: what runs, what ran, and stopping it. */
export function jobRoutes({ jobs, prefix, stopping }: JobRoutesDeps) {
  const tag = 'Jobs'
  const one = { description: 'The job', schema: jobSchema, example: exampleJob }

  return async (app: FastifyInstance) => {
    addEndpoint<{ Querystring: { status_filter?: JobStatus | typeof canceling; type?: string } }>(
      app,
      {
        method: 'GET',
        url: prefix,
        permission: 'job:read',
        tag,
        summary: 'List jobs, newest first',
        query: {
          type: 'object',
          properties: {
            status_filter: {
              enum: [...jobStatuses, canceling],
              description: '`canceling`, a state of other services, matches no job',
            },
            type: { type: 'string', maxLength: 100 },
            ...pageQueryProperties,
          },
        },
        answers: { 200: listAnswer('The jobs', jobSchema, exampleJob) },
        problems: [422],
      },
      (request, reply) => {
        const { status_filter: status, type } = request.query
        if (status === canceling) {
          return sendList(request, reply, {
            fetch: async () => [],
            page: async (page, size) => toPage([], 0, page, size),
          })
        }
        const filter = { ...(status && { status }), ...(type && { type }) }
        return sendList(request, reply, {
          fetch: (page) => jobs.list(filter, page),
          page: (page, size) => jobs.page(filter, page, size),
        })
      },
    )

    addEndpoint(
      app,
      {
        method: 'GET',
        url: `${prefix}/$schema`,
        permission: 'job:read',
        tag,
        summary: 'JSON Schema of a list of jobs',
        answers: {
          200: {
            description: 'The schema',
            schema: { type: 'object' },
            example: { type: 'array', items: jobSchema },
          },
        },
      },
      async () => ({ type: 'array', items: jobSchema }),
    )

    addEndpoint(
      app,
      {
        method: 'GET',
        url: `${prefix}/:id`,
        permission: 'job:read',
        tag,
        summary: 'Get a job',
        answers: { 200: one },
        problems: [400, 404],
      },
      (request) => jobs.get(parseUlid(request.params.id)),
    )

    addEndpoint(
      app,
      {
        method: 'DELETE',
        url: `${prefix}/:id`,
        permission: 'job:delete',
        tag,
        summary: 'Delete a job',
        description: 'One that is pending or running is canceled first. What it has made stays.',
        answers: { 204: { description: 'Deleted' } },
        problems: [400, 404],
      },
      async (request, reply) => {
        await jobs.remove(parseUlid(request.params.id))
        return reply.code(204).send()
      },
    )

    addEndpoint(
      app,
      {
        method: 'POST',
        url: `${prefix}/:id/$cancel`,
        permission: 'job:cancel',
        tag,
        summary: 'Cancel a job',
        description: 'The model is asked to stop and stopped if it does not, within two seconds.',
        answers: { 202: one },
        problems: [400, 404, 409],
      },
      async (request, reply) =>
        reply.code(202).send(await jobs.cancel(parseUlid(request.params.id))),
    )

    addEndpoint<{ Querystring: { poll_interval?: number } }>(
      app,
      {
        method: 'GET',
        url: `${prefix}/:id/$stream`,
        permission: 'job:read',
        tag,
        summary: 'Follow a job',
        description:
          'Server-sent events, each the record of the job: at once, on every change, and at least every `poll_interval` seconds. Ends with the job.',
        query: {
          type: 'object',
          properties: {
            poll_interval: { type: 'number', minimum: 0.1, maximum: 60, default: 0.5 },
          },
        },
        answers: {
          200: {
            description: 'The events',
            contentType: 'text/event-stream',
            schema: { type: 'string' },
            example: sseFrame(JSON.stringify(exampleJob)),
          },
        },
        problems: [400, 404, 422],
      },
      async (request, reply) => {
        const id = parseUlid(request.params.id)
        await jobs.get(id)
        const interval = (request.query.poll_interval ?? 0.5) * 1000
        const frames = async function* (signal: AbortSignal) {
          for await (const record of jobs.changes(id, interval, signal)) {
            yield record ? sseFrame(JSON.stringify(record)) : sseFrame('{"status": "deleted"}')
          }
        }
        return sendEvents(request, reply, frames, stopping)
      },
    )

    addEndpoint<{ Querystring: { after?: number; limit?: number } }>(
      app,
      {
        method: 'GET',
        url: `${prefix}/:id/$logs`,
        permission: 'job:read',
        tag,
        summary: "Read a job's log",
        description:
          'Lines behind `after`, at most `limit`. With `Accept: text/event-stream` every line is an event, as it is written, until the job ends.',
        query: {
          type: 'object',
          properties: {
            after: { type: 'integer', minimum: 0, maximum: Number.MAX_SAFE_INTEGER, default: 0 },
            limit: { type: 'integer', minimum: 1, maximum: 10_000, default: 1000 },
          },
        },
        answers: {
          200: {
            description: 'The lines',
            schema: logsSchema,
            example: { items: [exampleLine], next: 1 },
          },
        },
        problems: [400, 404, 422],
      },
      async (request, reply) => {
        const id = parseUlid(request.params.id)
        const { after = 0, limit = 1000 } = request.query
        if (!request.headers.accept?.includes('text/event-stream'))
          return jobs.logs(id, after, limit)
        await jobs.get(id)
        return sendEvents(request, reply, (signal) => followLog(jobs, id, after, signal), stopping)
      },
    )
  }
}

async function* followLog(jobs: Jobs, id: string, start: number, signal: AbortSignal) {
  let after = start
  for await (const record of jobs.changes(id, 5000, signal)) {
    if (!record) return
    for (;;) {
      const { items, next } = await jobs.logs(id, after, 1000)
      for (const line of items) yield sseFrame(JSON.stringify(line))
      after = next
      if (items.length < 1000) break
    }
    if (isFinal(record.status)) return
  }
}
