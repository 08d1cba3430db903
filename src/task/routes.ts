import type { FastifyInstance } from 'fastify'
import { type Issue, validationError } from '../errors.ts'
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
import type { Answered, Idempotency } from '../idempotency/idempotency.ts'
import { parseUlid } from '../kernel/id.ts'
import { toJsonSchema } from '../kernel/json-schema.ts'
import { pageQueryProperties } from '../kernel/page.ts'
import { show } from '../kernel/show.ts'
import {
  exampleIn,
  exampleSubmitted,
  exampleTask,
  submittedSchema,
  taskSchema,
} from './examples.ts'
import { ExecuteIn, TaskIn, type TaskOut } from './schema.ts'
import type { SubmittedTask, Tasks } from './tasks.ts'

export interface TaskRoutesDeps {
  tasks: Tasks
  idempotency: Idempotency
  prefix: string
  publicUrl: string | null
}

/** `/tasks`: the CRUD of tasks, and running them. */
export function taskRoutes({ tasks, idempotency, prefix, publicUrl }: TaskRoutesDeps) {
  const tag = 'Tasks'
  const one = { description: 'The task', schema: taskSchema, example: exampleTask }

  return async (app: FastifyInstance) => {
    addEndpoint<{ Body: TaskIn }>(
      app,
      {
        method: 'POST',
        url: prefix,
        permission: 'task:create',
        tag,
        summary: 'Create a task',
        description:
          'A function of the service with parameters of its own; a command only where the service has `allowRemoteCommands`.',
        body: TaskIn,
        bodyExample: exampleIn,
        headers: idempotencyHeader,
        answers: { 201: { ...one, headers: { Location: 'URL of the task' } } },
        problems: [400, 403, 409, 422],
      },
      async (request, reply) => {
        const toAnswer = (task: TaskOut): Answered => ({
          status: 201,
          headers: { location: absoluteUrl(request, `${prefix}/${task.id}`, publicUrl) },
          body: JSON.stringify(task),
          jobId: null,
        })
        const outcome = await idempotency.run(toIdempotentRequest(request), async (remember) =>
          toAnswer(await tasks.create(request.body, (tx, task) => remember(tx, toAnswer(task)))),
        )
        return sendAnswered(reply, outcome)
      },
    )
    addEndpoint<{ Querystring: { enabled?: boolean } }>(
      app,
      {
        method: 'GET',
        url: prefix,
        permission: 'task:read',
        tag,
        summary: 'List tasks',
        description:
          'A bare array in order of creation; an envelope with totals when `page` and `size` are both given.',
        query: {
          type: 'object',
          properties: {
            enabled: { type: 'boolean', description: 'Only those that may run, or may not' },
            ...pageQueryProperties,
          },
        },
        answers: { 200: listAnswer('The tasks', taskSchema, exampleTask) },
        problems: [422],
      },
      (request, reply) => {
        const { enabled } = request.query
        const filter = enabled === undefined ? {} : { enabled }
        return sendList(request, reply, {
          fetch: (page) => tasks.list(filter, page),
          page: (page, size) => tasks.page(filter, page, size),
        })
      },
    )
    addEndpoint(
      app,
      {
        method: 'GET',
        url: `${prefix}/$schema`,
        permission: 'task:read',
        tag,
        summary: 'JSON Schema of a task as it is sent',
        answers: {
          200: {
            description: 'The schema',
            schema: { type: 'object' },
            example: {
              type: 'object',
              title: 'Task',
              required: ['command'],
              properties: { command: { type: 'string' } },
            },
          },
        },
      },
      async () => ({ ...toJsonSchema(TaskIn), title: 'Task' }),
    )
    addEndpoint(
      app,
      {
        method: 'GET',
        url: `${prefix}/$stats`,
        permission: 'task:read',
        tag,
        summary: 'Count tasks',
        answers: { 200: statsAnswer },
      },
      async () => ({ total: await tasks.count() }),
    )
    addEndpoint(
      app,
      {
        method: 'GET',
        url: `${prefix}/:id`,
        permission: 'task:read',
        tag,
        summary: 'Get a task',
        answers: { 200: one },
        problems: [400, 404],
      },
      (request) => tasks.get(parseUlid(request.params.id)),
    )
    addEndpoint(
      app,
      {
        method: 'GET',
        url: `${prefix}/:id/$schema`,
        permission: 'task:read',
        tag,
        summary: "JSON Schema of a task's parameters",
        description: 'An object of anything where the task has no schema.',
        answers: {
          200: {
            description: 'The schema',
            schema: { type: 'object' },
            example: {
              type: 'object',
              properties: { tag: { type: 'string', default: 'surveillance' } },
            },
          },
        },
        problems: [400, 404],
      },
      (request) => tasks.schema(parseUlid(request.params.id)),
    )
    addEndpoint<{ Body: TaskIn }>(
      app,
      {
        method: 'PUT',
        url: `${prefix}/:id`,
        permission: 'task:update',
        tag,
        summary: 'Replace a task',
        description:
          'Of a task in the service file only `tags` and `enabled` can change. What is left out stays as it is.',
        body: TaskIn,
        bodyExample: exampleIn,
        answers: { 200: one },
        problems: [400, 403, 404, 409, 422],
      },
      (request) => tasks.update(parseUlid(request.params.id), request.body),
    )
    for (const [verb, wanted] of [
      ['enable', true],
      ['disable', false],
    ] as const) {
      addEndpoint(
        app,
        {
          method: 'POST',
          url: `${prefix}/:id/$${verb}`,
          permission: 'task:update',
          tag,
          summary: wanted ? 'Let a task run' : 'Keep a task from running',
          answers: { 200: { ...one, example: { ...exampleTask, enabled: wanted } } },
          problems: [400, 404],
        },
        (request) => tasks.setEnabled(parseUlid(request.params.id), wanted),
      )
    }
    addEndpoint(
      app,
      {
        method: 'DELETE',
        url: `${prefix}/:id`,
        permission: 'task:delete',
        tag,
        summary: 'Delete a task',
        description: 'Results and jobs of it stay.',
        answers: { 204: { description: 'Deleted' } },
        problems: [400, 404, 409],
      },
      async (request, reply) => {
        await tasks.remove(parseUlid(request.params.id))
        return reply.code(204).send()
      },
    )
    addEndpoint<{ Body: unknown }>(
      app,
      {
        method: 'POST',
        url: `${prefix}/:id/$execute`,
        permission: 'task:execute',
        tag,
        summary: 'Run a task',
        otherBodies: [
          {
            contentType: 'application/json',
            schema: toJsonSchema(ExecuteIn),
            example: { parameters: { tag: 'surveillance' } },
            required: false,
          },
        ],
        headers: idempotencyHeader,
        answers: {
          202: {
            description: 'Stored; the job will run',
            schema: submittedSchema,
            example: exampleSubmitted,
          },
        },
        problems: [400, 404, 409, 422, 429],
      },
      async (request, reply) => {
        const id = parseUlid(request.params.id)
        const { parameters } = toExecuteIn(request.body)
        const toAnswer = ({ jobId, artifactId }: SubmittedTask): Answered => ({
          status: 202,
          headers: {},
          body: JSON.stringify({
            job_id: jobId,
            message: `Task submitted for execution. Job ID: ${jobId}`,
            artifact_id: artifactId,
          }),
          jobId,
        })
        // The same key for another task is another request.
        const asked = toIdempotentRequest(request)
        const scoped = { ...asked, route: `${asked.route} ${id}` }
        const outcome = await idempotency.run(scoped, async (remember) =>
          toAnswer(
            await tasks.execute(id, parameters, (tx, submitted) =>
              remember(tx, toAnswer(submitted)),
            ),
          ),
        )
        return sendAnswered(reply, outcome)
      },
    )
  }
}

/** The body may be left out. */
function toExecuteIn(body: unknown): ExecuteIn {
  if (body === undefined || body === null) return {}
  const refuse = (loc: Issue['loc'], came: unknown) =>
    validationError([{ loc, msg: `Expected an object, got ${show(came)}`, type: 'type' }])
  if (!isObject(body)) throw refuse(['body'], body)
  const { parameters } = body
  if (parameters === undefined || parameters === null) return {}
  if (!isObject(parameters)) throw refuse(['body', 'parameters'], parameters)
  return { parameters }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
