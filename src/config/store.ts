import type { Selectable } from 'kysely'
import { countRows, listByCreation } from '../db/paging.ts'
import type { ConfigTable, Queries } from '../db/tables.ts'
import type { PageRequest } from '../kernel/page.ts'

export type ConfigRow = Omit<Selectable<ConfigTable>, 'tenant' | 'created_by'>

const columns = ['id', 'name', 'data', 'tags', 'created_at', 'updated_at'] as const

/** The SQL of configs. Takes the database or a transaction. */
export const configStore = {
  find: (db: Queries, id: string): Promise<ConfigRow | undefined> =>
    db
      .selectFrom('config')
      .select(columns)
      .where('tenant', '=', '')
      .where('id', '=', id)
      .executeTakeFirst(),

  insert: (db: Queries, row: ConfigRow) =>
    db
      .insertInto('config')
      .values({ ...row, created_by: null })
      .execute(),

  update: (db: Queries, { id, created_at, ...changed }: ConfigRow) =>
    db.updateTable('config').set(changed).where('tenant', '=', '').where('id', '=', id).execute(),

  remove: (db: Queries, id: string) =>
    db.deleteFrom('config').where('tenant', '=', '').where('id', '=', id).execute(),

  count: (db: Queries): Promise<number> => countRows(db, 'config'),

  /** In order of creation. */
  list: (db: Queries, page: PageRequest): Promise<ConfigRow[]> =>
    listByCreation(db, 'config', columns, page),
}
