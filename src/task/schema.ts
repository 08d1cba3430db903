import { z } from 'zod'
import { ulidPattern } from '../kernel/id.ts'
import { Tags } from '../kernel/tags.ts'

export const taskTypes = ['shell', 'function'] as const
export type TaskType = (typeof taskTypes)[number]

/** When a run that failed is tried again: after `delay_seconds`, and `factor` times longer after each further failure. */
export const Retries = z.object({
  attempts: z
    .int()
    .min(1)
    .max(100)
    .default(1)
    .meta({ description: 'Runs at most, the first one included' }),
  delay_seconds: z.number().min(0).max(86_400).default(10),
  factor: z.number().min(1).max(10).default(2),
  max_delay_seconds: z.number().min(0).max(86_400).default(3600),
})
export type Retries = z.infer<typeof Retries>

/** Longer than a timer of Node can wait. */
const maximumSeconds = 2_000_000

export const TimeoutSeconds = z.number().positive().max(maximumSeconds)

/** Values by name, as JSON. */
const Parameters = z.record(z.string(), z.unknown())

/** A task as a client sends it. */
export const TaskIn = z.object({
  id: z
    .string()
    .regex(ulidPattern)
    .nullable()
    .optional()
    .meta({ description: 'ULID chosen by the client' }),
  name: z.string().min(1).max(200).nullable().optional(),
  tags: Tags.optional(),
  command: z
    .string()
    .min(1)
    .max(10_000)
    .meta({ description: 'A command for the shell type; the name of a function for the other' }),
  task_type: z
    .enum([...taskTypes, 'python'])
    .optional()
    .meta({
      description:
        '`shell` unless a task that is replaced has another. `python` is read as `function`, for clients of the older contract',
    }),
  parameters: Parameters.nullable().optional(),
  enabled: z.boolean().optional().meta({ description: 'A new task is, unless it says otherwise' }),
  retries: Retries.nullable().optional(),
  timeout_seconds: TimeoutSeconds.nullable().optional(),
})
/** Has no defaults: they are for new tasks alone, and filled in by the rules. */
export type TaskIn = z.input<typeof TaskIn>

export const ExecuteIn = z.object({
  parameters: Parameters.nullable()
    .optional()
    .meta({ description: 'Go before the values that the task has stored, name by name' }),
})
export type ExecuteIn = z.infer<typeof ExecuteIn>

/** A task, as it is answered. */
export interface TaskOut {
  id: string
  created_at: string
  updated_at: string
  command: string
  task_type: TaskType
  parameters: Record<string, unknown> | null
  /** Whether it may run now. */
  enabled: boolean
  /** Why it may not; null when it may. */
  disabled_reason: string | null
  name: string | null
  tags: string[]
  /** Whether it stands in the service file. */
  declared: boolean
  retries: Retries | null
  timeout_seconds: number | null
}

/** The task as it was when it ran. */
type TaskSnapshot = Pick<TaskOut, 'id' | 'command' | 'created_at' | 'updated_at'>

/** What the artifact of a command holds. */
export interface ShellTaskData {
  task: TaskSnapshot
  stdout: string
  stderr: string
  exit_code: number | null
}

/** What the artifact of a function holds. */
export interface FunctionTaskData<Result = unknown> {
  task: TaskSnapshot & Pick<TaskOut, 'task_type' | 'parameters'>
  result: Result
  /** Null, where the run has not failed. */
  error: { type: string; message: string; traceback: string | null } | null
}
