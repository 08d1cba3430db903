import { ChapkitError } from '../errors.ts'
import { show } from '../kernel/show.ts'
import { calendars, dayNumber, dayText, type PeriodKind, type PeriodType } from './period-types.ts'

export type { PeriodKind, PeriodType } from './period-types.ts'

/** A period of time. Two texts for one period, such as `2024W5` and `2024-W05`, give equal periods. */
export interface Period {
  /** How long it is. */
  kind: PeriodKind
  /** Its type, by the name in DHIS2. Only periods of one type can be compared by their `index`. */
  type: PeriodType
  /**
   * The next period of its type has the next `index`. Days count from 1970-01-01, weeks from the one that holds it; months,
   * quarters and so on count from the first of year 0, and the index of a year is its number.
   */
  index: number
  /** First day, `YYYY-MM-DD`. */
  start: string
  /** Last day, `YYYY-MM-DD`. */
  end: string
}

/**
 * Reads a period: every form of DHIS2 (`20240131`, `2024W5` and with other first days as `2024SunW5`, `2024BiW3`, `202401`,
 * `202401B`, `2024Q1`, `2024NovQ1`, `2024S1`, `2024AprilS1`, `2024NovS1`, `2024`, `2024April` and the other financial years),
 * `2024-01`, `2024-W05`, `2024-01-31`, midnights such as `2024-01-31T00:00:00Z` (the day that is written, whatever the zone),
 * the `2024-S05` of chap-core, and ranges of a first and a last day that are exactly one period
 * (`2023-12-25/2023-12-31`).
 *
 * Null for any other text, also for a month 13, a week 53 that the year does not have, and another time than midnight.
 */
export function parsePeriod(text: string): Period | null {
  const read = readPeriod(text)
  if (read === null) return null
  const { type, index } = read
  const { kind, firstDay } = calendars[type]
  return {
    kind,
    type,
    index,
    start: dayText(firstDay(index)),
    end: dayText(firstDay(index + 1) - 1),
  }
}

/**
 * The one text for a period, whichever form it came in: `YYYY-MM-DD`, `YYYY-Www`, `YYYY-MM` and `YYYY` for days, ISO weeks,
 * months and years, and that of DHIS2 for the others. Null for text that is no period.
 *
 * What DHIS2 has no text for stays what chap-core writes (`YYYY-Snn`), or a range (weeks from Tuesday).
 */
export function canonicalPeriod(text: string): string | null {
  const read = readPeriod(text)
  return read === null ? null : writePeriod(read.type, read.index, canonicalForms[read.type])
}

/** What all texts of one period have in common: the canonical one. Text that is no period stays itself. */
export const periodKey = (text: string): string => canonicalPeriod(text) ?? text

/** The canonical text of the period of a type with an index. A year that is not from 0 to 9999 is `bad-request`. */
export function formatPeriod({ type, index }: Pick<Period, 'type' | 'index'>): string {
  const text = writePeriod(type, index, canonicalForms[type])
  if (text !== null) return text
  throw new ChapkitError('bad-request', 'Expected a period in the years 0 to 9999, got another')
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
  if (!Number.isInteger(count))
    throw new ChapkitError('bad-request', `Expected a whole number of periods, got ${count}`)
  const next =
    Math.abs(count) > mostSteps ? null : writePeriod(read.type, read.index + count, read.form)
  if (next !== null) return next
  throw new ChapkitError(
    'bad-request',
    `Expected a year from 0 to 9999, got ${count} periods after ${show(text)}`,
  )
}

/** Orders texts along the calendar, those that are no periods last. */
export function comparePeriods(a: string, b: string): number {
  const first = parsePeriod(a)?.start ?? '~'
  const second = parsePeriod(b)?.start ?? '~'
  if (first !== second) return first < second ? -1 : 1
  return a < b ? -1 : a > b ? 1 : 0
}

/** More than there are days in 10 000 years, and few enough that every day between has a `Date`. */
const mostSteps = 4_000_000

/** How a period is written behind the four digits of its year, with `#` for each digit of its number; or as days. */
type PeriodForm = string
const rangeForm = '/'

interface ReadPeriod {
  type: PeriodType
  index: number
  form: PeriodForm
}

