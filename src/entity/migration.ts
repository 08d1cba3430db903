import { createHash } from 'node:crypto'
import type { Kysely } from 'kysely'
import type { Migration } from 'kysely/migration'
import type { Database } from '../db/database.ts'
import type { Queries } from '../db/tables.ts'
import type { Field, Kind } from './columns.ts'
import type { EntityMigration } from './schema.ts'

/** What an entity needs of the database. */
export interface EntityTable {
  /** Name of the entity, for messages. */
  entity: string
  name: string
  fields: readonly Field[]
  unique: readonly (readonly string[])[]
  indexes: readonly (readonly string[])[]
}

const columnTypes = {
  text: 'text',
  // Integers that are exact in JavaScript have 53 bits; PostgreSQL's `integer` has 32.
  integer: 'bigint',
  number: 'double precision',
  boolean: 'integer',
  json: 'text',
} as const satisfies Record<Kind, string>

/** Types of columns, as databases call them, that can hold a kind. */
const fitting: Record<Kind, RegExp> = {
  text: /text|char/,
  integer: /int/,
  number: /double|float|real|numeric|decimal/,
  boolean: /int/,
  json: /text|char/,
}

type Column = readonly [name: string, kind: Kind]

/**
 * All migrations of a table: the first one, made from the schema, and the user's own. A schema says only what the table has
 * become, so the first migration makes what it was before the user's own: their `adds` and `renames` are undone, last one
 * first. A new database and an old one then go the same way.
 */
export function toMigrations(
  table: EntityTable,
  own: Readonly<Record<string, EntityMigration>>,
): Record<string, Migration> {
  const migrations: Record<string, Migration> = {}
  const columns = new Map<string, Kind>(table.fields.map(({ name, kind }) => [name, kind]))

  for (const [name, { adds = [], renames = {}, up }] of sorted(own).toReversed()) {
    assertName(name)
    const taken = adds.map((column) => [column, take(columns, column, name)] as const)
    for (const [from, to] of Object.entries(renames)) columns.set(from, take(columns, to, name))
    migrations[name] = {
      up: async (db) => {
        for (const [from, to] of Object.entries(renames))
          await db.schema.alterTable(table.name).renameColumn(from, to).execute()
        for (const [column, kind] of taken)
          await db.schema.alterTable(table.name).addColumn(column, columnTypes[kind]).execute()
        await up?.(db)
      },
    }
  }
  migrations['0001-create'] = { up: (db) => createTable(db, table, [...columns]) }
  return migrations
}

function sorted(own: Readonly<Record<string, EntityMigration>>) {
  return Object.entries(own).sort(([a], [b]) => (a < b ? -1 : 1))
}

function assertName(name: string) {
  if (/^\d{4}-[a-z0-9-]+$/.test(name) && name >= '0002') return
  throw new Error(
    `Expected migrations to be named like "0002-age", from 0002 on, got "${name}": 0001 is made from the schema`,
  )
}

function take(columns: Map<string, Kind>, column: string, migration: string): Kind {
  const kind = columns.get(column)
  if (!kind) {
    throw new Error(
      `The migration "${migration}" leads to the field \`${column}\`, which the schema and later migrations do not know. If the field is gone, leave the migration in place without it: '${migration}': {}`,
    )
  }
  columns.delete(column)
  return kind
}

/** Columns of fields may all be empty: what must be there is for the schema to say, and it may say something else tomorrow. */
async function createTable(db: Kysely<unknown>, table: EntityTable, columns: Column[]) {
  let create = db.schema
    .createTable(table.name)
    .addColumn('tenant', 'text', (c) => c.notNull().defaultTo(''))
    .addColumn('id', 'text', (c) => c.notNull())
    .addColumn('created_by', 'text')
    .addColumn('created_at', 'text', (c) => c.notNull())
    .addColumn('updated_at', 'text', (c) => c.notNull())
    .addColumn('tags', 'text', (c) => c.notNull())
  for (const [name, kind] of columns) create = create.addColumn(name, columnTypes[kind])
  await create.addPrimaryKeyConstraint(`${table.name}$key`, ['tenant', 'id']).execute()
}

/**
 * Makes sure, after the migrations, that the table is what the schema needs, and that it has its indexes: those follow from the
 * definition alone, so they are made when they are missing and need no migrations. Throws when a column is missing.
 */
export async function prepareTable(
  database: Database,
  table: EntityTable,
  own: Readonly<Record<string, EntityMigration>>,
): Promise<void> {
  await database.migrate(async (db) => {
    await assertColumns(db, table, own)
    await addIndex(db, table, 'created', ['created_at', 'id'])
    for (const fields of table.indexes)
      await addIndex(db, table, ['index', ...fields].join('$'), fields)
    for (const fields of table.unique) await addUnique(db, table, fields)
  })
}

async function assertColumns(
  db: Queries,
  table: EntityTable,
  own: Readonly<Record<string, EntityMigration>>,
) {
  const tables = await db.introspection.getTables()
  const there = new Map(
    tables
      .find(({ name }) => name === table.name)
      ?.columns.map(({ name, dataType }) => [name, dataType]),
  )
  const missing = table.fields.map(({ name }) => name).filter((name) => !there.has(name))
  if (missing.length > 0) {
    const quoted = missing.map((name) => `'${name}'`).join(', ')
    const last = Object.keys(own).sort().at(-1) ?? '0001'
    const number = String(Number(last.slice(0, 4)) + 1).padStart(4, '0')
    const named = missing.join('-').toLowerCase().replaceAll('_', '-')
    throw new Error(
      [
        `The table ${table.name} has no column for ${missing.map((name) => `\`${name}\``).join(', ')}. Add to the migrations of the entity "${table.entity}":`,
        `  '${number}-${named}': { adds: [${quoted}] },`,
        "or, for a field that has only got another name, `renames: { old: 'new' }`. Rows that are there already hold null in a new column until `up(db)` fills it.",
      ].join('\n'),
    )
  }
  for (const { name, kind } of table.fields) {
    const type = (there.get(name) ?? '').toLowerCase()
    if (!fitting[kind].test(type)) {
      throw new Error(
        `The column \`${name}\` of ${table.name} is of type ${type}, but the schema now needs ${columnTypes[kind]}. Write a migration for the entity "${table.entity}" that converts it`,
      )
    }
  }
}

async function addUnique(db: Queries, table: EntityTable, fields: readonly string[]) {
  try {
    await addIndex(db, table, ['unique', ...fields].join('$'), fields)
  } catch (cause) {
    throw new Error(
      `${table.name} cannot be made unique by ${fields.join(' and ')}: it probably has rows that share them. Change those in a migration of the entity "${table.entity}"`,
      { cause },
    )
  }
}

async function addIndex(
  db: Queries,
  table: EntityTable,
  suffix: string,
  columns: readonly string[],
) {
  const index = db.schema.createIndex(shorten(`${table.name}$${suffix}`)).ifNotExists()
  await (suffix.startsWith('unique$') ? index.unique() : index)
    .on(table.name)
    .columns(['tenant', ...columns])
    .execute()
}

/** PostgreSQL cuts names off behind 63 characters; two that differ only there would be one. */
function shorten(name: string): string {
  if (name.length <= 63) return name
  return `${name.slice(0, 54)}$${createHash('sha256').update(name).digest('hex').slice(0, 8)}`
}
