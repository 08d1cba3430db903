import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Along, Database } from '../db/database.ts'
import type { Queries } from '../db/tables.ts'
import { ChapkitError } from '../errors.ts'
import { type Clock, toTimestamp } from '../kernel/clock.ts'
import { type Page, toPage } from '../kernel/page.ts'
import { show } from '../kernel/show.ts'
import { type Cell, type Field, fromCell, toCell } from './columns.ts'
import { parseInput, type Values } from './input.ts'
import type { EntityMeta, EntityReads, EntityRules } from './schema.ts'
import { type Cells, type EntityStore, refusedColumns, type StoredRow } from './store.ts'

/** A row of which only the meta data are known. */
export type Row = EntityMeta & Values

export interface EntitiesDeps {
  /** Name of the entity. */
  name: string
  schema: StandardSchemaV1
  fields: readonly Field[]
  rules: EntityRules<Values>
  store: EntityStore
  database: Database
  now: Clock
  newId: () => string
}

export type Entities = ReturnType<typeof createEntities>

/** The rows of a user's own entity: what may be stored, and reading it back. */
export function createEntities(deps: EntitiesDeps) {
  const { name, schema, fields, rules, store, database, now, newId } = deps
  const reads = (db: Queries) => createReads(deps, db)

  async function getStored(db: Queries, id: string): Promise<StoredRow> {
    const row = await store.find(db, id)
    if (row) return row
    throw new ChapkitError('not-found', `${capitalize(name)} ${id} not found`)
  }

  function taken(columns: readonly string[], row: StoredRow): ChapkitError {
    const values = toRow(fields, row)
    const known = columns.filter((column) => column in values)
    if (known.length === 0)
      return new ChapkitError('conflict', `Another ${name} is too much like this one`)
    const told = known.map((column) => `\`${column}\` ${show(values[column])}`).join(' with ')
    const msg = `${told} is taken by another ${name}`
    return new ChapkitError('conflict', msg, {
      issues: known.map((column) => ({ loc: ['body', column], msg, type: 'unique' })),
    })
  }

  /** What is unique is for the indexes to say, one that a user made in a migration as well: they cannot be outrun. */
  async function refusedAsConflict(row: StoredRow, write: () => Promise<unknown>) {
    try {
      await write()
    } catch (error) {
      const columns = refusedColumns(error)
      throw columns ? taken(columns, row) : error
    }
  }

  function toCells(values: Values): Cells {
    return Object.fromEntries(
      fields.map((field) => [field.name, toCell(field, values[field.name])]),
    )
  }

  return {
    ...reads(database.read),

    get: async (id: string): Promise<Row> => toRow(fields, await getStored(database.read, id)),

    /** Stores a row. An id that is there already is a conflict. */
    async create(input: unknown, along?: Along<Row>): Promise<Row> {
      const { id: chosen, tags, values } = await parseInput(schema, fields, input)
      return database.write(async (tx) => {
        const at = toTimestamp(now())
        const id = chosen ?? newId()
        const context = { tx, stored: reads(tx), now: at, id, tags }
        const ruled = (await rules.beforeCreate?.(values, context)) ?? values
        const row: StoredRow = {
          ...toCells(ruled),
          id,
          created_at: at,
          updated_at: at,
          tags: JSON.stringify(tags),
        }
        await refusedAsConflict(row, () => store.insert(tx, row))
        const created = toRow(fields, row)
        await along?.(tx, created)
        return created
      })
    },

    async update(id: string, input: unknown): Promise<Row> {
      // What is wrong with the request itself is told before the write.
      await parseInput(schema, fields, input)
      return database.write(async (tx) => {
        const known = await getStored(tx, id)
        const current = toRow(fields, known)
        const whole = { ...current, ...(input as Values) }
        const { tags, values } = await parseInput(schema, fields, whole)
        const at = toTimestamp(now())
        const context = { tx, stored: reads(tx), now: at, current, tags }
        const ruled = (await rules.beforeUpdate?.(values, context)) ?? values
        const row: StoredRow = {
          ...known,
          ...toCells(ruled),
          updated_at: at,
          tags: JSON.stringify(tags),
        }
        await refusedAsConflict(row, () => store.update(tx, row))
        return toRow(fields, row)
      })
    },

    remove: (id: string): Promise<void> =>
      database.write(async (tx) => {
        const row = toRow(fields, await getStored(tx, id))
        const context = { tx, stored: reads(tx), now: toTimestamp(now()) }
        await rules.beforeRemove?.(row, context)
        await store.remove(tx, id)
      }),

    async page(page: number, size: number): Promise<Page<Row>> {
      const rows = await store.list(database.read, { kind: 'number', page, size })
      const total = await store.count(database.read, {})
      return toPage(
        rows.map((row) => toRow(fields, row)),
        total,
        page,
        size,
      )
    },
  }
}

/** The reading operations on a database or a transaction. */
export function createReads(
  { name, fields, store }: Pick<EntitiesDeps, 'name' | 'fields' | 'store'>,
  db: Queries,
): EntityReads<Row> {
  const read = (row: StoredRow): Row => toRow(fields, row)

  function toMatch(match: Readonly<Record<string, unknown>>): Cells {
    return Object.fromEntries(
      Object.entries(match).map(([key, value]): [string, Cell] => {
        const field = fields.find((each) => each.name === key)
        // A forgotten value must not mean "any": the caller would be given somebody else's row.
        if (value === undefined || !(field || key === 'id')) {
          const came = value === undefined ? 'nothing' : 'another key'
          throw new Error(`Expected values for fields of "${name}", got ${came} for \`${key}\``)
        }
        return [key, field ? toCell(field, value) : String(value)]
      }),
    )
  }

  return {
    async find(id) {
      const row = await store.find(db, id)
      return row && read(row)
    },

    async findBy(match) {
      const row = await store.findBy(db, toMatch(match))
      return row && read(row)
    },

    list: async (page = { kind: 'all' }) => (await store.list(db, page)).map(read),

    count: async (match = {}) => store.count(db, toMatch(match)),
  }
}

function toRow(fields: readonly Field[], stored: StoredRow): Row {
  const { id, created_at, updated_at, tags } = stored
  const row: Row = { id, created_at, updated_at, tags: JSON.parse(tags) }
  for (const field of fields) {
    const value = fromCell(field, stored[field.name])
    if (value !== undefined) row[field.name] = value
  }
  return row
}

function capitalize(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
