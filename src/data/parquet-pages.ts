import { crc32 } from 'node:zlib'
import type { ColumnMetaData, Compressors, FileMetaData, SchemaTree } from 'hyparquet'
import { ThriftReader, type ThriftStruct } from './parquet-thrift.ts'

/*
 * The reader takes the lengths and counts of a file as they stand there. A damaged one makes it go round for ever, fill the
 * memory, or give nulls for values. So they are all looked at before: whatever is wrong is an Error, and the file is refused.
 */

/** Most cells of a file; more would not fit the memory of a model's process. */
const mostCells = 2 ** 27
/** Most bytes of a page when it is unpacked. */
const largestPage = 2 ** 30

/** `PAR1`. */
const magic = 0x31524150

/** The end of the file, which says where everything is. */
export function checkFooter(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const end = bytes.byteLength - 8
  if (end < 4 || view.getUint32(0, true) !== magic || view.getUint32(end + 4, true) !== magic)
    throw new Error('there is no PAR1 at its beginning and at its end')
  const length = view.getUint32(end, true)
  if (length > end - 4) throw new Error('its end is longer than the file')
  new ThriftReader(bytes, end - length, end).struct()
}

/** Every page of every column: sizes, counts, checksums, and all by which the reader is led. */
export function checkPages(
  bytes: Uint8Array,
  metadata: FileMetaData,
  schema: SchemaTree,
  compressors: Compressors,
): void {
  const columns = new Map(schema.children.map((leaf) => [leaf.path.join('.'), leaf]))
  let rows = 0
  for (const group of metadata.row_groups) {
    const count = Number(group.num_rows)
    if (!(count >= 0)) throw new Error('a group has fewer than no rows')
    rows += count
    if (rows * columns.size > mostCells) throw new Error(`it has more than ${mostCells} cells`)
    const missing = new Set(columns.keys())
    for (const { meta_data: chunk, file_path: elsewhere } of group.columns) {
      const path = chunk?.path_in_schema.join('.') ?? ''
      if (chunk === undefined || !missing.delete(path))
        throw new Error(`its column chunk ${path} is not expected`)
      if (elsewhere !== undefined) throw new Error(`the column ${path} is in another file`)
      checkChunk(bytes, chunk, columns.get(path)!, count, compressors)
    }
    if (missing.size > 0) throw new Error(`the column ${[...missing][0]} is missing`)
  }
  if (BigInt(rows) !== BigInt(metadata.num_rows))
    throw new Error(`it says that it has ${metadata.num_rows} rows, and has ${rows}`)
}

function checkChunk(
  bytes: Uint8Array,
  chunk: ColumnMetaData,
  { element }: SchemaTree,
  rows: number,
  compressors: Compressors,
): void {
  if (chunk.type !== element.type) throw new Error('a column has two types')
  // Of a column without values no place is looked at.
  if (rows === 0) return
  const start = Number(chunk.dictionary_page_offset || chunk.data_page_offset)
  const end = start + Number(chunk.total_compressed_size)
  if (!(start >= 4 && start <= end && end <= bytes.byteLength))
    throw new Error('a column lies outside of the file')
  const column: PageColumn = {
    type: chunk.type,
    width: element.type_length ?? 0,
    isOptional: element.repetition_type === 'OPTIONAL',
    dictionary: 0,
  }
  let seen = 0
  let offset = start
  while (seen < rows) {
    const reader = new ThriftReader(bytes, offset, end)
    const header = reader.struct()
    const packed = size(header, 3)
    const body = bytes.subarray(reader.offset, reader.offset + packed)
    reader.skip(packed)
    offset = reader.offset
    const sum = header.get(4)
    if (typeof sum === 'number' && sum >>> 0 !== crc32(body))
      throw new Error('the checksum of a page is another one')
    const unpackedSize = size(header, 2)
    if (unpackedSize > largestPage) throw new Error(`a page has more than ${largestPage} bytes`)
    const unpack = (packedBytes: Uint8Array, length: number): Uint8Array => {
      if (chunk.codec === 'UNCOMPRESSED') {
        if (packedBytes.byteLength !== length) throw new Error('a page has another length')
        return packedBytes
      }
      const compressor = compressors[chunk.codec]
      if (compressor === undefined) throw new Error(`it is packed with ${chunk.codec}`)
      return compressor(packedBytes, length)
    }
    switch (header.get(1)) {
      case 0: {
        const page = part(header, 5)
        seen += size(page, 1)
        if (seen > rows) break
        checkPageV1(unpack(body, unpackedSize), page, column)
        break
      }
      case 2: {
        const page = part(header, 7)
        column.dictionary = size(page, 1)
        checkPlain(unpack(body, unpackedSize), 0, column.dictionary, column)
        break
      }
      case 3: {
        const page = part(header, 8)
        seen += size(page, 1)
        if (seen > rows) break
        checkPageV2(body, page, unpackedSize, column, unpack)
        break
      }
      default:
        throw new Error(`a page is of the kind ${String(header.get(1))}`)
    }
  }
  if (seen !== rows) throw new Error(`a column has ${seen} of ${rows} rows`)
}

