import { ChapkitError } from '../errors.ts'
import { show } from '../kernel/show.ts'

export type PeriodKind = 'year' | 'month' | 'week' | 'day'

/**
 * A period of time as a number: the next period of its kind has the next `index`. Months count from January of year 0,
 * weeks from the one around 1970-01-01, days from 1970-01-01; a year is its own index.
 */
export interface Period {
  kind: PeriodKind
  index: number
}

/** How a period is written: `YYYY-Snn` is an epidemiological week that begins on Sunday, `range` its first and last day. */
export type PeriodForm =
  | 'YYYY'
  | 'YYYY-MM'
  | 'YYYYMM'
  | 'YYYY-Www'
  | 'YYYYWww'
  | 'YYYY-Snn'
  | 'YYYY-MM-DD'
  | 'range'

/**
 * Reads `YYYY`, `YYYY-MM`, `YYYYMM`, `YYYY-Www` and `YYYYWww` (ISO weeks, one digit accepted), `YYYY-Snn` (weeks that
 * begin on Sunday, the first with four days in its year), `YYYY-MM-DD` and week ranges `YYYY-MM-DD/YYYY-MM-DD` of seven
 * days. Null for any other text, also for a month 13 or a week 53 that the year does not have.
 */
export function parsePeriod(text: string): Period | null {
  const read = readPeriod(text)
  return read === null ? null : { kind: read.kind, index: read.index }
}

/** Writes a period, by default as `YYYY`, `YYYY-MM`, `YYYY-Www` or `YYYY-MM-DD`. A range begins on Monday. */
export function formatPeriod(period: Period, form: PeriodForm = defaultForm[period.kind]): string {
  if (kindOfForm[form] !== period.kind) {
    throw new ChapkitError('bad-request', `Cannot write a ${period.kind} as \`${form}\``)
  }
  const { index } = period
  switch (form) {
    case 'YYYY':
      return year4(index)
    case 'YYYY-MM':
    case 'YYYYMM':
      return `${year4(Math.floor(index / 12))}${form === 'YYYYMM' ? '' : '-'}${pad2(modulo(index, 12) + 1)}`
    case 'YYYY-Www':
      return weekText(index, mondayOffset, '-W')
    case 'YYYYWww':
      return weekText(index, mondayOffset, 'W')
    case 'YYYY-Snn':
      return weekText(index, sundayOffset, '-S')
    case 'YYYY-MM-DD':
      return dayText(index)
    case 'range':
      return rangeText(index * 7 - mondayOffset)
  }
}

/**
 * The period `count` steps after `text` (before it when negative), written as `text` is. Text that is no period, or a
 * result outside the years 0 to 9999, is `bad-request`.
 */
export function nextPeriod(text: string, count = 1): string {
  const read = readPeriod(text)
  if (read === null) {
    throw new ChapkitError(
      'bad-request',
      `Expected a period such as 2024-01, 2024-W05 or 2024, got ${show(text)}`,
    )
  }
  // A range need not begin on a Monday, so it is its first day that moves.
  if (read.form === 'range') return rangeText(read.start + 7 * count)
  const next = formatPeriod({ kind: read.kind, index: read.index + count }, read.form)
  return read.short ? next.replace(/([WS])0/, '$1') : next
}

interface ReadPeriod extends Period {
  form: PeriodForm
  /** First day, for ranges. */
  start: number
  /** Written with one digit, as in `2024W5`. */
  short: boolean
}

const defaultForm = { year: 'YYYY', month: 'YYYY-MM', week: 'YYYY-Www', day: 'YYYY-MM-DD' } as const

const kindOfForm: Record<PeriodForm, PeriodKind> = {
  YYYY: 'year',
  'YYYY-MM': 'month',
  YYYYMM: 'month',
  'YYYY-Www': 'week',
  YYYYWww: 'week',
  'YYYY-Snn': 'week',
  'YYYY-MM-DD': 'day',
  range: 'week',
}

const dayMilliseconds = 86_400_000
// Day 0 is a Thursday: week 0 begins three days before it on a Monday, four on a Sunday.
const mondayOffset = 3
const sundayOffset = 4

const pattern =
  /^(\d{4})(?:(-?)(\d{2})|(-?)W(\d{1,2})|-S(\d{1,2})|-(\d{2})-(\d{2})(?:\/(\d{4})-(\d{2})-(\d{2}))?)?$/

function readPeriod(text: string): ReadPeriod | null {
  const match = pattern.exec(text)
  if (match === null) return null
  const [, y, monthDash, month, weekDash, isoWeek, sundayWeek, m, d, endY, endM, endD] = match
  const year = Number(y)
  const base = { start: 0, short: false }
  if (month !== undefined) {
    const number = Number(month)
    if (number < 1 || number > 12) return null
    const form = monthDash === '' ? 'YYYYMM' : 'YYYY-MM'
    return { ...base, kind: 'month', form, index: year * 12 + number - 1 }
  }
  const week = isoWeek ?? sundayWeek
  if (week !== undefined) {
    const offset = isoWeek === undefined ? sundayOffset : mondayOffset
    const first = firstWeek(year, offset)
    const index = first + Number(week) - 1
    if (index < first || index >= firstWeek(year + 1, offset)) return null
    const form = isoWeek === undefined ? 'YYYY-Snn' : weekDash === '' ? 'YYYYWww' : 'YYYY-Www'
    return { ...base, kind: 'week', form, index, short: week.length === 1 }
  }
  if (m === undefined || d === undefined)
    return { ...base, kind: 'year', form: 'YYYY', index: year }
  const start = dayNumber(year, Number(m), Number(d))
  if (start === null) return null
  if (endY === undefined) return { ...base, kind: 'day', form: 'YYYY-MM-DD', index: start }
  if (dayNumber(Number(endY), Number(endM), Number(endD)) !== start + 6) return null
  return { kind: 'week', form: 'range', index: weekOf(start, sundayOffset), start, short: false }
}

/** Days since 1970-01-01, or null for a day that the month does not have. */
function dayNumber(year: number, month: number, day: number): number | null {
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  const fits = date.getUTCMonth() === month - 1 && date.getUTCDate() === day
  return fits ? date.getTime() / dayMilliseconds : null
}

function weekOf(day: number, offset: number): number {
  return Math.floor((day + offset) / 7)
}

/** Index of week 1 of a year: the week that holds the 4th of January, whichever day weeks begin on. */
function firstWeek(year: number, offset: number): number {
  return weekOf(dayNumber(year, 1, 4)!, offset)
}

function weekText(index: number, offset: number, mark: string): string {
  // A week belongs to the year that holds its fourth day.
  const year = new Date((index * 7 - offset + 3) * dayMilliseconds).getUTCFullYear()
  return `${year4(year)}${mark}${pad2(index - firstWeek(year, offset) + 1)}`
}

function dayText(day: number): string {
  const date = new Date(day * dayMilliseconds)
  return `${year4(date.getUTCFullYear())}-${pad2(date.getUTCMonth() + 1)}-${pad2(date.getUTCDate())}`
}

function rangeText(start: number): string {
  return `${dayText(start)}/${dayText(start + 6)}`
}

function year4(year: number): string {
  if (!(year >= 0 && year <= 9999)) {
    throw new ChapkitError('bad-request', `Expected a year from 0 to 9999, got ${year}`)
  }
  return String(year).padStart(4, '0')
}

function pad2(number: number): string {
  return String(number).padStart(2, '0')
}

function modulo(a: number, b: number): number {
  return ((a % b) + b) % b
}
