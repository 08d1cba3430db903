import type { FastifyInstance, FastifyReply } from 'fastify'
import {
  absoluteUrl,
  addEndpoint,
  idempotencyHeader,
  listAnswer,
  sendAnswered,
  sendList,
  statsAnswer,
  toIdempotentRequest,
} from '../http/routes.ts'
import type {
  Answered,
  Idempotency,
  IdempotentRequest,
  Remember,
} from '../idempotency/idempotency.ts'
import { parseUlid } from '../kernel/id.ts'
import { toJsonSchema } from '../kernel/json-schema.ts'
import { pageQueryProperties } from '../kernel/page.ts'
import {
  exampleIn,
  exampleRun,
  exampleSchedule,
  exampleTriggered,
  runSchema,
  scheduleSchema,
} from './examples.ts'
import type { Schedules } from './schedules.ts'
import { ScheduleIn, type ScheduleOut, type ScheduleRun } from './schema.ts'

export interface ScheduleRoutesDeps {
  schedules: Schedules
  idempotency: Idempotency
  prefix: string
  publicUrl: string | null
}

const tag = 'Schedules'
const one = { description: 'The schedule', schema: scheduleSchema, example: exampleSchedule }
const maximumNext = 100

/** `/schedules`: when tasks run by themselves, and what became of it. */
export function scheduleRoutes(deps: ScheduleRoutesDeps) {
  return async (app: FastifyInstance) => {
    addReading(app, deps)
    addChanging(app, deps)
    addRunning(app, deps)
  }
}

function addReading(app: FastifyInstance, { schedules, prefix }: ScheduleRoutesDeps) {
  addEndpoint(
    app,
    {
      method: 'GET',
      url: prefix,
      permission: 'schedule:read',
      tag,
      summary: 'List schedules',
      description:
        'A bare array in order of creation; an envelope with totals when `page` and `size` are both given.',
      query: { type: 'object', properties: pageQueryProperties },
      answers: { 200: listAnswer('The schedules', scheduleSchema, exampleSchedule) },
      problems: [422],
    },
    (request, reply) => sendList(request, reply, { fetch: schedules.list, page: schedules.page }),
  )
  addEndpoint(
    app,
    {
      method: 'GET',
      url: `${prefix}/$schema`,
      permission: 'schedule:read',
      tag,
      summary: 'JSON Schema of a schedule as it is sent',
      answers: {
        200: {
          description: 'The schema',
          schema: { type: 'object' },
          example: { type: 'object', required: ['name', 'task_id', 'trigger'] },
        },
      },
    },
    async () => ({ ...toJsonSchema(ScheduleIn), title: 'Schedule' }),
  )
  addEndpoint(
    app,
    {
      method: 'GET',
      url: `${prefix}/$stats`,
      permission: 'schedule:read',
      tag,
      summary: 'Count schedules',
      answers: { 200: statsAnswer },
    },
    async () => ({ total: await schedules.count() }),
  )
  addEndpoint(
    app,
    {
      method: 'GET',
      url: `${prefix}/:id`,
      permission: 'schedule:read',
      tag,
      summary: 'Get a schedule',
      answers: { 200: one },
      problems: [400, 404],
    },
    (request) => schedules.get(parseUlid(request.params.id)),
  )
  addEndpoint<{ Querystring: { count?: number } }>(
    app,
    {
      method: 'GET',
      url: `${prefix}/:id/$next`,
      permission: 'schedule:read',
      tag,
      summary: 'When a schedule runs next',
      description: 'Also of one that is paused: when it would run if it were resumed now.',
      query: {
        type: 'object',
        properties: {
          count: {
            type: 'integer',
            minimum: 1,
            maximum: maximumNext,
            description: `How many slots, 1 to ${maximumNext}; 5 by default`,
          },
        },
      },
      answers: {
        200: {
          description: 'Its next slots, in order; fewer when there are no more',
          schema: {
            type: 'object',
            required: ['items'],
            properties: {
              items: { type: 'array', items: { type: 'string', format: 'date-time' } },
            },
          },
          example: { items: ['2026-11-23T01:00:00.000Z', '2026-11-30T01:00:00.000Z'] },
        },
      },
      problems: [400, 404, 422],
    },
    async (request) => ({
      items: await schedules.next(parseUlid(request.params.id), request.query.count ?? 5),
    }),
  )
  addEndpoint(
    app,
    {
      method: 'GET',
      url: `${prefix}/:id/$runs`,
      permission: 'schedule:read',
      tag,
      summary: 'What became of the slots of a schedule, newest first',
      description: 'Kept as long as jobs are.',
      query: { type: 'object', properties: pageQueryProperties },
      answers: { 200: listAnswer('The runs', runSchema, exampleRun) },
      problems: [400, 404, 422],
    },
    (request, reply) => {
      const id = parseUlid(request.params.id)
      return sendList(request, reply, {
        fetch: (page) => schedules.runs(id, page),
        page: (page, size) => schedules.runsPage(id, page, size),
      })
    },
  )
}

