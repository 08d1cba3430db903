import type { Trigger } from './schema.ts'
import { toCron } from './triggers.ts'
import { wallClock } from './wall-clock.ts'

/** The instants at which a schedule is to run, in milliseconds since 1970. */
export interface Slots {
  /** The first slot behind an instant. */
  after(instant: number): number | undefined
  /** The newest slot up to and including an instant. */
  upTo(instant: number): number | undefined
  /** How many slots lie behind `after` up to and including `last`; `isMore` when they were too many to count. */
  count(after: number, last: number): { count: number; isMore: boolean }
}

/** A count of slots of an expression means walking through them; nobody waits longer than so many take. */
export const maximumCount = 1000

export function toSlots(trigger: Trigger): Slots {
  switch (trigger.type) {
    case 'cron':
      return cronSlots(trigger.expression, trigger.zone)
    case 'interval':
      return intervalSlots(trigger.every * 1000, Date.parse(trigger.anchor))
    case 'once':
      return onceSlots(Date.parse(trigger.at))
  }
}

function cronSlots(expression: string, zone: string): Slots {
  const { after, upTo } = isFixed(expression)
    ? fixedTimes(expression, zone)
    : matchingTimes(expression, zone)
  return {
    after,
    upTo,
    count(from, last) {
      let count = 0
      for (let at = after(from); at !== undefined && at <= last; at = after(at)) {
        if (count === maximumCount) return { count, isMore: true }
        count++
      }
      return { count, isMore: false }
    },
  }
}

/**
 * Whether an expression names times of the day, and not steps through it. Such a time happens once on each of its days, even where
 * the clock shows it twice or not at all.
 */
function isFixed(expression: string): boolean {
  if (expression.startsWith('@')) return !/^@hourly$/i.test(expression)
  const fields = expression.split(' ')
  return fields.slice(0, fields.length - 3).every((field) => !/[*?]/.test(field))
}

/** Every instant at which the clock of a zone shows what an expression says. */
function matchingTimes(expression: string, zone: string): Pick<Slots, 'after' | 'upTo'> {
  const cron = toCron(expression, zone)
  return {
    after: (instant) => cron.nextRun(new Date(instant))?.getTime(),
    // The reader looks before an instant, which it takes in whole milliseconds.
    upTo: (instant) => cron.previousRuns(1, new Date(instant + 1))[0]?.getTime(),
  }
}

/**
 * The times of an expression on the clock of a zone, each when the clock reaches it. They are read without a zone, so that none is
 * lost with a gap: the reader leaves out those whose gap ends on another date, such as one from 23:00 to midnight.
 */
function fixedTimes(expression: string, zone: string): Pick<Slots, 'after' | 'upTo'> {
  const cron = toCron(expression, 'UTC')
  const clock = wallClock(zone)
  return {
    after(instant) {
      const shown = cron.nextRun(new Date(clock.furthest(instant)))
      return shown ? clock.reaches(shown.getTime()) : undefined
    },
    upTo(instant) {
      const [shown] = cron.previousRuns(1, new Date(clock.furthest(instant) + 1))
      return shown && clock.reaches(shown.getTime())
    },
  }
}

/** Steps of one length from an anchor on, which is the first. */
function intervalSlots(every: number, anchor: number): Slots {
  const stepsUpTo = (instant: number) => Math.floor((instant - anchor) / every)
  return {
    after: (instant) => anchor + Math.max(0, stepsUpTo(instant) + 1) * every,
    upTo: (instant) => (instant < anchor ? undefined : anchor + stepsUpTo(instant) * every),
    count: (after, last) => ({
      count: Math.max(0, stepsUpTo(last) - Math.max(-1, stepsUpTo(after))),
      isMore: false,
    }),
  }
}

function onceSlots(at: number): Slots {
  return {
    after: (instant) => (instant < at ? at : undefined),
    upTo: (instant) => (at <= instant ? at : undefined),
    count: (after, last) => ({ count: after < at && at <= last ? 1 : 0, isMore: false }),
  }
}

/** The next slots behind an instant, in order. */
export function nextSlots(slots: Slots, instant: number, count: number): number[] {
  const next: number[] = []
  for (let at = slots.after(instant); at !== undefined && next.length < count; ) {
    next.push(at)
    at = slots.after(at)
  }
  return next
}
