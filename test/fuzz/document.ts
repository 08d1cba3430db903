import { Ajv2020 } from 'ajv/dist/2020.js'
import { timestamp, ulid } from '../compat/fixtures.ts'

/** As much of JSON Schema as the document uses. */
export interface Schema {
  type?: string | string[]
  title?: string
  const?: unknown
  enum?: unknown[]
  oneOf?: Schema[]
  anyOf?: Schema[]
  required?: string[]
  properties?: Record<string, Schema>
  additionalProperties?: boolean | Schema
  items?: Schema
  minItems?: number
  maxItems?: number
  minLength?: number
  maxLength?: number
  minimum?: number
  maximum?: number
  pattern?: string
  format?: string
  description?: string
}

export interface Media {
  schema: Schema
  example?: unknown
}

export interface Parameter {
  name: string
  in: 'path' | 'query' | 'header'
  required: boolean
  schema: Schema
}

interface OperationObject {
  parameters: Parameter[]
  requestBody?: { required: boolean; content: Record<string, Media> }
  responses: Record<string, { content?: Record<string, Media> }>
}

export interface Document {
  paths: Record<string, Record<string, OperationObject>>
  components: object
}

/** One thing that the document says can be asked. */
export interface Operation {
  name: string
  method: string
  path: string
  parameters: Parameter[]
  bodies: [type: string, media: Media][]
  needsBody: boolean
  responses: OperationObject['responses']
}

export function readOperations(document: Document): Operation[] {
  return Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([verb, operation]) => ({
      name: `${verb.toUpperCase()} ${path}`,
      method: verb.toUpperCase(),
      path,
      parameters: operation.parameters,
      bodies: Object.entries(operation.requestBody?.content ?? {}),
      needsBody: operation.requestBody?.required ?? false,
      responses: operation.responses,
    })),
  )
}

export type Faults = (schema: Schema, value: unknown, how?: 'as-is' | 'as-query') => string | null

/** Compares values with schemas of the document: null, or what does not fit. */
export function createComparer(document: Document): Faults {
  const create = (coerceTypes: boolean) => {
    const ajv = new Ajv2020({ strict: false, coerceTypes })
    ajv.addFormat('date-time', timestamp)
    ajv.addFormat('ulid', ulid)
    ajv.addFormat('binary', true)
    ajv.addKeyword('components')
    ajv.addSchema({ $id: 'document', components: document.components })
    return ajv
  }
  const validators = { 'as-is': create(false), 'as-query': create(true) }
  const compiled = new Map<Schema, ReturnType<Ajv2020['compile']>>()

  return (schema, value, how = 'as-is') => {
    let validate = compiled.get(schema)
    if (!validate) {
      const text = JSON.stringify(schema).replaceAll('"#/components/', '"document#/components/')
      validate = validators[how].compile(JSON.parse(text))
      compiled.set(schema, validate)
    }
    if (validate(value)) return null
    const [error] = validate.errors ?? []
    return `${error?.instancePath || '/'} ${error?.message}`
  }
}
