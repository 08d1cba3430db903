import type { MisfirePolicy } from './schema.ts'
import type { Slots } from './slots.ts'

export interface DueOptions {
  slots: Slots
  /** Slots up to here have been decided. */
  cursor: number
  now: number
  misfire: MisfirePolicy
  /** How late a slot may be, in milliseconds, before it counts as missed. */
  graceMs: number
  /** Slots that run at most. */
  limit: number
  /** A late slot up to here is neither run nor counted: it came before the schedule did, or what became of it is forgotten. */
  knownFrom: number
  /** Slots behind the cursor that were decided before the clock was set back. */
  decided: ReadonlySet<number>
}

/** Slots that have been missed: all that lie from `first` to `last`, but for those that had been decided. */
export interface Missed {
  first: number
  last: number
  count: number
  isMore: boolean
}

export interface Due {
  /** Slots that run now, in order. */
  run: number[]
  /** Older ones that never will. */
  missed: Missed | null
  /** The newest slot that is decided with this. */
  cursor: number
}

/**
 * What is to become of the slots that have come since the cursor. Slots that are no later than the grace run; of the later
 * ones none, the newest or each, as the misfire policy says. No more than `limit` run: the newest. A clock that was set back comes
 * by slots a second time: on time they run, unless they have been decided; late ones are not looked for before `knownFrom`.
 */
export function decideDue(options: DueOptions): Due {
  const { slots, cursor, now, misfire, graceMs, limit, knownFrom, decided } = options
  const previous = (instant: number) => {
    const at = slots.upTo(instant)
    return at !== undefined && at > cursor ? at : undefined
  }
  const newest = previous(now)
  const run: number[] = []
  let last: number | undefined
  let isCaughtUp = misfire === 'skip'
  for (let at = newest; at !== undefined; at = previous(at - 1)) {
    if (decided.has(at)) continue
    const isLate = now - at > graceMs
    if (isLate && at <= knownFrom) break
    if ((isLate && isCaughtUp) || run.length === limit) {
      last = at
      break
    }
    run.push(at)
    if (isLate && misfire === 'once') isCaughtUp = true
  }
  run.reverse()
  return { run, missed: toMissed(options, last), cursor: newest ?? cursor }
}

function toMissed(options: DueOptions, last: number | undefined): Missed | null {
  if (last === undefined) return null
  const { slots, now, graceMs, decided } = options
  // Those up to `knownFrom` that are not late run, or are counted because they are too many.
  const from = Math.max(options.cursor, Math.min(options.knownFrom, now - graceMs - 1))
  const { count, isMore } = slots.count(from, last)
  let first = slots.after(from) as number
  while (decided.has(first)) first = slots.after(first) as number
  const known = [...decided].filter((at) => at > from && at <= last).length
  return { first, last, count: isMore ? count : count - known, isMore }
}
