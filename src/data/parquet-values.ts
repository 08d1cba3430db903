import type { SchemaElement } from 'hyparquet'
import { ChapkitError } from '../errors.ts'
import { hasAllDigits, isKept } from '../kernel/decimal.ts'
import { show } from '../kernel/show.ts'
import { agreedCell } from './agreed.ts'
import { type Cell, isNumericColumn, isTextColumn } from './schema.ts'

/** A value as it lies in the file: an integer, a number, a truth value, or bytes. */
type Raw = number | bigint | boolean | Uint8Array | null | undefined

/** Makes a cell of a value, or of the reason why it is none, an Error. */
type Convert = (value: Exclude<Raw, null | undefined>) => Cell | bigint

/** Cells of a column by its type in the file. What is not exactly a cell is `validation-failed` with column and row. */
export function toCells(values: readonly Raw[], element: SchemaElement): Cell[] {
  const { name } = element
  const convert = converterOf(element)
  let isInexact = false
  const exact = Array.from(values, (value, row): Cell | bigint => {
    if (value === null || value === undefined) return null
    try {
      const cell = convert(value)
      if (typeof cell === 'bigint' && !Number.isSafeInteger(Number(cell))) isInexact = true
      return cell
    } catch (cause) {
      throw refusal(name, (cause as Error).message, { row, cause })
    }
  })
  if (isDecimal(element)) return decimalCells(exact as (string | null)[], name)
  // One number that does not fit makes the whole column text: a column of two kinds would surprise.
  const asText = isInexact || isTextColumn(name)
  return exact.map((cell, row) => {
    if (typeof cell === 'bigint') return asText ? String(cell) : Number(cell)
    if (!isTextColumn(name)) return cell
    // Text is not made of just anything: as in JSON, 7.0 is the code 7, and neither 7.5 nor true is one.
    const text = agreedCell(cell, 'text')
    if (text === undefined)
      throw refusal(name, `expected text or whole numbers, got ${show(cell)}`, { row })
    return text
  })
}

/** Refuses a column whose type has no cells, before any of it is read. */
export function assertReadable(element: SchemaElement, isNested: boolean): void {
  if (isNested || element.repetition_type === 'REPEATED') {
    throw new ChapkitError(
      'validation-failed',
      `Expected plain values in column \`${element.name}\`, got ${kindOf(element)}; flatten lists, structs and maps first`,
    )
  }
  converterOf(element)
}

function kindOf({ converted_type, logical_type }: SchemaElement): string {
  const kind = logical_type?.type ?? converted_type
  if (kind === 'LIST') return 'a list'
  return kind === 'MAP' || kind === 'MAP_KEY_VALUE' ? 'a map' : 'a struct or a list'
}

function refusal(
  name: string,
  problem: string,
  { row, cause }: { row?: number; cause?: unknown } = {},
) {
  const place = row === undefined ? `\`${name}\`` : `\`${name}\`, row ${row},`
  const detail = `Column ${place} of the Parquet file: ${problem}`
  return new ChapkitError('validation-failed', detail, { cause })
}

function isDecimal({ converted_type, logical_type }: SchemaElement): boolean {
  return converted_type === 'DECIMAL' || logical_type?.type === 'DECIMAL'
}

function converterOf(element: SchemaElement): Convert {
  const { type, converted_type, logical_type, name } = element
  const kind = logical_type?.type ?? converted_type
  switch (kind) {
    case 'DECIMAL':
      return decimal(scaleOf(element))
    case 'DATE':
      return (days) => dayText(Number(days))
    case 'TIME':
    case 'TIME_MILLIS':
    case 'TIME_MICROS':
      return time(unitOf(element))
    case 'TIMESTAMP':
    case 'TIMESTAMP_MILLIS':
    case 'TIMESTAMP_MICROS': {
      const isUtc = logical_type?.type !== 'TIMESTAMP' || logical_type.isAdjustedToUTC
      return timestamp(unitOf(element), isUtc)
    }
    case 'FLOAT16':
      return (bytes) => finite(float16(bytes as Uint8Array))
    case 'UUID':
      return (bytes) => uuid(bytes as Uint8Array)
    case 'JSON':
      return (bytes) => plainJson(textOf(bytes as Uint8Array))
    case 'BSON':
    case 'INTERVAL':
    case 'VARIANT':
    case 'GEOMETRY':
    case 'GEOGRAPHY':
      throw refusal(
        name,
        `expected numbers, texts, truth values, dates or times, got ${kind}; convert it first`,
      )
    case 'UINT_64':
    case 'UINT_32':
    case 'INTEGER':
      if (logical_type?.type !== 'INTEGER' || !logical_type.isSigned) return unsigned(type)
  }
  switch (type) {
    case 'INT96':
      // Spark's and Impala's, of which nobody says the zone.
      return timestamp('NANOS', false)
    case 'FLOAT':
    case 'DOUBLE':
      return (number) => finite(Number(number))
    case 'INT32':
    case 'INT64':
      return (integer) => BigInt(integer as number | bigint)
    case 'BYTE_ARRAY':
      return (bytes) => textOf(bytes as Uint8Array)
    case 'FIXED_LEN_BYTE_ARRAY':
      throw refusal(name, 'expected text or numbers, got bytes of a fixed length; convert it first')
    default:
      return (value) => value as Cell
  }
}

