import { endpointsOf, isPage } from './document.ts'
import { toItems } from './requests.ts'
import {
  type Auth,
  type Collection,
  collectionSchema,
  type Endpoint,
  type OpenApi,
  type Variable,
} from './schema.ts'
import { createWalk } from './walk.ts'

export interface CollectionOptions {
  /** Where the service answers, as the variable `base_url` says at first. @default the first absolute server of the document, else http://127.0.0.1:8000 */
  baseUrl?: string
}

const walkName = 'Walk through'

/**
 * A Postman collection (v2.1) of an OpenAPI document: a folder that walks through a day with the service, then all of its
 * operations by tag. Equal documents give equal collections: nothing in it is made of the time or of chance.
 */
export function toCollection(document: OpenApi, options: CollectionOptions = {}): Collection {
  const endpoints = endpointsOf(document).filter(({ operation }) => !isPage(operation))
  const auth = toAuth(document)
  const walk = createWalk(endpoints, auth !== null)
  const folders = [
    ...(walk.length > 0 ? [{ name: walkName, description: walkText, item: walk }] : []),
    ...tagsOf(document, endpoints).map(({ name, description }) => ({
      name,
      description,
      item: endpoints
        .filter(({ operation }) => tagOf(operation) === name)
        .flatMap((endpoint) => toItems(endpoint, auth !== null)),
    })),
  ]
  return {
    info: {
      name: document.info.title,
      description: describe(document),
      schema: collectionSchema,
    },
    ...(auth && { auth }),
    variable: [
      ...variablesFor(options.baseUrl ?? serverOf(document), auth !== null),
      ...captured(JSON.stringify(folders)),
    ],
    item: folders,
  }
}

function describe({ info }: OpenApi): string {
  return [
    info.description,
    `Version ${info.version ?? 'unknown'}. Run the folder “${walkName}” first: it fills the variables that the other requests use.`,
  ]
    .filter(Boolean)
    .join('\n\n')
}

const walkText =
  'What a user does in a day, in order. Each request keeps what later ones need in variables of the collection, and checks what it gets. It ends where something goes wrong, and leaves what it has made to be looked at; when all goes well it cleans up after itself.'

const tagOf = ({ tags = [] }: Endpoint['operation']): string => tags[0] ?? 'Other'

function tagsOf({ tags = [] }: OpenApi, endpoints: readonly Endpoint[]) {
  const used = new Set(endpoints.map(({ operation }) => tagOf(operation)))
  const described = new Map(tags.map(({ name, description }) => [name, description ?? name]))
  const names = [...described.keys()].filter((name) => used.has(name))
  return [...new Set([...names, ...used])].map((name) => ({
    name,
    description: described.get(name) ?? name,
  }))
}

/** The header of a key, where the document asks for one. */
function toAuth({ components }: OpenApi): Auth | null {
  const scheme = Object.values(components?.securitySchemes ?? {}).find(
    (each) => each.type === 'apiKey' && each.in === 'header',
  )
  if (!scheme) return null
  const entry = (key: 'key' | 'value' | 'in', value: string) => ({
    ...{ key, value, type: 'string' as const },
  })
  return {
    type: 'apikey',
    apikey: [
      entry('key', scheme.name ?? 'X-API-Key'),
      entry('value', '{{api_key}}'),
      entry('in', 'header'),
    ],
  }
}

function serverOf({ servers = [] }: OpenApi): string {
  const absolute = servers.find(({ url }) => /^https?:/.test(url))?.url
  return absolute?.replace(/\/$/, '') ?? 'http://127.0.0.1:8000'
}

function variablesFor(baseUrl: string, isProtected: boolean): Variable[] {
  return [
    { key: 'base_url', value: baseUrl, description: 'Where the service answers' },
    ...(isProtected
      ? [{ key: 'api_key', value: '', description: 'Your key; keep it out of what you share' }]
      : []),
    { key: 'poll_pause', value: '1000', description: 'Milliseconds between questions after a job' },
    { key: 'poll_limit', value: '600', description: 'Questions after which a job takes too long' },
  ]
}

/** Every other variable that requests name, empty at first. */
function captured(text: string): Variable[] {
  const known = new Set(['base_url', 'api_key', 'poll_pause', 'poll_limit'])
  const names = new Set([...text.matchAll(/\{\{(\w+)\}\}/g)].map(([, name]) => name ?? ''))
  return [...names].filter((name) => !known.has(name)).map((key) => ({ key, value: '' }))
}
