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

  releaseAll: (db: Queries, owners: readonly string[]) =>
    db.deleteFrom('blob_ref').where('owner', 'in', owners).execute(),

  exists: async (db: Queries, hash: string): Promise<boolean> =>
    (await db.selectFrom('blob').select('hash').where('hash', '=', hash).executeTakeFirst()) !==
    undefined,

  /** Removes rows that nothing refers to and that were last put before `before`, at most 500 at a time. */
  removeUnreferenced: (db: Queries, before: string): Promise<{ hash: string; size: number }[]> =>
    db
      .deleteFrom('blob')
      .where('hash', 'in', (rows) =>
        rows
          .selectFrom('blob as old')
          .select('old.hash')
          .where('old.renewed_at', '<', before)
          .where(({ not, exists, selectFrom }) =>
            not(
              exists(
                selectFrom('blob_ref')
                  .select('blob_ref.owner')
                  .whereRef('blob_ref.hash', '=', 'old.hash'),
              ),
            ),
          )
          .limit(500),
      )
      .returning(['hash', 'size'])
      .execute(),
}
