import type { StandardSchemaV1 } from '@standard-schema/spec'
import { type Issue, validationError } from '../errors.ts'
import { isUlid } from '../kernel/id.ts'
import { ulidIssue } from '../kernel/page.ts'
import { fromSchemaIssues } from '../kernel/schema-issues.ts'
import { show } from '../kernel/show.ts'
import { Tags } from '../kernel/tags.ts'
import type { Field } from './columns.ts'

/** The fields of a row by name. */
export type Values = Record<string, unknown>

export interface ParsedInput {
  /** Chosen by the client; null leaves it to the service. */
  id: string | null
  tags: string[]
  values: Values
}

/**
 * Checks an input and fills in defaults. The keys that every row has are taken off before the schema sees the rest, so that a
 * row that was read can be sent back, also to a schema that forbids unknown keys. Throws `validation-failed` with every fault.
 */
export async function parseInput(
  schema: StandardSchemaV1,
  fields: readonly Field[],
  input: unknown,
): Promise<ParsedInput> {
  if (input === null || typeof input !== 'object' || Array.isArray(input)) {
    const msg = `Expected an object, got ${show(input)}`
    throw validationError([{ loc: ['body'], msg, type: 'type' }])
  }
  const { id = null, tags = [], created_at, updated_at, ...rest } = input as Values
  const result = await schema['~standard'].validate(rest)
  const values = result.issues ? {} : (result.value as Values)
  const issues: Issue[] = [
    ...(id === null || isUlid(id) ? [] : [ulidIssue(['body', 'id'], id)]),
    ...tagIssues(tags),
    ...fromSchemaIssues(result.issues ?? [], rest, ['body']),
    ...fields.flatMap((field) => textIssues(field, values[field.name])),
  ]
  if (issues.length > 0) throw validationError(issues)
  return { id: id as string | null, tags: tags as string[], values }
}

function tagIssues(tags: unknown): Issue[] {
  const result = Tags.safeParse(tags)
  if (!result.success) return fromSchemaIssues(result.error.issues, tags, ['body', 'tags'])
  if (new Set(result.data).size === result.data.length) return []
  const msg = `Expected items that differ, got ${show(tags)}`
  return [{ loc: ['body', 'tags'], msg, type: 'uniqueItems' }]
}

/** Half of a surrogate pair is no character: a text column would store another text than came. */
function textIssues({ name, kind }: Field, value: unknown): Issue[] {
  if (kind !== 'text' || typeof value !== 'string' || value.isWellFormed()) return []
  const msg = 'Expected Unicode text, got half of a surrogate pair in it'
  return [{ loc: ['body', name], msg, type: 'unicode' }]
}
