import type { Trigger } from './schema.ts'
import { toCron } from './triggers.ts'

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
  const cron = toCron(expression, zone)
  const after = (instant: number) => cron.nextRun(new Date(instant))?.getTime()
  return {
    after,
    // The reader looks before an instant, which it takes in whole milliseconds.
    upTo: (instant) => cron.previousRuns(1, new Date(instant + 1))[0]?.getTime(),
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
