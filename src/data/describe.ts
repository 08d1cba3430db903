import { buildColumn, type Column, type NumericColumn } from './columns.ts'
import { quantile, statistics } from './group.ts'
import type { Cell } from './schema.ts'

/** Columns of the summary: one row for each numeric column that `columns` holds. Nulls are counted and left out. */
export function describeColumns(columns: readonly Column[]): Column[] {
  const numeric = columns.filter(isNumeric)
  const present = numeric.map(({ values, nulls }) =>
    nulls === null ? values : values.filter((_, row) => nulls[row] !== 1),
  )
  const column = (name: string, of: (values: Float64Array, index: number) => Cell) =>
    buildColumn(name, present.map(of))
  return [
    column('column', (_, index) => numeric[index]!.name),
    column('count', (values) => values.length),
    column('nulls', (values, index) => numeric[index]!.values.length - values.length),
    column('mean', statistics.mean),
    column('std', statistics.std),
    column('min', statistics.min),
    column('q25', (values) => quantile(values, 0.25)),
    column('median', statistics.median),
    column('q75', (values) => quantile(values, 0.75)),
    column('max', statistics.max),
  ]
}

function isNumeric(column: Column): column is NumericColumn {
  return column.type === 'number' || column.type === 'integer'
}

/** A table of text: a line of names, a line for each row; numbers stand right, a null is empty. */
export function tableText(names: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const lines = [names, ...rows.map((row) => row.map(cellText))]
  const widths = names.map((_, column) =>
    lines.reduce((width, line) => Math.max(width, line[column]!.length), 0),
  )
  const right = names.map((_, column) => rows.some((row) => typeof row[column] === 'number'))
  return lines
    .map((line) =>
      line
        .map((text, column) =>
          right[column] ? text.padStart(widths[column]!) : text.padEnd(widths[column]!),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

function cellText(cell: Cell): string {
  if (cell === null) return ''
  if (typeof cell === 'number' && !Number.isInteger(cell))
    return String(Number(cell.toPrecision(8)))
  const text = String(cell).replaceAll(/\s/g, ' ')
  return text.length > 40 ? `${text.slice(0, 39)}…` : text
}
