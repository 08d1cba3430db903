import { sql } from 'kysely'
import type { Queries } from '../../db/tables.ts'
import type { ChildPosition } from '../store.ts'

/** What a change makes of an artifact: nothing but its level is other, unless it is gone, or detached from its parent. */
export interface Fate {
  gone: 0 | 1
  detached: 0 | 1
}

/** A mark together with its change. */
export interface Mark {
  seq: number
  artifact_id: string
  gone: number
  detached: number
  level_by: number
  change_id: string
}

/** The SQL of changes of trees. Every statement touches a bounded number of rows. */
export const treeStore = {
  insert: (db: Queries, change: { id: string; config_id: string | null; level_by: number }) =>
    db
      .insertInto('tree_change')
      .values({ ...change, decided: 0, gone_rows: 0 })
      .execute(),

  decide: (db: Queries, id: string) =>
    db.updateTable('tree_change').set({ decided: 1 }).where('id', '=', id).execute(),

  remove: (db: Queries, id: string) => db.deleteFrom('tree_change').where('id', '=', id).execute(),

  /** Changes that an earlier start left. */
  left: (db: Queries): Promise<{ id: string; decided: number }[]> =>
    db.selectFrom('tree_change').select(['id', 'decided']).execute(),

  /** Marks artifacts that are not marked yet. */
  async mark(db: Queries, changeId: string, ids: readonly string[], fate: Fate): Promise<void> {
    if (ids.length === 0) return
    const { numInsertedOrUpdatedRows } = await db
      .insertInto('tree_mark')
      .values(ids.map((id) => ({ change_id: changeId, artifact_id: id, ...fate })))
      .onConflict((conflict) => conflict.doNothing())
      .executeTakeFirstOrThrow()
    if (fate.gone === 1) await addGone(db, changeId, Number(numInsertedOrUpdatedRows))
  },

  /** A new artifact shares the fate of its parent, when that is marked by a change that is not decided. */
  async inheritFromParent(db: Queries, artifactId: string, parentId: string): Promise<void> {
    const found = await db
      .selectFrom('tree_mark')
      .innerJoin('tree_change', 'tree_change.id', 'tree_mark.change_id')
      .select(['tree_change.id', 'tree_change.level_by', 'tree_mark.gone'])
      .where('tree_mark.artifact_id', '=', parentId)
      .where('tree_change.decided', '=', 0)
      .executeTakeFirst()
    if (!found) return
    const fate = childFate(found.gone as 0 | 1, found.level_by !== 0)
    await treeStore.mark(db, found.id, [artifactId], fate)
  },

  /** A tree that is linked to a config goes with it, when that is about to go. */
  async inheritFromConfig(db: Queries, artifactId: string, configId: string): Promise<void> {
    const found = await db
      .selectFrom('tree_change')
      .select('id')
      .where('config_id', '=', configId)
      .where('decided', '=', 0)
      .executeTakeFirst()
    if (found) await treeStore.mark(db, found.id, [artifactId], { gone: 1, detached: 0 })
  },

  /** Children of a marked artifact behind a place, in order of creation. */
  childrenOf: (
    db: Queries,
    parentId: string,
    after: ChildPosition,
    limit: number,
  ): Promise<{ id: string; level: number; created_at: string }[]> =>
    db
      .selectFrom('present_artifact')
      .select(['id', 'level', 'created_at'])
      .where('tenant', '=', '')
      .where('stored_parent_id', '=', parentId)
      .where('parent_id', '=', parentId)
      .where((row) =>
        row(row.refTuple('created_at', 'id'), '>', row.tuple(after.created_at, after.id)),
      )
      .orderBy('created_at')
      .orderBy('id')
      .limit(limit)
      .execute(),

  /** The next marks behind a number that have something below them. */
  parents: async (
    db: Queries,
    changeId: string,
    after: number,
    limit: number,
  ): Promise<{ seq: number; id: string; gone: 0 | 1; has_children: number }[]> => {
    const { rows } = await sql<{ seq: number; id: string; gone: 0 | 1; has_children: number }>`
      select seq, artifact_id as id, gone, exists (
        select 1 from artifact where tenant = '' and parent_id = tree_mark.artifact_id
      ) as has_children
      from tree_mark where change_id = ${changeId} and seq > ${after} order by seq limit ${limit}
    `.execute(db)
    return rows
  },

  /** The first marks of a change. */
  marks: (db: Queries, changeId: string, limit: number): Promise<Mark[]> =>
    db
      .selectFrom('tree_mark')
      .innerJoin('tree_change', 'tree_change.id', 'tree_mark.change_id')
      .select(['seq', 'artifact_id', 'gone', 'detached', 'level_by', 'change_id'])
      .where('change_id', '=', changeId)
      .orderBy('seq')
      .limit(limit)
      .execute(),

  /** The mark of an artifact by a change that is decided. */
  decidedMark: (db: Queries, artifactId: string): Promise<Mark | undefined> =>
    db
      .selectFrom('tree_mark')
      .innerJoin('tree_change', 'tree_change.id', 'tree_mark.change_id')
      .select(['seq', 'artifact_id', 'gone', 'detached', 'level_by', 'change_id'])
      .where('artifact_id', '=', artifactId)
      .where('decided', '=', 1)
      .executeTakeFirst(),

  /** Removes marks without doing anything else. */
  async unmark(db: Queries, changeId: string, limit: number): Promise<number> {
    const { numDeletedRows } = await db
      .deleteFrom('tree_mark')
      .where('seq', 'in', (marks) =>
        marks
          .selectFrom('tree_mark')
          .select('seq')
          .where('change_id', '=', changeId)
          .orderBy('seq')
          .limit(limit),
      )
      .executeTakeFirst()
    return Number(numDeletedRows)
  },

  /** Does to the rows of artifacts what their marks of one change say, and removes the marks. */
  async carryOut(db: Queries, marks: readonly Mark[]): Promise<void> {
    const [first] = marks
    if (!first) return
    const idsOf = (some: readonly Mark[]) => some.map((mark) => mark.artifact_id)
    const gone = idsOf(marks.filter((mark) => mark.gone === 1))
    if (gone.length > 0) {
      await db.deleteFrom('artifact').where('tenant', '=', '').where('id', 'in', gone).execute()
      await addGone(db, first.change_id, -gone.length)
    }
    const staying = marks.filter((mark) => mark.gone === 0)
    if (staying.length > 0) {
      await db
        .updateTable('artifact')
        .set((row) => ({ level: row('level', '+', first.level_by) }))
        .where('tenant', '=', '')
        .where('id', 'in', idsOf(staying))
        .execute()
    }
    const detached = idsOf(staying.filter((mark) => mark.detached === 1))
    if (detached.length > 0) {
      await db
        .updateTable('artifact')
        .set({ parent_id: null })
        .where('tenant', '=', '')
        .where('id', 'in', detached)
        .execute()
    }
    await db
      .deleteFrom('tree_mark')
      .where(
        'seq',
        'in',
        marks.map((mark) => mark.seq),
      )
      .execute()
  },
}

/** What becomes of an artifact below one that is marked. Where a whole tree goes nothing stays that moves to another level. */
export function childFate(parentGone: 0 | 1, changeDetaches: boolean): Fate {
  if (!changeDetaches) return { gone: parentGone, detached: 0 }
  return { gone: 0, detached: parentGone }
}

const addGone = (db: Queries, changeId: string, rows: number) =>
  db
    .updateTable('tree_change')
    .set((row) => ({ gone_rows: row('gone_rows', '+', rows) }))
    .where('id', '=', changeId)
    .execute()
