import { crc32 } from 'node:zlib'
import { type Issue, validationError } from '../errors.ts'
import { isKept } from '../kernel/decimal.ts'
import { show, showNames } from '../kernel/show.ts'
import {
  type Agreed,
  agreedCell,
  agreedKind,
  type DecimalMark,
  emptyKeyMessage,
  isEmptyKey,
  keyColumns,
  maximumIssues,
  misfitMessage,
} from './agreed.ts'
import { type CsvDialect, type DialectWords, plainDialect } from './csv-dialect.ts'
import { scanCsv } from './csv-scan.ts'
import { type Cell, type CellColumns, type FieldType, type FrameJson, toRows } from './schema.ts'
import { widthError } from './width.ts'

export interface CsvOptions {
  /**
   * Types of columns by name, for text whose types are known: nothing is guessed, and a cell that does not fit is an
   * error. `any` leaves a column to inference. Agreed columns (`location`, `time_period`, `disease_cases`, …) are what is
   * agreed in any case.
   */
  types?: Readonly<Record<string, FieldType>>
}

/** What only the doors of a service and of the command line ask of a file. */
export interface CsvFileOptions extends CsvOptions {
  /** Further columns that hold numbers, such as the covariates that a model requires. */
  numeric?: ReadonlySet<string>
  dialect?: CsvDialect
  /** Names of the options of a dialect, for messages. */
  words?: DialectWords
  /** Refuses rows without location or period, and more columns than a request may have. */
  keys?: 'filled'
  /** Columns that have to be there. */
  required?: readonly string[]
}

/**
 * Reads CSV (RFC 4180, comma, LF or CRLF, with or without a byte order mark).
 *
 * Agreed columns hold what is agreed, and a cell that does not is an error: `location` and `time_period` are text,
 * `disease_cases`, `population`, `rainfall` and `mean_temperature` are numbers as `numberOf` reads them, with null for an
 * empty cell and `NA`.
 *
 * The type of any other column follows from all of its cells, never from a sample. It holds numbers when every cell is
 * written as programs write numbers (`267`, `-3.50`, `.5`, `1e-05`, `2.5e+20`); text that a number would not give back
 * stays text for the whole column: `007`, `+1`, `1_000`, `1e5`, `nan`, `inf`, integers beyond 2^53. It holds booleans when
 * every cell is `true` or `false` in any case; `yes` and `no` are text. An empty cell is null, `""` is an empty string
 * (null between numbers or booleans). `NA`, as R writes it, is null between numbers or booleans, else text. An empty first
 * header cell is named `index`. Blank lines are skipped, except in a file of one column, where they are nulls.
 *
 * Throws `validation-failed` for a ragged row, a duplicate or empty header, a quote that is not closed and a cell that
 * does not fit; the issue's `loc` is `["body", line]`, lines counted from 1.
 */
export function parseCsv(text: string, options: CsvFileOptions = {}): FrameJson {
  const table = readCsv(text, options)
  return { columns: table.columns, data: toRows(table, table.cells[0]?.length ?? 0) }
}

/** As `parseCsv`, by column. */
export function readCsv(text: string, options: CsvFileOptions = {}): CellColumns {
  const { dialect = plainDialect, numeric, words, keys } = options
  const { header, columns, lines } = scanCsv(text, dialect.delimiter)
  if (keys === 'filled') assertWidth(header)
  const names = renamed(header, dialect.names)
  const required = [...(options.required ?? [])]
  if (dialect.readDate !== null) required.unshift('time_period')
  assertColumns(names, { ...options, required })
  const types = new Map(Object.entries(options.types ?? {}))
  const cells = names.map((name, index) => {
    const raw = columns[index]!
    if (keys === 'filled' && (keyColumns as readonly string[]).includes(name))
      assertFilled(name, raw, lines)
    if (name === 'time_period' && dialect.readDate !== null) {
      const periods = dates(raw, lines, dialect)
      assertApart(raw, periods, columns[names.indexOf('location')], lines)
      return periods
    }
    const kind = agreedKind(name, numeric) ?? kindOfType(types.get(name))
    if (kind !== null) return agreed(name, raw, kind, lines, dialect.decimal, words)
    if (types.get(name) === 'boolean') return booleans(raw) ?? unfit(name, raw, lines)
    return inferred(raw, dialect.decimal)
  })
  return { columns: names, cells }
}

