import { errorCatalogue } from '../errors.ts'
import type { RouteDoc } from '../http/routes.ts'
import type { JsonSchema } from '../kernel/json-schema.ts'
import type { Auth } from './guard.ts'
import type { KnownRoute } from './routing.ts'

export interface OpenApiInfo {
  title: string
  version: string
  description: string | null
  /** Address that clients use; null leaves it to where the document came from. */
  publicUrl: string | null
  /** Null where nobody has to say who asks. */
  auth: Pick<Auth, 'headerName' | 'isOpen'> | null
}

/** In the order in which a reader wants them. */
const tagTexts: Readonly<Record<string, string>> = {
  ML: 'Training, predicting, and asking first',
  Config: 'Named configurations of the model',
  Artifacts: 'Models, predictions and other results, as trees',
  Jobs: 'Work that runs in the background and outlives a restart',
  Tasks: 'Commands and functions of the service file, run as jobs',
  Schedules: 'Tasks that run by the clock, each slot once',
  Service: 'What the service is',
  Observability: 'How the service does',
}

/** Place of a tag in the document: a user's own come behind ours. */
function order(tag: string): number {
  const at = Object.keys(tagTexts).indexOf(tag)
  return at < 0 ? Number.MAX_SAFE_INTEGER : at
}

const problemSchema = {
  title: 'Problem',
  description: 'RFC 9457 problem details',
  type: 'object',
  required: ['type', 'title', 'status', 'detail', 'instance', 'request_id', 'trace_id'],
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    instance: { type: 'string' },
    request_id: { type: 'string' },
    trace_id: { type: 'string', description: 'The same as `request_id`' },
    errors: {
      type: 'array',
      items: {
        type: 'object',
        required: ['loc', 'msg', 'type'],
        properties: {
          loc: { type: 'array', items: { type: ['string', 'integer'] } },
          msg: { type: 'string' },
          type: { type: 'string' },
        },
      },
    },
  },
} as const

/** The OpenAPI 3.1 document of the routes that a service has. */
export function toOpenApi(routes: readonly KnownRoute[], info: OpenApiInfo): JsonSchema {
  const paths: Record<string, Record<string, unknown>> = {}
  const tags = new Set<string>()
  for (const route of routes) {
    // HEAD comes with every GET and says nothing new.
    if (!route.doc || route.method === 'HEAD') continue
    tags.add(route.doc.tag)
    const path = route.url.replace(/:(\w+)/g, '{$1}')
    paths[path] = {
      ...paths[path],
      [route.method.toLowerCase()]: toOperation(
        route,
        route.doc,
        info.auth?.isOpen(route) === false,
      ),
    }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: info.title,
      version: info.version,
      ...(info.description !== null && { description: info.description }),
    },
    // Relative to the document: it also holds behind a path of a proxy.
    servers: [{ url: info.publicUrl ?? '.' }],
    tags: [...tags]
      .sort((a, b) => order(a) - order(b))
      .map((name) => ({ name, description: tagTexts[name] ?? name })),
    paths,
    components: {
      schemas: { Problem: problemSchema },
      ...(info.auth && { securitySchemes: securitySchemes(info.auth.headerName) }),
    },
  }
}

/** Either of them will do. */
function securitySchemes(headerName: string) {
  return {
    apiKey: { type: 'apiKey', in: 'header', name: headerName, description: 'An API key' },
    bearer: { type: 'http', scheme: 'bearer', description: 'The same key as a bearer token' },
  }
}

function toOperation({ method, url, permission }: KnownRoute, doc: RouteDoc, needsKey: boolean) {
  const problems = new Set([
    ...(doc.problems ?? []),
    ...bodyProblems(doc.body),
    ...(needsKey ? [401] : []),
    500,
  ])
  return {
    operationId: toOperationId(method, url),
    tags: [doc.tag],
    summary: doc.summary,
    ...(doc.description && { description: doc.description }),
    'x-permission': permission,
    ...(needsKey && { security: [{ apiKey: [] }, { bearer: [] }] }),
    parameters: [
      ...pathParameters(url, doc.params),
      ...queryParameters(doc.query),
      ...headerParameters(doc.headers),
    ],
    ...(doc.body && {
      requestBody: {
        required: doc.body.some(({ required = true }) => required),
        content: Object.fromEntries(
          doc.body.map(({ contentType = 'application/json', schema, example }) => [
            contentType,
            { schema, ...(example !== undefined && { example }) },
          ]),
        ),
      },
    }),
    responses: {
      ...Object.fromEntries(
        Object.entries(doc.answers).map(([status, answer]) => [status, toResponse(answer)]),
      ),
      ...Object.fromEntries(
        [...problems].sort().map((status) => [status, toProblemResponse(status)]),
      ),
    },
  }
}

/** How any body can be refused; only those that are stored as they come may have any size. */
function bodyProblems(bodies: RouteDoc['body']): number[] {
  if (!bodies) return []
  const isStream = bodies.some(({ contentType }) => contentType === 'application/octet-stream')
  return isStream ? [415] : [413, 415]
}

function toResponse(answer: RouteDoc['answers'][number]) {
  const { description, schema, example, contentType = 'application/json', headers } = answer
  return {
    description,
    ...(headers && {
      headers: Object.fromEntries(
        Object.entries(headers).map(([name, text]) => [
          name,
          { description: text, schema: { type: 'string' } },
        ]),
      ),
    }),
    ...(schema && {
      content: { [contentType]: { schema, ...(example !== undefined && { example }) } },
    }),
  }
}

function toProblemResponse(status: number) {
  const [code, entry] = Object.entries(errorCatalogue).find(
    ([, each]) => each.status === status,
  ) ?? ['bad-request', errorCatalogue['bad-request']]
  return {
    description: entry.title,
    ...(status === 401 && {
      headers: {
        'WWW-Authenticate': { description: 'How to say who asks', schema: { type: 'string' } },
      },
    }),
    content: {
      'application/problem+json': {
        schema: { $ref: '#/components/schemas/Problem' },
        example: {
          type: `urn:chapkit:error:${code}`,
          title: entry.title,
          status,
          detail: 'What was expected and what came',
          instance: '/api/v1/configs',
          request_id: '01M82EBCXSJH55R1P2FPAESF2G',
          trace_id: '01M82EBCXSJH55R1P2FPAESF2G',
        },
      },
    },
  }
}

function pathParameters(url: string, schemas: RouteDoc['params']) {
  return [...url.matchAll(/:(\w+)/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: schemas?.[name!] ?? { type: 'string' },
    example: '01K72P5N5KCRM6MD3BRE4P0778',
  }))
}

function queryParameters(query: JsonSchema | undefined) {
  const required = (query?.required ?? []) as string[]
  return Object.entries((query?.properties ?? {}) as Record<string, JsonSchema>).map(
    ([name, schema]) => ({
      name,
      in: 'query',
      required: required.includes(name),
      schema,
    }),
  )
}

function headerParameters(headers: RouteDoc['headers']) {
  return Object.entries(headers ?? {}).map(([name, meaning]) => {
    const { description, ...schema } =
      typeof meaning === 'string' ? { description: meaning } : meaning
    return {
      name,
      in: 'header',
      required: false,
      description,
      schema: { type: 'string', ...schema },
    }
  })
}

/** `POST /api/v1/configs/:id/$link-artifact` → `post_api_v1_configs_id_link_artifact`. */
function toOperationId(method: string, url: string): string {
  return `${method.toLowerCase()}${url.replace(/[^a-zA-Z0-9]+/g, '_')}`.replace(/_$/, '')
}
