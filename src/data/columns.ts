import { ChapkitError, validationError } from '../errors.ts'
import { show } from '../kernel/show.ts'
import { fileText, isFileText } from '../kernel/text.ts'
import { type Agreed, agreedCell, agreedKind, misfitMessage } from './agreed.ts'
import { type Cell, kindOf, typeOfKinds } from './schema.ts'

interface ColumnBase {
  readonly name: string
  /** 1 where the value is null; null when there is no null in the column. */
  readonly nulls: Uint8Array | null
}

/** Numbers. `NaN` stands where the mask says null, so that a sum over `values` cannot hide a missing value. */
export interface NumericColumn extends ColumnBase {
  readonly type: 'integer' | 'number'
  readonly values: Float64Array
}

/** Truth values: 1 is true, 0 is false or null. */
export interface BooleanColumn extends ColumnBase {
  readonly type: 'boolean'
  readonly values: Uint8Array
}

export interface StringColumn extends ColumnBase {
  readonly type: 'string'
  readonly values: readonly (string | null)[]
}

/** Mixed values, or nothing but nulls. */
export interface AnyColumn extends ColumnBase {
  readonly type: 'any'
  readonly values: readonly Cell[]
}

/** A column as it lies in memory. The arrays are the frame's own: read them, do not write to them. */
export type Column = NumericColumn | BooleanColumn | StringColumn | AnyColumn

/** A cell out of what JavaScript code may hand over: `undefined` is null; a bigint is a number if it fits, else text. */
export type CellInput = Cell | undefined | bigint

export function toCell(value: unknown, column: string, row: number): Cell {
  switch (typeof value) {
    case 'number':
    case 'boolean':
      return value
    case 'string':
      if (isFileText(value)) return value
      throw new ChapkitError(
        'bad-request',
        `Expected ${fileText} in column \`${column}\`, row ${row}, got ${show(value)}`,
      )
    case 'undefined':
      return null
    case 'bigint': {
      const number = Number(value)
      return Number.isSafeInteger(number) ? number : String(value)
    }
    default:
      if (value === null) return null
      throw new ChapkitError(
        'bad-request',
        `Expected a string, a number, a boolean or null in column \`${column}\`, row ${row}, got ${show(value)}`,
      )
  }
}

/**
 * Finds the narrowest type that holds every cell and lays the column out for it. An agreed column holds what is agreed,
 * whatever came; a cell that cannot be that is `bad-request`, with its row and column.
 */
export function buildColumn(name: string, source: ArrayLike<unknown>): Column {
  const kind = agreedKind(name)
  if (kind !== null && !(kind === 'number' && source instanceof Float64Array))
    return buildAgreed(name, kind, source)
  if (source instanceof Float64Array) return fromFloats(name, source)
  const length = source.length
  const cells = new Array<Cell>(length)
  let bits = 0
  let nullCount = 0
  for (let row = 0; row < length; row++) {
    const cell = toCell(source[row], name, row)
    cells[row] = cell
    if (cell === null) nullCount++
    else bits |= kindOf(cell)
  }
  const nulls = nullCount === 0 ? null : nullMask(cells)
  const type = typeOfKinds(bits)
  switch (type) {
    case 'integer':
    case 'number': {
      const values = new Float64Array(length)
      for (let row = 0; row < length; row++) {
        const cell = cells[row]!
        values[row] = cell === null ? Number.NaN : (cell as number)
      }
      return { name, type, values, nulls }
    }
    case 'boolean':
      return {
        name,
        type,
        values: Uint8Array.from(cells, (cell) => (cell === true ? 1 : 0)),
        nulls,
      }
    case 'string':
      return { name, type, values: cells as (string | null)[], nulls }
    case 'any':
      return { name, type, values: cells, nulls }
  }
}

function buildAgreed(name: string, kind: Agreed, source: ArrayLike<unknown>): Column {
  const cells = new Array<Cell>(source.length)
  let isMissing = false
  let isWhole = true
  let isEmpty = true
  for (let row = 0; row < cells.length; row++) {
    const given = toCell(source[row], name, row)
    const cell = agreedCell(given, kind)
    if (cell === undefined)
      throw new ChapkitError('bad-request', misfitMessage(name, given, kind, `, row ${row}`))
    cells[row] = cell
    if (cell === null) isMissing = true
    else {
      isEmpty = false
      if (!Number.isSafeInteger(cell)) isWhole = false
    }
  }
  const nulls = isMissing ? nullMask(cells) : null
  if (kind === 'text') return { name, type: 'string', values: cells as (string | null)[], nulls }
  const values = Float64Array.from(cells, (cell) => (cell === null ? Number.NaN : (cell as number)))
  return { name, type: isWhole && !isEmpty ? 'integer' : 'number', values, nulls }
}

/** Columns from rows of cells; a ragged row is `validation-failed`. */
export function columnsOfRows(names: readonly string[], data: readonly Cell[][]): Column[] {
  const ragged = data.findIndex((row) => row.length !== names.length)
  if (ragged >= 0) {
    const msg = `Expected ${names.length} cells as in \`columns\`, got ${data[ragged]!.length}`
    throw validationError([{ loc: ['data', ragged], msg, type: 'ragged_row' }])
  }
  return names.map((name, index) => {
    const cells = new Array<unknown>(data.length)
    for (let row = 0; row < cells.length; row++) cells[row] = data[row]![index]
    return buildColumn(name, cells)
  })
}

