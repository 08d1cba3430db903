import { ChapkitError } from '../errors.ts'
import { show } from '../kernel/show.ts'
import { calendars } from './period-types.ts'
import { canonicalPeriod, formatPeriod } from './periods.ts'

/** What the periods of a service are; `any` keeps what the dates say. */
export type PeriodType = 'weekly' | 'monthly' | 'any'

const monthNames = 'jan feb mar apr may jun jul aug sep oct nov dec'.split(' ')

/** What each directive of a format matches, by the names of strptime (POSIX). */
const directives: Readonly<Record<string, string>> = {
  Y: '(?<Y>\\d{4})',
  y: '(?<y>\\d{2})',
  m: '(?<m>\\d{1,2})',
  d: '(?<d>\\d{1,2})',
  e: '(?<d>\\d{1,2})',
  b: '(?<b>[A-Za-z]{3})',
  B: '(?<b>[A-Za-z]{3,9})',
  j: '(?<j>\\d{1,3})',
  G: '(?<G>\\d{4})',
  V: '(?<V>\\d{1,2})',
  H: '(?:[01]?\\d|2[0-3])',
  M: '[0-5]?\\d',
  // 60 is a leap second.
  S: '(?:[0-5]?\\d|60)(?:\\.\\d+)?',
  z: '(?:Z|[+-]\\d{2}:?\\d{2})',
  '%': '%',
}

/** Reads one text; null where it is no date of the format. */
export type DateReader = (text: string) => string | null

/**
 * Reads dates written in a format of strptime, such as `%d/%m/%Y`, as periods: months (`2024-01`) for a monthly service,
 * ISO weeks (`2024-W05`) for a weekly one, for `any` the days themselves. A format without a day gives months, one of `%G`
 * and `%V` weeks, one of the year alone years. Times are read over; two-digit years are 1969 to 2068.
 *
 * Throws `bad-request` for a format with an unknown directive, without a year, or with only one of `%G` and `%V`.
 */
export function dateReader(format: string, periodType: PeriodType): DateReader {
  const seen = new Set<string>()
  const pattern = format.replace(/%(.)|([^%])|%$/g, (_, directive?: string, other?: string) => {
    if (other !== undefined) return /\s/.test(other) ? '\\s+' : literal(other)
    const part = directive === undefined ? undefined : directives[directive]
    if (part === undefined) throw formatError(format, `got %${directive ?? ''}`)
    const name = /\(\?<(\w)>/.exec(part)?.[1]
    if (name !== undefined && seen.has(name)) throw formatError(format, `got %${directive} twice`)
    if (name !== undefined) seen.add(name)
    return part
  })
  const has = (...names: string[]) => names.every((name) => seen.has(name))
  const year = has('Y') || has('y')
  const month = has('m') || has('b')
  // ISO weeks have their own year: with %Y the last days of December would be a year off.
  if (has('G') !== has('V')) throw formatError(format, 'got one of %G and %V without the other')
  if (has('G', 'V')) return reader(pattern, weekOfParts)
  if (!year) throw formatError(format, 'got none with a year')
  if (has('j') || (month && has('d')))
    return reader(pattern, (parts) => periodOf(dayOfParts(parts), periodType))
  if (month) return reader(pattern, monthOfParts)
  if (has('d')) throw formatError(format, 'got a day without a month')
  return reader(pattern, (parts) => String(yearOf(parts)).padStart(4, '0'))
}

type Parts = Readonly<Record<string, string | undefined>>

function reader(pattern: string, toPeriod: (parts: Parts) => string | null): DateReader {
  const whole = new RegExp(`^\\s*${pattern}\\s*$`)
  return (text) => {
    const match = whole.exec(text)
    return match === null ? null : toPeriod(match.groups ?? {})
  }
}

function periodOf(day: Date | null, periodType: PeriodType): string | null {
  if (day === null) return null
  const text = day.toISOString().slice(0, 10)
  if (periodType === 'monthly') return text.slice(0, 7)
  if (periodType === 'any') return text
  return formatPeriod({
    type: 'Weekly',
    index: calendars.Weekly.indexAt(day.getTime() / 86_400_000),
  })
}

function dayOfParts(parts: Parts): Date | null {
  const year = yearOf(parts)
  const month = parts.j === undefined ? monthOf(parts) : 0
  const day = Number(parts.j ?? parts.d)
  if (month === null) return null
  const date = new Date(0)
  date.setUTCFullYear(year, month, day)
  const fits =
    date.getUTCFullYear() === year &&
    day >= 1 &&
    (parts.j !== undefined || (date.getUTCMonth() === month && date.getUTCDate() === day))
  return fits ? date : null
}

function monthOfParts(parts: Parts): string | null {
  const month = monthOf(parts)
  if (month === null || month < 0 || month > 11) return null
  return formatPeriod({ type: 'Monthly', index: yearOf(parts) * 12 + month })
}

function weekOfParts({ G, V }: Parts): string | null {
  return canonicalPeriod(`${G}-W${V}`)
}

function monthOf({ m, b }: Parts): number | null {
  if (m !== undefined) return Number(m) - 1
  const month = monthNames.indexOf((b ?? '').slice(0, 3).toLowerCase())
  return month < 0 ? null : month
}

function yearOf({ Y, y }: Parts): number {
  if (Y !== undefined) return Number(Y)
  const short = Number(y)
  return short < 69 ? 2000 + short : 1900 + short
}

const literal = (text: string) => text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')

function formatError(format: string, came: string): ChapkitError {
  return new ChapkitError(
    'bad-request',
    `Expected a date format such as %d/%m/%Y, of %Y %y %m %b %B %d %j %G %V %H %M %S %z, ${came} in ${show(format)}`,
  )
}