function unsigned(type: SchemaElement['type']): Convert {
  const bits = type === 'INT64' ? 64 : 32
  return (integer) => BigInt.asUintN(bits, BigInt(integer as number | bigint))
}

/** NaN is what pandas and R write for a value that is missing. */
function finite(number: number): Cell {
  if (Number.isNaN(number)) return null
  if (Number.isFinite(number)) return number
  throw new Error(`expected finite numbers, got ${number}`)
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function textOf(bytes: Uint8Array): string {
  try {
    return strict.decode(bytes)
  } catch {
    throw new Error('expected text in UTF-8, got other bytes')
  }
}

/** The cell in a JSON column: a frame writes a column of mixed cells as JSON. */
function plainJson(text: string): Cell {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new Error(`expected JSON, got ${show(text)}`)
  }
  if (typeof value === 'object' && value !== null)
    throw new Error(`expected plain values, got ${show(value)}; flatten lists and structs first`)
  if (typeof value !== 'number') return value as Cell
  // As for columns of integers: what no number holds stays text.
  return /^-?\d+$/.test(text) && !Number.isSafeInteger(value) && String(value) !== text
    ? text
    : finite(value)
}

type Unit = 'MILLIS' | 'MICROS' | 'NANOS'

function unitOf({ converted_type, logical_type }: SchemaElement): Unit {
  if (logical_type?.type === 'TIMESTAMP' || logical_type?.type === 'TIME') return logical_type.unit
  return converted_type?.endsWith('MICROS') ? 'MICROS' : 'MILLIS'
}

const perMillisecond = { MILLIS: 1n, MICROS: 1_000n, NANOS: 1_000_000n } as const

/** ISO 8601 with milliseconds, what is below them cut off towards the past. A time of no zone has none. */
function timestamp(unit: Unit, isUtc: boolean): Convert {
  return (value) => {
    const count = BigInt(value as number | bigint)
    const per = perMillisecond[unit]
    const cut = count / per - (count % per < 0n ? 1n : 0n)
    const date = new Date(Number(cut))
    if (Number.isNaN(date.getTime()))
      throw new Error('expected times up to the year 275760, got a later one, or one as early')
    return isUtc ? date.toISOString() : date.toISOString().slice(0, -1)
  }
}

/** `hh:mm:ss` with as many decimals as the unit has. */
function time(unit: Unit): Convert {
  const perSecond = perMillisecond[unit] * 1000n
  const decimals = String(perSecond).length - 1
  return (value) => {
    const count = BigInt(value as number | bigint)
    const seconds = Number(count / perSecond)
    if (count < 0n || seconds >= 86_400) throw new Error('expected times of a day, got another')
    const clock = new Date(seconds * 1000).toISOString().slice(11, 19)
    return `${clock}.${String(count % perSecond).padStart(decimals, '0')}`
  }
}

/** Days since 1970-01-01 as `YYYY-MM-DD`. Years before 0 and after 9999 have a sign and six digits. */
function dayText(days: number): string {
  const date = new Date(days * 86_400_000)
  if (Number.isNaN(date.getTime()))
    throw new Error('expected days up to the year 275760, got a later one, or one as early')
  return date.toISOString().split('T')[0]!
}

function float16(bytes: Uint8Array): number {
  const bits = (bytes[1]! << 8) | bytes[0]!
  const sign = bits >> 15 ? -1 : 1
  const exponent = (bits >> 10) & 0x1f
  const fraction = bits & 0x3ff
  if (exponent === 0) return sign * fraction * 2 ** -24
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}

function uuid(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString('hex')
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

function scaleOf({ scale, logical_type }: SchemaElement): number {
  return logical_type?.type === 'DECIMAL' ? logical_type.scale : (scale ?? 0)
}

/** The decimal digits, all of them. */
function decimal(scale: number): Convert {
  return (value) => {
    const unscaled = value instanceof Uint8Array ? signed(value) : BigInt(value as number | bigint)
    const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, '0')
    const point = digits.length - scale
    const sign = unscaled < 0n ? '-' : ''
    return scale > 0
      ? `${sign}${digits.slice(0, point)}.${digits.slice(point)}`
      : `${sign}${digits}`
  }
}

function signed(bytes: Uint8Array): bigint {
  if (bytes.byteLength === 0) return 0n
  return BigInt.asIntN(bytes.byteLength * 8, BigInt(`0x${Buffer.from(bytes).toString('hex')}`))
}

/**
 * Numbers, where each of them is exactly its decimal digits when it is written; else text, all digits kept. A column that holds
 * numbers in every frame takes the nearest number, as from CSV, and refuses what has more integer digits than a number has.
 */
function decimalCells(texts: readonly (string | null)[], name: string): Cell[] {
  if (isTextColumn(name)) return [...texts]
  const isExact = (text: string | null) => text === null || hasAllDigits(text, Number(text))
  if (texts.every(isExact)) return texts.map((text) => (text === null ? null : Number(text)))
  if (!isNumericColumn(name)) return [...texts]
  return texts.map((text, row) => {
    if (text === null) return null
    if (isKept(text, Number(text))) return Number(text)
    throw refusal(name, `expected a number of up to 17 digits, got ${text}`, { row })
  })
}
