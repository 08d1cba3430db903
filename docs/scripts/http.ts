import { createTestService } from '../../src/testing/index.ts'
import { everything } from './everything.ts'
import { asText, block, code, frontMatter, page, prose, slug, table } from './markdown.ts'
import { resolve, type Schema, schemaTable, typeText } from './schema-table.ts'

export interface Media {
  schema: Schema
  example?: unknown
}
interface Answer {
  description: string
  headers?: Record<string, { description?: string }>
  content?: Record<string, Media>
}
export interface Operation {
  operationId: string
  tags: string[]
  summary: string
  description?: string
  'x-permission': string
  parameters: {
    name: string
    in: 'path' | 'query' | 'header'
    required: boolean
    description?: string
    schema: Schema
    example?: unknown
  }[]
  requestBody?: { required: boolean; content: Record<string, Media> }
  responses: Record<string, Answer>
}
export interface Document {
  tags: { name: string; description: string }[]
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, Schema> }
}

interface Endpoint {
  method: string
  path: string
  operation: Operation
}

/** The pages of the HTTP API by their file names, from what a service with everything says of itself. */
export async function httpPages(): Promise<Record<string, string>> {
  await using service = await createTestService(everything())
  const { json } = await service.request('GET', '/openapi.json')
  return toPages(json as Document)
}

export function toPages(document: Document): Record<string, string> {
  const endpoints = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({
      method: method.toUpperCase(),
      path,
      operation,
    })),
  )
  const byTag = document.tags.map((tag, at) => ({
    ...tag,
    at,
    endpoints: endpoints.filter(({ operation }) => operation.tags.includes(tag.name)),
  }))
  const pages = byTag.map(({ name, description, at, endpoints }) => [
    `${slug(name)}.md`,
    page(
      frontMatter({ order: at + 1 }),
      `# ${name}`,
      `${prose(description)}.`,
      overview(endpoints),
      ...endpoints.map((endpoint) => endpointSection(endpoint, document.components.schemas)),
    ),
  ])
  return {
    'index.md': page(
      frontMatter({ order: 0 }),
      '# HTTP API',
      `Everything that a service answers. Each service says the same of itself at \`/docs\`, to read and to try, and at
\`/openapi.json\`; there the options of its own model are in it too. What all have in common:
how they [refuse](../../reference/errors.md), how one [waits for a job](../../guides/jobs.md#waiting-for-the-answer) and
[sends a request again](../../guides/jobs.md#sending-a-request-again), and who [may ask](../../guides/api-keys.md).`,
      ...byTag.flatMap(({ name, description, endpoints }) => [
        `## [${name}](${slug(name)}.md)`,
        `${prose(description)}.`,
        overview(endpoints, `${slug(name)}.md`),
      ]),
    ),
    ...Object.fromEntries(pages),
  }
}

const badge = (method: string) =>
  `<span class="method method-${method.toLowerCase()}">${method}</span>`
const anchor = ({ operation }: Endpoint) => slug(operation.operationId)

function overview(endpoints: readonly Endpoint[], file = ''): string {
  return table(
    ['method', 'path', 'what it does'],
    endpoints.map((endpoint) => [
      badge(endpoint.method),
      code(endpoint.path),
      `[${prose(endpoint.operation.summary)}](${file}#${anchor(endpoint)})`,
    ]),
  )
}

function endpointSection(endpoint: Endpoint, schemas: Record<string, Schema>): string {
  const { method, path, operation } = endpoint
  return page(
    `## ${prose(operation.summary)} {#${anchor(endpoint)}}`,
    `<p class="endpoint">${badge(method)} <code>${asText(path)}</code></p>`,
    operation.description && prose(operation.description),
    `Needs the permission [${code(operation['x-permission'])}](../../reference/permissions.md).`,
    parameters(operation, schemas),
    ...bodies(operation, schemas),
    block('bash', curl(endpoint)),
    ...answers(operation, schemas),
    problems(operation),
  ).trimEnd()
}

function parameters({ parameters }: Operation, schemas: Record<string, Schema>): string {
  return table(
    ['parameter', 'in', 'type', 'default', 'meaning'],
    parameters.map(
      ({ name, in: place, required, schema, description = schema.description ?? '' }) => [
        `${code(name)}${required || place !== 'query' ? '' : ' <small>optional</small>'}`,
        place,
        code(typeText(schema, schemas)),
        'default' in schema ? code(JSON.stringify(schema.default)) : '',
        prose(description),
      ],
    ),
  )
}

