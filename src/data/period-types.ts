/** How long a period is. A model that wants months asks for the kind; what can be compared is told by the type. */
export type PeriodKind =
  | 'day'
  | 'week'
  | 'biweek'
  | 'month'
  | 'bimonth'
  | 'quarter'
  | 'half-year'
  | 'year'

/** The periods of one type, as days and as numbers in a year. Days count from 1970-01-01. */
interface PeriodCalendar {
  readonly kind: PeriodKind
  /** First day of the period with this index. The next period begins on the day after its last one. */
  firstDay(index: number): number
  /** Index of the period that holds this day. */
  indexAt(day: number): number
  /** Index of the period with this number in a year, or null where the year has no such number. */
  indexOf(year: number, number: number): number | null
  /** Year and number of the period with this index. */
  placeOf(index: number): { year: number; number: number }
}

const dayMilliseconds = 86_400_000

/** Days since 1970-01-01, or null for a day that the month does not have. */
export function dayNumber(year: number, month: number, day: number): number | null {
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  const fits = date.getUTCMonth() === month - 1 && date.getUTCDate() === day
  return fits ? date.getTime() / dayMilliseconds : null
}

/** A day as `YYYY-MM-DD`; years before 0 and after 9999 have a sign and six digits. */
export function dayText(day: number): string {
  return new Date(day * dayMilliseconds).toISOString().split('T')[0]!
}

const days: PeriodCalendar = {
  kind: 'day',
  firstDay: (index) => index,
  indexAt: (day) => day,
  // The number of a day is that of its month and day, 131 for the 31st of January.
  indexOf: (year, number) => dayNumber(year, Math.floor(number / 100), number % 100),
  placeOf: (index) => {
    const date = new Date(index * dayMilliseconds)
    const number = (date.getUTCMonth() + 1) * 100 + date.getUTCDate()
    return { year: date.getUTCFullYear(), number }
  },
}

/** Index of week 1 of a year: the week that holds the 4th of January, whichever day weeks begin on. */
function firstWeek(year: number, daysBefore: number): number {
  return Math.floor((dayNumber(year, 1, 4)! + daysBefore) / 7)
}

/**
 * Weeks of which number 0 begins `daysBefore` days before Thursday 1970-01-01 and holds that day. A week belongs to the
 * year that has its fourth day (ISO 8601, and DHIS2 for each of its first days).
 */
function weeks(daysBefore: number): PeriodCalendar {
  return {
    kind: 'week',
    firstDay: (index) => index * 7 - daysBefore,
    indexAt: (day) => Math.floor((day + daysBefore) / 7),
    indexOf: (year, number) => {
      const first = firstWeek(year, daysBefore)
      const index = first + number - 1
      return number >= 1 && index < firstWeek(year + 1, daysBefore) ? index : null
    },
    placeOf: (index) => {
      const year = new Date((index * 7 - daysBefore + 3) * dayMilliseconds).getUTCFullYear()
      return { year, number: index - firstWeek(year, daysBefore) + 1 }
    },
  }
}

const isoWeeks = weeks(3)

/** chap-core's `YYYY-Snn`: the week that begins on the Sunday with which ISO week nn ends. */
const sundaysOfIsoWeeks: PeriodCalendar = {
  ...isoWeeks,
  firstDay: (index) => isoWeeks.firstDay(index) + 6,
  indexAt: (day) => isoWeeks.indexAt(day - 6),
}

/** Index of the first two weeks of a year. A year has 26 of them, and one with 53 weeks has 27. */
function firstBiweek(year: number): number {
  return firstWeek(year, 3) - 26 * (year - 1970)
}

/** Weeks 1 and 2 of an ISO year, 3 and 4, and so on. Number 27 of a year with 53 weeks is week 53 alone. */
const biweeks: PeriodCalendar = {
  kind: 'biweek',
  firstDay: (index) => {
    const { year, number } = biweeks.placeOf(index)
    return isoWeeks.firstDay(firstWeek(year, 3) + 2 * (number - 1))
  },
  indexAt: (day) => {
    const { year, number } = isoWeeks.placeOf(isoWeeks.indexAt(day))
    return firstBiweek(year) + Math.floor((number - 1) / 2)
  },
  indexOf: (year, number) => {
    const index = firstBiweek(year) + number - 1
    return number >= 1 && index < firstBiweek(year + 1) ? index : null
  },
  placeOf: (index) => {
    // 71 of 400 years have 53 weeks.
    let year = 1970 + Math.floor(index / (26 + 71 / 400))
    while (firstBiweek(year) > index) year--
    while (firstBiweek(year + 1) <= index) year++
    return { year, number: index - firstBiweek(year) + 1 }
  },
}

/** Periods of `length` months, of which number 1 of a year begins `from` months after January. */
function months(kind: PeriodKind, length: number, from = 0): PeriodCalendar {
  const perYear = 12 / length
  return {
    kind,
    firstDay: (index) => {
      const month = index * length + from
      return dayNumber(Math.floor(month / 12), modulo(month, 12) + 1, 1)!
    },
    indexAt: (day) => {
      const date = new Date(day * dayMilliseconds)
      const month = date.getUTCFullYear() * 12 + date.getUTCMonth()
      return Math.floor((month - from) / length)
    },
    indexOf: (year, number) =>
      number >= 1 && number <= perYear ? year * perYear + number - 1 : null,
    placeOf: (index) => ({
      year: Math.floor(index / perYear),
      number: modulo(index, perYear) + 1,
    }),
  }
}

function modulo(a: number, b: number): number {
  return ((a % b) + b) % b
}

/**
 * Calendars by their names in DHIS2 (`PeriodTypeEnum`); `WeeklyMonday` is `Weekly` there. DHIS2 has no weeks from Tuesday,
 * which ranges of days can be, and no `WeeklySundayIso`.
 *
 * The periods from November belong to the year in which the last of them ends: `2024Nov` begins in November 2023.
 */
export const calendars = {
  Daily: days,
  Weekly: isoWeeks,
  WeeklyTuesday: weeks(2),
  WeeklyWednesday: weeks(1),
  WeeklyThursday: weeks(0),
  WeeklyFriday: weeks(6),
  WeeklySaturday: weeks(5),
  WeeklySunday: weeks(4),
  WeeklySundayIso: sundaysOfIsoWeeks,
  BiWeekly: biweeks,
  Monthly: months('month', 1),
  BiMonthly: months('bimonth', 2),
  Quarterly: months('quarter', 3),
  QuarterlyNov: months('quarter', 3, -2),
  SixMonthly: months('half-year', 6),
  SixMonthlyApril: months('half-year', 6, 3),
  SixMonthlyNov: months('half-year', 6, -2),
  Yearly: months('year', 12),
  FinancialFeb: months('year', 12, 1),
  FinancialApril: months('year', 12, 3),
  FinancialJuly: months('year', 12, 6),
  FinancialAug: months('year', 12, 7),
  FinancialSep: months('year', 12, 8),
  FinancialOct: months('year', 12, 9),
  FinancialNov: months('year', 12, -2),
} as const satisfies Record<string, PeriodCalendar>

/** A type of period, by its name in DHIS2. Periods of one type follow each other without gap. */
export type PeriodType = keyof typeof calendars
