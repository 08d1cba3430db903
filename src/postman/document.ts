import type { JsonSchema } from '../kernel/json-schema.ts'
import type { Endpoint, OpenApi, Operation } from './schema.ts'

const methods: ReadonlySet<string> = new Set(['get', 'put', 'post', 'delete', 'patch'])

/** Takes a value for an OpenAPI document, or throws an error that says what is missing. */
export function parseOpenApi(value: unknown): OpenApi {
  const document = value as Partial<OpenApi & { openapi: unknown }> | null
  if (typeof document !== 'object' || document === null || typeof document.openapi !== 'string')
    throw new Error('Expected an OpenAPI 3 document, which has a member "openapi"')
  if (!/^3\./.test(document.openapi))
    throw new Error(`Expected an OpenAPI 3 document, got version ${document.openapi}`)
  if (typeof document.info?.title !== 'string')
    throw new Error('Expected an OpenAPI document with a title in "info"')
  if (typeof document.paths !== 'object' || document.paths === null)
    throw new Error('Expected an OpenAPI document with "paths"')
  return document as OpenApi
}

/** All operations, in the order of the document. */
export function endpointsOf({ paths }: OpenApi): Endpoint[] {
  return Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item)
      .filter(([method]) => methods.has(method))
      .map(([method, operation]) => ({
        method: method.toUpperCase(),
        path,
        operation: { ...operation, parameters: (operation.parameters ?? []).filter(hasName) },
      })),
  )
}

/** Ours are all written out; a reference to one is left out. */
const hasName = ({ name }: { name?: unknown }): boolean => typeof name === 'string'

/** The media type of the first successful answer, without its parameters, with its schema. */
export function successOf({ responses = {} }: Operation): {
  status: number
  mediaType: string | null
  schema: JsonSchema
} | null {
  const [status, answer] = Object.entries(responses).find(([code]) => /^2\d\d$/.test(code)) ?? []
  if (status === undefined) return null
  const [mediaType, media] = Object.entries(answer?.content ?? {})[0] ?? []
  return {
    status: Number(status),
    mediaType: mediaType?.split(';')[0]?.trim() ?? null,
    schema: media?.schema ?? {},
  }
}

/** Members that a schema says are always there. */
export function requiredOf(schema: JsonSchema): string[] {
  return Array.isArray(schema.required) ? schema.required.map(String) : []
}

/** Whether a request gets an answer that goes on until somebody ends it. */
export function isStream({ responses = {} }: Operation): boolean {
  return Object.values(responses).some(({ content }) => content?.['text/event-stream'])
}

/** Whether an answer is a page, or a file of one: for a browser, not for a client. */
export function isPage({ responses = {} }: Operation): boolean {
  const types = Object.entries(responses)
    .filter(([status]) => status.startsWith('2'))
    .flatMap(([, { content = {} }]) => Object.keys(content))
  return types.length > 0 && types.every((type) => /html|css|javascript/.test(type))
}
