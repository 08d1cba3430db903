import { ChapkitError } from '../errors.ts'
import { buildColumn, type Column, cellAt, numbersOf, takeRows } from './columns.ts'
import type { DataFrame } from './frame.ts'
import { periodIndexes } from './period-column.ts'
import type { Cell } from './schema.ts'

/**
 * How a group's values become one. Nulls are left out; what is left of nothing is null, `count` of nothing is 0. `std`
 * is that of a sample (divided by n − 1), null for fewer than two values. `first` and `last` follow the rows' order.
 */
export type Aggregation =
  | 'mean'
  | 'sum'
  | 'min'
  | 'max'
  | 'count'
  | 'median'
  | 'std'
  | 'first'
  | 'last'

/** Name of a result column to the column and the way it is made, or to a function of the group's rows. */
export type Aggregations = Readonly<
  Record<string, readonly [column: string, how: Aggregation] | ((group: DataFrame) => Cell)>
>

/** What a grouped frame needs of the frame it came from. */
export interface GroupSource {
  readonly length: number
  find(name: string): Column
  take(rows: Int32Array): DataFrame
  build(columns: Column[]): DataFrame
}

/**
 * Rows of a frame, grouped by equal values of the key columns, in the order in which the keys first appear. Periods of one type
 * are equal when they mean the same.
 */
export class GroupedFrame {
  readonly #source: GroupSource
  readonly #keys: readonly Column[]
  readonly #groups: readonly Int32Array[]

  constructor(source: GroupSource, keys: readonly string[]) {
    this.#source = source
    this.#keys = keys.map((key) => source.find(key))
    this.#groups = groupRows(this.#keys, source.length)
  }

  /** Number of groups. */
  get size(): number {
    return this.#groups.length
  }

