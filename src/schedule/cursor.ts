import type { Queries } from '../db/tables.ts'
import { toTimestamp } from '../kernel/clock.ts'
import type { Trigger } from './schema.ts'
import { type Slots, toSlots } from './slots.ts'
import { scheduleRunStore as runStore, type ScheduleRow } from './store.ts'

export function slotsOf({ timing }: Pick<ScheduleRow, 'timing'>): Slots {
  return toSlots(JSON.parse(timing) as Trigger)
}

/** Slots of a schedule that are decided already, behind an instant and up to another. */
export async function decidedSlots(
  db: Queries,
  id: string,
  after: number,
  last: number,
): Promise<ReadonlySet<number>> {
  const slots = await runStore.slots(db, id, toTimestamp(after), toTimestamp(last))
  return new Set(slots.map((slot) => Date.parse(slot)))
}

/** The next slots of a schedule, without those that became jobs before the clock was set back. */
export async function nextOf(db: Queries, row: ScheduleRow, count: number): Promise<number[]> {
  const slots = slotsOf(row)
  const next: number[] = []
  let at = slots.after(Date.parse(row.decided_until))
  const ahead = at === undefined ? [] : await decidedSlots(db, row.id, at - 1, lastInstant)
  const decided = new Set(ahead)
  while (at !== undefined && next.length < count) {
    if (!decided.has(at)) next.push(at)
    at = slots.after(at)
  }
  return next
}

const lastInstant = Date.UTC(9999, 11, 31)

/** A schedule with its next slot. */
export async function withNext(tx: Queries, row: ScheduleRow): Promise<ScheduleRow> {
  const next = row.paused === 1 ? undefined : (await nextOf(tx, row, 1))[0]
  return { ...row, next_run_at: next === undefined ? null : toTimestamp(next) }
}

/** An interval that counts from when the clock was ahead does not wait until it is there again: its steps go back, too. */
function anchorBy(row: ScheduleRow, at: number): ScheduleRow {
  const trigger = JSON.parse(row.timing) as Trigger
  if (trigger.type !== 'interval' || row.anchored === 1) return row
  const every = trigger.every * 1000
  const ahead = Date.parse(trigger.anchor) - at
  if (ahead <= 0) return row
  const anchor = toTimestamp(at + ahead - Math.ceil(ahead / every) * every)
  return { ...row, timing: JSON.stringify({ ...trigger, anchor }) }
}

/** What was counted as missed while the clock was ahead has not come yet. Slots that became jobs stay what they are. */
export async function rewind(tx: Queries, known: ScheduleRow, at: number): Promise<ScheduleRow> {
  const row = anchorBy(known, at)
  const slots = slotsOf(row)
  for (const run of await runStore.missedBehind(tx, row.id, toTimestamp(at))) {
    const first = Date.parse(run.first_slot ?? run.slot ?? '')
    const taken = await decidedSlots(tx, row.id, first - 1, at)
    let last = slots.upTo(at)
    while (last !== undefined && taken.has(last)) last = slots.upTo(last - 1)
    // What another trigger had before may end where this one's slots have an entry.
    const isNone =
      last === undefined || last < first || (await runStore.has(tx, row.id, toTimestamp(last)))
    if (last === undefined || isNone) {
      await runStore.remove(tx, run.id)
      continue
    }
    const { count, isMore } = slots.count(first - 1, last)
    const known = [...taken].filter((slot) => slot <= (last as number)).length
    await runStore.update(tx, run.id, {
      slot: toTimestamp(last),
      count: isMore ? count : count - known,
      is_more: isMore ? 1 : 0,
    })
  }
  return { ...row, decided_until: toTimestamp(at) }
}