/** CRLF is of RFC 4180, which programs get over HTTP; `awk`, `cut` and a shell take its CR for a part of the last cell. */
export type LineEnd = '\r\n' | '\n'

/**
 * Writes CSV: CRLF unless another line end is asked for, quotes only where needed, null as an empty cell, an empty string as `""`, booleans as `True` and
 * `False`, numbers in their shortest form that reads back the same.
 */
export function writeCsv(frame: FrameJson, lineEnd: LineEnd = '\r\n'): string {
  let text = frame.columns.map(quoted).join(',') + lineEnd
  for (const row of frame.data) {
    for (let column = 0; column < row.length; column++) {
      if (column > 0) text += ','
      const cell = row[column]!
      if (typeof cell === 'number') text += numberText(cell)
      else if (typeof cell === 'string') text += quoted(cell)
      else if (cell !== null) text += cell ? 'True' : 'False'
    }
    text += lineEnd
  }
  return text
}

/** Size in bytes and CRC-32 of the CSV that scripts are given, as a zip entry states them. */
export function csvFacts(frame: FrameJson): { size: number; crc32: number } {
  const bytes = Buffer.from(writeCsv(frame, '\n'))
  return { size: bytes.byteLength, crc32: crc32(bytes) }
}

// A sign in the exponent or a dot in front of it: every program that prints numbers writes one, codes such as 1e5 do not.
const numberPattern = /^-?(?:(?:0|[1-9]\d*)?\.\d+(?:[eE][+-]?\d+)?|(?:0|[1-9]\d*)(?:[eE][+-]\d+)?)$/
const booleanPattern = /^(?:true|false)$/i
// A byte order mark is special because readers drop one at the start of a file.
const special = /[",\r\n\ufeff]/

type RawColumn = (string | null)[]

/** The header with new names; a name that the file does not have, or that two columns get, is refused. */
function renamed(header: string[], names: CsvDialect['names']): string[] {
  if (names.size === 0) return header
  for (const from of names.keys()) {
    if (header.includes(from)) continue
    const msg = `Expected a column ${show(from)} to rename, got ${showNames(header)}`
    throw validationError([{ loc: ['body', 1], msg, type: 'missing_column' }])
  }
  const renamed = header.map((name) => names.get(name) ?? name)
  const seen = new Set<string>()
  const twice = renamed.find((name) => seen.size === seen.add(name).size)
  if (twice === undefined) return renamed
  const msg = `Expected each column once after renaming, got ${show(twice)} again`
  throw validationError([{ loc: ['body', 1], msg, type: 'duplicate_column' }])
}

function assertWidth(header: readonly string[]): void {
  const msg = widthError(header)
  if (msg !== null) throw validationError([{ loc: ['body', 1], msg, type: 'too_large' }])
}

function assertColumns(names: readonly string[], { required = [], words }: CsvFileOptions): void {
  const missing = required.filter((name) => !names.includes(name))
  if (missing.length === 0) return
  const help = words ? `; ${words.map('NAME', missing[0]!)} renames a column` : ''
  const msg = `Expected ${missing.map((name) => `\`${name}\``).join(', ')} among the columns, got ${showNames(names)}${help}`
  throw validationError([{ loc: ['body', 1], msg, type: 'missing_column' }])
}

function kindOfType(type: FieldType | undefined): Agreed | null {
  if (type === 'string') return 'text'
  return type === 'integer' || type === 'number' ? 'number' : null
}

/** Cells of an agreed kind. All that do not fit are told, up to a bound: people repair a file in one go. */
function agreed(
  name: string,
  raw: RawColumn,
  kind: Agreed,
  lines: readonly number[],
  decimal: DecimalMark,
  words: DialectWords | undefined,
): Cell[] {
  if (kind === 'text') return raw
  const cells = new Array<Cell>(raw.length)
  const issues: Issue[] = []
  for (let row = 0; row < raw.length; row++) {
    const cell = agreedCell(raw[row]!, kind, decimal)
    if (cell !== undefined) cells[row] = cell
    else {
      const option = { decimal, ...(words && { decimalOption: words.decimal }) }
      const msg = misfitMessage(name, raw[row], kind, '', option)
      issues.push({ loc: ['body', lines[row] ?? 0], msg, type: 'cell_type' })
      if (issues.length === maximumIssues) break
    }
  }
  if (issues.length > 0) throw validationError(issues)
  return cells
}

function assertFilled(name: string, raw: RawColumn, lines: readonly number[]): void {
  const issues: Issue[] = []
  for (let row = 0; row < raw.length && issues.length < maximumIssues; row++) {
    if (!isEmptyKey(raw[row]!)) continue
    const msg = emptyKeyMessage(name, raw[row]!, `line ${lines[row]}`)
    issues.push({ loc: ['body', lines[row] ?? 0], msg, type: 'cell_type' })
  }
  if (issues.length > 0) throw validationError(issues)
}

/** Periods out of dates that are written in the dialect's format. */
function dates(raw: RawColumn, lines: readonly number[], dialect: CsvDialect): Cell[] {
  const issues: Issue[] = []
  const cells = raw.map((cell, row) => {
    if (cell === null || cell === '') return null
    const period = dialect.readDate!(cell)
    if (period === null && issues.length < maximumIssues) {
      const msg = `Expected a date written as ${dialect.dateFormat} in column \`time_period\`, got ${show(cell)}`
      issues.push({ loc: ['body', lines[row] ?? 0], msg, type: 'cell_type' })
    }
    return period
  })
  if (issues.length > 0) throw validationError(issues)
  return cells
}

