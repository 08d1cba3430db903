import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Along, Database } from '../db/database.ts'
import type { Queries } from '../db/tables.ts'
import { ChapkitError, type Issue, validationError } from '../errors.ts'
import { type Clock, toTimestamp } from '../kernel/clock.ts'
import { isUlid } from '../kernel/id.ts'
import { type JsonSchema, toJsonSchema } from '../kernel/json-schema.ts'
import { type Page, type PageRequest, toPage, ulidIssue } from '../kernel/page.ts'
import { fromSchemaIssues } from '../kernel/schema-issues.ts'
import { show } from '../kernel/show.ts'
import { fileText, findBadText } from '../kernel/text.ts'
import type { ConfigIn, ConfigOut } from './schema.ts'
import { type ConfigRow, configStore as store } from './store.ts'

export interface ConfigsDeps {
  database: Database
  /** The service's own schema of a config's `data`. */
  schema: StandardSchemaV1<unknown, unknown>
  now: Clock
  newId: () => string
  /** Whether scripts read `data`, in a file. @default false */
  isForScripts?: boolean
}

export type Configs = ReturnType<typeof createConfigs>

/** Named configurations: what may be stored, and reading it back. */
export function createConfigs({ database, schema, now, newId, isForScripts = false }: ConfigsDeps) {
  async function get(id: string, db: Queries = database.read): Promise<ConfigOut> {
    const row = await store.find(db, id)
    if (!row) throw notFound(id)
    return toConfigOut(row)
  }

  /** Removes a config as part of a larger write. */
  async function removeIn(tx: Queries, id: string): Promise<void> {
    await get(id, tx)
    await store.remove(tx, id)
  }

  return {
    get,

    find: async (id: string, db: Queries = database.read): Promise<ConfigOut | undefined> => {
      const row = await store.find(db, id)
      return row && toConfigOut(row)
    },

    /** Stores a config. An id that is there already is a conflict. */
    async create(input: ConfigIn, along?: Along<ConfigOut>): Promise<ConfigOut> {
      if (typeof input.id === 'string' && !isUlid(input.id)) {
        throw validationError([ulidIssue(['body', 'id'], input.id)])
      }
      assertName(input.name)
      if (isForScripts) assertTexts(input.data)
      const data = await parseConfigData(schema, input.data, ['body', 'data'])
      return database.write(async (tx) => {
        const at = toTimestamp(now())
        if (input.id && (await store.find(tx, input.id))) {
          throw new ChapkitError(
            'conflict',
            `Config ${input.id} exists already; replace it with PUT, or leave the id out`,
          )
        }
        const row: ConfigRow = {
          id: input.id ?? newId(),
          name: input.name,
          data: JSON.stringify(data),
          tags: JSON.stringify(input.tags ?? []),
          created_at: at,
          updated_at: at,
        }
        await store.insert(tx, row)
        const config = toConfigOut(row)
        await along?.(tx, config)
        return config
      })
    },

    /** Replaces name and data, and the tags if there are any. */
    async update(id: string, input: ConfigIn): Promise<ConfigOut> {
      assertName(input.name)
      if (isForScripts) assertTexts(input.data)
      const data = await parseConfigData(schema, input.data, ['body', 'data'])
      return database.write(async (tx) => {
        const known = await store.find(tx, id)
        if (!known) throw notFound(id)
        const row: ConfigRow = {
          ...known,
          name: input.name,
          data: JSON.stringify(data),
          tags: input.tags === undefined ? known.tags : JSON.stringify(input.tags),
          updated_at: toTimestamp(now()),
        }
        await store.update(tx, row)
        return toConfigOut(row)
      })
    },

    remove: (id: string): Promise<void> => database.write((tx) => removeIn(tx, id)),

    removeIn,

    async list(page: PageRequest): Promise<ConfigOut[]> {
      return (await store.list(database.read, page)).map(toConfigOut)
    },

    async page(page: number, size: number): Promise<Page<ConfigOut>> {
      const rows = await store.list(database.read, { kind: 'number', page, size })
      return toPage(rows.map(toConfigOut), await store.count(database.read), page, size)
    },

    /** As `list`, as they are stored: what lists only pass on is not parsed. */
    rows: (page: PageRequest): Promise<ConfigRow[]> => store.list(database.read, page),

    count: (): Promise<number> => store.count(database.read),

    /** JSON Schema of `data`, complete with the definitions that it refers to. */
    schema: (): JsonSchema => {
      const described = toJsonSchema(schema)
      return { ...described, title: described.title ?? 'Config' }
    },

    /** Stored data against today's schema: a config may have been stored under an older one. Throws `validation-failed`. */
    parse: (config: ConfigOut, loc: Issue['loc']): Promise<Record<string, unknown>> =>
      parseConfigData(schema, config.data, loc),
  }
}

/**
 * Checks the data of a config and fills in defaults. Options nested under `user_option_values`, as chap-core sends them, are
 * lifted to the top; a key that is there already wins. What is no object stays an option of that name.
 */
export async function parseConfigData(
  schema: StandardSchemaV1<unknown, unknown>,
  data: Record<string, unknown>,
  loc: Issue['loc'],
): Promise<Record<string, unknown>> {
  const lifted = liftUserOptions(data)
  const result = await schema['~standard'].validate(lifted)
  if (!result.issues) return result.value as Record<string, unknown>
  throw validationError(fromSchemaIssues(result.issues, lifted, loc))
}

/** Half a character cannot be written as UTF-8: the name would come back as another one. */
function assertName(name: string) {
  if (name.isWellFormed()) return
  throw validationError([
    {
      loc: ['body', 'name'],
      msg: 'Expected well-formed Unicode text, got half of a surrogate pair',
      type: 'string_unicode',
    },
  ])
}

/** What no file can hold would reach scripts as another text. */
function assertTexts(data: ConfigIn['data']) {
  const found = findBadText(data)
  if (found === null) return
  throw validationError([
    {
      loc: ['body', 'data', ...found.path],
      msg: `Expected ${fileText}, got ${show(found.text)}`,
      type: 'string_unicode',
    },
  ])
}

function liftUserOptions(data: Record<string, unknown>): Record<string, unknown> {
  const { user_option_values: nested, ...flat } = data
  const isObject = typeof nested === 'object' && nested !== null && !Array.isArray(nested)
  // An option may be named as something that every object has, `constructor` for one.
  return Object.assign(Object.create(null), isObject ? { ...nested, ...flat } : data)
}

function toConfigOut({ id, name, data, tags, created_at, updated_at }: ConfigRow): ConfigOut {
  return { id, created_at, updated_at, tags: JSON.parse(tags), name, data: JSON.parse(data) }
}

/** JSON text of a config. */
export function configText({ id, name, data, tags, created_at, updated_at }: ConfigRow): string {
  return `{"id":"${id}","created_at":"${created_at}","updated_at":"${updated_at}","tags":${tags},"name":${JSON.stringify(name)},"data":${data}}`
}

function notFound(id: string): ChapkitError {
  return new ChapkitError('not-found', `Config ${id} not found`)
}
