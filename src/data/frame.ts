import { ChapkitError, validationError } from '../errors.ts'
import { show } from '../kernel/show.ts'
import { type ArrowTable, toArrowTable } from './arrow.ts'
import {
  buildColumn,
  type CellInput,
  type Column,
  cellAt,
  cellsOf,
  cellsOrNulls,
  checkColumns,
  columnsOfRows,
  type FrameRecord,
  firstNonFinite,
  numbersOf,
  recordAt,
  renameColumn,
  takeRows,
} from './columns.ts'
import { type CsvOptions, readCsv, writeCsv } from './csv.ts'
import { decodeCsv } from './csv-file.ts'
import { describeColumns, tableText } from './describe.ts'
import { GroupedFrame, meanings } from './group.ts'
import { type LagOptions, lagRows } from './lag.ts'
import { readParquet, writeParquet } from './parquet.ts'
import {
  announcedType,
  type Cell,
  type CellColumns,
  type Field,
  type FrameJson,
  toRows,
} from './schema.ts'
import { type SortKey, sortedRows } from './sort.ts'

export type { Cell, Field, FieldType, FrameJson } from './schema.ts'

/** Rows of a frame, some at a time, and at last its schema if it has one. */
export type FrameParts = Generator<Cell[][], FrameJson['schema']>

type Declared = ReadonlyMap<string, Field>
const nothingDeclared: Declared = new Map()

/**
 * An immutable table of columns: numbers and booleans lie in typed arrays with a mask of nulls. Every operation
 * returns a new frame and shares the columns that it did not change. A column that is not there is a `bad-request`
 * which names those that are.
 */
export class DataFrame {
  readonly #columns: ReadonlyMap<string, Column>
  readonly #declared: Declared
  /** Number of rows. */
  readonly length: number
  /** Names of the columns, in order. */
  readonly columns: readonly string[]

  private constructor(columns: readonly Column[], length: number, declared = nothingDeclared) {
    this.#columns = new Map(columns.map((column) => [column.name, column]))
    this.#declared = declared
    this.length = length
    this.columns = Object.freeze([...this.#columns.keys()])
    checkColumns(columns, length)
  }

  /** From rows of cells. A ragged row or a cell of another kind is `validation-failed` or `bad-request`. */
  static fromJson({ columns, data, schema }: FrameJson): DataFrame {
    const declared = new Map(schema?.fields.map((field) => [field.name, field]))
    return new DataFrame(columnsOfRows(columns, data), data.length, declared)
  }

  /**
   * As `fromJson`, from rows that come some at a time, all as long as `names`. `pause` is awaited after each part and each column,
   * for a thread that others wait for.
   *
   * @internal
   */
  static async fromParts(
    names: readonly string[],
    parts: FrameParts,
    pause: () => Promise<unknown>,
  ): Promise<DataFrame> {
    const cells = names.map((): Cell[] => [])
    let length = 0
    let part = parts.next()
    for (; !part.done; part = parts.next()) {
      for (const row of part.value) {
        for (let column = 0; column < cells.length; column++) cells[column]!.push(row[column]!)
      }
      length += part.value.length
      await pause()
    }
    const columns: Column[] = []
    for (const [index, name] of names.entries()) {
      columns.push(buildColumn(name, cells[index]!))
      cells[index] = []
      await pause()
    }
    const declared = new Map(part.value?.fields.map((field) => [field.name, field]))
    return new DataFrame(columns, length, declared)
  }

  /** From objects: the columns are all their keys, in the order met; a key that an object lacks is null there. */
  static fromRecords(records: readonly Readonly<Record<string, CellInput>>[]): DataFrame {
    const names = new Set(records.flatMap((record) => Object.keys(record)))
    const columns = Array.from(names, (name) =>
      buildColumn(
        name,
        records.map((record) => record[name]),
      ),
    )
    return new DataFrame(columns, records.length)
  }

  /** From arrays of one length by column name. `undefined` is null; a bigint is a number if it fits, else text. */
  static fromColumns(columns: Readonly<Record<string, ArrayLike<CellInput>>>): DataFrame {
    const built = Object.entries(columns).map(([name, values]) => buildColumn(name, values))
    return new DataFrame(built, built[0]?.values.length ?? 0)
  }

  /** From CSV, as text or UTF-8 bytes, by the rules of `parseCsv`. */
  static fromCsv(source: string | Uint8Array, options: CsvOptions = {}): DataFrame {
    return DataFrame.#fromCells(
      readCsv(typeof source === 'string' ? source : decodeCsv(source), options),
    )
  }

  /** From a Parquet file, by the rules of `parquetToFrame`. */
  static async fromParquet(bytes: Uint8Array): Promise<DataFrame> {
    return DataFrame.#fromCells(await readParquet(bytes))
  }

  static #fromCells({ columns, cells }: CellColumns): DataFrame {
    const built = columns.map((name, index) => buildColumn(name, cells[index]!))
    return new DataFrame(built, built[0]?.values.length ?? 0)
  }

