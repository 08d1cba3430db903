import type { JsonSchema } from '../kernel/json-schema.ts'

/** What is read of an OpenAPI 3 document; the rest is left alone. */
export interface OpenApi {
  info: { title: string; version?: string; description?: string }
  servers?: readonly { url: string }[]
  tags?: readonly { name: string; description?: string }[]
  paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  components?: {
    schemas?: Readonly<Record<string, JsonSchema>>
    securitySchemes?: Readonly<Record<string, SecurityScheme>>
  }
}

export interface Operation {
  tags?: readonly string[]
  summary?: string
  description?: string
  operationId?: string
  security?: readonly Readonly<Record<string, unknown>>[]
  parameters?: readonly Parameter[]
  requestBody?: { content: Readonly<Record<string, Media>> }
  responses?: Readonly<Record<string, Answer>>
}

export interface Parameter {
  name: string
  in: string
  required?: boolean
  description?: string
  schema?: JsonSchema
  example?: unknown
}

export interface Answer {
  description?: string
  headers?: Readonly<Record<string, { description?: string }>>
  content?: Readonly<Record<string, Media>>
}

export interface Media {
  schema?: JsonSchema
  example?: unknown
}

export interface SecurityScheme {
  type: string
  in?: string
  name?: string
}

/** An operation with where it is found. */
export interface Endpoint {
  /** Upper case. */
  method: string
  /** As the document has it: `/api/v1/jobs/{id}`. */
  path: string
  operation: Operation
}

/** A Postman collection, format v2.1. */
export interface Collection {
  info: { name: string; description: string; schema: typeof collectionSchema }
  auth?: Auth
  variable: Variable[]
  item: Folder[]
}

export const collectionSchema =
  'https://schema.getpostman.com/json/collection/v2.1.0/collection.json'

export interface Folder {
  name: string
  description: string
  item: Item[]
}

export interface Item {
  name: string
  event?: Event[]
  request: Request
  response: Example[]
}

export interface Event {
  listen: 'test'
  script: { type: 'text/javascript'; exec: string[] }
}

export interface Request {
  method: string
  description: string
  auth?: Auth
  header: Header[]
  url: Url
  body?: Body
}

export interface Url {
  raw: string
  host: string[]
  path: string[]
  query?: Query[]
  /** Values of `:name` in the path. */
  variable?: Variable[]
}

export interface Body {
  mode: 'raw'
  raw: string
  options: { raw: { language: 'json' | 'text' } }
}

export interface Header {
  key: string
  value: string
  description?: string
  disabled?: boolean
}

export type Query = Header

export interface Variable {
  key: string
  value: string
  description?: string
}

export type Auth =
  | { type: 'noauth' }
  | { type: 'apikey'; apikey: { key: 'key' | 'value' | 'in'; value: string; type: 'string' }[] }

/** An answer that is shown beside its request. */
export interface Example {
  name: string
  originalRequest: Omit<Request, 'auth' | 'description'>
  status: string
  code: number
  _postman_previewlanguage: 'json' | 'text'
  header: Header[]
  body: string
}
