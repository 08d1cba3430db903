import { createRequire } from 'node:module'
import type { Ajv2020 as Ajv, ErrorObject, ValidateFunction } from 'ajv/dist/2020.js'
import type { FastifySchemaCompiler } from 'fastify'
import { ChapkitError, type Issue, validationError } from '../errors.ts'
import { ulidSchema } from '../kernel/id.ts'
import { ulidIssueType, ulidText } from '../kernel/page.ts'
import { show } from '../kernel/show.ts'

/** Bodies up to this size get all their faults listed; of larger ones the first: a list could outgrow its body. */
const listAllBelow = 64 * 1024

/**
 * Validates bodies and query strings by JSON Schema (2020-12): bodies as they are, query strings with their text turned into
 * numbers and booleans first. Ajv is loaded and schemas are compiled when the first request needs them.
 */
export function createValidatorCompiler(): FastifySchemaCompiler<Record<string, unknown>> {
  const require = createRequire(import.meta.url)
  const instances = new Map<string, Ajv>()

  function instance(name: 'first' | 'all' | 'query'): Ajv {
    let ajv = instances.get(name)
    if (!ajv) {
      const { Ajv2020 } = require('ajv/dist/2020.js') as { Ajv2020: typeof Ajv }
      ajv = new Ajv2020({
        strict: false,
        removeAdditional: false,
        verbose: true,
        useDefaults: true,
        allErrors: name === 'all',
        coerceTypes: name === 'query',
      })
      instances.set(name, ajv)
    }
    return ajv
  }

  return ({ schema, httpPart }) => {
    const compiled = new Map<string, ValidateFunction>()
    const run = (name: 'first' | 'all' | 'query', data: unknown): readonly ErrorObject[] => {
      let validate = compiled.get(name)
      if (!validate) {
        validate = instance(name).compile(schema)
        compiled.set(name, validate)
      }
      return validate(data) ? [] : (validate.errors ?? [])
    }
    const root = httpPart === 'querystring' ? 'query' : (httpPart ?? 'body')

    return (data: unknown) => {
      // A body that is the JSON null has been refused by then.
      if (root === 'body' && (data === undefined || data === null)) {
        const detail = 'Expected a JSON document, got an empty body'
        return { error: new ChapkitError('invalid-json', detail) }
      }
      const errors = root === 'query' ? run('query', data) : run('first', data)
      if (errors.length === 0) return { value: data }
      const all = root === 'body' && roomLeft(data, listAllBelow) > 0 ? run('all', data) : errors
      return { error: validationError(toIssues(all, root)) }
    }
  }
}

/** What is left of `room` after a value of about its size in JSON; no more of it is looked at than fits. */
function roomLeft(value: unknown, room: number): number {
  if (typeof value === 'string') return room - value.length - 2
  if (value === null || typeof value !== 'object') return room - 5
  if (ArrayBuffer.isView(value)) return room - value.byteLength
  let left = room - 2
  if (Array.isArray(value)) {
    for (let at = 0; at < value.length && left > 0; at++) left = roomLeft(value[at], left - 1)
    return left
  }
  for (const key in value) {
    if (left <= 0) break
    left = roomLeft((value as Record<string, unknown>)[key], left - key.length - 4)
  }
  return left
}

function toIssues(errors: readonly ErrorObject[], root: string): Issue[] {
  const isBranch = ({ schemaPath }: ErrorObject) => /\/(anyOf|oneOf)\/\d+\//.test(schemaPath)
  const branches = errors.filter(isBranch)
  // A union is told once: by what is wrong with the branch whose type fits, or by itself.
  const plain = errors.flatMap((error) => {
    if (isBranch(error)) return []
    const meant = branches.filter(
      ({ keyword, schemaPath }) => keyword !== 'type' && schemaPath.startsWith(error.schemaPath),
    )
    return meant.length > 0 ? meant : [error]
  })
  return (plain.length > 0 ? plain : errors).map((error) => ({
    loc: [root, ...toPath(error)],
    msg: toMessage(error),
    type: toType(error),
  }))
}

function toType({ keyword, schema }: ErrorObject): string {
  if (keyword === 'required') return 'missing'
  return keyword === 'pattern' && schema === ulidSchema.pattern ? ulidIssueType : keyword
}

function toPath({ instancePath, keyword, params }: ErrorObject): (string | number)[] {
  const path = instancePath
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .map((part) => (/^\d+$/.test(part) ? Number(part) : part))
  return keyword === 'required' ? [...path, String(params.missingProperty)] : path
}

function toMessage(error: ErrorObject): string {
  return `Expected ${expected(error)}, got ${error.keyword === 'required' ? 'nothing' : show(error.data)}`
}

function expected({ keyword, params, schema, message, parentSchema }: ErrorObject): string {
  switch (keyword) {
    case 'required':
      return `a value for \`${params.missingProperty}\``
    case 'type':
      return [params.type].flat().map(withArticle).join(' or ')
    case 'anyOf': {
      const types = (schema as { type?: unknown }[]).map(({ type }) => type)
      if (!types.every((type) => typeof type === 'string')) return `a value that fits (${message})`
      return types.map(withArticle).join(' or ')
    }
    case 'enum':
      return `one of ${(schema as unknown[]).map((each) => JSON.stringify(each)).join(', ')}`
    case 'const':
      return JSON.stringify(schema)
    case 'minimum':
      return `a number of at least ${schema}`
    case 'maximum':
      return `a number of at most ${schema}`
    case 'minLength':
      return `text of at least ${schema} characters`
    case 'maxLength':
      return `text of at most ${schema} characters`
    case 'minItems':
      return `at least ${schema} items`
    case 'maxItems':
      return `at most ${schema} items`
    case 'uniqueItems':
      return 'items that differ'
    case 'pattern':
      if (schema === ulidSchema.pattern) return ulidText
      return parentSchema?.description
        ? `text of this form: ${parentSchema.description}`
        : `text that matches ${schema}`
    default:
      return `a value that fits (${message})`
  }
}

function withArticle(type: string): string {
  if (type === 'null') return type
  return /^[aeiou]/.test(type) ? `an ${type}` : `a ${type}`
}
