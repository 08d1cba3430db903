import { keyColumns } from '../data/agreed.ts'
import { type Period, parsePeriod, periodKey } from '../data/periods.ts'
import type { Cell, FrameJson } from '../data/schema.ts'
import { widthError } from '../data/width.ts'
import { show, showNames } from '../kernel/show.ts'

/** Whether a prediction answers what it was asked. */
export interface ForecastCheck {
  /** Why it does not, or null. */
  error: string | null
  /** What somebody should know of a prediction that does. */
  warnings: string[]
}

/** Rows that a message names. */
const named = 3

/**
 * Checks a prediction against the `future` that it was made for: it has the columns that say what a row is about,
 * `sample_0` up to the last one without a gap, numbers in them, and one row for each location and period of `future`.
 *
 * Periods are compared by what they mean (`202401` is `2024-01`), locations by their text. Rows for known locations before
 * the first period of `future` are no error: some models also fill in what is missing of the past. Nor is a missing value;
 * both are warnings.
 */
export function checkForecast(prediction: FrameJson, future: FrameJson): ForecastCheck {
  const warnings: string[] = []
  const error =
    checkColumns(prediction, future, warnings) ??
    checkSamples(prediction, warnings) ??
    checkRows(prediction, future, warnings)
  return { error, warnings }
}

function checkColumns(
  { columns }: FrameJson,
  future: FrameJson,
  warnings: string[],
): string | null {
  const width = widthError(columns)
  if (width !== null) return `${width[0]!.toLowerCase()}${width.slice(1)}`
  const missing = keyColumns.filter(
    (name) => future.columns.includes(name) && !columns.includes(name),
  )
  const samples = sampleColumns(columns)
  if (missing.length > 0) {
    return `expected the columns ${list(missing)} of the future data, got ${showNames(columns)}`
  }
  if (samples.length === 0) {
    const dotted = columns.some((name) => /^sample\W\d+$/.test(name))
    const hint = dotted
      ? "; R's data.frame() has changed the names: give it check.names = FALSE"
      : ''
    return `expected columns sample_0, sample_1, … with the samples of the forecast, got ${showNames(columns)}${hint}`
  }
  const others = columns.filter((name) => name.startsWith('sample_') && !sampleName.test(name))
  if (others.length > 0) {
    warnings.push(
      `${list(others)} ${others.length === 1 ? 'is no sample' : 'are no samples'}, and chap-core counts every column that begins with sample_ as one`,
    )
  }
  const numbers = samples.map(({ number }) => number).sort((a, b) => a - b)
  const gap = numbers.findIndex((number, at) => number !== at)
  return gap < 0 ? null : `expected a column sample_${gap} before sample_${numbers[gap]}, got none`
}

const sampleName = /^sample_(0|[1-9]\d*)$/

function sampleColumns(columns: readonly string[]): { number: number; at: number }[] {
  return columns.flatMap((name, at) => {
    const number = sampleName.exec(name)?.[1]
    return number === undefined ? [] : [{ number: Number(number), at }]
  })
}

function checkSamples({ columns, data }: FrameJson, warnings: string[]): string | null {
  const samples = sampleColumns(columns)
  let empty = 0
  for (const [row, cells] of data.entries()) {
    let missing = false
    for (const { number, at } of samples) {
      const cell = cells[at]!
      if (cell === null) missing = true
      else if (typeof cell !== 'number')
        return `expected a number in column sample_${number}, row ${row}, got ${show(cell)}`
    }
    if (missing) empty++
  }
  if (empty === data.length)
    return `expected numbers as samples, got none in any of ${count(empty)}`
  if (empty > 0) warnings.push(`${count(empty)} of ${data.length} have samples without a value`)
  return null
}

/** Numbers what rows are about; the same number for all ways to write a period. */
function createKeys(by: readonly string[]) {
  const places = new Map<Cell, number>()
  const periods = new Map<Cell, number>()
  const periodIds = new Map<string, number>()

  function placeId(cell: Cell): number {
    const id = places.get(cell) ?? places.size
    if (id === places.size) places.set(cell, id)
    return id
  }

  function periodId(cell: Cell): number {
    let id = periods.get(cell)
    if (id !== undefined) return id
    const text = periodKey(String(cell))
    id = periodIds.get(text) ?? periodIds.size
    periodIds.set(text, id)
    periods.set(cell, id)
    return id
  }

  /** The first row of each key, and rows that repeat one. */
  return ({ columns, data }: FrameJson): { first: Map<number, number>; again: number[] } => {
    const [timeAt, placeAt] = keyColumns.map((name) =>
      by.includes(name) ? columns.indexOf(name) : -1,
    )
    const first = new Map<number, number>()
    const again: number[] = []
    for (let row = 0; row < data.length; row++) {
      const cells = data[row]!
      const place = placeAt! < 0 ? 0 : placeId(cells[placeAt!]!)
      const key = place * maximumPeriods + (timeAt! < 0 ? 0 : periodId(cells[timeAt!]!))
      if (first.has(key)) again.push(row)
      else first.set(key, row)
    }
    return { first, again }
  }
}

