import { createRequire } from 'node:module'
import type { Ajv2020, ErrorObject, ValidateFunction } from 'ajv/dist/2020.js'
import { z } from 'zod'

type Keywords = Readonly<Record<string, unknown>>

/**
 * A field of a config that is described by a JSON Schema (2020-12) of its own. Values are checked with all of its keywords, and
 * it is published as it is. Formats are notes: they are not checked. Throws when it is no JSON Schema.
 *
 * @example
 * ```ts
 * const config = BaseConfig.extend({
 *   lags: fromJsonSchema({ type: 'array', items: { type: 'integer', minimum: 1 } }).default([1, 2]),
 * })
 * ```
 */
export function fromJsonSchema<Value = unknown>(schema: Keywords): z.ZodType<Value, Value> {
  const validate = compile(schema)
  return z
    .unknown()
    .superRefine((value, context) => {
      if (value === undefined) {
        context.addIssue({ code: 'custom', message: 'Expected a value' })
        return
      }
      if (validate(value)) return
      const [error] = validate.errors ?? []
      context.addIssue({ code: 'custom', path: toPath(error), message: toMessage(error) })
    })
    .meta({ ...schema }) as unknown as z.ZodType<Value, Value>
}

/** Compiling takes a millisecond, and the fields of a service are often alike. */
const compiled = new Map<string, ValidateFunction>()
const mostCompiled = 256
let opened: Ajv2020 | undefined

function compile(schema: Keywords): ValidateFunction {
  const text = JSON.stringify(schema)
  const known = compiled.get(text)
  if (known) return known
  opened ??= openAjv()
  const own = { ...schema }
  const validate = opened.compile(own)
  // It would keep every schema that it has seen.
  opened.removeSchema(own)
  if (compiled.size >= mostCompiled) compiled.clear()
  compiled.set(text, validate)
  return validate
}

/** Loaded when a schema is made: most services have none, and starting them must not pay for it. */
function openAjv(): Ajv2020 {
  const { Ajv2020: Ajv } = createRequire(import.meta.url)('ajv/dist/2020.js') as {
    Ajv2020: typeof Ajv2020
  }
  // Patterns as most people write them: `\-` and the like are errors of Unicode mode.
  return new Ajv({ strict: false, validateFormats: false, unicodeRegExp: false, logger: false })
}

function toPath(error: ErrorObject | undefined): (string | number)[] {
  return (error?.instancePath ?? '')
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .map((part) => (/^\d+$/.test(part) ? Number(part) : part))
}

function toMessage(error: ErrorObject | undefined): string {
  if (error?.keyword === 'enum' || error?.keyword === 'const') {
    const values = error.params.allowedValues ?? [error.params.allowedValue]
    return `Expected ${(values as unknown[]).map((each) => JSON.stringify(each)).join(' or ')}`
  }
  const text = error?.message ?? 'does not fit its schema'
  return text.slice(0, 1).toUpperCase() + text.slice(1)
}
