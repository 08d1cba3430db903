import type { StandardSchemaV1 } from '@standard-schema/spec'
import { type Issue, validationError } from '../errors.ts'
import { fromSchemaIssues } from '../kernel/schema-issues.ts'
import { show } from '../kernel/show.ts'
import { variableOf } from './command.ts'

export type Values = Record<string, unknown>

/** Where parameters stand in a request. */
const at: Issue['loc'] = ['body', 'parameters']

/** Bytes of JSON: they stand in the row of every job, and in its result. Larger things are artifacts. */
const maximumParameters = 256 * 1024

function assertSize(values: Values): void {
  const size = Buffer.byteLength(JSON.stringify(values))
  if (size <= maximumParameters) return
  throw validationError([
    {
      loc: at,
      msg: `Expected at most ${maximumParameters} bytes of JSON, got ${size}; store an artifact and give its id`,
      type: 'too_large',
    },
  ])
}

/** Checks parameters against the schema of a task. Throws a 422 that names each that does not fit. */
export async function parseParameters(
  schema: StandardSchemaV1 | null,
  given: Values,
): Promise<Values> {
  assertSize(given)
  if (schema === null) return given
  const result = await schema['~standard'].validate(given)
  if (!result.issues) return result.value as Values
  throw validationError(fromSchemaIssues(result.issues, given, at))
}

/** As `parseParameters`, but for values that others are added to later: what is not there is not missed. */
export async function checkStored(schema: StandardSchemaV1 | null, given: Values): Promise<void> {
  assertSize(given)
  const result = await schema?.['~standard'].validate(given)
  const issues = fromSchemaIssues(result?.issues ?? [], given, at)
  const wrong = issues.filter(({ type }) => type !== 'missing')
  if (wrong.length > 0) throw validationError(wrong)
}

/** Values as texts, for the arguments and the environment of a command. Those that are null or not there are left out. */
export function toTexts(values: Values): Record<string, string> {
  const texts: Record<string, string> = {}
  const seen = new Map<string, string>()
  const issues: Issue[] = []
  const refuse = (name: string, msg: string) =>
    issues.push({ loc: [...at, name], msg, type: 'value' })
  for (const [name, value] of Object.entries(values)) {
    if (value === null || value === undefined) continue
    const twin = seen.get(variableOf(name))
    const text = toText(value)
    if (!/^[A-Za-z_]\w{0,99}$/.test(name))
      refuse(name, `Expected a name of letters, digits and _, got ${show(name)}`)
    else if (twin !== undefined)
      refuse(name, `Expected names that differ in more than case, got ${twin} and ${name}`)
    else if (text.includes('\0')) refuse(name, 'Expected text without NUL, got one with it')
    else if (!text.isWellFormed())
      refuse(name, 'Expected well-formed Unicode text, got half of a surrogate pair')
    seen.set(variableOf(name), name)
    texts[name] = text
  }
  if (issues.length > 0) throw validationError(issues)
  return texts
}

function toText(value: unknown): string {
  // Dates and the like say themselves what they are in JSON.
  const json: unknown = JSON.parse(JSON.stringify(value) ?? 'null')
  return typeof json === 'string' ? json : JSON.stringify(json)
}

/** Throws a 422 when a command has a place for a value that nobody gave. */
export function assertNamed(names: readonly string[], texts: Readonly<Record<string, string>>) {
  const missing = names.filter((name) => !Object.hasOwn(texts, name))
  if (missing.length === 0) return
  throw validationError(
    missing.map((name) => ({
      loc: [...at, name],
      msg: `Expected a value for {${name}} of the command, got nothing`,
      type: 'missing',
    })),
  )
}

/** Parameters as environment variables: each by itself, and all as JSON. */
export function toVariables(
  values: Values,
  texts: Readonly<Record<string, string>>,
): Record<string, string> {
  return {
    ...Object.fromEntries(Object.entries(texts).map(([name, text]) => [variableOf(name), text])),
    CHAPKIT_PARAMETERS: JSON.stringify(values),
  }
}
