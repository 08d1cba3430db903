import fc from 'fast-check'
import { expect, test } from 'vitest'
import { dailyAt, everyMinutes } from './fixtures/wall-clock.ts'
import { maximumCount, nextSlots, toSlots } from './slots.ts'

const cron = (expression: string, zone: string) => toSlots({ type: 'cron', expression, zone })
const at = (text: string) => Date.parse(text)
const next = (expression: string, zone: string, from: string, count: number) =>
  nextSlots(cron(expression, zone), at(from), count).map((slot) => new Date(slot).toISOString())

test('a daily time that the clock jumps over runs when it has jumped', () => {
  // 2 o'clock does not come: the clock goes from 02:00 to 03:00.
  expect(next('30 2 * * *', 'Europe/Oslo', '2026-03-28T02:00:00Z', 2)).toEqual([
    '2026-03-29T01:00:00.000Z',
    '2026-03-30T00:30:00.000Z',
  ])
  expect(next('30 2 * * *', 'America/New_York', '2026-03-07T08:00:00Z', 2)).toEqual([
    '2026-03-08T07:00:00.000Z',
    '2026-03-09T06:30:00.000Z',
  ])
  // From 02:00 to 02:30.
  expect(next('15 2 * * *', 'Australia/Lord_Howe', '2026-10-02T20:00:00Z', 2)).toEqual([
    '2026-10-03T15:30:00.000Z',
    '2026-10-04T15:15:00.000Z',
  ])
})

test('a daily time that the clock shows twice runs once, the first time', () => {
  expect(next('30 2 * * *', 'Europe/Oslo', '2026-10-24T12:00:00Z', 2)).toEqual([
    '2026-10-25T00:30:00.000Z',
    '2026-10-26T01:30:00.000Z',
  ])
  expect(next('30 1 * * *', 'America/New_York', '2026-10-31T12:00:00Z', 2)).toEqual([
    '2026-11-01T05:30:00.000Z',
    '2026-11-02T06:30:00.000Z',
  ])
  // From 02:00 back to 01:30.
  expect(next('45 1 * * *', 'Australia/Lord_Howe', '2026-04-04T00:00:00Z', 2)).toEqual([
    '2026-04-04T14:45:00.000Z',
    '2026-04-05T15:15:00.000Z',
  ])
})

test('a list of hours is as fixed as a single one', () => {
  expect(next('30 2,14 * * *', 'Europe/Oslo', '2026-10-24T20:00:00Z', 3)).toEqual([
    '2026-10-25T00:30:00.000Z',
    '2026-10-25T13:30:00.000Z',
    '2026-10-26T01:30:00.000Z',
  ])
})

test('what runs every so many minutes does so through a change of the clocks', () => {
  expect(next('*/30 * * * *', 'Europe/Oslo', '2026-03-29T00:15:00Z', 3)).toEqual([
    '2026-03-29T00:30:00.000Z',
    '2026-03-29T01:00:00.000Z',
    '2026-03-29T01:30:00.000Z',
  ])
  expect(next('*/30 * * * *', 'Europe/Oslo', '2026-10-25T00:15:00Z', 4)).toEqual([
    '2026-10-25T00:30:00.000Z',
    '2026-10-25T01:00:00.000Z',
    '2026-10-25T01:30:00.000Z',
    '2026-10-25T02:00:00.000Z',
  ])
})

test('steps within an hour that the clock jumps over are left out', () => {
  expect(next('*/15 2 * * *', 'Europe/Oslo', '2026-03-28T12:00:00Z', 1)).toEqual([
    '2026-03-30T00:00:00.000Z',
  ])
})

test('a zone with odd minutes and no changes of clocks', () => {
  expect(next('0 6 * * *', 'Asia/Kathmandu', '2026-04-03T00:15:00Z', 2)).toEqual([
    '2026-04-04T00:15:00.000Z',
    '2026-04-05T00:15:00.000Z',
  ])
})

