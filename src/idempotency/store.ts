import type { Selectable } from 'kysely'
import type { IdempotencyTable, Queries } from '../db/tables.ts'

export type IdempotencyRow = Selectable<IdempotencyTable>

export const idempotencyStore = {
  find: (db: Queries, scope: string): Promise<IdempotencyRow | undefined> =>
    db.selectFrom('idempotency').selectAll().where('scope', '=', scope).executeTakeFirst(),

  insert: (db: Queries, row: IdempotencyRow) => db.insertInto('idempotency').values(row).execute(),

  removeBefore: (db: Queries, before: string) =>
    db.deleteFrom('idempotency').where('created_at', '<', before).execute(),

  remove: (db: Queries, scope: string) =>
    db.deleteFrom('idempotency').where('scope', '=', scope).execute(),
}
