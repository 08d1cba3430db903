import type { Queries } from '../db/tables.ts'
import { type Clock, toTimestamp } from '../kernel/clock.ts'
import type { Effects, ScheduleRuns } from './runs.ts'
import type { ScheduleIn, Trigger } from './schema.ts'
import { toAnchored, toRow } from './shape.ts'
import type { ScheduleSpec } from './spec.ts'
import { type ScheduleRow, scheduleStore as store } from './store.ts'
import { parseTrigger } from './triggers.ts'

export interface DeclaredSchedulesDeps {
  spec: ReadonlyMap<string, ScheduleSpec>
  runs: ScheduleRuns
  now: Clock
  newId: () => string
}

/** Why the service pauses what the service file had declared. */
export const removedReason = 'it no longer stands in the service file'

/** Brings the stored schedules to what the service file says. */
export function createDeclaredSchedules({ spec, runs, now, newId }: DeclaredSchedulesDeps) {
  /** A declaration as if a client had sent it. An instant that has passed stays, and never comes. */
  function toFields(each: ScheduleSpec, known: ScheduleRow | undefined, at: number, task: string) {
    const trigger = parseTrigger(each.trigger, {
      now: each.trigger.type === 'once' ? 0 : at,
      loc: ['trigger'],
      known: known && (JSON.parse(known.timing) as Trigger),
    })
    return {
      task_id: task,
      parameters: each.parameters === null ? null : JSON.stringify(each.parameters),
      timing: JSON.stringify(trigger),
      anchored: toAnchored(each.trigger, known),
      misfire: each.misfire,
      misfire_grace_seconds: each.misfireGraceSeconds,
      overlap: each.overlap,
      tags: JSON.stringify(each.tags),
    }
  }

  async function declareOne(
    tx: Queries,
    name: string,
    fields: ReturnType<typeof toFields>,
    known: ScheduleRow | undefined,
    effects: Effects,
  ): Promise<void> {
    const at = now()
    const updated_at = toTimestamp(at)
    if (!known) {
      const row = { ...emptyRow(newId(), name, updated_at), ...fields }
      return void (await store.insert(tx, await runs.skipTo(tx, row, at)))
    }
    const isBack = known.paused_reason === removedReason
    const isSame = Object.entries(fields).every(
      ([key, value]) => known[key as keyof ScheduleRow] === value,
    )
    if (isSame && !isBack) return
    // What has come until now is decided by what it was.
    const settled = await runs.advance(tx, known, effects)
    const row = {
      ...settled,
      ...fields,
      updated_at,
      ...(isBack && { paused: 0, paused_reason: null }),
    }
    const isMoved = isBack || fields.timing !== known.timing
    await store.update(tx, isMoved ? await runs.skipTo(tx, row, at) : row)
  }

  return {
    /** The ids of the tasks that the declarations name. */
    async findTasks(
      find: (name: string) => Promise<string | undefined>,
    ): Promise<ReadonlyMap<string, string>> {
      const ids = new Map<string, string>()
      for (const [name, { task }] of spec) {
        const id = await find(task)
        if (id === undefined) {
          throw new Error(
            `The schedule "${name}" executes "${task}", which is no task of withTasks`,
          )
        }
        ids.set(task, id)
      }
      return ids
    },

    /** One row for each declaration, made once and brought up to date. One that has been taken out is paused. */
    async declare(
      tx: Queries,
      tasks: ReadonlyMap<string, string>,
      effects: Effects,
    ): Promise<void> {
      const rows = await store.declared(tx)
      for (const [name, each] of spec) {
        const known = rows.find((row) => row.name === name)
        const fields = toFields(each, known, now(), tasks.get(each.task) ?? '')
        await declareOne(tx, name, fields, known, effects)
      }
      for (const row of rows) {
        if (spec.has(row.name) || row.paused_reason === removedReason || row.paused === 1) continue
        await store.update(tx, {
          ...(await runs.advance(tx, row, effects)),
          ...{ paused: 1, paused_reason: removedReason, next_run_at: null },
          updated_at: toTimestamp(now()),
        })
      }
    },
  }
}

function emptyRow(id: string, name: string, at: string): ScheduleRow {
  const input: ScheduleIn = { name, task_id: '', trigger: { type: 'interval', every: 1 } }
  return { ...toRow(input, { id, now: Date.parse(at) }), declared: 1 }
}
