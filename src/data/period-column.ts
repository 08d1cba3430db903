import { type Column, cellAt } from './columns.ts'
import { type PeriodType, parsePeriod } from './periods.ts'
import type { Cell } from './schema.ts'

/** The periods of a column: the index of each row's, NaN for null; or the first row that does not fit those before it. */
export type PeriodColumn =
  | { type: PeriodType | null; indexes: Float64Array }
  | { type: PeriodType | null; oddRow: number; oddType: PeriodType | null }

/** Reads a column whose cells are periods of one type, or null. Numbers are read as they are written: 202401 is a month. */
export function readPeriods(column: Column): PeriodColumn {
  const length = column.values.length
  const known = new Map<Cell, number>()
  const indexes = new Float64Array(length)
  let type: PeriodType | null = null
  for (let row = 0; row < length; row++) {
    const cell = cellAt(column, row)
    let index = cell === null ? Number.NaN : known.get(cell)
    if (index === undefined) {
      const period = parsePeriod(String(cell))
      type ??= period?.type ?? null
      if (period === null || period.type !== type)
        return { type, oddRow: row, oddType: period?.type ?? null }
      index = period.index
      known.set(cell, index)
    }
    indexes[row] = index
  }
  return { type, indexes }
}

/** The indexes of a column of text that holds periods of one type and nulls, and nothing else; else null. */
export function periodIndexes(column: Column): Float64Array | null {
  if (column.type !== 'string') return null
  const read = readPeriods(column)
  return 'indexes' in read ? read.indexes : null
}
