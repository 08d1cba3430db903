import type { Selectable } from 'kysely'
import { listByCreation } from '../db/paging.ts'
import type { Queries, TaskTable } from '../db/tables.ts'
import type { PageRequest } from '../kernel/page.ts'

export type TaskRow = Omit<Selectable<TaskTable>, 'tenant' | 'created_by'>

const columns = [
  'id',
  'name',
  'command',
  'task_type',
  'parameters',
  'enabled',
  'wanted',
  'disabled_reason',
  'declared',
  'retries',
  'timeout_seconds',
  'tags',
  'created_at',
  'updated_at',
] as const

/** Which tasks a list shows. */
export interface TaskFilter {
  enabled?: boolean
}

/** The SQL of tasks. Takes the database or a transaction. */
export const taskStore = {
  find: (db: Queries, id: string): Promise<TaskRow | undefined> =>
    db
      .selectFrom('task')
      .select(columns)
      .where('tenant', '=', '')
      .where('id', '=', id)
      .executeTakeFirst(),

  all: (db: Queries): Promise<TaskRow[]> =>
    db.selectFrom('task').select(columns).where('tenant', '=', '').execute(),

  insert: (db: Queries, row: TaskRow) =>
    db
      .insertInto('task')
      .values({ ...row, created_by: null })
      .execute(),

  update: (db: Queries, { id, created_at, ...changed }: TaskRow) =>
    db.updateTable('task').set(changed).where('tenant', '=', '').where('id', '=', id).execute(),

  remove: (db: Queries, id: string) =>
    db.deleteFrom('task').where('tenant', '=', '').where('id', '=', id).execute(),

  count: async (db: Queries, { enabled }: TaskFilter = {}): Promise<number> => {
    let query = db
      .selectFrom('task')
      .select(({ fn }) => fn.countAll<number>().as('total'))
      .where('tenant', '=', '')
    if (enabled !== undefined) query = query.where('enabled', '=', enabled ? 1 : 0)
    return Number((await query.executeTakeFirstOrThrow()).total)
  },

  /** In order of creation. */
  list: (db: Queries, { enabled }: TaskFilter, page: PageRequest): Promise<TaskRow[]> =>
    listByCreation(
      db,
      'task',
      columns,
      page,
      enabled === undefined ? {} : { enabled: enabled ? 1 : 0 },
    ),
}