const zones = ['Europe/Oslo', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kathmandu']
/** Days around the changes of clocks. */
const weeks = ['2026-03-06', '2026-03-27', '2026-04-03', '2026-10-02', '2026-10-23', '2026-10-30']

test.each(zones)('in %s a clock on the wall shows the same slots', (zone) => {
  for (const week of weeks) {
    const from = at(`${week}T00:00:00Z`)
    const to = from + 4 * 86_400_000
    const within = (slots: ReturnType<typeof cron>) => {
      const found: number[] = []
      for (let slot = slots.after(from - 1); slot !== undefined && slot <= to; ) {
        found.push(slot)
        slot = slots.after(slot)
      }
      return found
    }
    expect(within(cron('*/30 * * * *', zone))).toEqual(everyMinutes(zone, 30, from, to))
    for (const minutes of [45, 105, 135, 150, 180, 720]) {
      const expression = `${minutes % 60} ${Math.floor(minutes / 60)} * * *`
      const first = cron(expression, zone).after(from + 86_400_000) as number
      const shown = dailyAt(zone, minutes, from, to).filter((slot) => slot >= first)
      expect(within(cron(expression, zone)).filter((slot) => slot >= first)).toEqual(shown)
    }
  }
})

const trigger = fc.oneof(
  fc.record({
    type: fc.constant('cron' as const),
    expression: fc.constantFrom(
      ...['*/20 * * * *', '30 2 * * *', '15 1,2,3 * * *', '0 12 * * MON', '30 0 2 * * *'],
      ...['0 0 1 * *', '45 1 * * SUN', '*/7 1-3 * * *', '0 0 L * *'],
    ),
    zone: fc.constantFrom(...zones, 'UTC', 'Africa/Cairo'),
  }),
  fc.record({
    type: fc.constant('interval' as const),
    every: fc.integer({ min: 1, max: 100_000 }),
    anchor: fc
      .integer({ min: at('2026-01-01T00:00:00Z'), max: at('2027-01-01T00:00:00Z') })
      .map((time) => new Date(time).toISOString()),
  }),
  fc.record({
    type: fc.constant('once' as const),
    at: fc
      .integer({ min: at('2026-01-01T00:00:00Z'), max: at('2027-01-01T00:00:00Z') })
      .map((time) => new Date(time).toISOString()),
  }),
)

test('slots grow, are found again from behind, and are counted as they are walked', () => {
  fc.assert(
    fc.property(
      trigger,
      fc.integer({ min: at('2026-01-01T00:00:00Z'), max: at('2027-01-01T00:00:00Z') }),
      fc.integer({ min: 1, max: 12 }),
      (each, from, count) => {
        const slots = toSlots(each)
        const walked = nextSlots(slots, from, count)
        walked.reduce((last, slot) => {
          expect(slot).toBeGreaterThan(last)
          expect(slots.upTo(slot)).toBe(slot)
          // Nothing lies between two slots.
          const before = slots.upTo(slot - 1)
          expect(before === undefined || before <= last).toBe(true)
          return slot
        }, from)
        const last = walked.at(-1)
        if (last !== undefined) {
          expect(slots.count(from, last)).toEqual({ count: walked.length, isMore: false })
        } else expect(each.type).toBe('once')
      },
    ),
    { numRuns: 10_000 },
  )
}, 600_000)

test('slots of an expression are counted up to a bound, those of an interval all', () => {
  const from = at('2026-01-01T00:00:00Z')
  const to = at('2036-01-01T00:00:00Z')
  expect(cron('* * * * *', 'UTC').count(from, to)).toEqual({ count: maximumCount, isMore: true })
  const interval = toSlots({ type: 'interval', every: 1, anchor: '2026-01-01T00:00:00.000Z' })
  expect(interval.count(from, to)).toEqual({ count: 315_532_800, isMore: false })
  expect(interval.count(from - 1, to)).toEqual({ count: 315_532_801, isMore: false })
})