  /** The columns with the types that they are announced with: agreed columns first, then by the values. */
  fields(): Field[] {
    return this.#list().map(({ name, type }) => ({ name, type: announcedType(name, type) }))
  }

  /** The schema that the frame came with, for the columns that are still there; undefined when it had none. */
  get schema(): { fields: Field[] } | undefined {
    const fields = this.columns.flatMap((name) => this.#declared.get(name) ?? [])
    return fields.length === 0 ? undefined : { fields }
  }

  has(name: string): boolean {
    return this.#columns.has(name)
  }

  /**
   * The column as it lies in memory: `{ name, type, values, nulls }`. `values` is a Float64Array for `integer` and
   * `number` (NaN where null), a Uint8Array for `boolean`, an array of cells for `string` and `any`; `nulls` has a 1
   * for each null, or is null when there is none. The arrays belong to the frame: read them only.
   */
  column(name: string): Column {
    const column = this.#columns.get(name)
    if (column !== undefined) return column
    const names = show(this.columns.join(', ') || 'none')
    throw new ChapkitError('bad-request', `No column \`${name}\`; the columns are ${names}`)
  }

  /** A copy of the column as numbers: null is NaN, true is 1, false is 0. Text in it is a `bad-request`. */
  numbers(name: string): Float64Array {
    return numbersOf(this.column(name))
  }

  /** The column as text: numbers in their shortest form, null as null. */
  strings(name: string): (string | null)[] {
    return cellsOf(this.column(name)).map((cell) => (cell === null ? null : String(cell)))
  }

  /** One cell; `row` counts from 0, and one that is not there is a `bad-request`. */
  get(row: number, column: string): Cell {
    const found = this.column(column)
    if (Number.isInteger(row) && row >= 0 && row < this.length) return cellAt(found, row)
    throw new ChapkitError('bad-request', `Expected a row from 0 to ${this.length - 1}, got ${row}`)
  }

  /** The rows, one object after the other. */
  *rows(): IterableIterator<FrameRecord> {
    for (let row = 0; row < this.length; row++) yield recordAt(this.#columns, row)
  }

  toRecords(): FrameRecord[] {
    return [...this.rows()]
  }

  /** Where the first NaN or infinite number stands, by row, or null. Such a frame has no JSON, CSV, Parquet and Arrow. */
  firstNonFinite(): { row: number; column: string } | null {
    return firstNonFinite(this.#list())
  }

  /** Rows of cells. A NaN or an infinite number is `validation-failed`, with its row and column: JSON has none. */
  toJson(): FrameJson {
    this.#assertFinite()
    const columns = [...this.columns]
    const data = toRows({ columns, cells: this.#list().map(cellsOf) }, this.length)
    const schema = this.schema
    return schema === undefined ? { columns, data } : { columns, data, schema }
  }

  /** CSV by the rules of `writeCsv`; like `toJson` it refuses NaN and infinite numbers. */
  toCsv(): string {
    return writeCsv(this.toJson())
  }

  /**
   * A Parquet file, by the rules of `frameToParquet`. Like `toJson` it refuses NaN and infinite numbers: readers take NaN for a
   * value that is missing.
   */
  async toParquet(): Promise<Uint8Array> {
    this.#assertFinite()
    return writeParquet(this.#list())
  }

  /**
   * An Apache Arrow table. Needs the package `apache-arrow`, which is not installed with chapkit; where it is missing
   * the error says so. Name its type to get it: `frame.toArrow<Table>()`. Like `toJson` it refuses NaN and infinite numbers.
   */
  async toArrow<Table = ArrowTable>(): Promise<Table> {
    this.#assertFinite()
    return (await toArrowTable(this.#list())) as Table
  }

  /** Only these columns, in this order. */
  select(names: readonly string[]): DataFrame {
    return this.#with(names.map((name) => this.column(name)))
  }

  /** All but these columns. */
  drop(names: string | readonly string[]): DataFrame {
    const dropped = new Set([names].flat().map((name) => this.column(name).name))
    return this.#with(this.#list().filter((column) => !dropped.has(column.name)))
  }

  /** New names by old ones. */
  rename(names: Readonly<Record<string, string>>): DataFrame {
    const renamed = new Map(Object.entries(names).map(([from, to]) => [this.column(from).name, to]))
    const nameOf = (name: string) => renamed.get(name) ?? name
    const declared = Array.from(this.#declared, ([name, field]): [string, Field] => [
      nameOf(name),
      { ...field, name: nameOf(name) },
    ])
    const columns = this.#list().map((column) => renameColumn(column, nameOf(column.name)))
    return new DataFrame(columns, this.length, new Map(declared))
  }

  /** The rows that `predicate` accepts. */
  filter(predicate: (row: FrameRecord, index: number) => boolean): DataFrame {
    const rows: number[] = []
    for (let row = 0; row < this.length; row++)
      if (predicate(recordAt(this.#columns, row), row)) rows.push(row)
    return this.#take(Int32Array.from(rows))
  }

  /** Rows in order of one or more columns. Stable; nulls last in both directions, NaN before them. */
  sort(by: string | SortKey | readonly (string | SortKey)[]): DataFrame {
    const keys = [by].flat() as (string | SortKey)[]
    const resolved = keys.map((key) => {
      const { column, descending = false } = typeof key === 'string' ? { column: key } : key
      return { column: this.column(column), descending }
    })
    return this.#take(sortedRows(resolved, this.length))
  }

  /** The first rows. */
  head(count = 5): DataFrame {
    return this.slice(0, Math.max(0, count))
  }

  /** The last rows. */
  tail(count = 5): DataFrame {
    return this.slice(Math.max(0, this.length - count))
  }

  /** Rows from `start` up to but without `end`; negative numbers count from the end, as for arrays. */
  slice(start?: number, end?: number): DataFrame {
    return this.#take(Int32Array.from({ length: this.length }, (_, row) => row).slice(start, end))
  }

  /**
   * The rows of both. A column that only one of them has is null in the rows of the other, so that
   * `historic.concat(future)` is one series whose last cases are not known yet.
   */
  concat(other: DataFrame): DataFrame {
    const names = new Set([...this.columns, ...other.columns])
    const columns = Array.from(names, (name) =>
      buildColumn(name, [
        ...cellsOrNulls(this.#columns.get(name), this.length),
        ...cellsOrNulls(other.#columns.get(name), other.length),
      ]),
    )
    const declared = new Map([...other.#declared, ...this.#declared])
    return new DataFrame(columns, this.length + other.length, declared)
  }

  /** The different values of a column, in the order in which they first appear. Of a period, its first text. */
  unique(name: string): Cell[] {
    const column = this.column(name)
    const meaning = meanings(column)
    const seen = new Map<Cell, Cell>()
    for (let row = 0; row < this.length; row++) {
      const key = meaning(row)
      if (!seen.has(key)) seen.set(key, cellAt(column, row))
    }
    return [...seen.values()]
  }

  /** With a column computed from each row; one of that name is replaced. */
  derive(name: string, compute: (row: FrameRecord, index: number) => CellInput): DataFrame {
    return this.withColumn(
      name,
      Array.from({ length: this.length }, (_, row) => compute(recordAt(this.#columns, row), row)),
    )
  }

  /** With a column of these values, one for each row; one of that name is replaced. */
  withColumn(name: string, values: ArrayLike<CellInput>): DataFrame {
    return this.#put(buildColumn(name, values))
  }

  /**
   * With a column that holds, in each row, the value of the same series `periods` earlier (later when negative).
   *
   * The step goes along the calendar, by the periods in `time_period` or the column that `order` names, in any form that
   * `parsePeriod` reads: for a month that has no row the result is null, never the value of the row before. A row whose
   * period is null has no lag, and is none. Text that is no period, periods of two types (months and weeks, or weeks with
   * different first days) and a period that a series has twice are a `bad-request`. Without such a column, or to step from
   * row to row whatever they hold, say `along: 'rows'`.
   */
  lag(column: string, periods: number, options: LagOptions = {}): DataFrame {
    const by = options.by ?? (this.has('location') ? 'location' : [])
    const keys = [by].flat().map((name: string) => this.column(name))
    const order = this.#orderOf(options)
    const rows = lagRows(keys, order, periods, this.length)
    const lagged = takeRows(this.column(column), rows)
    return this.#put(renameColumn(lagged, options.as ?? `${column}_lag${periods}`))
  }

  /**
   * Groups of rows with equal values in these columns: iterate over them or `aggregate` them. `2024W5` and `2024-W05` are equal,
   * as other texts of one period are.
   */
  groupBy(keys: string | readonly string[]): GroupedFrame {
    const source = {
      length: this.length,
      find: (name: string) => this.column(name),
      take: (rows: Int32Array) => this.#take(rows),
      build: (columns: Column[]) => new DataFrame(columns, columns[0]?.values.length ?? 0),
    }
    return new GroupedFrame(source, [keys].flat() as string[])
  }

  /** Count, nulls, mean, standard deviation, minimum, quartiles and maximum: a row for each numeric column. */
  describe(): DataFrame {
    const columns = describeColumns(this.#list())
    return new DataFrame(columns, columns[0]!.values.length)
  }

  /** A readable table of the first rows. */
  toString(limit = 10): string {
    const shown = this.head(limit)
    const table = tableText(
      this.columns,
      toRows({ columns: [], cells: shown.#list().map(cellsOf) }, shown.length),
    )
    return `${table}\n[${this.length} rows × ${this.columns.length} columns]`
  }

  /** What `console.log(frame)` shows. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString()
  }

  #assertFinite(): void {
    const bad = this.firstNonFinite()
    if (bad === null) return
    const msg = `Expected a finite number in column \`${bad.column}\`, row ${bad.row}, got ${this.get(bad.row, bad.column)}`
    const loc = ['data', bad.row, this.columns.indexOf(bad.column)]
    throw validationError([{ loc, msg, type: 'finite_number' }])
  }

  #orderOf({ along = 'periods', order }: LagOptions): Column | null {
    if (along === 'rows') {
      if (order === undefined) return null
      throw new ChapkitError(
        'bad-request',
        `Expected either \`order\` or \`along: 'rows'\`, got both`,
      )
    }
    if (order !== undefined || this.has('time_period')) return this.column(order ?? 'time_period')
    const names = show(this.columns.join(', ') || 'none')
    throw new ChapkitError(
      'bad-request',
      `No column \`time_period\` to lag by; the columns are ${names}. Name that of the periods with \`order\`, or go from row to row with \`along: 'rows'\``,
    )
  }

  #list(): Column[] {
    return [...this.#columns.values()]
  }

  #with(columns: readonly Column[]): DataFrame {
    return new DataFrame(columns, this.length, this.#declared)
  }

  #put(column: Column): DataFrame {
    const columns = new Map(this.#columns).set(column.name, column)
    const declared = new Map(this.#declared)
    declared.delete(column.name)
    return new DataFrame([...columns.values()], this.length, declared)
  }

  #take(rows: Int32Array): DataFrame {
    const columns = this.#list().map((column) => takeRows(column, rows))
    return new DataFrame(columns, rows.length, this.#declared)
  }
}
