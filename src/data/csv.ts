import { crc32 } from 'node:zlib'
import { ChapkitError, validationError } from '../errors.ts'
import { show } from '../kernel/show.ts'
import { scanCsv } from './csv-scan.ts'
import {
  type Cell,
  type CellColumns,
  type FieldType,
  type FrameJson,
  isNumericColumn,
  isTextColumn,
  toRows,
} from './schema.ts'

export interface CsvOptions {
  /**
   * Types of columns by name, for text whose types are known: nothing is guessed, and a cell that does not fit is an
   * error. `any` leaves a column to inference. `location` and `time_period` are text in any case.
   */
  types?: Readonly<Record<string, FieldType>>
}

/**
 * Reads CSV (RFC 4180, comma, LF or CRLF, with or without a byte order mark).
 *
 * A column's type follows from all of its cells, never from a sample. It holds numbers when every cell is written as
 * programs write numbers (`267`, `-3.50`, `.5`, `1e-05`, `2.5e+20`); text that a number would not give back stays text
 * for the whole column: `007`, `+1`, `1_000`, `1e5`, `nan`, `inf`, integers beyond 2^53. It holds booleans when every
 * cell is `true` or `false` in any case; `yes` and `no` are text. An empty cell is null, `""` is an empty string (null
 * between numbers or booleans). `NA`, as R writes it, is null between numbers or booleans and in the agreed numeric
 * columns, else text. `location` and `time_period` are always text. An empty first header cell is named `index`. Blank
 * lines are skipped, except in a file of one column, where they are nulls.
 *
 * Throws `validation-failed` for a ragged row, a duplicate or empty header, a quote that is not closed and a cell that
 * does not fit `types`; the issue's `loc` is `["body", line]`, lines counted from 1.
 */
export function parseCsv(text: string, options: CsvOptions = {}): FrameJson {
  const table = readCsv(text, options)
  return { columns: table.columns, data: toRows(table, table.cells[0]?.length ?? 0) }
}

/** As `parseCsv`, by column. */
export function readCsv(text: string, options: CsvOptions = {}): CellColumns {
  const { header, columns, lines } = scanCsv(text)
  const types = new Map(Object.entries(options.types ?? {}))
  const cells = header.map((name, index) =>
    typed(name, columns[index]!, isTextColumn(name) ? 'string' : types.get(name), lines),
  )
  return { columns: header, cells }
}

/**
 * Writes CSV: CRLF, quotes only where needed, null as an empty cell, an empty string as `""`, booleans as `True` and
 * `False`, numbers in their shortest form that reads back the same.
 */
export function writeCsv(frame: FrameJson): string {
  let text = `${frame.columns.map(quoted).join(',')}\r\n`
  for (const row of frame.data) {
    for (let column = 0; column < row.length; column++) {
      if (column > 0) text += ','
      const cell = row[column]!
      if (typeof cell === 'number') text += numberText(cell)
      else if (typeof cell === 'string') text += quoted(cell)
      else if (cell !== null) text += cell ? 'True' : 'False'
    }
    text += '\r\n'
  }
  return text
}

/** Size in bytes and CRC-32 of the CSV that `writeCsv` gives, as a zip entry states them. */
export function csvFacts(frame: FrameJson): { size: number; crc32: number } {
  const bytes = Buffer.from(writeCsv(frame))
  return { size: bytes.byteLength, crc32: crc32(bytes) }
}

/** Text from bytes; anything but UTF-8 is `validation-failed`. */
export function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new ChapkitError('validation-failed', 'Expected CSV in UTF-8; save the file as UTF-8', {
      cause,
    })
  }
}

// A sign in the exponent or a dot in front of it: every program that prints numbers writes one, codes such as 1e5 do not.
const numberPattern = /^-?(?:(?:0|[1-9]\d*)?\.\d+(?:[eE][+-]?\d+)?|(?:0|[1-9]\d*)(?:[eE][+-]\d+)?)$/
const booleanPattern = /^(?:true|false)$/i
// A byte order mark is special because readers drop one at the start of a file.
const special = /[",\r\n\ufeff]/

type RawColumn = (string | null)[]

function typed(
  name: string,
  raw: RawColumn,
  type: FieldType | undefined,
  lines: readonly number[],
): Cell[] {
  switch (type) {
    case 'string':
      return raw
    case 'integer':
    case 'number':
      return (
        numbers(raw) ?? unfit(name, raw, lines, 'a number', (cell) => parseNumber(cell) !== null)
      )
    case 'boolean':
      return booleans(raw) ?? unfit(name, raw, lines, '`true` or `false`', isBoolean)
    default:
      return inferred(name, raw)
  }
}

function inferred(name: string, raw: RawColumn): Cell[] {
  const sample = raw.find((cell) => cell !== null && cell !== '' && cell !== 'NA')
  if (sample === undefined || sample === null) {
    return isNumericColumn(name) ? raw.map(() => null) : raw
  }
  return (isBoolean(sample) ? booleans(raw) : numbers(raw)) ?? raw
}

function numbers(raw: RawColumn): Cell[] | null {
  const cells = new Array<Cell>(raw.length)
  for (let row = 0; row < raw.length; row++) {
    const cell = raw[row]!
    if (isMissing(cell)) cells[row] = null
    else {
      const number = parseNumber(cell)
      if (number === null) return null
      cells[row] = number
    }
  }
  return cells
}

function booleans(raw: RawColumn): Cell[] | null {
  const cells = new Array<Cell>(raw.length)
  for (let row = 0; row < raw.length; row++) {
    const cell = raw[row]!
    if (isMissing(cell)) cells[row] = null
    else if (isBoolean(cell)) cells[row] = cell.length === 4
    else return null
  }
  return cells
}

function parseNumber(text: string): number | null {
  if (!numberPattern.test(text)) return null
  const number = Number(text)
  if (!Number.isFinite(number)) return null
  // Plain digits are an identifier as soon as a double cannot tell them from their neighbour.
  return text.length < 16 || Number.isSafeInteger(number) || /[.eE]/.test(text) ? number : null
}

function isBoolean(cell: string): boolean {
  return cell.length < 6 && booleanPattern.test(cell)
}

function isMissing(cell: string | null): cell is null {
  return cell === null || cell === '' || cell === 'NA'
}

function unfit(
  name: string,
  raw: RawColumn,
  lines: readonly number[],
  expected: string,
  fits: (cell: string) => boolean,
): never {
  const row = raw.findIndex((cell) => !isMissing(cell) && !fits(cell))
  throw validationError([
    {
      loc: ['body', lines[row] ?? 0],
      msg: `Expected ${expected} in column \`${name}\`, got ${show(raw[row])}`,
      type: 'cell_type',
    },
  ])
}

function numberText(number: number): string {
  // Plain digits beyond 2^53 would be read back as text.
  return Math.abs(number) > Number.MAX_SAFE_INTEGER ? number.toExponential() : String(number)
}

function quoted(text: string): string {
  if (text === '') return '""'
  return special.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
