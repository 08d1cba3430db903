import { ChapkitError } from '../errors.ts'
import { show } from '../kernel/show.ts'
import { type Column, cellAt } from './columns.ts'
import { groupIds } from './group.ts'
import { type Period, parsePeriod } from './periods.ts'
import type { Cell } from './schema.ts'

export interface LagOptions {
  /**
   * Columns that tell one series from another.
   * @default 'location', or none when the frame has no such column
   */
  by?: string | readonly string[]
  /** Column of the periods. @default 'time_period', or the order of rows when the frame has no such column */
  order?: string
  /** Name of the new column. @default `<column>_lag<periods>` */
  as?: string
}

/**
 * For each row the row that lies `periods` before it in its series, or -1. Along the calendar when the order column
 * holds periods, else along the rows.
 */
export function lagRows(
  keys: readonly Column[],
  order: Column | null,
  periods: number,
  length: number,
): Int32Array {
  const { ids, count } = groupIds(keys, length)
  const positions = order === null ? null : calendar(order, length)
  return positions === null
    ? alongRows(ids, count, periods)
    : alongCalendar(ids, count, positions, periods, order as Column)
}

/** Index of each row's period (NaN for null), or null when the column holds no periods at all. */
function calendar(order: Column, length: number): Float64Array | null {
  const known = new Map<Cell, Period | null>()
  const positions = new Float64Array(length)
  let kind: string | null = null
  let odd = -1
  for (let row = 0; row < length; row++) {
    const cell = cellAt(order, row)
    if (cell === null) {
      positions[row] = Number.NaN
      continue
    }
    let period = known.get(cell)
    if (period === undefined) {
      period = parsePeriod(String(cell))
      known.set(cell, period)
    }
    if (period === null) odd = row
    else {
      kind ??= period.kind
      if (period.kind !== kind) odd = row
      positions[row] = period.index
    }
  }
  if (kind === null) return null
  if (odd < 0) return positions
  // Falling back to the order of rows here would shift values by the wrong time, and nobody would see it.
  throw new ChapkitError(
    'bad-request',
    `Expected a ${kind} in every row of \`${order.name}\`, got ${show(cellAt(order, odd))} in row ${odd}`,
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