export function cellAt(column: Column, row: number): Cell {
  if (column.type === 'string' || column.type === 'any') return column.values[row] ?? null
  if (column.nulls !== null && column.nulls[row] === 1) return null
  const value = column.values[row]!
  return column.type === 'boolean' ? value === 1 : value
}

export function cellsOf(column: Column): Cell[] {
  const cells = new Array<Cell>(column.values.length)
  for (let row = 0; row < cells.length; row++) cells[row] = cellAt(column, row)
  return cells
}

export function cellsOrNulls(column: Column | undefined, length: number): Cell[] {
  return column === undefined ? new Array<Cell>(length).fill(null) : cellsOf(column)
}

/** The rows in a new order; a row of -1 is null. Keeps the type, so that a filtered column stays what it was. */
export function takeRows(column: Column, rows: Int32Array): Column {
  const { name } = column
  const length = rows.length
  const nulls = takenNulls(column.nulls, rows)
  switch (column.type) {
    case 'integer':
    case 'number': {
      const values = new Float64Array(length)
      for (let at = 0; at < length; at++) {
        const row = rows[at]!
        values[at] = row < 0 ? Number.NaN : column.values[row]!
      }
      return { name, type: column.type, values, nulls }
    }
    case 'boolean': {
      const values = new Uint8Array(length)
      for (let at = 0; at < length; at++) values[at] = rows[at]! < 0 ? 0 : column.values[rows[at]!]!
      return { name, type: 'boolean', values, nulls }
    }
    case 'string': {
      const values = new Array<string | null>(length)
      for (let at = 0; at < length; at++) values[at] = column.values[rows[at]!] ?? null
      return { name, type: 'string', values, nulls }
    }
    case 'any': {
      const values = new Array<Cell>(length)
      for (let at = 0; at < length; at++) values[at] = column.values[rows[at]!] ?? null
      // What was mixed may be of one kind now, and then it must be usable as that kind.
      return buildColumn(name, values)
    }
  }
}

export function renameColumn(column: Column, name: string): Column {
  // Under an agreed name it has to hold what is agreed.
  return agreedKind(name) === null ? { ...column, name } : buildColumn(name, cellsOf(column))
}

/** A row as an object. */
export type FrameRecord = Record<string, Cell>

export function recordAt(columns: ReadonlyMap<string, Column>, row: number): FrameRecord {
  const record: FrameRecord = {}
  for (const [name, column] of columns) {
    const value = cellAt(column, row)
    // Assigning to this name would set the prototype instead.
    if (name === '__proto__') {
      const own = { value, enumerable: true, configurable: true, writable: true }
      Object.defineProperty(record, name, own)
    } else record[name] = value
  }
  return record
}

/** Refuses columns of one name or of different lengths, and names that no file can have. */
export function checkColumns(columns: readonly Column[], length: number): void {
  const seen = new Set<string>()
  for (const { name, values } of columns) {
    if (seen.has(name)) {
      throw new ChapkitError('bad-request', `Expected each column once, got \`${name}\` again`)
    }
    if (!isFileText(name)) {
      throw new ChapkitError(
        'bad-request',
        `Expected ${fileText} as the name of a column, got ${show(name)}`,
      )
    }
    seen.add(name)
    if (values.length !== length) {
      throw new ChapkitError(
        'bad-request',
        `Expected ${length} values in column \`${name}\`, got ${values.length}`,
      )
    }
  }
}

/** A copy of the numbers: null is NaN, true is 1, false is 0. Text is a `bad-request` that names row and value. */
export function numbersOf(column: Column): Float64Array {
  if (column.type === 'integer' || column.type === 'number') return column.values.slice()
  const numbers = new Float64Array(column.values.length)
  for (let row = 0; row < numbers.length; row++) {
    const cell = cellAt(column, row)
    if (typeof cell === 'string') {
      throw new ChapkitError(
        'bad-request',
        `Expected numbers in column \`${column.name}\`, got ${show(cell)} in row ${row}`,
      )
    }
    numbers[row] = cell === null ? Number.NaN : Number(cell)
  }
  return numbers
}

/** Where the first NaN or infinite number stands that is not a null, by row. */
export function firstNonFinite(columns: readonly Column[]): { row: number; column: string } | null {
  let first: { row: number; column: string } | null = null
  for (const column of columns) {
    const row = nonFiniteRow(column)
    if (row >= 0 && (first === null || row < first.row)) first = { row, column: column.name }
  }
  return first
}

function nonFiniteRow(column: Column): number {
  if (column.type !== 'number' && column.type !== 'any') return -1
  const { values, nulls } = column
  for (let row = 0; row < values.length; row++) {
    const value = values[row]
    if (typeof value === 'number' && !Number.isFinite(value) && nulls?.[row] !== 1) return row
  }
  return -1
}

function fromFloats(name: string, source: Float64Array): NumericColumn {
  const integers = source.length > 0 && source.every((value) => Number.isSafeInteger(value))
  return { name, type: integers ? 'integer' : 'number', values: source.slice(), nulls: null }
}

function nullMask(cells: readonly Cell[]): Uint8Array {
  const mask = new Uint8Array(cells.length)
  for (let row = 0; row < mask.length; row++) if (cells[row] === null) mask[row] = 1
  return mask
}

function takenNulls(nulls: Uint8Array | null, rows: Int32Array): Uint8Array | null {
  const mask = new Uint8Array(rows.length)
  let any = false
  for (let at = 0; at < mask.length; at++) {
    const row = rows[at]!
    if (row < 0 || nulls?.[row] === 1) {
      mask[at] = 1
      any = true
    }
  }
  return any ? mask : null
}
