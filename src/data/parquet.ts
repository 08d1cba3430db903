import type { SchemaElement } from 'hyparquet'
import type { BasicType } from 'hyparquet-writer/src/types.js'
import { ChapkitError } from '../errors.ts'
import { show } from '../kernel/show.ts'
import { buildColumn, type Column, cellsOf, type NumericColumn } from './columns.ts'
import { importCodecs } from './parquet-codecs.ts'
import { checkFooter, checkPages } from './parquet-pages.ts'
import { assertReadable, toCells } from './parquet-values.ts'
import { type CellColumns, type FrameJson, toRows } from './schema.ts'

/**
 * Writes a frame as a Parquet file (snappy): integers as INT64, other numbers as DOUBLE, text as STRING, mixed columns
 * as JSON. Nulls are kept.
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
 * Reads a Parquet file with any of the usual codecs and encodings.
 *
 * * Integers and decimals are numbers; one that no number holds exactly makes its column text, with all its digits. In columns
 *   that are text by agreement (`location`, `time_period`) whole numbers and decimals are text, and other numbers refused.
 * * NaN, which pandas and R write for what is missing, is null.
 * * Dates are `YYYY-MM-DD`, timestamps ISO 8601 to the millisecond (with `Z` where the file says that they are in UTC), times
 *   of day `hh:mm:ss` with decimals. A byte order mark in front of a column's name is not kept.
 *
 * `validation-failed`, with column and row: infinite numbers, bytes that are no UTF-8, lists, structs, maps and other types
 * that are no cells, and times that JavaScript has no date for. Also a file that is no Parquet or is damaged, two columns of one
 * name, and more than 2^27 cells.
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
  const [hyparquet, compressors] = await Promise.all([import('hyparquet'), importCodecs()])
  // A copy, because a view into shared memory is not accepted.
  const copy = new Uint8Array(bytes)
  const found = new Map<string, unknown[]>()
  let elements: SchemaElement[]
  try {
    checkFooter(copy)
    const metadata = hyparquet.parquetMetadata(copy.buffer, { geoparquet: false })
    const schema = hyparquet.parquetSchema(metadata)
    elements = schema.children.map(({ element }) => element)
    for (const { element, children } of schema.children) {
      if (found.has(element.name)) {
        throw new ChapkitError(
          'validation-failed',
          `Expected each column once in the Parquet file, got ${show(element.name)} again`,
        )
      }
      found.set(element.name, [])
      assertReadable(element, children.length > 0)
    }
    checkPages(copy, metadata, schema, compressors)
    await hyparquet.parquetRead({
      file: copy.buffer,
      metadata: { ...metadata, schema: metadata.schema.map(withoutMeaning) },
      compressors,
      utf8: false,
      parsers: { timestampFromNanoseconds: (nanoseconds) => nanoseconds },
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
      `Expected a Parquet file, got ${bytes.byteLength} bytes that cannot be read as one (${(cause as Error).message}) and begin with ${start}`,
      { cause },
    )
  }
  return {
    columns: [...found.keys()],
    cells: elements.map((element) => toCells(found.get(element.name)! as never[], element)),
  }
}

/** The reader gives the values as they lie in the file: what they mean is said in one place, `parquet-values.ts`. */
function withoutMeaning(element: SchemaElement): SchemaElement {
  const { converted_type: _converted, logical_type: _logical, ...physical } = element
  return physical
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
