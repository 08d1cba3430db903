import fc from 'fast-check'
import { expect, test } from 'vitest'
import { calendars, type PeriodType } from './period-types.ts'
import { canonicalPeriod, comparePeriods, nextPeriod, parsePeriod } from './periods.ts'

test.each([
  // Days.
  ['20240131', 'Daily', '2024-01-31', '2024-01-31'],
  ['2024-02-29', 'Daily', '2024-02-29', '2024-02-29'],
  ['2024-01-31T00:00:00', 'Daily', '2024-01-31', '2024-01-31'],
  ['2024-01-31 00:00', 'Daily', '2024-01-31', '2024-01-31'],
  ['2024-01-31T00:00:00.000Z', 'Daily', '2024-01-31', '2024-01-31'],
  ['2024-01-31T00:00:00+02:00', 'Daily', '2024-01-31', '2024-01-31'],
  ['2024-01-31/2024-01-31', 'Daily', '2024-01-31', '2024-01-31'],
  // Weeks. In 2024 the 4th of January was a Thursday.
  ['2024W5', 'Weekly', '2024-01-29', '2024-02-04'],
  ['2024W05', 'Weekly', '2024-01-29', '2024-02-04'],
  ['2024-W05', 'Weekly', '2024-01-29', '2024-02-04'],
  ['2024-W5', 'Weekly', '2024-01-29', '2024-02-04'],
  ['2003-12-29/2004-01-04', 'Weekly', '2003-12-29', '2004-01-04'],
  ['2004-W01', 'Weekly', '2003-12-29', '2004-01-04'],
  ['2020-W53', 'Weekly', '2020-12-28', '2021-01-03'],
  ['2024WedW1', 'WeeklyWednesday', '2024-01-03', '2024-01-09'],
  ['2024ThuW1', 'WeeklyThursday', '2024-01-04', '2024-01-10'],
  ['2024ThuW01', 'WeeklyThursday', '2024-01-04', '2024-01-10'],
  ['2024FriW1', 'WeeklyFriday', '2023-12-29', '2024-01-04'],
  ['2024SatW1', 'WeeklySaturday', '2023-12-30', '2024-01-05'],
  ['2024SunW1', 'WeeklySunday', '2023-12-31', '2024-01-06'],
  ['2024SunW5', 'WeeklySunday', '2024-01-28', '2024-02-03'],
  ['2024-01-28/2024-02-03', 'WeeklySunday', '2024-01-28', '2024-02-03'],
  ['2014SunW53', 'WeeklySunday', '2014-12-28', '2015-01-03'],
  ['2024-01-02/2024-01-08', 'WeeklyTuesday', '2024-01-02', '2024-01-08'],
  // chap-core numbers weeks from Sunday by the ISO week that the Sunday ends.
  ['2024-S05', 'WeeklySundayIso', '2024-02-04', '2024-02-10'],
  ['2015-S53', 'WeeklySundayIso', '2016-01-03', '2016-01-09'],
  // Two weeks; the 27th are the week 53 alone.
  ['2024BiW1', 'BiWeekly', '2024-01-01', '2024-01-14'],
  ['2024BiW3', 'BiWeekly', '2024-01-29', '2024-02-11'],
  ['2024BiW03', 'BiWeekly', '2024-01-29', '2024-02-11'],
  ['2020BiW27', 'BiWeekly', '2020-12-28', '2021-01-03'],
  ['2021BiW1', 'BiWeekly', '2021-01-04', '2021-01-17'],
  ['2024-01-29/2024-02-11', 'BiWeekly', '2024-01-29', '2024-02-11'],
  // Months and what is made of them.
  ['202402', 'Monthly', '2024-02-01', '2024-02-29'],
  ['2024-02', 'Monthly', '2024-02-01', '2024-02-29'],
  ['2024-02-01/2024-02-29', 'Monthly', '2024-02-01', '2024-02-29'],
  ['2023-02-01/2023-02-28', 'Monthly', '2023-02-01', '2023-02-28'],
  ['202401B', 'BiMonthly', '2024-01-01', '2024-02-29'],
  ['202406B', 'BiMonthly', '2024-11-01', '2024-12-31'],
  ['2024Q1', 'Quarterly', '2024-01-01', '2024-03-31'],
  ['2024-Q4', 'Quarterly', '2024-10-01', '2024-12-31'],
  ['2024NovQ1', 'QuarterlyNov', '2023-11-01', '2024-01-31'],
  ['2024NovQ4', 'QuarterlyNov', '2024-08-01', '2024-10-31'],
  ['2024S1', 'SixMonthly', '2024-01-01', '2024-06-30'],
  ['2024S2', 'SixMonthly', '2024-07-01', '2024-12-31'],
  ['2024AprilS1', 'SixMonthlyApril', '2024-04-01', '2024-09-30'],
  ['2024AprilS2', 'SixMonthlyApril', '2024-10-01', '2025-03-31'],
  ['2024NovS1', 'SixMonthlyNov', '2023-11-01', '2024-04-30'],
  ['2024NovS2', 'SixMonthlyNov', '2024-05-01', '2024-10-31'],
  ['2024', 'Yearly', '2024-01-01', '2024-12-31'],
  ['2024Feb', 'FinancialFeb', '2024-02-01', '2025-01-31'],
  ['2024April', 'FinancialApril', '2024-04-01', '2025-03-31'],
  ['2024July', 'FinancialJuly', '2024-07-01', '2025-06-30'],
  ['2024Aug', 'FinancialAug', '2024-08-01', '2025-07-31'],
  ['2024Sep', 'FinancialSep', '2024-09-01', '2025-08-31'],
  ['2024Oct', 'FinancialOct', '2024-10-01', '2025-09-30'],
  ['2024Nov', 'FinancialNov', '2023-11-01', '2024-10-31'],
  ['2024-04-01/2025-03-31', 'FinancialApril', '2024-04-01', '2025-03-31'],
  ['2024-01-01/2024-12-31', 'Yearly', '2024-01-01', '2024-12-31'],
])('%s is a period of type %s from %s to %s', (text, type, start, end) => {
  expect(parsePeriod(text)).toMatchObject({ type, start, end })
})