interface PageColumn {
  type: ColumnMetaData['type']
  /** Bytes of a value of fixed length. */
  width: number
  isOptional: boolean
  /** Values of the dictionary before the page. */
  dictionary: number
}

function part(header: ThriftStruct, id: number): ThriftStruct {
  const value = header.get(id)
  if (value instanceof Map) return value
  throw new Error('the head of a page lacks its kind')
}

/** A size or a count. */
function size(header: ThriftStruct, id: number): number {
  const value = header.get(id)
  if (typeof value === 'number' && value >= 0 && value < 2 ** 31) return value
  throw new Error(`the head of a page has the size ${String(value)}`)
}

/** Levels and values in one piece. */
function checkPageV1(bytes: Uint8Array, page: ThriftStruct, column: PageColumn): void {
  let values = size(page, 1)
  let offset = 0
  if (column.isOptional) {
    const length = uint32(bytes, 0)
    if (length > bytes.byteLength - 4) throw new Error('levels are longer than their page')
    values = countOnes(readRuns(bytes, 4, 4 + length, 1, values))
    offset = 4 + length
  }
  checkValues(bytes, offset, values, page.get(2), column)
}

/** Levels that are not packed before values that may be. */
function checkPageV2(
  body: Uint8Array,
  page: ThriftStruct,
  unpackedSize: number,
  column: PageColumn,
  unpack: (packed: Uint8Array, length: number) => Uint8Array,
): void {
  const count = size(page, 1)
  const levels = size(page, 5) + size(page, 6)
  if (levels > body.byteLength || levels > unpackedSize || size(page, 3) !== count)
    throw new Error('levels are longer than their page')
  const values = count - size(page, 2)
  if (column.isOptional) {
    const present = countOnes(readRuns(body, size(page, 6), levels, 1, count))
    if (present !== values) throw new Error('a page has another number of nulls')
  } else if (values !== count) throw new Error('a column without nulls has nulls')
  const isPacked = page.get(7) !== false
  const rest = body.subarray(levels)
  checkValues(isPacked ? unpack(rest, unpackedSize - levels) : rest, 0, values, page.get(4), column)
}

/** `count` values in an encoding; its numbers are those of the format. */
function checkValues(
  bytes: Uint8Array,
  offset: number,
  count: number,
  encoding: unknown,
  column: PageColumn,
): void {
  if (count === 0) return
  const end = bytes.byteLength
  switch (encoding) {
    case 0:
      checkPlain(bytes, offset, count, column)
      return
    case 2:
    case 8: {
      const width = byteAt(bytes, offset)
      if (width > 24) throw new Error('its dictionary has more than 2^24 values')
      // Where there is one value only, some write no runs.
      const isShort = width === 0 && offset + 1 === end
      const indexes = isShort ? [0] : readRuns(bytes, offset + 1, end, width, count)
      for (const index of indexes)
        if (index >= column.dictionary) throw new Error('a value is not in its dictionary')
      return
    }
    case 3: {
      if (column.type !== 'BOOLEAN') throw new Error('only truth values are written as runs')
      const length = uint32(bytes, offset)
      if (length > end - offset - 4) throw new Error('runs are longer than their page')
      readRuns(bytes, offset + 4, offset + 4 + length, 1, count)
      return
    }
    case 5:
      if (column.type !== 'INT32' && column.type !== 'INT64')
        throw new Error('only integers are written as differences')
      readDeltas(bytes, offset, count)
      return
    case 6: {
      assertBytes(column)
      const lengths = readDeltas(bytes, offset, count)
      if (sumOf(lengths.values) > end - lengths.end)
        throw new Error('texts are longer than their page')
      return
    }
    case 7: {
      assertBytes(column)
      const prefixes = readDeltas(bytes, offset, count)
      const suffixes = readDeltas(bytes, prefixes.end, count)
      if (sumOf(suffixes.values) > end - suffixes.end)
        throw new Error('texts are longer than their page')
      let before = 0
      let total = 0
      for (const [at, prefix] of prefixes.values.entries()) {
        if (prefix > before) throw new Error('a text begins with more than the one before it has')
        before = prefix + suffixes.values[at]!
        total += before
      }
      if (total > largestPage) throw new Error(`a page has more than ${largestPage} bytes`)
      return
    }
    case 9: {
      const width = fixedWidth(column)
      if (width === 0 || count * width > end - offset) throw new Error('values end too early')
      return
    }
    default:
      throw new Error(`its encoding ${String(encoding)} is not known`)
  }
}

