import { type Column, cellsOf } from './columns.ts'

/** What chapkit promises of an Arrow table without knowing the package's types. */
export interface ArrowTable {
  readonly numRows: number
  readonly numCols: number
  getChild(name: string): { readonly length: number; get(row: number): unknown } | null
}

/** An Arrow table: integers and numbers as Float64, text as Utf8, mixed columns as Utf8 of JSON. */
export async function toArrowTable(columns: readonly Column[]): Promise<ArrowTable> {
  const arrow = await importArrow()
  const vectors = columns.map((column) =>
    arrow.vectorFromArray(arrowCells(column), arrowType(column, arrow)),
  )
  // By a schema: an object of columns would put names such as 2024 first.
  const schema = new arrow.Schema(
    columns.map((column, at) => new arrow.Field(column.name, vectors[at]!.type, true)),
  )
  const data = arrow.makeData({
    type: new arrow.Struct(schema.fields),
    length: columns[0]?.values.length ?? 0,
    children: vectors.map((vector) => vector.data[0]!),
  })
  return new arrow.Table(schema, new arrow.RecordBatch(schema, data)) as unknown as ArrowTable
}

type Arrow = typeof import('apache-arrow')

async function importArrow(): Promise<Arrow> {
  try {
    return await import('apache-arrow')
  } catch (cause) {
    throw new Error('Cannot import `apache-arrow`. Install it: npm install apache-arrow', { cause })
  }
}

function arrowType(column: Column, arrow: Arrow) {
  switch (column.type) {
    case 'integer':
    case 'number':
      return new arrow.Float64()
    case 'boolean':
      return new arrow.Bool()
    default:
      return new arrow.Utf8()
  }
}

function arrowCells(column: Column): unknown[] {
  const cells = cellsOf(column)
  if (column.type !== 'any') return cells
  return cells.map((cell) => (cell === null ? null : JSON.stringify(cell)))
}