/** More than a frame has rows: what keeps keys apart. */
const maximumPeriods = 2 ** 26

function checkRows(prediction: FrameJson, future: FrameJson, warnings: string[]): string | null {
  const by = keyColumns.filter((name) => future.columns.includes(name))
  if (by.length === 0) {
    return prediction.data.length === future.data.length
      ? null
      : `expected ${count(future.data.length)} as in the future data, got ${prediction.data.length}`
  }
  const toKeys = createKeys(by)
  const wanted = toKeys(future)
  const found = toKeys(prediction)
  const without = (rows: Map<number, number>, known: Map<number, number>) =>
    Array.from(rows).flatMap(([key, row]) => (known.has(key) ? [] : [row]))
  const lacking = without(wanted.first, found.first)
  const other = without(found.first, wanted.first)
  const isEarlier = earlierThan(future, prediction)
  const early = other.filter(isEarlier)
  const stray = other.filter((row) => !isEarlier(row))
  if (lacking.length > 0) {
    const got = stray.length > 0 ? `; instead there is ${rowsText(stray, prediction, by)}` : ''
    return `expected a row for each location and period of the future data, got none for ${rowsText(lacking, future, by)}${got}${asNumbers(lacking, stray, future, prediction)}`
  }
  if (stray.length > 0) {
    return `expected rows for the locations and periods of the future data only, got ${rowsText(stray, prediction, by)}`
  }
  // Who asks twice may be answered twice.
  if (found.again.length > wanted.again.length) {
    return `expected one row for each location and period, got several for ${rowsText(found.again, prediction, by)}`
  }
  if (early.length > 0)
    warnings.push(
      `${count(early.length)} before the future data: ${rowsText(early, prediction, by)}`,
    )
  return null
}

/** Tells whether a row is about a known location, before the first period that was asked for there. */
function earlierThan(future: FrameJson, prediction: FrameJson): (row: number) => boolean {
  const columnsOf = ({ columns }: FrameJson) => keyColumns.map((name) => columns.indexOf(name))
  const [timeAt = -1, placeAt = -1] = columnsOf(future)
  if (timeAt < 0) return () => false
  // Null where the periods of a location cannot be compared.
  const first = new Map<Cell, Period | null>()
  for (const cells of future.data) {
    const place = placeAt < 0 ? null : cells[placeAt]!
    const period = parsePeriod(String(cells[timeAt]))
    const before = first.get(place)
    if (before === undefined) first.set(place, period)
    else if (before === null || period === null || period.type !== before.type)
      first.set(place, null)
    else if (period.index < before.index) first.set(place, period)
  }
  const [ownTimeAt = -1, ownPlaceAt = -1] = columnsOf(prediction)
  return (row) => {
    const cells = prediction.data[row]!
    const period = parsePeriod(String(cells[ownTimeAt]))
    const start = first.get(placeAt < 0 ? null : cells[ownPlaceAt]!) ?? null
    return (
      period !== null && start !== null && period.type === start.type && period.index < start.index
    )
  }
}

function rowsText(
  rows: readonly number[],
  { columns, data }: FrameJson,
  by: readonly string[],
): string {
  const shown = rows.slice(0, named).map((row) => {
    const parts = by.map((name) => show(data[row]![columns.indexOf(name)]))
    return `(${parts.join(', ')})`
  })
  const more = rows.length > named ? ` and ${rows.length - named} more` : ''
  return `${shown.join(', ')}${more}`
}

/** Programs that read codes as numbers lose their zeros. */
function asNumbers(
  [wanted]: readonly number[],
  [came]: readonly number[],
  future: FrameJson,
  prediction: FrameJson,
): string {
  if (wanted === undefined || came === undefined) return ''
  const place = ({ columns, data }: FrameJson, row: number) =>
    String(data[row]![columns.indexOf('location')])
  const [left, right] = [place(future, wanted), place(prediction, came)]
  const same = left !== right && /^\d+$/.test(left) && Number(left) === Number(right)
  return same ? '; read the column `location` as text' : ''
}

const list = (names: readonly string[]) => names.map((name) => `\`${name}\``).join(' and ')
const count = (rows: number) => (rows === 1 ? '1 row' : `${rows} rows`)