function addChanging(
  app: FastifyInstance,
  { schedules, idempotency, prefix, publicUrl }: ScheduleRoutesDeps,
) {
  addEndpoint<{ Body: ScheduleIn }>(
    app,
    {
      method: 'POST',
      url: prefix,
      permission: 'schedule:create',
      tag,
      summary: 'Create a schedule',
      description: 'It executes the task at each slot of its trigger that is still to come.',
      body: ScheduleIn,
      bodyExample: exampleIn,
      headers: idempotencyHeader,
      answers: { 201: { ...one, headers: { Location: 'URL of the schedule' } } },
      problems: [400, 409, 422],
    },
    (request, reply) =>
      once(idempotency, toIdempotentRequest(request), reply, (remember) => {
        const toAnswer = (schedule: ScheduleOut): Answered => ({
          status: 201,
          headers: { location: absoluteUrl(request, `${prefix}/${schedule.id}`, publicUrl) },
          body: JSON.stringify(schedule),
          jobId: null,
        })
        return schedules
          .create(request.body, (tx, schedule) => remember(tx, toAnswer(schedule)))
          .then(toAnswer)
      }),
  )
  addEndpoint<{ Body: ScheduleIn }>(
    app,
    {
      method: 'PUT',
      url: `${prefix}/:id`,
      permission: 'schedule:update',
      tag,
      summary: 'Replace a schedule',
      description:
        'What is left out takes its default. Slots until now are decided by what the schedule was; a schedule of the service file is changed there.',
      body: ScheduleIn,
      bodyExample: exampleIn,
      answers: { 200: one },
      problems: [400, 404, 409, 422],
    },
    (request) => schedules.update(parseUlid(request.params.id), request.body),
  )
  addEndpoint(
    app,
    {
      method: 'DELETE',
      url: `${prefix}/:id`,
      permission: 'schedule:delete',
      tag,
      summary: 'Delete a schedule',
      description: 'Its jobs stay, and run on; slots that wait for their turn are gone.',
      answers: { 204: { description: 'Deleted' } },
      problems: [400, 404, 409],
    },
    async (request, reply) => {
      await schedules.remove(parseUlid(request.params.id))
      return reply.code(204).send()
    },
  )
  addEndpoint(
    app,
    {
      method: 'POST',
      url: `${prefix}/:id/$pause`,
      permission: 'schedule:update',
      tag,
      summary: 'Pause a schedule',
      description: 'Slots that come meanwhile are left out. Jobs that run go on.',
      answers: {
        200: { ...one, example: { ...exampleSchedule, paused: true, next_run_at: null } },
      },
      problems: [400, 404],
    },
    (request) => schedules.pause(parseUlid(request.params.id)),
  )
  addEndpoint(
    app,
    {
      method: 'POST',
      url: `${prefix}/:id/$resume`,
      permission: 'schedule:update',
      tag,
      summary: 'Let a schedule go on',
      description: 'With the next slot; those that came while it was paused stay left out.',
      answers: { 200: one },
      problems: [400, 404],
    },
    (request) => schedules.resume(parseUlid(request.params.id)),
  )
}

function addRunning(app: FastifyInstance, { schedules, idempotency, prefix }: ScheduleRoutesDeps) {
  addEndpoint(
    app,
    {
      method: 'POST',
      url: `${prefix}/:id/$trigger`,
      permission: 'schedule:trigger',
      tag,
      summary: 'Run a schedule now',
      description:
        'Besides its slots, whatever else runs, and also while it is paused. Later slots see the job as an earlier one.',
      headers: idempotencyHeader,
      answers: {
        202: {
          description: 'Stored; the job will run',
          schema: runSchema,
          example: exampleTriggered,
        },
      },
      problems: [400, 404, 409, 422, 429],
    },
    (request, reply) => {
      const id = parseUlid(request.params.id)
      const toAnswer = (run: ScheduleRun): Answered => ({
        status: 202,
        headers: {},
        body: JSON.stringify(run),
        jobId: run.job_id,
      })
      const asked = toIdempotentRequest(request)
      // The same key for another schedule is another request.
      const scoped = { ...asked, route: `${asked.route} ${id}` }
      return once(idempotency, scoped, reply, (remember) =>
        schedules.trigger(id, (tx, run) => remember(tx, toAnswer(run))).then(toAnswer),
      )
    },
  )
}

/** A request that may be sent again with its key. */
async function once(
  idempotency: Idempotency,
  asked: IdempotentRequest,
  reply: FastifyReply,
  make: (remember: Remember) => Promise<Answered>,
): Promise<unknown> {
  return sendAnswered(reply, await idempotency.run(asked, make))
}
