import { sql } from 'kysely'
import type { Queries } from '../db/tables.ts'

export interface BlobRow {
  hash: string
  size: number
  crc32: number
  bytes: Uint8Array | null
}

/** The rows of blobs and of what refers to them. */
export const blobStore = {
  find: (db: Queries, hash: string): Promise<BlobRow | undefined> =>
    db
      .selectFrom('blob')
      .select(['hash', 'size', 'crc32', 'bytes'])
      .where('hash', '=', hash)
      .executeTakeFirst(),

  /** Adds rows, or renews the date of those that are there and were last put before `stale`. */
  keep: (db: Queries, blobs: readonly BlobRow[], now: string, stale: string) =>
    db
      .insertInto('blob')
      .values(blobs.map((blob) => ({ ...blob, renewed_at: now })))
      .onConflict((conflict) =>
        conflict
          .column('hash')
          .doUpdateSet({ renewed_at: now })
          .where('blob.renewed_at', '<', stale),
      )
      .execute(),

  refer: (db: Queries, hashes: readonly string[], owner: string) =>
    db
      .insertInto('blob_ref')
      .values(hashes.map((hash) => ({ hash, owner })))
      .onConflict((conflict) => conflict.doNothing())
      .execute(),

  /** Those of some hashes that have a row. */
  known: async (db: Queries, hashes: readonly string[]): Promise<string[]> => {
    const found = await db.selectFrom('blob').select('hash').where('hash', 'in', hashes).execute()
    return found.map((row) => row.hash)
  },

  release: (db: Queries, owner: string) =>
    db.deleteFrom('blob_ref').where('owner', '=', owner).execute(),

  /** Removes some references of owners, at most `limit`, and says how many: fewer than that were the last. */
  releaseSome: async (db: Queries, owners: readonly string[], limit: number): Promise<number> => {
    const { rows } = await sql`
      delete from blob_ref where (owner, hash) in (
        select owner, hash from blob_ref where owner in (${sql.join(owners)}) limit ${limit}
      ) returning 1
    `.execute(db)
    return rows.length
  },

  /** The first owner after `after` and before `last`, in the order of their names; undefined at the end. */
  nextOwner: async (db: Queries, after: string, last: string): Promise<string | undefined> => {
    const { owner } = await db
      .selectFrom('blob_ref')
      .select(({ fn }) => fn.min<string | null>('owner').as('owner'))
      .where('owner', '>', after)
      .where('owner', '<', last)
      .executeTakeFirstOrThrow()
    return owner ?? undefined
  },

  exists: async (db: Queries, hash: string): Promise<boolean> =>
    (await db.selectFrom('blob').select('hash').where('hash', '=', hash).executeTakeFirst()) !==
    undefined,

  /** The last of the next `limit` hashes behind one; undefined when there is none. */
  lastOfNext: async (db: Queries, after: string, limit: number): Promise<string | undefined> => {
    const { last } = await db
      .selectFrom((from) =>
        from
          .selectFrom('blob')
          .select('hash')
          .where('hash', '>', after)
          .orderBy('hash')
          .limit(limit)
          .as('next'),
      )
      .select(({ fn }) => fn.max<string | null>('hash').as('last'))
      .executeTakeFirstOrThrow()
    return last ?? undefined
  },

  /** Hashes in a range that nothing refers to: found in the indexes, without the rows and the bytes in them. */
  unreferenced: async (db: Queries, after: string, last: string): Promise<string[]> => {
    const rows = await db
      .selectFrom('blob')
      .select('hash')
      .where('hash', '>', after)
      .where('hash', '<=', last)
      .where(isUnreferenced)
      .execute()
    return rows.map((row) => row.hash)
  },

  /** Removes those of some rows that nothing refers to and that were last put before `before`. */
  removeUnreferenced: (
    db: Queries,
    hashes: readonly string[],
    before: string,
  ): Promise<{ hash: string; size: number }[]> =>
    db
      .deleteFrom('blob')
      .where('hash', 'in', hashes)
      .where(isUnreferenced)
      .where('renewed_at', '<', before)
      .returning(['hash', 'size'])
      .execute(),
}

const isUnreferenced = sql<boolean>`not exists (select 1 from blob_ref where blob_ref.hash = blob.hash)`
