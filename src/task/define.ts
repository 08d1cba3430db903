import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { TaskArtifacts, TaskConfigs, TaskJobs, TaskMl } from './services.ts'

/** What a task function is given. */
export interface TaskContext<Parameters> {
  /** Checked by the task's schema, its defaults filled in. */
  parameters: Parameters
  /** The configs of the service. */
  configs: TaskConfigs
  artifacts: TaskArtifacts
  jobs: TaskJobs
  /** Trains and predicts with the service's model, as jobs of their own. */
  ml: TaskMl
  /** Writes a line to the job's log, readable at `/jobs/{id}/$logs` while the job runs. */
  log: (line: string) => void
  /** Reports progress: a fraction from 0 to 1 (null when unknown) and what is being done. */
  progress: (fraction: number | null, message?: string) => void
  /** Aborts when the job is canceled, takes too long, or the service stops. */
  signal: AbortSignal
  /** 1 for the first run; more after a failure that is retried. */
  attempt: number
}

/** When a run that failed is tried again. */
export interface RetryOptions {
  /** Runs at most, the first one included; 1 to 100. */
  attempts: number
  /**
   * Seconds before the second run.
   * @default 10
   */
  delaySeconds?: number
  /**
   * How many times longer each further wait is.
   * @default 2
   */
  factor?: number
  /**
   * Seconds that a wait grows to at most.
   * @default 3600
   */
  maxDelaySeconds?: number
}

/** What functions and commands have in common. */
export interface SharedTaskOptions {
  /** @default one run only */
  retries?: RetryOptions
  /**
   * Seconds that a run may take; it is stopped then and has failed.
   * @default no limit
   */
  timeoutSeconds?: number
  /** Labels to find the task by. */
  tags?: readonly string[]
}

export interface TaskOptions<Schema extends StandardSchemaV1, Result> extends SharedTaskOptions {
  /**
   * Schema of the parameters: Zod 4, or another that describes itself as JSON Schema.
   * @default any JSON object
   */
  parameters?: Schema
  /** Does the work. What it returns is stored in the result artifact: plain data, as JSON has it. */
  run: (context: TaskContext<StandardSchemaV1.InferOutput<Schema>>) => Result | Promise<Result>
}

/** A function of the service file that runs as a job. */
export interface TaskDefinition<Parameters = unknown, Result = unknown> {
  readonly kind: 'task'
  readonly parameters: StandardSchemaV1<unknown, Parameters> | null
  readonly shared: SharedTaskOptions
  // A method, so that a list of tasks with other parameters takes it.
  run(context: TaskContext<Parameters>): Result | Promise<Result>
}

/**
 * Defines a function that runs as a job, in a process of its own. Add it to a service with `withTasks`.
 *
 * @example
 * ```ts
 * const retrain = defineTask({
 *   parameters: z.object({ tag: z.string().default('surveillance') }),
 *   run: async ({ parameters, artifacts, log }) => {
 *     const found = await artifacts.list({ tag: parameters.tag })
 *     log(`${found.length} artifacts`)
 *     return { found: found.length }
 *   },
 * })
 * ```
 */
export function defineTask<
  Schema extends StandardSchemaV1 = StandardSchemaV1<unknown, Record<string, unknown>>,
  Result = unknown,
>(
  options: TaskOptions<Schema, Result>,
): TaskDefinition<StandardSchemaV1.InferOutput<Schema>, Result> {
  const { parameters = null, run, ...shared } = options
  if (typeof run !== 'function') {
    throw new Error(`defineTask needs \`run\`, a function; got ${typeof run}`)
  }
  return { kind: 'task', parameters: parameters as never, shared, run }
}

/** A command of the service file that runs as a job. */
export interface ShellTaskOptions extends SharedTaskOptions {
  /**
   * Program and arguments: a text, which is split into words as a shell would, or the list of words. `{name}` is the parameter of
   * that name, always as one argument.
   */
  command: string | readonly string[]
  /**
   * Schema of the parameters.
   * @default any; those that the command names must be there
   */
  parameters?: StandardSchemaV1
  /**
   * Runs the command with `/bin/sh -c`, for pipes and `&&`. Its parameters are environment variables then, such as
   * `"$PARAM_REGION"`.
   * @default false
   */
  shell?: boolean
  /**
   * Environment variables besides the usual ones: a list of names that are passed on, or names with values; `true` as value
   * passes a name on.
   */
  env?: readonly string[] | Readonly<Record<string, string | true>>
}

export interface TasksOptions {
  /** Commands by name. */
  shell?: Readonly<Record<string, ShellTaskOptions>>
  /** Functions by name, each made by `defineTask`. */
  // biome-ignore lint/suspicious/noExplicitAny: each has parameters of its own
  functions?: Readonly<Record<string, TaskDefinition<any, unknown>>>
  /**
   * Lets clients create commands over HTTP: whoever may create tasks may then run any program on this machine.
   * @default false
   */
  allowRemoteCommands?: boolean
  /**
   * Folder that commands get a copy of: a path or a file URL.
   * @default the folder of the service file
   */
  project?: string | URL
}
