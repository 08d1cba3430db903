import type { SelectQueryBuilder } from 'kysely'
import { decodeTime } from 'ulid'
import { toTimestamp } from '../kernel/clock.ts'
import type { PageRequest } from '../kernel/page.ts'
import type { Queries } from './tables.ts'

/** Where a page by key begins: behind this place in the order of (time, id). */
export interface KeyPosition {
  at: string
  id: string
}

/** A ULID can name later times, but their text would sort before all others: it begins with a sign. */
const lastTime = Date.UTC(9999, 11, 31, 23, 59, 59, 999)

/**
 * The place of an entity in its list. One that has been deleted since still has a place: the time in its id, which is when
 * the service made it.
 */
export async function keyPosition(
  id: string,
  find: () => Promise<{ at: string } | undefined>,
): Promise<KeyPosition> {
  return { at: (await find())?.at ?? toTimestamp(Math.min(decodeTime(id), lastTime)), id }
}

/** What every table of things that are listed in order of creation has. */
interface CreatedTable {
  tenant: string
  id: string
  created_at: string
}

type CreatedQuery = SelectQueryBuilder<{ created: CreatedTable }, 'created', object>

/**
 * The rows of a table in order of creation: all of them, a page by number, or those behind a place. The table has `tenant`,
 * `id` and `created_at`; an index over the three makes each page one scan. `where` leaves only rows with these values. Of a page by
 * key with `bytes` there may come less than its size, but not nothing where something is left.
 */
export async function listByCreation<Row>(
  db: Queries,
  table: string,
  columns: readonly string[],
  page: PageRequest,
  where: Readonly<Record<string, string | number>> = {},
): Promise<Row[]> {
  // The builder's types know tables by name; what is used here every such table has.
  const from = (): CreatedQuery =>
    db.selectFrom(table as 'config').where('tenant', '=', '') as unknown as CreatedQuery
  let query: CreatedQuery = from().orderBy('created_at').orderBy('id')
  for (const [column, value] of Object.entries(where)) {
    query = query.where(column as keyof CreatedTable, '=', value as string)
  }
  if (page.kind !== 'all') query = query.limit(page.size)
  if (page.kind === 'number') query = query.offset((page.page - 1) * page.size)
  if (page.kind === 'key' && page.after !== null) {
    const { after } = page
    const { at, id } = await keyPosition(after, () =>
      from().select('created_at as at').where('id', '=', after).executeTakeFirst(),
    )
    query = query.where((row) => row(row.refTuple('created_at', 'id'), '>', row.tuple(at, id)))
  }
  if (page.kind === 'key' && page.bytes !== undefined)
    query = query.limit(await countFitting(query, columns, page.bytes))
  return query.select(columns as readonly (keyof CreatedTable)[]).execute() as Promise<Row[]>
}

/** How many of the rows are so many bytes at most, one at least. Their sizes stand in their headers: nothing large is read. */
async function countFitting(
  query: CreatedQuery,
  columns: readonly string[],
  bytes: number,
): Promise<number> {
  const rows = await query
    .select((row) => {
      const sizes = (columns as readonly (keyof CreatedTable)[]).map((column) =>
        row.fn.coalesce(row.fn<number | null>('octet_length', [column]), row.lit(0)),
      )
      return sizes.reduce((sum, size) => row(sum, '+', size) as typeof size).as('bytes')
    })
    .execute()
  let left = bytes
  const fitting = rows.findIndex((row) => {
    left -= row.bytes
    return left < 0
  })
  return Math.max(1, fitting < 0 ? rows.length : fitting)
}

/** The number of rows of a table, all or of one type or status: kept as rows come and go, not counted. */
export async function countRows(
  db: Queries,
  table: 'config' | 'artifact' | 'job',
  of: { type?: string; status?: string } = {},
): Promise<number> {
  let query = db
    .selectFrom('row_count')
    .select(({ fn }) => fn.sum<number | null>('rows').as('total'))
    .where('tenant', '=', '')
    .where('name', '=', table)
  if (of.type !== undefined) query = query.where('type', '=', of.type)
  if (of.status !== undefined) query = query.where('status', '=', of.status)
  const { total } = await query.executeTakeFirstOrThrow()
  return Number(total ?? 0)
}
