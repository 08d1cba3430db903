import { toTimestamp } from '../kernel/clock.ts'
import type { ScheduleIn, ScheduleOut, ScheduleRun, Trigger, TriggerIn } from './schema.ts'
import type { ListedRunRow, ScheduleRow } from './store.ts'
import { parseTrigger } from './triggers.ts'

export interface ToRowOptions {
  id: string
  now: number
  /** What it replaces. */
  known?: ScheduleRow | undefined
}

/** What a client sent as a row: checked, its defaults filled in. Its next slot is not known yet. */
export function toRow(input: ScheduleIn, { id, now, known }: ToRowOptions): ScheduleRow {
  const at = toTimestamp(now)
  const trigger = parseTrigger(input.trigger, {
    now,
    loc: ['body', 'trigger'],
    known: known && (JSON.parse(known.timing) as Trigger),
  })
  const isPaused = input.paused ?? false
  return {
    id,
    name: input.name,
    tags: JSON.stringify(input.tags ?? []),
    task_id: input.task_id,
    parameters: input.parameters ? JSON.stringify(input.parameters) : null,
    timing: JSON.stringify(trigger),
    misfire: input.misfire ?? 'once',
    misfire_grace_seconds: input.misfire_grace_seconds ?? 60,
    overlap: input.overlap ?? 'skip',
    paused: isPaused ? 1 : 0,
    paused_reason: null,
    declared: known?.declared ?? 0,
    decided_until: known?.decided_until ?? at,
    known_from: known?.known_from ?? at,
    anchored: toAnchored(input.trigger, known),
    next_run_at: isPaused ? null : (known?.next_run_at ?? null),
    last_run_at: known?.last_run_at ?? null,
    last_job_id: known?.last_job_id ?? null,
    created_at: known?.created_at ?? at,
    updated_at: at,
  }
}

/** What a client sent for a schedule that is there: what it has left out stays as it is. */
export function completed(input: ScheduleIn, known: ScheduleRow): ScheduleIn {
  const { tags, parameters, misfire, misfire_grace_seconds, overlap, paused } = toScheduleOut(known)
  return { ...{ tags, parameters, misfire, misfire_grace_seconds, overlap, paused }, ...input }
}

/** Whether somebody chose from when an interval counts. One that says nothing keeps what was chosen before. */
export function toAnchored({ type, anchor }: TriggerIn, known: ScheduleRow | undefined): number {
  if (type !== 'interval' || typeof anchor === 'string') return 1
  const before = known && (JSON.parse(known.timing) as Trigger)
  return before?.type === 'interval' ? (known?.anchored ?? 0) : 0
}

export function toScheduleOut(row: ScheduleRow): ScheduleOut {
  return {
    id: row.id,
    created_at: row.created_at,
    updated_at: row.updated_at,
    tags: JSON.parse(row.tags),
    name: row.name,
    task_id: row.task_id,
    parameters: row.parameters === null ? null : JSON.parse(row.parameters),
    trigger: JSON.parse(row.timing),
    misfire: row.misfire,
    misfire_grace_seconds: row.misfire_grace_seconds,
    overlap: row.overlap,
    paused: row.paused === 1,
    paused_reason: row.paused_reason,
    declared: row.declared === 1,
    next_run_at: row.next_run_at,
    last_run_at: row.last_run_at,
    last_job_id: row.last_job_id,
  }
}

export function toRunOut(row: ListedRunRow): ScheduleRun {
  return {
    id: row.id,
    scheduled_at: row.slot,
    outcome: row.outcome,
    decided_at: row.decided_at,
    job_id: row.job_id,
    job_status: row.job_status,
    reason: row.reason,
    count: row.count,
    is_more: row.is_more === 1,
    first_scheduled_at: row.first_slot,
  }
}