test.each([
  // What the calendar does not have.
  '2020-13',
  '2020-00',
  '202400',
  '2021-W53',
  '2023-W53',
  '2020-W00',
  '2020-W54',
  '2024W0',
  '2021SunW53',
  '2014-S53',
  '2021BiW27',
  '2024BiW0',
  '2020-02-30',
  '2021-02-29',
  '20230229',
  '2023-02-29T00:00:00',
  '202407B',
  '202400B',
  '2024Q5',
  '2024Q0',
  '2024S3',
  '2024AprilS3',
  '2024NovS0',
  // Ranges that are no period, or end before they begin.
  '2020-01-06/2020-01-13',
  '2020-01-06/2020-01-11',
  '2024-01-02/2024-02-01',
  '2024-01-08/2024-01-21',
  '2024-02-01/2024-03-31',
  '2024-02-04/2024-01-29',
  '2024-01-29/2024-02-30',
  '2024-01-29/2024-02-04/2024-02-04',
  '2024-01-29/',
  // Another time than midnight is no day.
  '2024-01-31T12:00:00',
  '2024-01-30T22:00:00Z',
  '2024-01-31T00:00:00 Oslo',
  // What could be a week from Sunday or a half-year.
  '2024-S1',
  '20',
  '2020-1',
  '2020-1-1',
  ' 2020',
  '2020-01 ',
  '2020-01\n',
  'oops',
  '',
  '20201',
  '2020101',
  '202401.5',
  '-2024',
  '2020-w01',
  '2024january',
  '2024January',
  '2024B',
  '2024W',
  '2024W005',
  'NaN',
])('%j is no period', (text) => {
  expect(parsePeriod(text)).toBeNull()
  expect(canonicalPeriod(text)).toBeNull()
  expect(() => nextPeriod(text)).toThrow('Expected a period')
})

test.each([
  ['2020-12', '2021-01'],
  ['202012', '202101'],
  ['2020-W53', '2021-W01'],
  ['2015-W53', '2016-W01'],
  ['2021-W52', '2022-W01'],
  ['2020W9', '2020W10'],
  ['2020W1', '2020W2'],
  ['2020W01', '2020W02'],
  ['2014SunW53', '2015SunW1'],
  ['2014-S52', '2015-S01'],
  ['2020-S53', '2021-S01'],
  ['2020BiW26', '2020BiW27'],
  ['2020BiW27', '2021BiW1'],
  ['2021BiW26', '2022BiW1'],
  ['202406B', '202501B'],
  ['2024Q4', '2025Q1'],
  ['2024S2', '2025S1'],
  ['2024AprilS2', '2025AprilS1'],
  ['2024NovS2', '2025NovS1'],
  ['2003-12-29/2004-01-04', '2004-01-05/2004-01-11'],
  ['2023-12-31/2024-01-06', '2024-01-07/2024-01-13'],
  ['2024-01-01/2024-01-31', '2024-02-01/2024-02-29'],
  ['2024-02-28T00:00:00Z', '2024-02-29T00:00:00Z'],
  ['2020', '2021'],
  ['2024Oct', '2025Oct'],
  ['2024-02-28', '2024-02-29'],
  ['20230228', '20230301'],
  ['0099-12', '0100-01'],
])('after %s comes %s, and back', (text, next) => {
  expect(nextPeriod(text)).toBe(next)
  expect(parsePeriod(nextPeriod(next, -1))).toEqual(parsePeriod(text))
  expect(parsePeriod(next)!.index - parsePeriod(text)!.index).toBe(1)
})