function checkPlain(bytes: Uint8Array, offset: number, count: number, column: PageColumn): void {
  const rest = bytes.byteLength - offset
  if (column.type === 'BOOLEAN') {
    if (Math.ceil(count / 8) > rest) throw new Error('values end too early')
  } else if (column.type === 'BYTE_ARRAY') {
    let at = offset
    for (let row = 0; row < count; row++) {
      at += 4 + uint32(bytes, at)
      if (at > bytes.byteLength) throw new Error('texts are longer than their page')
    }
  } else {
    const width = fixedWidth(column)
    if (width === 0 || count * width > rest) throw new Error('values end too early')
  }
}

const widths: Partial<Record<ColumnMetaData['type'], number>> = {
  INT32: 4,
  INT64: 8,
  INT96: 12,
  FLOAT: 4,
  DOUBLE: 8,
}

function fixedWidth({ type, width }: PageColumn): number {
  return type === 'FIXED_LEN_BYTE_ARRAY' ? width : (widths[type] ?? 0)
}

function assertBytes({ type }: PageColumn): void {
  if (type !== 'BYTE_ARRAY' && type !== 'FIXED_LEN_BYTE_ARRAY')
    throw new Error('only bytes are written with lengths')
}

/** Numbers of `width` bits, as runs of one of them or packed by eight. */
function readRuns(
  bytes: Uint8Array,
  offset: number,
  end: number,
  width: number,
  count: number,
): Uint32Array {
  const reader = new ThriftReader(bytes, offset, end)
  const found = new Uint32Array(count)
  let seen = 0
  while (seen < count) {
    const head = Number(reader.varint())
    const run = Math.floor(head / 2)
    if (head % 2 === 0) {
      let value = 0
      for (let at = 0; at < width; at += 8) value += reader.byte() * 2 ** at
      if (run > count - seen) throw new Error('a run is longer than its page')
      found.fill(value, seen, seen + run)
      seen += run
    } else {
      // The last eight are filled up.
      if (run * 8 - (count - seen) > 7) throw new Error('a run is longer than its page')
      const start = reader.offset
      reader.skip(run * width)
      for (let at = 0; at < run * 8 && seen < count; at++)
        found[seen++] = bitsAt(bytes, start * 8 + at * width, width)
    }
  }
  return found
}

function bitsAt(bytes: Uint8Array, bit: number, width: number): number {
  if (width <= 24) {
    // With the bits before them they lie in four bytes.
    const at = Math.floor(bit / 8)
    const four =
      bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
    return (four >>> (bit % 8)) & (2 ** width - 1)
  }
  let value = 0
  for (let at = 0; at < width; ) {
    const within = (bit + at) % 8
    const taken = Math.min(8 - within, width - at)
    value += ((bytes[Math.floor((bit + at) / 8)]! >> within) & ((1 << taken) - 1)) * 2 ** at
    at += taken
  }
  return value
}

/** Numbers as differences in blocks. `end` is the place behind them; lengths are never below 0. */
function readDeltas(
  bytes: Uint8Array,
  offset: number,
  count: number,
): { values: Float64Array; end: number } {
  const reader = new ThriftReader(bytes, offset, bytes.byteLength)
  const block = Number(reader.varint())
  const parts = Number(reader.varint())
  const size = block / parts
  if (!(block % 128 === 0 && size % 32 === 0 && size > 0))
    throw new Error('blocks of differences have another size')
  if (Number(reader.varint()) !== count) throw new Error('a page has another number of values')
  const values = new Float64Array(count)
  let value = reader.zigzag()
  values[0] = Number(value)
  let seen = 1
  while (seen < count) {
    const least = reader.zigzag()
    const bits = Array.from({ length: parts }, () => reader.byte())
    for (const width of bits) {
      if (seen >= count) break
      if (width > 64) throw new Error('differences have more than 64 bits')
      const start = reader.offset
      reader.skip((size * width) / 8)
      for (let at = 0; at < size && seen < count; at++) {
        value += least + BigInt(bitsAt(bytes, start * 8 + at * width, width))
        values[seen++] = Number(value)
      }
    }
  }
  return { values, end: reader.offset }
}

function sumOf(lengths: Float64Array): number {
  let sum = 0
  for (const length of lengths) {
    if (length < 0) throw new Error('a text has a length below 0')
    sum += length
  }
  return sum
}

function countOnes(levels: Uint32Array): number {
  let ones = 0
  for (const level of levels) ones += level
  return ones
}

function byteAt(bytes: Uint8Array, offset: number): number {
  const byte = bytes[offset]
  if (byte === undefined) throw new Error('the bytes end too early')
  return byte
}

function uint32(bytes: Uint8Array, offset: number): number {
  if (offset + 4 > bytes.byteLength) throw new Error('the bytes end too early')
  return new DataView(bytes.buffer, bytes.byteOffset + offset, 4).getUint32(0, true)
}
