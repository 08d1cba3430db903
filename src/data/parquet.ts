import type { FileMetaData, SchemaTree } from 'hyparquet'
import type { BasicType } from 'hyparquet-writer/src/types.js'
import { ChapkitError } from '../errors.ts'
import { show } from '../kernel/show.ts'
import { buildColumn, type Column, cellsOf, type NumericColumn } from './columns.ts'
import { type Cell, type CellColumns, type FrameJson, toRows } from './schema.ts'

/**
 * Writes a frame as a Parquet file (snappy): integers as INT64, other numbers as DOUBLE, text as STRING, mixed columns
 * as JSON. Nulls, and in DOUBLE columns NaN and the infinities, are kept.
 */
export async function frameToParquet(frame: FrameJson): Promise<Uint8Array> {
  return writeParquet(
    frame.columns.map((name, index) =>
      buildColumn(
        name,
        frame.data.map((row) => row[index]),
      ),
    ),
  )
}

/**
 * Reads a Parquet file with any of the usual codecs. Integers that do not fit a number make their column text, dates
 * become `YYYY-MM-DD`, timestamps ISO 8601 in UTC. A byte order mark in front of a column's name is not kept. A file
 * that is no Parquet, two columns of one name, lists or structs in a column, and times that JavaScript has no date for
 * are `validation-failed`.
 */
export async function parquetToFrame(bytes: Uint8Array): Promise<FrameJson> {
  const table = await readParquet(bytes)
  return { columns: table.columns, data: toRows(table, table.cells[0]?.length ?? 0) }
}

export async function writeParquet(columns: readonly Column[]): Promise<Uint8Array> {
  const { parquetWriteBuffer } = await import('hyparquet-writer')
  return new Uint8Array(
    parquetWriteBuffer({
      columnData: columns.map((column) => ({
        name: column.name,
        nullable: column.nulls !== null,
        ...parquetValues(column),
      })),
    }),
  )
}

/** As `parquetToFrame`, by column. */
export async function readParquet(bytes: Uint8Array): Promise<CellColumns> {
  const [hyparquet, { compressors }] = await Promise.all([
    import('hyparquet'),
    import('hyparquet-compressors'),
  ])
  // The default decoder would swallow a byte order mark at the start of a text.
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  // A copy, because a view into shared memory is not accepted.
  const file = new Uint8Array(bytes).buffer
  const found = new Map<string, unknown[]>()
  try {
    const metadata = hyparquet.parquetMetadata(file)
    const schema = hyparquet.parquetSchema(metadata)
    for (const { element } of schema.children) {
      if (found.has(element.name)) {
        throw new ChapkitError(
          'validation-failed',
          `Expected each column once in the Parquet file, got ${show(element.name)} again`,
        )
      }
      found.set(element.name, [])
    }
    assertChunks(metadata, schema)
    await hyparquet.parquetRead({
      file,
      metadata,
      compressors,
      parsers: { dateFromDays: isoDay, stringFromBytes: (bytes) => decoder.decode(bytes) },
      onChunk: ({ columnName, columnData, rowStart }) => {
        const values = found.get(columnName)!
        for (let row = 0; row < columnData.length; row++) values[rowStart + row] = columnData[row]
      },
    })
  } catch (cause) {
    if (cause instanceof ChapkitError) throw cause
    const start = show(new TextDecoder('latin1').decode(bytes.subarray(0, 16)))
    throw new ChapkitError(
      'validation-failed',
      `Expected a Parquet file, got ${bytes.byteLength} bytes that cannot be read as one and begin with ${start}`,
      { cause },
    )
  }
  return {
    columns: [...found.keys()],
    cells: Array.from(found, ([name, values]) => toCells(values, name)),
  }
}

/**
 * Chunks must be those of the schema, each once. The reader would begin with others too and never look at how that ended:
 * a failure that nobody looks at ends the process.
 */
function assertChunks(metadata: FileMetaData, schema: SchemaTree): void {
  const leaves = new Set(leafPaths(schema))
  for (const group of metadata.row_groups) {
    const paths = group.columns.map((chunk) => chunk.meta_data?.path_in_schema.join('.') ?? '')
    const stray = paths.find((path, at) => !leaves.has(path) || paths.indexOf(path) < at)
    if (stray !== undefined) throw new Error(`unexpected column chunk ${stray}`)
  }
}

function leafPaths({ path, children }: SchemaTree): string[] {
  return children.length === 0 ? [path.join('.')] : children.flatMap(leafPaths)
}

function parquetValues(column: Column): {
  type: BasicType
  data: unknown[] | Float64Array | BigInt64Array
} {
  switch (column.type) {
    case 'integer':
      return { type: 'INT64', data: bigints(column) }
    case 'number':
      return { type: 'DOUBLE', data: column.nulls === null ? column.values : cellsOf(column) }
    case 'boolean':
      return { type: 'BOOLEAN', data: cellsOf(column) }
    case 'string':
      return { type: 'STRING', data: column.values.slice() }
    case 'any': {
      const onlyNulls = column.values.every((cell) => cell === null)
      return { type: onlyNulls ? 'STRING' : 'JSON', data: column.values.slice() }
    }
  }
}

function bigints(column: NumericColumn): unknown[] | BigInt64Array {
  const { nulls, values } = column
  if (nulls === null) return BigInt64Array.from(values, BigInt)
  return Array.from(values, (value, row) => (nulls[row] === 1 ? null : BigInt(value)))
}

function toCells(values: ArrayLike<unknown>, name: string): Cell[] {
  const cells = new Array<Cell>(values.length)
  let unsafe = false
  for (let row = 0; row < cells.length; row++) {
    const value = values[row]
    if (typeof value === 'bigint') {
      const number = Number(value)
      if (!Number.isSafeInteger(number)) unsafe = true
      cells[row] = number
    } else cells[row] = plainCell(value, name, row)
  }
  if (!unsafe) return cells
  // One number that does not fit makes the whole column text: a column of two kinds would surprise.
  return Array.from(values, (value) => (typeof value === 'bigint' ? String(value) : null))
}

function plainCell(value: unknown, name: string, row: number): Cell {
  switch (typeof value) {
    case 'string':
    case 'number':
    case 'boolean':
      return value
    case 'undefined':
      return null
    default:
      if (value === null) return null
      if (value instanceof Date) return isoTime(value, name, row)
      throw new ChapkitError(
        'validation-failed',
        `Expected plain values in column \`${name}\`, got ${show(value)} in row ${row}; flatten lists and structs first`,
      )
  }
}

function isoTime(time: Date, name: string, row: number): string {
  if (!Number.isNaN(time.getTime())) return time.toISOString()
  throw new ChapkitError(
    'validation-failed',
    `Expected times up to the year 275760 in column \`${name}\`, got a later one, or one as early, in row ${row}`,
  )
}

function isoDay(days: number): string {
  // Years before 0 and after 9999 have a sign and six digits.
  return new Date(days * 86_400_000).toISOString().split('T')[0]!
}