function bodies({ requestBody }: Operation, schemas: Record<string, Schema>): string[] {
  if (!requestBody) return []
  return Object.entries(requestBody.content).flatMap(([type, { schema, example }]) => [
    `**Body** ${code(type)}`,
    schemaTable(schema, schemas),
    example === undefined ? '' : exampleBlock(type, example),
  ])
}

function answers({ responses }: Operation, schemas: Record<string, Schema>): string[] {
  return Object.entries(responses)
    .filter(([status]) => Number(status) < 400)
    .flatMap(([status, { description, headers = {}, content = {} }]) => [
      `**Answer ${status}** ${prose(description)}`,
      table(
        ['header', 'meaning'],
        Object.entries(headers).map(([name, { description = '' }]) => [
          code(name),
          prose(description),
        ]),
      ),
      ...Object.entries(content).flatMap(([type, { schema, example }]) => [
        details(`Fields of ${type}`, schemaTable(schema, schemas), resolve(schema, schemas)),
        example === undefined || example === '' ? '' : exampleBlock(type, example),
      ]),
    ])
}

/** Fields folded away: an example says most of it. */
function details(title: string, text: string, { properties, items }: Schema): string {
  if (!properties && !items) return ''
  return `<details>\n<summary>${title}</summary>\n\n${text}\n\n</details>`
}

function problems({ responses }: Operation): string {
  const refused = Object.entries(responses).filter(([status]) => Number(status) >= 400)
  const list = refused.map(([status, { description }]) => `${status} ${asText(description)}`)
  return list.length === 0
    ? ''
    : `**Problems** ([errors](../../reference/errors.md)): ${list.join(', ')}.`
}

function exampleBlock(type: string, example: unknown): string {
  if (typeof example === 'string') return block(/csv/.test(type) ? 'csv' : 'text', example)
  return block('json', readable(example))
}

/** JSON with what is short in one line: rows of tables, points of areas. */
export function readable(value: unknown, indent = ''): string {
  const short = JSON.stringify(value)
  if (typeof value !== 'object' || value === null || short.length + indent.length <= 76)
    return short.replace(/("(?:[^"\\]|\\.)*"|[^",:]+)([,:])?/g, (_, part, mark) =>
      mark ? `${part}${mark} ` : part,
    )
  const inner = `${indent}  `
  const lines = Array.isArray(value)
    ? value.map((each) => readable(each, inner))
    : Object.entries(value).map(
        ([name, each]) => `${JSON.stringify(name)}: ${readable(each, inner)}`,
      )
  const [open, close] = Array.isArray(value) ? ['[', ']'] : ['{', '}']
  return `${open}\n${lines.map((line) => inner + line).join(',\n')}\n${indent}${close}`
}

/** The request as a command, with the first of its bodies. */
function curl({ method, path, operation }: Endpoint): string {
  const address = path.replace(/\{(\w+)\}/g, (_, name: string) => `$${name.toUpperCase()}`)
  const needed = operation.parameters.filter(
    ({ in: place, required }) => place === 'query' && required,
  )
  const query = needed.map(({ name }) => `${name}=$${name.toUpperCase()}`).join('&')
  const url = `http://localhost:8000${address.replace(/\/\$([a-z])/g, '/\\$$$1')}${query && `?${query}`}`
  const [type, media] = Object.entries(operation.requestBody?.content ?? {})[0] ?? []
  const streams = Object.values(operation.responses).some(
    ({ content }) => content?.['text/event-stream'],
  )
  return [
    `curl ${streams ? '-N' : '-s'}${method === 'GET' ? '' : ` -X ${method}`} "${url}"`,
    type && `-H 'Content-Type: ${type}'`,
    media && bodyOption(media),
  ]
    .filter((part) => part)
    .join(' \\\n  ')
}

function bodyOption({ example }: Media): string {
  if (example === undefined || typeof example === 'string') return '--data-binary @file'
  return `-d '${JSON.stringify(example).replaceAll("'", "'\\''")}'`
}
