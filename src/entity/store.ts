import type { Kysely } from 'kysely'
import { listByCreation } from '../db/paging.ts'
import type { Queries } from '../db/tables.ts'
import type { PageRequest } from '../kernel/page.ts'
import { type Cell, metaColumns } from './columns.ts'

/** Columns by name: those that every entity has, and those of its fields. */
export type Cells = Record<string, Cell>

export interface StoredRow extends Cells {
  id: string
  created_at: string
  updated_at: string
  tags: string
}

type EntityTables = Record<string, StoredRow & { tenant: string; created_by: string | null }>

export type EntityStore = ReturnType<typeof createEntityStore>

/** The SQL of one entity's table. Takes the database or a transaction. */
export function createEntityStore(table: string, fieldNames: readonly string[]) {
  const columns = [...metaColumns, ...fieldNames]
  // The table is known only when the program runs, so the types of all tables cannot have it.
  const on = (db: Queries) => db as unknown as Kysely<EntityTables>

  const select = (db: Queries) =>
    on(db).selectFrom(table).select(columns).$castTo<StoredRow>().where('tenant', '=', '')

  function matching(db: Queries, match: Cells) {
    let query = select(db)
    for (const [column, cell] of Object.entries(match)) {
      query =
        cell === null ? query.where(column, 'is', null) : query.where(column, '=', cell as string)
    }
    return query
  }

  return {
    find: (db: Queries, id: string): Promise<StoredRow | undefined> =>
      select(db).where('id', '=', id).executeTakeFirst(),

    findBy: (db: Queries, match: Cells): Promise<StoredRow | undefined> =>
      matching(db, match).orderBy('created_at').orderBy('id').limit(1).executeTakeFirst(),

    insert: (db: Queries, row: StoredRow) =>
      on(db)
        .insertInto(table)
        .values({ ...row, tenant: '', created_by: null })
        .execute(),

    update: (db: Queries, { id, created_at, ...changed }: StoredRow) =>
      on(db)
        .updateTable(table)
        .set(changed)
        .where('tenant', '=', '')
        .where('id', '=', id)
        .execute(),

    remove: (db: Queries, id: string) =>
      on(db).deleteFrom(table).where('tenant', '=', '').where('id', '=', id).execute(),

    count: async (db: Queries, match: Cells): Promise<number> => {
      const { total } = await matching(db, match)
        .clearSelect()
        .select((row) => row.fn.countAll<number>().as('total'))
        .executeTakeFirstOrThrow()
      return Number(total)
    },

    /** In order of creation. */
    list: (db: Queries, page: PageRequest): Promise<StoredRow[]> =>
      listByCreation(db, table, columns, page),
  }
}

/**
 * The columns of a unique index that refused a row, without `tenant`; undefined for any other failure. The index may be one
 * that a user made in a migration, and it may be on an expression: then no column is known.
 */
export function refusedColumns(error: unknown): string[] | undefined {
  if (!(error instanceof Error)) return undefined
  const { code, detail = '' } = error as { code?: string; detail?: string }
  const isSqlite = code === 'SQLITE_CONSTRAINT_UNIQUE' || code === 'SQLITE_CONSTRAINT_PRIMARYKEY'
  if (!isSqlite && code !== '23505') return undefined
  // "UNIQUE constraint failed: entity_user.tenant, entity_user.email"; "Key (tenant, email)=(, a) already exists."
  const list = isSqlite
    ? /failed: (?!index )(.*)$/.exec(error.message)?.[1]
    : /^Key \(([\w", -]+)\)=/.exec(detail)?.[1]
  return (list ?? '')
    .split(', ')
    .map((column) => column.replaceAll('"', '').replace(/^.*\./, ''))
    .filter((column) => column !== '' && column !== 'tenant')
}
