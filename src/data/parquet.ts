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
 * become `YYYY-MM-DD`, timestamps ISO 8601 in UTC. A file that is no Parquet, and lists or structs in a column, are
 * `validation-failed`.
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
    for (const { element } of hyparquet.parquetSchema(metadata).children) {
      found.set(element.name, [])
    }
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
      if (value instanceof Date) return value.toISOString()
      throw new ChapkitError(
        'validation-failed',
        `Expected plain values in column \`${name}\`, got ${show(value)} in row ${row}; flatten lists and structs first`,
      )
  }
}

function isoDay(days: number): string {
  return new Date(days * 86_400_000).toISOString().slice(0, 10)
}