/** Refuses two dates of one location in the same period: the rows of a month of days are none of a month. */
function assertApart(
  raw: RawColumn,
  periods: readonly Cell[],
  locations: RawColumn | undefined,
  lines: readonly number[],
): void {
  const seen = new Map<string | null, Map<Cell, number>>()
  for (let row = 0; row < raw.length; row++) {
    const period = periods[row]!
    if (period === null) continue
    const place = locations?.[row] ?? null
    const rows = seen.get(place) ?? new Map<Cell, number>()
    seen.set(place, rows)
    const first = rows.get(period)
    if (first === undefined) rows.set(period, row)
    else if (raw[first] !== raw[row]) {
      const msg = `Expected one date of each period, got ${show(raw[first])} in line ${lines[first]} and ${show(raw[row])} for ${period}: add up the rows of a period first`
      throw validationError([{ loc: ['body', lines[row] ?? 0], msg, type: 'cell_type' }])
    }
  }
}

function inferred(raw: RawColumn, decimal: DecimalMark): Cell[] {
  const sample = raw.find((cell) => cell !== null && cell !== '' && cell !== 'NA')
  if (sample === undefined || sample === null) return raw
  return (isBoolean(sample) ? booleans(raw) : numbers(raw, decimal)) ?? raw
}

function numbers(raw: RawColumn, decimal: DecimalMark): Cell[] | null {
  const cells = new Array<Cell>(raw.length)
  for (let row = 0; row < raw.length; row++) {
    const cell = raw[row]!
    if (isMissing(cell)) cells[row] = null
    else {
      const number = inferredNumber(cell, decimal)
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

function inferredNumber(written: string, decimal: DecimalMark): number | null {
  if (decimal === ',' && written.includes('.')) return null
  const text = decimal === ',' ? written.replace(',', '.') : written
  if (!numberPattern.test(text)) return null
  const number = Number(text)
  if (text.length < 16) return Number.isFinite(number) ? number : null
  // Digits alone are an identifier as soon as a double cannot tell each of them from its neighbours.
  const isPlain = !/[.eE]/.test(text)
  return (isPlain ? Number.isSafeInteger(number) : isKept(text, number)) ? number : null
}

function isBoolean(cell: string): boolean {
  return cell.length < 6 && booleanPattern.test(cell)
}

function isMissing(cell: string | null): cell is null {
  return cell === null || cell === '' || cell === 'NA'
}

function unfit(name: string, raw: RawColumn, lines: readonly number[]): never {
  const row = raw.findIndex((cell) => !isMissing(cell) && !isBoolean(cell))
  const msg = `Expected \`true\` or \`false\` in column \`${name}\`, got ${show(raw[row])}`
  throw validationError([{ loc: ['body', lines[row] ?? 0], msg, type: 'cell_type' }])
}

function numberText(number: number): string {
  // Plain digits beyond 2^53 would be read back as text.
  return Math.abs(number) > Number.MAX_SAFE_INTEGER ? number.toExponential() : String(number)
}

function quoted(text: string): string {
  if (text === '') return '""'
  return special.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
