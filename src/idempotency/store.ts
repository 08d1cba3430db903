import type { Selectable } from 'kysely'
import type { IdempotencyTable, Queries } from '../db/tables.ts'

export type IdempotencyRow = Selectable<IdempotencyTable>

export const idempotencyStore = {
  find: (db: Queries, scope: string): Promise<IdempotencyRow | undefined> =>
    db.selectFrom('idempotency').selectAll().where('scope', '=', scope).executeTakeFirst(),

  insert: (db: Queries, row: IdempotencyRow) => db.insertInto('idempotency').values(row).execute(),

  /** Removes old keys, at most `limit`, and says how many. */
  removeBefore: async (db: Queries, before: string, limit: number): Promise<number> => {
    const { numDeletedRows } = await db
      .deleteFrom('idempotency')
      .where('scope', 'in', (keys) =>
        keys
          .selectFrom('idempotency')
          .select('scope')
          .where('created_at', '<', before)
          .limit(limit),
      )
      .executeTakeFirst()
    return Number(numDeletedRows)
  },

  remove: (db: Queries, scope: string) =>
    db.deleteFrom('idempotency').where('scope', '=', scope).execute(),
}
