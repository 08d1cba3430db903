import { z } from 'zod'
import { ChapkitError } from '../errors.ts'
import {
  GraceSeconds,
  type MisfirePolicy,
  misfirePolicies,
  type OverlapPolicy,
  overlapPolicies,
  type TriggerIn,
} from './schema.ts'
import { parseTrigger } from './triggers.ts'

interface SharedScheduleOptions {
  /** Name of a task of `withTasks`. */
  task: string
  /** Go before those that the task has stored, name by name. */
  parameters?: Readonly<Record<string, unknown>>
  /**
   * Which of the slots run that were missed, while the service was down say: none, the newest, or each.
   * @default 'once'
   */
  misfire?: MisfirePolicy
  /**
   * Seconds that a slot may be late before it counts as missed, from 1.
   * @default 60
   */
  misfireGraceSeconds?: number
  /**
   * What becomes of a slot while an earlier job has not ended: it is left out, waits for its turn, or the earlier job is canceled.
   * @default 'skip'
   */
  overlap?: OverlapPolicy
  /** Labels to find the schedule by. */
  tags?: readonly string[]
}

/** When a schedule runs: one of `cron`, `every` and `at`. */
type TriggerOptions =
  | {
      /** Five fields, six with seconds in front, or a name such as `@daily`. */
      cron: string
      /**
       * IANA time zone in which the expression is read.
       * @default 'UTC'
       */
      zone?: string
    }
  | {
      /** Whole seconds, or an ISO 8601 duration such as `PT15M`. */
      every: number | string
      /**
       * The instant that slots are counted from.
       * @default the first start of the service with this schedule
       */
      anchor?: string
    }
  | {
      /** An instant with its offset. */
      at: string
    }

/** A schedule of the service file. */
export type ScheduleOptions = SharedScheduleOptions & TriggerOptions

/** A schedule of the service file, read. */
export interface ScheduleSpec {
  task: string
  parameters: Readonly<Record<string, unknown>> | null
  trigger: TriggerIn
  misfire: MisfirePolicy
  misfireGraceSeconds: number
  overlap: OverlapPolicy
  tags: readonly string[]
}

const Shared = z.object({
  misfire: z.enum(misfirePolicies).default('once'),
  misfireGraceSeconds: GraceSeconds.default(60),
  overlap: z.enum(overlapPolicies).default('skip'),
})

/** Reads what `withSchedules` was given. Throws what cannot be used, and says why. */
export function toSchedulesSpec(
  schedules: Readonly<Record<string, ScheduleOptions>>,
): ReadonlyMap<string, ScheduleSpec> {
  return new Map(
    Object.entries(schedules).map(([name, options]) => [name, toScheduleSpec(name, options)]),
  )
}

function toScheduleSpec(name: string, options: ScheduleOptions): ScheduleSpec {
  const refuse = (why: string) => new Error(`The schedule "${name}" cannot be used: ${why}`)
  if (!/^[A-Za-z][\w-]{0,99}$/.test(name)) {
    throw refuse('expected a name of letters, digits, - and _, beginning with a letter')
  }
  const shared = Shared.safeParse(options)
  if (!shared.success) {
    const [issue] = shared.error.issues
    throw refuse(`${issue?.path.join('.')}: ${issue?.message}`)
  }
  const trigger = toTrigger(options, refuse)
  try {
    // An instant that has passed is no mistake here: the file stays as it is when the time has come.
    parseTrigger(trigger, { now: 0, loc: [] })
  } catch (error) {
    throw error instanceof ChapkitError ? refuse(error.message) : error
  }
  return {
    ...shared.data,
    task: options.task,
    parameters: options.parameters ?? null,
    trigger,
    tags: options.tags ?? [],
  }
}

function toTrigger(options: ScheduleOptions, refuse: (why: string) => Error): TriggerIn {
  const said = ['cron', 'every', 'at'].filter((key) => key in options)
  if (said.length !== 1) {
    throw refuse(`expected one of cron, every and at, got ${said.join(' and ') || 'none'}`)
  }
  if ('cron' in options) {
    return { type: 'cron', expression: options.cron, zone: options.zone ?? 'UTC' }
  }
  if ('every' in options) {
    return { type: 'interval', every: options.every, anchor: options.anchor ?? null }
  }
  return { type: 'once', at: options.at }
}