test('a step is a whole number, and does not lead out of the years 0 to 9999', () => {
  expect(() => nextPeriod('9999-12')).toThrow('Expected a year from 0 to 9999')
  expect(() => nextPeriod('9999-12-30/9999-12-31')).toThrow('Expected a period')
  expect(() => nextPeriod('0000', -1)).toThrow('Expected a year from 0 to 9999')
  for (const text of ['2024', '2024-01-01', '2024BiW1', '2024-01-01/2024-01-07'])
    expect(() => nextPeriod(text, 1e15)).toThrow('Expected a year from 0 to 9999')
  expect(() => nextPeriod('2024', 0.5)).toThrow('Expected a whole number of periods, got 0.5')
})

test('all texts for one period have one canonical text', () => {
  const of = (...texts: string[]) => [...new Set(texts.map(canonicalPeriod))]
  expect(of('2004W1', '2004W01', '2004-W1', '2004-W01', '2003-12-29/2004-01-04')).toEqual([
    '2004-W01',
  ])
  expect(of('202401', '2024-01', '2024-01-01/2024-01-31')).toEqual(['2024-01'])
  expect(of('20240131', '2024-01-31', '2024-01-31T00:00:00Z')).toEqual(['2024-01-31'])
  expect(of('2024', '2024-01-01/2024-12-31')).toEqual(['2024'])
  expect(of('2024SunW05', '2024SunW5', '2024-01-28/2024-02-03')).toEqual(['2024SunW5'])
  expect(of('2024BiW03', '2024-01-29/2024-02-11')).toEqual(['2024BiW3'])
  expect(of('2024-Q1', '2024Q1')).toEqual(['2024Q1'])
})

test('what DHIS2 has no text for stays as it is, so that nobody reads it as another week', () => {
  expect(canonicalPeriod('2024-S05')).toBe('2024-S05')
  expect(canonicalPeriod('2024-01-02/2024-01-08')).toBe('2024-01-02/2024-01-08')
})

test('texts go in order of their first days, with what is no period last', () => {
  const texts = ['oops', '2024W10', '2024W9', '2024-03-01', '2024W09', '2024BiW4']
  expect(texts.sort(comparePeriods)).toEqual([
    '2024BiW4',
    '2024W09',
    '2024W9',
    '2024-03-01',
    '2024W10',
    'oops',
  ])
})

const types = Object.keys(calendars) as PeriodType[]
const dayOf = (text: string) => Date.parse(`${text}T00:00:00Z`) / 86_400_000
// From 1600 to 2400: all forms of a calendar of 400 years, twice.
const anyDay = fc.integer({ min: -135_140, max: 157_053 })
const anyPeriod = fc.tuple(fc.constantFrom(...types), anyDay).map(([type, day]) => {
  const { indexAt, firstDay } = calendars[type]
  const date = (at: number) => new Date(at * 86_400_000).toISOString().slice(0, 10)
  const index = indexAt(day)
  // As days, which the type need not be the first to read.
  return { type, day, range: `${date(firstDay(index))}/${date(firstDay(index + 1) - 1)}`, index }
})
const runs = { numRuns: 10_000 }

test('each day lies in one period of each type, and that is read from its days', () => {
  fc.assert(
    fc.property(anyPeriod, ({ type, day, range }) => {
      const { firstDay, indexAt } = calendars[type]
      const index = indexAt(day)
      expect(firstDay(index)).toBeLessThanOrEqual(day)
      expect(firstDay(index + 1)).toBeGreaterThan(day)
      const read = parsePeriod(range)!
      expect(`${read.start}/${read.end}`).toBe(range)
      // Weeks that end a year of 53 are two weeks for nobody, and weeks from Sunday have two numberings.
      if (type !== 'WeeklySundayIso' && !(type === 'BiWeekly' && read.kind === 'week'))
        expect(read).toMatchObject({ type, index })
    }),
    runs,
  )
})