  /** Each group as a frame of its own. */
  *[Symbol.iterator](): IterableIterator<DataFrame> {
    for (const rows of this.#groups) yield this.#source.take(rows)
  }

  /**
   * One row per group: the key columns, then a column for each aggregation.
   *
   * @example
   * ```ts
   * frame.groupBy('location').aggregate({
   *   cases: ['disease_cases', 'sum'],
   *   rainy: (group) => group.filter((row) => Number(row.rainfall) > 100).length,
   * })
   * ```
   */
  aggregate(aggregations: Aggregations): DataFrame {
    const firsts = Int32Array.from(this.#groups, (rows) => rows[0]!)
    const columns = this.#keys.map((key) => takeRows(key, firsts))
    for (const [name, how] of Object.entries(aggregations)) {
      if (columns.some((column) => column.name === name)) {
        throw new ChapkitError('bad-request', `Cannot aggregate into \`${name}\`: it is a key`)
      }
      columns.push(buildColumn(name, this.#cells(how)))
    }
    return this.#source.build(columns)
  }

  #cells(how: Aggregations[string]): Cell[] {
    if (typeof how === 'function') return Array.from(this, how)
    const column = this.#source.find(how[0])
    const reduce = reducer(column, how[1])
    return this.#groups.map((rows) => reduce(presentRows(column, rows)))
  }
}

/**
 * What tells the values of a column from each other, by row: of periods what they mean, as two texts of one period (`2024W5`,
 * `2024-W05`) are no two values. Codes of locations are no periods, whatever they look like.
 */
export function meanings(column: Column): (row: number) => Cell {
  const periods = column.name === 'location' ? null : periodIndexes(column)
  return periods === null ? (row) => cellAt(column, row) : (row) => periods[row]!
}

/** Number of the group of each row, counted in the order of first appearance. */
export function groupIds(
  keys: readonly Column[],
  length: number,
): { ids: Int32Array; count: number } {
  let ids = new Int32Array(length)
  let count = length === 0 ? 0 : 1
  for (const key of keys) {
    const next = new Map<number, Map<Cell, number>>()
    const refined = new Int32Array(length)
    const meaning = meanings(key)
    count = 0
    for (let row = 0; row < length; row++) {
      const id = ids[row]!
      let seen = next.get(id)
      if (seen === undefined) {
        seen = new Map()
        next.set(id, seen)
      }
      const cell = meaning(row)
      let group = seen.get(cell)
      if (group === undefined) {
        group = count++
        seen.set(cell, group)
      }
      refined[row] = group
    }
    ids = refined
  }
  return { ids, count }
}

function groupRows(keys: readonly Column[], length: number): Int32Array[] {
  const { ids, count } = groupIds(keys, length)
  const sizes = new Int32Array(count)
  for (const id of ids) sizes[id]!++
  const groups = Array.from(sizes, (size) => new Int32Array(size))
  const filled = new Int32Array(count)
  for (let row = 0; row < length; row++) {
    const id = ids[row]!
    groups[id]![filled[id]!++] = row
  }
  return groups
}

function presentRows({ nulls }: Column, rows: Int32Array): Int32Array {
  return nulls === null ? rows : rows.filter((row) => nulls[row] !== 1)
}

function reducer(column: Column, how: Aggregation): (rows: Int32Array) => Cell {
  if (how === 'count') return (rows) => rows.length
  if (how === 'first') return (rows) => (rows.length === 0 ? null : cellAt(column, rows[0]!))
  if (how === 'last') return (rows) => (rows.length === 0 ? null : cellAt(column, rows.at(-1)!))
  if (column.type === 'string' && (how === 'min' || how === 'max')) {
    // Periods go along the calendar: 2024W9 comes before 2024W10.
    const order = periodIndexes(column) ?? column.values
    return (rows) => extremeText(column.values, order, rows, how === 'min' ? -1 : 1)
  }
  const statistic = statistics[how]
  if (statistic === undefined) {
    throw new ChapkitError(
      'bad-request',
      `Expected one of ${Object.keys(statistics).join(', ')}, count, first, last, got \`${how}\``,
    )
  }
  const numbers = numbersOf(column)
  return (rows) => statistic(Float64Array.from(rows, (row) => numbers[row]!))
}

function extremeText(
  values: readonly (string | null)[],
  order: Float64Array | readonly (string | null)[],
  rows: Int32Array,
  sign: -1 | 1,
): string | null {
  let found = -1
  for (const row of rows) {
    if (found < 0) found = row
    const [key, best] = [order[row]!, order[found]!]
    if (sign < 0 ? key < best : key > best) found = row
  }
  return found < 0 ? null : values[found]!
}

type Statistic = (values: Float64Array) => number | null

/** Statistics of values without nulls; null where there are too few of them. A NaN among the values gives NaN. */
export const statistics: Record<'mean' | 'sum' | 'min' | 'max' | 'median' | 'std', Statistic> = {
  sum: (values) => (values.length === 0 ? null : sum(values)),
  mean: (values) => (values.length === 0 ? null : sum(values) / values.length),
  min: (values) => (values.length === 0 ? null : values.reduce((a, b) => Math.min(a, b))),
  max: (values) => (values.length === 0 ? null : values.reduce((a, b) => Math.max(a, b))),
  median: (values) => quantile(values, 0.5),
  std: (values) => {
    if (values.length < 2) return null
    const mean = sum(values) / values.length
    let squares = 0
    for (const value of values) squares += (value - mean) ** 2
    return Math.sqrt(squares / (values.length - 1))
  },
}

/** Quantile with linear interpolation between the two nearest values; null of nothing, NaN when a value is NaN. */
export function quantile(values: Float64Array, fraction: number): number | null {
  if (values.length === 0) return null
  const sorted = values.toSorted()
  if (Number.isNaN(sorted.at(-1))) return Number.NaN
  const at = (sorted.length - 1) * fraction
  const below = sorted[Math.floor(at)]!
  const above = sorted[Math.ceil(at)]!
  return above === below ? below : below + (above - below) * (at - Math.floor(at))
}

function sum(values: Float64Array): number {
  let total = 0
  for (const value of values) total += value
  return total
}
