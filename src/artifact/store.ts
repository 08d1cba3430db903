import { type Selectable, sql } from 'kysely'
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

const hasChildren = sql<number>`exists (select 1 from artifact as child
  where child.tenant = node.tenant and child.parent_id = node.id)`

/** A row with whether something is below it. */
export type ChildRow = ArtifactRow & { has_children: number }

/** A place among the children of an artifact. */
export interface ChildPosition {
  created_at: string
  id: string
}

/** Before every child. */
export const firstChild: ChildPosition = { created_at: '', id: '' }

/** The SQL of artifacts. Reads see every change that is decided; no query here touches a blob, and none takes a list without a bound. */
export const artifactStore = {
  find: (db: Queries, id: string): Promise<ArtifactRow | undefined> =>
    db
      .selectFrom('present_artifact')
      .select(columns)
      .where('tenant', '=', '')
      .where('id', '=', id)
      .executeTakeFirst(),

  levelOf: async (db: Queries, id: string): Promise<number | undefined> => {
    const row = await db
      .selectFrom('present_artifact')
      .select('level')
      .where('tenant', '=', '')
      .where('id', '=', id)
      .executeTakeFirst()
    return row?.level
  },

  findMany: (db: Queries, ids: string[]): Promise<ArtifactRow[]> =>
    db
      .selectFrom('present_artifact')
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

  setParent: (db: Queries, id: string, parentId: string | null) =>
    db
      .updateTable('artifact')
      .set({ parent_id: parentId })
      .where('tenant', '=', '')
      .where('id', '=', id)
      .execute(),

  /** Children behind a place, in order of creation, at most `limit`. */
  children: (
    db: Queries,
    parentId: string,
    after: ChildPosition,
    limit: number,
  ): Promise<ChildRow[]> =>
    db
      .selectFrom('present_artifact as node')
      .select(columns.map((column) => `node.${column}` as const))
      .select(hasChildren.as('has_children'))
      .where('node.tenant', '=', '')
      .where('node.stored_parent_id', '=', parentId)
      .where('node.parent_id', '=', parentId)
      .where((row) =>
        row(row.refTuple('node.created_at', 'node.id'), '>', row.tuple(after.created_at, after.id)),
      )
      .orderBy('node.created_at')
      .orderBy('node.id')
      .limit(limit)
      .execute(),

  /** The ids from a node up to its root, the node itself first. */
  lineage: async (db: Queries, id: string): Promise<string[]> => {
    const rows = await db
      .withRecursive('up(id, parent_id, level)', (q) =>
        q
          .selectFrom('present_artifact as node')
          .select(['node.id', 'node.parent_id', 'node.level'])
          .where('node.tenant', '=', '')
          .where('node.id', '=', id)
          .union((u) =>
            u
              .selectFrom('present_artifact as parent')
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

  count: async (db: Queries): Promise<number> => {
    const { gone } = await db
      .selectFrom('tree_change')
      .select(({ fn }) => fn.sum<number | null>('gone_rows').as('gone'))
      .where('decided', '=', 1)
      .executeTakeFirstOrThrow()
    return (await countRows(db, 'artifact')) - Number(gone ?? 0)
  },

  /** In order of creation. */
  list: (db: Queries, page: PageRequest): Promise<ArtifactRow[]> =>
    listByCreation(db, 'present_artifact', columns, page),
}
