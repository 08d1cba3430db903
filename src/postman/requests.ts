import { isStream } from './document.ts'
import { toExamples } from './examples.ts'
import type {
  Auth,
  Body,
  Endpoint,
  Header,
  Item,
  Operation,
  Parameter,
  Query,
  Request,
  Url,
  Variable,
} from './schema.ts'
import { testsOfAnswers } from './scripts.ts'

/** What differs when an endpoint is a step of a walk rather than an entry of the reference. */
export interface StepOptions {
  name?: string
  /** Values of query parameters; those that are not named are left out. */
  query?: Readonly<Record<string, string>>
  /** Text of the body, with `{{variables}}`. */
  body?: string
  /** Names of the variables for the parameters of the path. */
  path?: Readonly<Record<string, string>>
  tests?: readonly string[]
}

/** The entries of an endpoint in its folder: one for each media type that its body may have. */
export function toItems(endpoint: Endpoint, isProtected: boolean): Item[] {
  const types = Object.keys(endpoint.operation.requestBody?.content ?? {})
  const name = endpoint.operation.summary ?? `${endpoint.method} ${endpoint.path}`
  const [first, ...others] = types.length > 0 ? types : [null]
  return [first ?? null, ...others].map((type, at) =>
    toItem(endpoint, isProtected, type, at === 0 ? { name } : { name: `${name} (${type})` }),
  )
}

/** One request of a walk. */
export function toStep(endpoint: Endpoint, isProtected: boolean, step: StepOptions): Item {
  const [type] = Object.keys(endpoint.operation.requestBody?.content ?? {})
  return toItem(endpoint, isProtected, type ?? null, { ...step, query: step.query ?? {} })
}

function toItem(
  endpoint: Endpoint,
  isProtected: boolean,
  type: string | null,
  step: StepOptions,
): Item {
  const { operation } = endpoint
  const request = toRequest(endpoint, isProtected, type, step)
  const tests = step.tests ?? testsOfAnswers(operation)
  return {
    name: step.name ?? operation.summary ?? endpoint.path,
    event:
      tests.length > 0
        ? [{ listen: 'test', script: { type: 'text/javascript', exec: [...tests] } }]
        : [],
    request,
    response: toExamples(operation, request).filter(
      ({ code }) => step.tests === undefined || code < 400,
    ),
  }
}

function toRequest(
  { method, path, operation }: Endpoint,
  isProtected: boolean,
  type: string | null,
  step: StepOptions,
): Request {
  const isOpen = isProtected && (operation.security ?? []).length === 0
  const body = type === null ? undefined : toBody(operation, type, step.body)
  return {
    method,
    description: describe(operation),
    ...(isOpen && { auth: { type: 'noauth' } satisfies Auth }),
    header: toHeaders(operation, type),
    url: toUrl({ method, path, operation }, type, step),
    ...(body && { body }),
  }
}

function describe(operation: Operation): string {
  const stream = isStream(operation)
    ? 'The answer goes on until it is ended: Postman shows it as it comes, runners wait for its end.'
    : undefined
  return [operation.summary, operation.description, stream].filter(Boolean).join('\n\n')
}

function toHeaders({ parameters = [], responses = {} }: Operation, type: string | null) {
  const answers = Object.entries(responses)
    .filter(([status]) => status.startsWith('2'))
    .flatMap(([, { content = {} }]) => Object.keys(content))
  return [
    ...(type === null ? [] : [{ key: 'Content-Type', value: type }]),
    ...(answers.length === 1 ? [{ key: 'Accept', value: answers[0]! }] : []),
    ...parameters
      .filter((parameter) => parameter.in === 'header')
      .map(
        ({ name, description, required }): Header => ({
          key: name,
          value: headerValues[name] ?? '',
          ...(description !== undefined && { description }),
          ...(!required && { disabled: true }),
        }),
      ),
  ]
}

/** What to begin with when a header is switched on. */
const headerValues: Readonly<Record<string, string>> = {
  'Idempotency-Key': '{{$guid}}',
  Prefer: 'wait=30',
  Range: 'bytes=0-99',
}

function toUrl({ path, operation }: Endpoint, type: string | null, step: StepOptions): Url {
  const parts = path.split('/').slice(1)
  const segments = parts.map((part) => part.replace(/\{(\w+)\}/g, ':$1'))
  const query = toQuery(operation, type, step.query)
  const variable = pathVariables(path, operation, step.path)
  const active = query
    .filter(({ disabled }) => !disabled)
    .map(({ key, value }) => `${key}=${value}`)
    .join('&')
  return {
    raw: `{{base_url}}/${segments.join('/')}${active === '' ? '' : `?${active}`}`,
    host: ['{{base_url}}'],
    path: segments,
    ...(query.length > 0 && { query }),
    ...(variable.length > 0 && { variable }),
  }
}

function toQuery(
  { parameters = [] }: Operation,
  type: string | null,
  values: StepOptions['query'],
): Query[] {
  return parameters
    .filter((parameter) => parameter.in === 'query')
    .filter(({ name }) => values === undefined || values[name] !== undefined)
    .map((parameter) => {
      const { name, description, schema, required = false } = parameter
      const value = values?.[name] ?? toText(suggestion(parameter))
      // What a JSON body says inside, a table has to say beside it.
      const isNeeded = required || (type === 'text/csv' && value.startsWith('{{'))
      const meaning = description ?? schema?.description
      return {
        key: name,
        value,
        ...(meaning !== undefined && { description: String(meaning) }),
        ...(values === undefined && !isNeeded && { disabled: true }),
      }
    })
}

/** What to begin with when a parameter is switched on. */
function suggestion({ name, schema = {}, example }: Parameter): unknown {
  if (/_id$/.test(name)) return `{{${name}}}`
  const [first] = (schema.enum as unknown[] | undefined) ?? []
  return example ?? schema.default ?? first ?? schema.minimum ?? ''
}

function toText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/** `/jobs/{id}` is asked with `{{job_id}}`: the variable that steps before have captured. */
function pathVariables(
  path: string,
  { parameters = [] }: Operation,
  names: StepOptions['path'] = {},
): Variable[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([found, name = '']) => {
    const before = path.slice(0, path.indexOf(found)).split('/').at(-2) ?? ''
    const { description } =
      parameters.find((each) => each.in === 'path' && each.name === name) ?? {}
    return {
      key: name,
      value: `{{${names[name] ?? variableFor(before, name)}}}`,
      ...(description !== undefined && { description }),
    }
  })
}

/** `jobs`, `id` → `job_id`; a parameter that says of what it is keeps its name. */
export function variableFor(collection: string, parameter: string): string {
  if (parameter !== 'id') return parameter
  return `${singular(collection).replace(/\W+/g, '_')}_id`
}

export function singular(plural: string): string {
  if (/ies$/.test(plural)) return `${plural.slice(0, -3)}y`
  return /[^siu]s$/.test(plural) ? plural.slice(0, -1) : plural
}

function toBody(operation: Operation, type: string, given: string | undefined): Body {
  const example = operation.requestBody?.content[type]?.example
  const isJson = /json$/.test(type)
  const raw =
    given ??
    (isJson
      ? JSON.stringify(withVariables(example ?? {}), null, 2)
      : typeof example === 'string'
        ? example
        : '')
  return { mode: 'raw', raw, options: { raw: { language: isJson ? 'json' : 'text' } } }
}

/** Ids of an example give way to the variables that have real ones. */
function withVariables(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withVariables)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [
      key,
      /_id$/.test(key) && typeof each === 'string' ? `{{${key}}}` : withVariables(each),
    ]),
  )
}
