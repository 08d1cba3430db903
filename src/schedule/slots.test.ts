import fc from 'fast-check'
import { expect, test } from 'vitest'
import { cases } from '../../test/setup/campaign.ts'
import { dailyAt, everyMinutes, look } from './fixtures/wall-clock.ts'
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

test('a daily time is not lost with a gap that ends at midnight', () => {
  // 23 o'clock does not come: the clock goes from 23:00 to 00:00 of the next date.
  expect(next('30 23 * * *', 'America/Nuuk', '2026-03-27T12:00:00Z', 3)).toEqual([
    '2026-03-28T01:30:00.000Z',
    '2026-03-29T01:00:00.000Z',
    '2026-03-30T00:30:00.000Z',
  ])
  expect(next('0 23 * * SAT', 'America/Scoresbysund', '2026-03-23T12:00:00Z', 2)).toEqual([
    '2026-03-29T01:00:00.000Z',
    '2026-04-05T00:00:00.000Z',
  ])
  expect(new Date(cron('30 23 28 3 *', 'America/Nuuk').upTo(at('2026-06-01T00:00:00Z'))!)).toEqual(
    new Date('2026-03-29T01:00:00Z'),
  )
})

test('a daily time is not lost with a gap that begins at midnight, nor with a whole day', () => {
  expect(next('30 0 * * *', 'Africa/Cairo', '2026-04-23T12:00:00Z', 2)).toEqual([
    '2026-04-23T22:00:00.000Z',
    '2026-04-24T21:30:00.000Z',
  ])
  expect(next('0 0 * * *', 'Asia/Beirut', '2026-03-28T12:00:00Z', 2)).toEqual([
    '2026-03-28T22:00:00.000Z',
    '2026-03-29T21:00:00.000Z',
  ])
  expect(next('30 0 * * *', 'America/Sao_Paulo', '2018-11-03T12:00:00Z', 2)).toEqual([
    '2018-11-04T03:00:00.000Z',
    '2018-11-05T02:30:00.000Z',
  ])
  // 30 December 2011 was left out.
  expect(next('30 12 * * *', 'Pacific/Apia', '2011-12-29T12:00:00Z', 3)).toEqual([
    '2011-12-29T22:30:00.000Z',
    '2011-12-30T10:00:00.000Z',
    '2011-12-30T22:30:00.000Z',
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

const zones = [
  ...['Europe/Oslo', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kathmandu', 'America/Nuuk'],
  ...['Antarctica/Troll', 'Africa/Casablanca', 'America/Havana'],
]
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
    const looks = look(zone, from, to)
    for (const minutes of [0, 45, 105, 135, 150, 180, 720, 1380, 1425]) {
      const expression = `${minutes % 60} ${Math.floor(minutes / 60)} * * *`
      expect(within(cron(expression, zone))).toEqual(dailyAt(looks, minutes))
    }
  }
})

/** Changes of the clocks of a zone in 2026, as the first second behind each. */
function changesOf(zone: string): number[] {
  const name = new Intl.DateTimeFormat('en', { timeZone: zone, timeZoneName: 'longOffset' })
  const offset = (instant: number) =>
    name.formatToParts(instant).find(({ type }) => type === 'timeZoneName')?.value
  const found: number[] = []
  const end = at('2027-01-01T00:00:00Z')
  for (let from = at('2026-01-01T00:00:00Z'); from < end; from += 7 * 86_400_000) {
    let [low, high] = [from, from + 7 * 86_400_000]
    const later = offset(high)
    if (offset(low) === later) continue
    while (high - low > 1000) {
      const middle = Math.floor((low + high) / 2000) * 1000
      if (offset(middle) === later) high = middle
      else low = middle
    }
    found.push(high)
  }
  return found
}

test('in every zone a time of every day comes once on each, through all changes of the clocks', () => {
  const changes = Intl.supportedValuesOf('timeZone').flatMap((zone) =>
    changesOf(zone).map((change) => ({ zone, change })),
  )
  expect(new Set(changes.map(({ zone }) => zone)).size).toBeGreaterThan(100)
  const looksAt = new Map<object, ReturnType<typeof look>>()

  fc.assert(
    fc.property(
      fc.constantFrom(...changes),
      fc.nat(287).map((fives) => fives * 5),
      (each, minutes) => {
        const { zone, change } = each
        const [from, to] = [change - 26 * 3_600_000, change + 26 * 3_600_000]
        const looks = looksAt.get(each) ?? look(zone, from, to)
        looksAt.set(each, looks)
        const slots = cron(`${minutes % 60} ${Math.floor(minutes / 60)} * * *`, zone)
        const found = nextSlots(slots, from - 1, 10).filter((slot) => slot <= to)
        expect(found).toEqual(dailyAt(looks, minutes))
        for (const slot of found) {
          expect(slots.upTo(slot)).toBe(slot)
          expect(slots.after(slot - 1)).toBe(slot)
        }
      },
    ),
    { numRuns: cases(10_000) },
  )
}, 600_000)

const trigger = fc.oneof(
  fc.record({
    type: fc.constant('cron' as const),
    expression: fc.constantFrom(
      ...['*/20 * * * *', '30 2 * * *', '15 1,2,3 * * *', '0 12 * * MON', '30 0 2 * * *'],
      ...['0 0 1 * *', '45 1 * * SUN', '*/7 1-3 * * *', '0 0 L * *'],
    ),
    zone: fc.constantFrom(...zones, 'UTC', 'Africa/Cairo', 'Asia/Beirut'),
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
    { numRuns: cases(10_000) },
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