const typesByForm = new Map<PeriodForm, PeriodType>([
  ['', 'Yearly'],
  ...each('####', '-##-##', 'Daily'),
  ...each('##', '-##', 'Monthly'),
  ...each('W#', 'W##', 'Weekly'),
  ...each('-W#', '-W##', 'Weekly'),
  ...each('WedW#', 'WedW##', 'WeeklyWednesday'),
  ...each('ThuW#', 'ThuW##', 'WeeklyThursday'),
  ...each('FriW#', 'FriW##', 'WeeklyFriday'),
  ...each('SatW#', 'SatW##', 'WeeklySaturday'),
  ...each('SunW#', 'SunW##', 'WeeklySunday'),
  // With one digit it would be read as the half-year that DHIS2 writes without hyphen.
  ['-S##', 'WeeklySundayIso'],
  ...each('BiW#', 'BiW##', 'BiWeekly'),
  ['##B', 'BiMonthly'],
  ...each('Q#', '-Q#', 'Quarterly'),
  ['NovQ#', 'QuarterlyNov'],
  ['S#', 'SixMonthly'],
  ['AprilS#', 'SixMonthlyApril'],
  ['NovS#', 'SixMonthlyNov'],
  ['Feb', 'FinancialFeb'],
  ['April', 'FinancialApril'],
  ['July', 'FinancialJuly'],
  ['Aug', 'FinancialAug'],
  ['Sep', 'FinancialSep'],
  ['Oct', 'FinancialOct'],
  ['Nov', 'FinancialNov'],
])

function each(a: PeriodForm, b: PeriodForm, type: PeriodType): [PeriodForm, PeriodType][] {
  return [
    [a, type],
    [b, type],
  ]
}

/** The shortest form of a type is DHIS2's own; some are written otherwise here. */
const canonicalForms: Readonly<Record<PeriodType, PeriodForm>> = {
  ...(Object.fromEntries(
    Array.from(typesByForm, ([form, type]): [PeriodType, PeriodForm] => [type, form]).reverse(),
  ) as Record<PeriodType, PeriodForm>),
  Daily: '-##-##',
  Weekly: '-W##',
  WeeklyTuesday: rangeForm,
  Monthly: '-##',
}

const pattern = /^(\d{4})([^\d]*)(\d*)(B?)$/
const datePattern = /^(\d{4})-(\d\d)-(\d\d)(.*)$/
/** What stands behind a day that is written as the midnight with which it begins. */
const midnight = /^[T ]00:00(:00(\.0+)?)?(Z|[+-]\d\d(:?\d\d)?)?$/

function readPeriod(text: string): ReadPeriod | null {
  const date = datePattern.exec(text)
  if (date !== null) {
    const day = readDay(date)
    const rest = date[4]!
    if (day === null) return null
    if (rest.startsWith(rangeForm)) return readRange(day, rest.slice(1))
    if (rest !== '' && !midnight.test(rest)) return null
    return { type: 'Daily', index: day, form: `-##-##${rest}` }
  }
  const match = pattern.exec(text)
  if (match === null) return null
  const [, year, mark, digits, tail] = match
  const form = `${mark}${'#'.repeat(digits!.length)}${tail}`
  const type = typesByForm.get(form)
  if (type === undefined) return null
  const index = calendars[type].indexOf(Number(year), digits === '' ? 1 : Number(digits))
  if (index === null) return null
  // Whether 2024SunW10 follows 2024SunW9 or 2024SunW09 is not to be seen: DHIS2 writes the shorter one.
  const short = `${mark}#`
  const isOpen = digits!.length === 2 && digits![0] !== '0' && canonicalForms[type] === short
  return { type, index, form: isOpen ? short : form }
}

function readDay([, year, month, day]: RegExpExecArray): number | null {
  return dayNumber(Number(year), Number(month), Number(day))
}

const typesOfRanges = Object.keys(calendars).filter(
  // Its weeks are also weeks from Sunday.
  (type) => type !== 'WeeklySundayIso',
) as PeriodType[]

/** The period that begins and ends with these days. */
function readRange(first: number, lastText: string): ReadPeriod | null {
  const date = datePattern.exec(lastText)
  if (date === null || date[4] !== '') return null
  const last = readDay(date)
  for (const type of typesOfRanges) {
    const { firstDay, indexAt } = calendars[type]
    const index = indexAt(first)
    if (firstDay(index) === first && firstDay(index + 1) - 1 === last)
      return { type, index, form: rangeForm }
  }
  return null
}

/** The text of a period in a form, or null outside the years 0 to 9999. */
function writePeriod(type: PeriodType, index: number, form: PeriodForm): string | null {
  const { firstDay, placeOf } = calendars[type]
  const { year, number } = placeOf(index)
  if (!(year >= 0 && year <= 9999)) return null
  if (form === rangeForm) {
    const range = `${dayText(firstDay(index))}/${dayText(firstDay(index + 1) - 1)}`
    return datePattern.test(range) && range.length === 21 ? range : null
  }
  if (form.startsWith('-##-##')) return `${dayText(index)}${form.slice(6)}`
  const digits = form.replace(/#+/, (marks) => String(number).padStart(marks.length, '0'))
  return `${String(year).padStart(4, '0')}${digits}`
}
