import type { Column } from './columns.ts'
import { periodIndexes } from './period-column.ts'
import { kindOf } from './schema.ts'

/**
 * A column to sort by. Texts compare by code unit, booleans false before true. A column of periods of one type goes along the
 * calendar: `2024W9` before `2024W10`.
 */
export interface SortKey {
  column: string
  /** @default false */
  descending?: boolean
}

/**
 * The rows in sorted order; equal rows keep theirs. Nulls stand last and NaN before them, in both directions.
 */
export function sortedRows(
  keys: readonly { column: Column; descending: boolean }[],
  length: number,
): Int32Array {
  const comparisons = keys.map(({ column, descending }) => comparison(column, descending ? -1 : 1))
  const rows = Int32Array.from({ length }, (_, row) => row)
  return rows.sort((a, b) => {
    for (const compare of comparisons) {
      const order = compare(a, b)
      if (order !== 0) return order
    }
    return a - b
  })
}

type Comparison = (a: number, b: number) => number

function comparison(column: Column, sign: 1 | -1): Comparison {
  const { nulls } = column
  const values = periodIndexes(column) ?? column.values
  // Ranks put apart what has no order among itself: 0 for values, then NaN, then null.
  const rank = (row: number) => (nulls?.[row] === 1 ? 2 : Number.isNaN(values[row]) ? 1 : 0)
  const compare = column.type === 'any' ? compareMixed : comparePlain
  return (a, b) => {
    const ranks = rank(a) - rank(b)
    if (ranks !== 0 || rank(a) > 0) return ranks
    return sign * compare(values[a] as string, values[b] as string)
  }
}

function comparePlain(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** Numbers before texts before booleans. */
function compareMixed(a: string, b: string): number {
  return (typeof a === typeof b ? 0 : kindOf(a) - kindOf(b)) || comparePlain(a, b)
}
