import { z } from 'zod'
import { ulidPattern } from '../kernel/id.ts'
import { Tags } from '../kernel/tags.ts'

/** What becomes of slots that came too late to be on time: none runs, the newest one, or each. */
export const misfirePolicies = ['skip', 'once', 'all'] as const
export type MisfirePolicy = (typeof misfirePolicies)[number]

/** What becomes of a slot while a job of an earlier one has not ended. */
export const overlapPolicies = ['skip', 'queue', 'cancel-previous'] as const
export type OverlapPolicy = (typeof overlapPolicies)[number]

/** Slots that run late, at most, when a schedule comes back; older ones are told as missed. */
export const maximumCatchUp = 100
/** Slots of one schedule that wait for its earlier jobs; more are skipped. */
export const maximumQueue = 100

export const triggerTypes = ['cron', 'interval', 'once'] as const

/**
 * When a schedule runs, as a client sends it. Which members belong to which type is for the rules: a list of alternatives would
 * answer each mistake with all that is wrong with every one of them.
 */
export const TriggerIn = z.object({
  type: z.enum(triggerTypes).meta({
    description:
      '`cron` takes `expression` and `zone`, `interval` takes `every` and `anchor`, `once` takes `at`',
  }),
  expression: z.string().max(200).optional().meta({
    description: 'Five fields, six with seconds in front, or a name such as `@daily`',
  }),
  zone: z.string().max(100).optional().meta({
    description: 'IANA time zone in which the expression is read; UTC by default',
  }),
  every: z
    .union([z.int(), z.string().max(50)])
    .optional()
    .meta({ description: 'Whole seconds, or an ISO 8601 duration such as `PT15M` or `P7D`' }),
  anchor: z.string().max(50).nullable().optional().meta({
    description: 'The instant that slots are counted from; when the schedule was made, by default',
  }),
  at: z
    .string()
    .max(50)
    .optional()
    .meta({ description: 'An instant with its offset: `2026-05-01T06:00:00+02:00`' }),
})
export type TriggerIn = z.input<typeof TriggerIn>

/** A trigger as it is kept: complete, in seconds and timestamps. */
export type Trigger =
  | { type: 'cron'; expression: string; zone: string }
  | { type: 'interval'; every: number; anchor: string }
  | { type: 'once'; at: string }

/** How late a slot may be. No timer is exact: with nothing at all every slot would come too late. */
export const GraceSeconds = z
  .int()
  .min(1)
  .max(365 * 86_400)

/** A schedule as a client sends it. */
export const ScheduleIn = z.object({
  id: z
    .string()
    .regex(ulidPattern)
    .nullable()
    .optional()
    .meta({ description: 'ULID chosen by the client' }),
  tags: Tags.optional(),
  name: z.string().min(1).max(200),
  task_id: z.string().regex(ulidPattern).meta({ description: 'The task that is executed' }),
  parameters: z
    .record(z.string(), z.unknown())
    .nullable()
    .optional()
    .meta({ description: 'Go before the values that the task has stored, name by name' }),
  trigger: TriggerIn,
  misfire: z.enum(misfirePolicies).optional().meta({
    description:
      '`once` for a new schedule. Which of the slots run that were missed, while the service was down say',
  }),
  misfire_grace_seconds: GraceSeconds.optional().meta({
    description: '60 for a new schedule. How late a slot may be before it counts as missed',
  }),
  overlap: z.enum(overlapPolicies).optional().meta({
    description:
      '`skip` for a new schedule. What becomes of a slot while an earlier job has not ended',
  }),
  paused: z.boolean().optional(),
})
/** Has no defaults: they are for new schedules alone, and filled in by the rules. */
export type ScheduleIn = z.input<typeof ScheduleIn>

/** A schedule, as it is answered. */
export interface ScheduleOut {
  id: string
  created_at: string
  updated_at: string
  tags: string[]
  name: string
  task_id: string
  parameters: Record<string, unknown> | null
  trigger: Trigger
  misfire: MisfirePolicy
  misfire_grace_seconds: number
  overlap: OverlapPolicy
  paused: boolean
  /** Why the service paused it; null when a client did, or when it is not paused. */
  paused_reason: string | null
  /** Whether it stands in the service file. */
  declared: boolean
  /** Null when it is paused, and when no slot is left. */
  next_run_at: string | null
  /** When its newest job was submitted. */
  last_run_at: string | null
  last_job_id: string | null
}

/**
 * What became of a slot: a job; a place behind the jobs before it; skipped because of overlap; missed because it came too
 * late; failed because its task could not be executed.
 */
export const runOutcomes = ['submitted', 'queued', 'skipped', 'missed', 'failed'] as const
export type RunOutcome = (typeof runOutcomes)[number]

/** A slot of a schedule and what became of it, as it is answered. */
export interface ScheduleRun {
  id: string
  /** The slot; null for a run that was asked for with `$trigger`. */
  scheduled_at: string | null
  outcome: RunOutcome
  decided_at: string
  job_id: string | null
  /** Null without a job, and when the job has been deleted. */
  job_status: string | null
  reason: string | null
  /** Slots that this stands for: more than one only for slots that were missed, up to and including `scheduled_at`. */
  count: number
  /** Whether there were more than `count`, too many to be counted. */
  is_more: boolean
  /** The first of several slots. */
  first_scheduled_at: string | null
}
