import { ChapkitError } from '../errors.ts'
import { show } from '../kernel/show.ts'
import { type Column, cellAt } from './columns.ts'
import { groupIds } from './group.ts'
import { readPeriods } from './period-column.ts'

export interface LagOptions {
  /**
   * Columns that tell one series from another.
   * @default 'location', or none when the frame has no such column
   */
  by?: string | readonly string[]
  /** Column of the periods. @default 'time_period' */
  order?: string
  /**
   * What a step goes along. `'rows'` takes the order of rows in each series for that of time, whatever they hold: the caller
   * answers for a series without gaps, in order. It goes with no `order`.
   * @default 'periods'
   */
  along?: 'periods' | 'rows'
  /** Name of the new column. @default `<column>_lag<periods>` */
  as?: string
}

/**
 * For each row the row that lies `periods` before it in its series, or -1. Along the calendar by a column of periods, or
 * along the rows where there is none.
 */
export function lagRows(
  keys: readonly Column[],
  order: Column | null,
  periods: number,
  length: number,
): Int32Array {
  if (!Number.isInteger(periods))
    throw new ChapkitError('bad-request', `Expected a whole number of periods, got ${periods}`)
  const { ids, count } = groupIds(keys, length)
  return order === null
    ? alongRows(ids, count, periods)
    : alongCalendar(ids, count, positionsOf(order), periods, order)
}

/** Index of each row's period, NaN for null. */
function positionsOf(order: Column): Float64Array {
  const read = readPeriods(order)
  if ('indexes' in read) return read.indexes
  // Going on by the order of rows would shift values by the wrong time, and nobody would see it.
  const { type, oddRow, oddType } = read
  const got = `got ${show(cellAt(order, oddRow))} in row ${oddRow}`
  throw new ChapkitError(
    'bad-request',
    type === null || oddType === null
      ? `Expected a period such as 2024-01 or 2024-W05 in every row of \`${order.name}\`, ${got}; for the order of rows instead, lag with \`along: 'rows'\``
      : `Expected periods of one type in \`${order.name}\` (${type} as before), ${got}, which is ${oddType}`,
  )
}

function alongCalendar(
  ids: Int32Array,
  count: number,
  positions: Float64Array,
  periods: number,
  order: Column,
): Int32Array {
  const rowAt = Array.from({ length: count }, () => new Map<number, number>())
  for (let row = 0; row < ids.length; row++) {
    const position = positions[row]!
    if (Number.isNaN(position)) continue
    const series = rowAt[ids[row]!]!
    if (series.has(position)) {
      throw new ChapkitError(
        'bad-request',
        `Expected one row per series and period, got ${show(cellAt(order, row))} again in row ${row}; name all keys in \`by\``,
      )
    }
    series.set(position, row)
  }
  const from = new Int32Array(ids.length)
  for (let row = 0; row < from.length; row++) {
    from[row] = rowAt[ids[row]!]!.get(positions[row]! - periods) ?? -1
  }
  return from
}

function alongRows(ids: Int32Array, count: number, periods: number): Int32Array {
  const series = Array.from({ length: count }, (): number[] => [])
  const place = new Int32Array(ids.length)
  for (let row = 0; row < ids.length; row++) {
    const rows = series[ids[row]!]!
    place[row] = rows.length
    rows.push(row)
  }
  return place.map((at, row) => series[ids[row]!]![at - periods] ?? -1)
}
