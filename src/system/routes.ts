import os from 'node:os'
import type { FastifyInstance } from 'fastify'
import { ChapkitError } from '../errors.ts'
import { addEndpoint, sendEvents } from '../http/routes.ts'
import { sseFrame } from '../http/sse.ts'
import { pause } from '../kernel/abort.ts'
import { type Clock, toTimestamp } from '../kernel/clock.ts'
import type { HealthChecks } from './health.ts'
import type { AppInfo, SystemInfo } from './schema.ts'

const healthExample = { status: 'healthy', checks: { database: { state: 'healthy' } } }
const healthSchema = {
  type: 'object',
  required: ['status'],
  properties: {
    status: { enum: ['healthy', 'degraded', 'unhealthy'] },
    checks: {
      type: 'object',
      additionalProperties: {
        type: 'object',
        required: ['state'],
        properties: {
          state: { enum: ['healthy', 'degraded', 'unhealthy'] },
          message: { type: 'string' },
        },
      },
    },
  },
} as const

export interface HealthRoutesDeps {
  health: HealthChecks
  prefix: string
  /** Aborts when the service stops: it is not ready from then on. */
  stopping: AbortSignal
}

/** `/health` and `/health/ready`: 503 when the service is unhealthy, the first with the state as its body; `/health/live`. */
export function healthRoutes({ health, prefix, stopping }: HealthRoutesDeps) {
  const shared = { method: 'GET', permission: 'public', tag: 'Observability' } as const

  return async (app: FastifyInstance) => {
    addEndpoint(
      app,
      {
        ...shared,
        url: prefix,
        summary: 'State of the service and its checks',
        answers: {
          200: { description: 'Healthy or degraded', schema: healthSchema, example: healthExample },
          503: {
            description: 'Unhealthy',
            schema: healthSchema,
            example: {
              status: 'unhealthy',
              checks: { database: { state: 'unhealthy', message: 'Database connection failed' } },
            },
          },
        },
      },
      async (_request, reply) => {
        const state = await health()
        if (state.status === 'unhealthy') reply.code(503)
        return state
      },
    )
    addEndpoint(
      app,
      {
        ...shared,
        url: `${prefix}/live`,
        summary: 'Whether the process answers',
        answers: {
          200: { description: 'It does', schema: healthSchema, example: { status: 'healthy' } },
        },
      },
      async () => ({ status: 'healthy' }),
    )
    addEndpoint(
      app,
      {
        ...shared,
        url: `${prefix}/ready`,
        summary: 'Whether the service should get traffic',
        answers: {
          200: { description: 'It should', schema: healthSchema, example: healthExample },
        },
        problems: [503],
      },
      async () => {
        if (stopping.aborted) throw notReady('The service is stopping')
        const state = await health()
        if (state.status !== 'unhealthy') return state
        const failing = Object.entries(state.checks ?? {}).filter(
          ([, check]) => check.state === 'unhealthy',
        )
        throw notReady(`Unhealthy: ${failing.map(([name]) => name).join(', ')}`)
      },
    )
    addEndpoint<{ Querystring: { poll_interval?: number } }>(
      app,
      {
        ...shared,
        url: `${prefix}/$stream`,
        summary: 'Follow the state of the service',
        query: {
          type: 'object',
          properties: { poll_interval: { type: 'number', minimum: 0.1, maximum: 60, default: 1 } },
        },
        answers: {
          200: {
            description: 'Server-sent events, each the body of the state',
            contentType: 'text/event-stream',
            schema: { type: 'string' },
            example: sseFrame(JSON.stringify(healthExample)),
          },
        },
        problems: [422],
      },
      (request, reply) => {
        const interval = (request.query.poll_interval ?? 1) * 1000
        const frames = async function* (signal: AbortSignal) {
          while (!signal.aborted) {
            yield sseFrame(JSON.stringify(await health()))
            await pause(interval, signal)
          }
        }
        return sendEvents(request, reply, frames, stopping)
      },
    )
  }
}

function notReady(detail: string): ChapkitError {
  return new ChapkitError('unavailable', detail, { headers: { 'retry-after': '5' } })
}

export interface InfoRoutesDeps {
  info: Readonly<Record<string, unknown>>
  prefix: string
}

/** `/api/v1/info`: what the service says about itself, with exactly the keys that clients know. */
export function infoRoutes({ info, prefix }: InfoRoutesDeps) {
  return async (app: FastifyInstance) => {
    addEndpoint(
      app,
      {
        method: 'GET',
        url: prefix,
        permission: 'service:read',
        tag: 'Service',
        summary: 'What the service is',
        answers: { 200: { description: 'The info', schema: { type: 'object' }, example: info } },
      },
      async () => info,
    )
  }
}

export interface SystemRoutesDeps {
  now: Clock
  prefix: string
  apps: readonly AppInfo[]
}

/** `/api/v1/system`: where the service runs. */
export function systemRoutes({ now, prefix, apps }: SystemRoutesDeps) {
  const platform = `${os.type()}-${os.release()}-${os.arch()}`

  return async (app: FastifyInstance) => {
    const shared = { method: 'GET', permission: 'service:read', tag: 'Service' } as const
    addEndpoint(
      app,
      {
        ...shared,
        url: prefix,
        summary: 'Where the service runs',
        description: '`python_version`, a name of the contract, carries the version of Node.',
        answers: {
          200: {
            description: 'The system',
            schema: {
              type: 'object',
              required: ['current_time', 'timezone', 'python_version', 'platform', 'hostname'],
              properties: {
                current_time: { type: 'string', format: 'date-time' },
                timezone: { type: 'string' },
                python_version: { type: 'string' },
                platform: { type: 'string' },
                hostname: { type: 'string' },
              },
            },
            example: {
              current_time: '2026-11-22T20:14:52.345Z',
              timezone: 'UTC',
              python_version: '24.21.0',
              platform: 'Linux-6.1.0-x64',
              hostname: 'forecast-1',
            },
          },
        },
      },
      async (): Promise<SystemInfo> => ({
        current_time: toTimestamp(now()),
        timezone: Intl.DateTimeFormat().resolvedOptions().timeZone,
        python_version: process.versions.node,
        platform,
        hostname: os.hostname(),
      }),
    )
    addEndpoint(
      app,
      {
        ...shared,
        url: `${prefix}/apps`,
        summary: 'Web apps that the service hosts',
        answers: { 200: { description: 'The apps', schema: appsSchema, example: appsExample } },
      },
      async () => apps,
    )
    addEndpoint(
      app,
      {
        ...shared,
        url: `${prefix}/apps/$schema`,
        summary: 'JSON Schema of the list of apps',
        answers: {
          200: { description: 'The schema', schema: { type: 'object' }, example: appsSchema },
        },
      },
      async () => appsSchema,
    )
  }
}

const appsExample: AppInfo[] = [
  {
    name: 'Dashboard',
    version: '1.0.0',
    prefix: '/dashboard',
    description: 'Forecasts on a map',
    author: null,
    entry: 'index.html',
    is_package: false,
  },
]

const appsSchema = {
  type: 'array',
  items: {
    title: 'AppInfo',
    type: 'object',
    required: ['name', 'version', 'prefix', 'entry', 'is_package'],
    properties: {
      name: { type: 'string' },
      version: { type: 'string' },
      prefix: { type: 'string' },
      description: { type: ['string', 'null'] },
      author: { type: ['string', 'null'] },
      entry: { type: 'string' },
      is_package: { type: 'boolean' },
    },
  },
} as const
