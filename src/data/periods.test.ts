import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatPeriod, nextPeriod, parsePeriod } from './periods.ts'

test.each([
  ['2020-12', '2021-01'],
  ['202012', '202101'],
  ['2020-W53', '2021-W01'],
  ['2015-W53', '2016-W01'],
  ['2021-W52', '2022-W01'],
  ['2020W9', '2020W10'],
  ['2020W1', '2020W2'],
  ['2020W01', '2020W02'],
  ['2014-S53', '2015-S01'],
  ['2020-S53', '2021-S01'],
  ['2003-12-29/2004-01-04', '2004-01-05/2004-01-11'],
  ['2023-12-31/2024-01-06', '2024-01-07/2024-01-13'],
  ['2020', '2021'],
  ['2024-02-28', '2024-02-29'],
  ['2023-02-28', '2023-03-01'],
  ['0099-12', '0100-01'],
])('after %s comes %s, and back', (text, next) => {
  expect(nextPeriod(text)).toBe(next)
  expect(nextPeriod(next, -1).replace('W0', 'W')).toBe(text.replace('W0', 'W'))
  expect(parsePeriod(next)!.index - parsePeriod(text)!.index).toBe(1)
})

test.each([
  '2020-13',
  '2020-00',
  '2021-W53',
  '2020-W00',
  '2020-W54',
  '2021-S53',
  '2020-02-30',
  '2021-02-29',
  '20',
  '2020-1',
  '2020-01-01/2020-01-31',
  '2020-01-06/2020-01-13',
  ' 2020',
  '2020-01 ',
  'oops',
  '',
  '20201',
  '2020-w01',
])('%j is no period', (text) => {
  expect(parsePeriod(text)).toBeNull()
  expect(() => nextPeriod(text)).toThrow('Expected a period')
})

test('the forms of one period have one index', () => {
  expect(parsePeriod('2020-03')).toEqual(parsePeriod('202003'))
  for (const text of [
    '2024W05',
    '2024W5',
    '2024-W5',
    '2024-01-29/2024-02-04',
    '2024-01-28/2024-02-03',
    '2024-S05',
  ]) {
    expect(parsePeriod(text)).toEqual(parsePeriod('2024-W05'))
  }
})

test('a period is written in the form asked for', () => {
  const week = parsePeriod('2004-W01')!
  expect(formatPeriod(week)).toBe('2004-W01')
  expect(formatPeriod(week, 'range')).toBe('2003-12-29/2004-01-04')
  expect(formatPeriod(week, 'YYYYWww')).toBe('2004W01')
  expect(formatPeriod(parsePeriod('2020-03')!, 'YYYYMM')).toBe('202003')
  expect(() => formatPeriod(week, 'YYYY-MM')).toThrow('Cannot write a week as `YYYY-MM`')
  expect(() => nextPeriod('9999-12')).toThrow('Expected a year from 0 to 9999')
})

const day = 86_400_000
const anyDay = fc.integer({ min: -25_000, max: 60_000 })

/** The ISO week by the rule of its Thursday, on dates alone. */
function isoWeek(days: number): string {
  const weekday = (new Date(days * day).getUTCDay() + 6) % 7
  const thursday = new Date((days - weekday + 3) * day)
  const year = thursday.getUTCFullYear()
  const week = 1 + Math.floor((thursday.getTime() - Date.UTC(year, 0, 1)) / day / 7)
  return `${year}-W${String(week).padStart(2, '0')}`
}

test('weeks agree with the calendar on every day', () => {
  fc.assert(
    fc.property(anyDay, (days) => {
      const week = parsePeriod(isoWeek(days))!
      expect(formatPeriod(week)).toBe(isoWeek(days))
      expect(parsePeriod(isoWeek(days + 7))!.index).toBe(week.index + 1)
    }),
    { numRuns: 10_000 },
  )
})

test('days agree with the calendar', () => {
  fc.assert(
    fc.property(anyDay, (days) => {
      const text = new Date(days * day).toISOString().slice(0, 10)
      expect(parsePeriod(text)).toEqual({ kind: 'day', index: days })
      expect(formatPeriod({ kind: 'day', index: days })).toBe(text)
    }),
    { numRuns: 10_000 },
  )
})

test('steps add up and keep the form', () => {
  const start = fc.constantFrom(
    '2020-01',
    '202001',
    '2020-W01',
    '2020W01',
    '2020-S01',
    '2020',
    '2020-01-01',
    '2019-12-30/2020-01-05',
    '2020-01-04/2020-01-10',
  )
  const step = fc.integer({ min: -1000, max: 1000 })
  fc.assert(
    fc.property(start, step, step, (text, a, b) => {
      expect(nextPeriod(nextPeriod(text, a), b)).toBe(nextPeriod(text, a + b))
      expect(nextPeriod(text, a).replaceAll(/\d/g, '0')).toBe(text.replaceAll(/\d/g, '0'))
      expect(parsePeriod(nextPeriod(text, a))!.index).toBe(parsePeriod(text)!.index + a)
    }),
    { numRuns: 10_000 },
  )
})
