import type { Selectable } from 'kysely'
import { countRows, listByCreation } from '../db/paging.ts'
import type { ArtifactTable, Queries } from '../db/tables.ts'
import type { PageRequest } from '../kernel/page.ts'

export type ArtifactRow = Omit<Selectable<ArtifactTable>, 'tenant' | 'created_by'>

const columns = [
  'id',
  'parent_id',
  'level',
  'ml_type',
  'data',
  'content_offset',
  'content_kind',
  'content_type',
  'content_hash',
  'content_size',
  'lineage',
  'tags',
  'created_at',
  'updated_at',
] as const

/** The SQL of artifacts. No query here touches a blob. */
export const artifactStore = {
  find: (db: Queries, id: string): Promise<ArtifactRow | undefined> =>
    db
      .selectFrom('artifact')
      .select(columns)
      .where('tenant', '=', '')
      .where('id', '=', id)
      .executeTakeFirst(),

  levelOf: async (db: Queries, id: string): Promise<number | undefined> => {
    const row = await db
      .selectFrom('artifact')
      .select('level')
      .where('tenant', '=', '')
      .where('id', '=', id)
      .executeTakeFirst()
    return row?.level
  },

  findMany: (db: Queries, ids: string[]): Promise<ArtifactRow[]> =>
    db
      .selectFrom('artifact')
      .select(columns)
      .where('tenant', '=', '')
      .where('id', 'in', ids)
      .orderBy('created_at')
      .orderBy('id')
      .execute(),

  insert: (db: Queries, row: ArtifactRow) =>
    db
      .insertInto('artifact')
      .values({ ...row, created_by: null })
      .execute(),

  update: (db: Queries, { id, created_at, ...changed }: ArtifactRow) =>
    db.updateTable('artifact').set(changed).where('tenant', '=', '').where('id', '=', id).execute(),

  remove: (db: Queries, ids: string[]) =>
    db.deleteFrom('artifact').where('tenant', '=', '').where('id', 'in', ids).execute(),

  orphanChildren: (db: Queries, id: string) =>
    db
      .updateTable('artifact')
      .set({ parent_id: null })
      .where('tenant', '=', '')
      .where('parent_id', '=', id)
      .execute(),

  childIds: async (db: Queries, id: string): Promise<string[]> => {
    const rows = await db
      .selectFrom('artifact')
      .select('id')
      .where('tenant', '=', '')
      .where('parent_id', '=', id)
      .execute()
    return rows.map((row) => row.id)
  },

  /**
   * A node and everything below it, in order of level and creation. `union` drops repeats, so even a cycle would end.
   * SQLite keeps the order of a cross join: from the few of the tree to their rows, never through the whole table.
   */
  subtree: (db: Queries, rootId: string): Promise<ArtifactRow[]> =>
    db
      .withRecursive('tree(id)', (q) =>
        q
          .selectFrom('artifact')
          .select('artifact.id')
          .where('artifact.tenant', '=', '')
          .where('artifact.id', '=', rootId)
          .union((u) =>
            u
              .selectFrom('tree')
              .crossJoin('artifact as child')
              .select('child.id')
              .where('child.tenant', '=', '')
              .whereRef('child.parent_id', '=', 'tree.id'),
          ),
      )
      .selectFrom('tree')
      .crossJoin('artifact')
      .select(columns.map((column) => `artifact.${column}` as const))
      .where('artifact.tenant', '=', '')
      .whereRef('artifact.id', '=', 'tree.id')
      .orderBy('artifact.level')
      .orderBy('artifact.created_at')
      .orderBy('artifact.id')
      .execute() as Promise<ArtifactRow[]>,

  /** The ids from a node up to its root, the node itself first. */
  lineage: async (db: Queries, id: string): Promise<string[]> => {
    const rows = await db
      .withRecursive('up(id, parent_id, level)', (q) =>
        q
          .selectFrom('artifact')
          .select(['artifact.id', 'artifact.parent_id', 'artifact.level'])
          .where('artifact.tenant', '=', '')
          .where('artifact.id', '=', id)
          .union((u) =>
            u
              .selectFrom('artifact as parent')
              .innerJoin('up', 'up.parent_id', 'parent.id')
              .select(['parent.id', 'parent.parent_id', 'parent.level'])
              .where('parent.tenant', '=', ''),
          ),
      )
      .selectFrom('up')
      .select('id')
      .orderBy('level', 'desc')
      .execute()
    return rows.map((row) => row.id)
  },

  /** Moves a whole subtree by a number of levels. */
  shiftLevels: (db: Queries, ids: string[], by: number) =>
    db
      .updateTable('artifact')
      .set((row) => ({ level: row('level', '+', by) }))
      .where('tenant', '=', '')
      .where('id', 'in', ids)
      .execute(),

  count: (db: Queries): Promise<number> => countRows(db, 'artifact'),

  /** In order of creation. */
  list: (db: Queries, page: PageRequest): Promise<ArtifactRow[]> =>
    listByCreation(db, 'artifact', columns, page),
}
