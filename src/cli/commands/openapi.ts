import { toYaml } from '../../kernel/yaml.ts'
import type { Collection, OpenApi } from '../../postman/schema.ts'
import { environment, parseClientSettings } from '../../settings.ts'
import { CommandError, exit } from '../exit.ts'
import { fetchDocument } from '../fetch-document.ts'
import { writeWhole } from '../files.ts'
import { printContent, say } from '../print.ts'
import { documentOf } from '../service-document.ts'

export interface OpenapiOptions {
  url?: string
  apiKey?: string
  output?: string
  json?: boolean
  yaml?: boolean
  postman?: boolean
}

/** Prints the document of a service file, or of a running service, or writes it into a file. Answers the exit code. */
export async function openapi(file: string | undefined, options: OpenapiOptions): Promise<number> {
  const { output, postman = false, yaml = false } = options
  assertFits(file, options)
  const { document, baseUrl } = await readDocument(file, options)
  const text = await toText(document, { postman, yaml, baseUrl })
  if (output === undefined) await printContent([Buffer.from(text)])
  else {
    await writeWhole(output, text, { force: true })
    const { title } = document.info
    const what = postman ? 'Postman collection' : 'OpenAPI document'
    say(`chapkit: ${what} of ${title} is in ${output}`)
  }
  if (file !== undefined) leaveSoon()
  return exit.ok
}

function assertFits(file: string | undefined, { url, yaml, json, postman }: OpenapiOptions): void {
  const usage = (message: string) => new CommandError(message, exit.usage)
  if (file !== undefined && url !== undefined)
    throw usage('Expected a service file or --url, got both: name one of them')
  if (yaml && postman) throw usage('A Postman collection is always JSON: leave --yaml out')
  if (yaml && json) throw usage('Expected --yaml or --json, got both: name one of them')
}

async function readDocument(file: string | undefined, options: OpenapiOptions) {
  if (file !== undefined) return documentOf(file)
  const { url, apiKey } = parseClientSettings(environment())
  const baseUrl = (options.url ?? url).replace(/\/+$/, '')
  const document = await fetchDocument(baseUrl, options.apiKey ?? apiKey ?? undefined)
  return { document, baseUrl }
}

interface Form {
  postman: boolean
  yaml: boolean
  baseUrl: string | undefined
}

async function toText(document: OpenApi, { postman, yaml, baseUrl }: Form): Promise<string> {
  if (yaml) return toYaml(document)
  if (!postman) return `${JSON.stringify(document, null, 2)}\n`
  const { toCollection } = await import('../../postman/collection.ts')
  return toCollectionText(toCollection(document, baseUrl === undefined ? {} : { baseUrl }))
}

/** As Postman writes its exports: with tabs. */
export function toCollectionText(collection: Collection): string {
  return `${JSON.stringify(collection, null, '\t')}\n`
}

/** A service file may hold on to something, such as a timer, that would keep this process for ever. */
function leaveSoon(): void {
  setTimeout(() => process.exit(exit.ok), 500).unref()
}
