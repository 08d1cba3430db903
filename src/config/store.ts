import type { Selectable } from 'kysely'
import { keyPosition } from '../db/paging.ts'
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

  count: async (db: Queries): Promise<number> => {
    const { total } = await db
      .selectFrom('config')
      .select((row) => row.fn.countAll<number>().as('total'))
      .where('tenant', '=', '')
      .executeTakeFirstOrThrow()
    return Number(total)
  },

  position: (db: Queries, id: string) =>
    db
      .selectFrom('config')
      .select('created_at as at')
      .where('tenant', '=', '')
      .where('id', '=', id)
      .executeTakeFirst(),

  /** In order of creation. */
  list: async (db: Queries, page: PageRequest): Promise<ConfigRow[]> => {
    let query = db
      .selectFrom('config')
      .select(columns)
      .where('tenant', '=', '')
      .orderBy('created_at')
      .orderBy('id')
    if (page.kind === 'number') query = query.limit(page.size).offset((page.page - 1) * page.size)
    if (page.kind === 'key') {
      query = query.limit(page.size)
      if (page.after !== null) {
        const { at, id } = await keyPosition(page.after, () =>
          configStore.position(db, page.after ?? ''),
        )
        query = query.where((row) => row(row.refTuple('created_at', 'id'), '>', row.tuple(at, id)))
      }
    }
    return query.execute()
  },
}