/** A text of the type, in one of the forms that it can be written in. */
const anyText = fc
  .tuple(anyPeriod, fc.constantFrom('canonical', 'compact', 'padded', 'range'), anyDay)
  .map(([{ type, index, range }, form, more]) => {
    const { year, number } = calendars[type].placeOf(index)
    const canonical = Object.entries({
      Daily: () => range.slice(0, 10),
      Weekly: () => `${year}-W${String(number).padStart(2, '0')}`,
      Monthly: () => `${year}-${String(number).padStart(2, '0')}`,
    }).find(([name]) => name === type)?.[1]()
    if (form === 'range' && !['WeeklySundayIso', 'BiWeekly'].includes(type)) return range
    if (form === 'compact' && canonical !== undefined)
      return canonical.replaceAll('-', '').replace('W0', 'W')
    if (canonical !== undefined) return canonical
    const digits = form === 'padded' ? String(number).padStart(2, '0') : String(number)
    const written: Partial<Record<PeriodType, string>> = {
      WeeklyTuesday: range,
      WeeklyWednesday: `${year}WedW${digits}`,
      WeeklyThursday: `${year}ThuW${digits}`,
      WeeklyFriday: `${year}FriW${digits}`,
      WeeklySaturday: `${year}SatW${digits}`,
      WeeklySunday: `${year}SunW${digits}`,
      WeeklySundayIso: `${year}-S${String(number).padStart(2, '0')}`,
      BiWeekly: `${year}BiW${digits}`,
      BiMonthly: `${year}0${number}B`,
      Quarterly: `${year}${more % 2 === 0 ? '' : '-'}Q${number}`,
      QuarterlyNov: `${year}NovQ${number}`,
      SixMonthly: `${year}S${number}`,
      SixMonthlyApril: `${year}AprilS${number}`,
      SixMonthlyNov: `${year}NovS${number}`,
      Yearly: `${year}`,
    }
    return written[type] ?? `${year}${type.replace('Financial', '')}`
  })

test('the period before the next one is the same, and nothing lies between', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const period = parsePeriod(text)!
      const next = parsePeriod(nextPeriod(text))!
      expect(parsePeriod(nextPeriod(nextPeriod(text), -1))).toEqual(period)
      expect(parsePeriod(nextPeriod(nextPeriod(text, -1)))).toEqual(period)
      expect(next).toMatchObject({ type: period.type, index: period.index + 1 })
      expect(dayOf(next.start)).toBe(dayOf(period.end) + 1)
    }),
    runs,
  )
})

test('the order of two periods of a type is that of their first days', () => {
  fc.assert(
    fc.property(anyText, fc.integer({ min: -600, max: 600 }), (text, step) => {
      const [a, b] = [parsePeriod(text)!, parsePeriod(nextPeriod(text, step))!]
      expect(b.index - a.index).toBe(step)
      expect(Math.sign(dayOf(b.start) - dayOf(a.start))).toBe(Math.sign(step))
      expect(Math.sign(comparePeriods(nextPeriod(text, step), text))).toBe(Math.sign(step))
    }),
    runs,
  )
})

test('a canonical text is read as the period that it was made from, and is its own canonical text', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const canonical = canonicalPeriod(text)!
      expect(parsePeriod(canonical)).toEqual(parsePeriod(text))
      expect(canonicalPeriod(canonical)).toBe(canonical)
    }),
    runs,
  )
})

test('steps add up, and a text keeps its form', () => {
  const step = fc.integer({ min: -300, max: 300 })
  fc.assert(
    fc.property(anyText, step, step, (text, a, b) => {
      const there = parsePeriod(nextPeriod(nextPeriod(text, a), b))
      expect(there).toEqual(parsePeriod(nextPeriod(text, a + b)))
      const shape = (each: string) => each.replaceAll(/\d+/g, '0')
      expect(shape(nextPeriod(text, a))).toBe(shape(text))
    }),
    runs,
  )
})

/** The ISO week by the rule of its Thursday, on dates alone. */
function isoWeek(days: number): string {
  const day = 86_400_000
  const weekday = (new Date(days * day).getUTCDay() + 6) % 7
  const thursday = new Date((days - weekday + 3) * day)
  const year = thursday.getUTCFullYear()
  const week = 1 + Math.floor((thursday.getTime() - Date.UTC(year, 0, 1)) / day / 7)
  return `${year}-W${String(week).padStart(2, '0')}`
}

test('weeks and days agree with the calendar on every day', () => {
  fc.assert(
    fc.property(anyDay, (days) => {
      const date = new Date(days * 86_400_000).toISOString().slice(0, 10)
      const week = parsePeriod(isoWeek(days))!
      expect(week.start <= date && date <= week.end).toBe(true)
      expect(parsePeriod(isoWeek(days + 7))!.index).toBe(week.index + 1)
      expect(parsePeriod(date)).toMatchObject({ kind: 'day', index: days, start: date, end: date })
    }),
    runs,
  )
})
