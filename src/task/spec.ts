import type { StandardSchemaV1 } from '@standard-schema/spec'
import { toEnvironment } from '../script/environment.ts'
import { parseTaskCommand, type TaskCommand } from './command.ts'
import type { RetryOptions, SharedTaskOptions, TaskDefinition, TasksOptions } from './define.ts'
import { Retries, TimeoutSeconds } from './schema.ts'

/** What every task of the service file has. */
export interface DeclaredTask {
  schema: StandardSchemaV1 | null
  retries: Retries | null
  timeoutSeconds: number | null
  tags: readonly string[]
}

export interface DeclaredShell extends DeclaredTask {
  command: TaskCommand
  environment: ReturnType<typeof toEnvironment>
}

export interface DeclaredFunction extends DeclaredTask {
  definition: TaskDefinition
}

/** The tasks of a service file. */
export interface TasksSpec {
  shell: ReadonlyMap<string, DeclaredShell>
  functions: ReadonlyMap<string, DeclaredFunction>
  allowRemoteCommands: boolean
  /** Folder that commands get a copy of. */
  project: string
}

/** Reads what `withTasks` was given. Throws what cannot be used, and says why. */
export function toTasksSpec(
  { shell = {}, functions = {}, allowRemoteCommands = false }: TasksOptions,
  project: string,
): TasksSpec {
  for (const name of [...Object.keys(shell), ...Object.keys(functions)]) assertName(name)
  const twice = Object.keys(shell).find((name) => Object.hasOwn(functions, name))
  if (twice !== undefined)
    throw new Error(`There is a command and a function named "${twice}"; give one another name`)
  return {
    shell: new Map(
      Object.entries(shell).map(([name, options]) => {
        const label = `The command of the task "${name}"`
        const command = parseTaskCommand(options.command, {
          label,
          shell: options.shell ?? false,
        })
        return [
          name,
          {
            ...toShared(name, options),
            command,
            schema: options.parameters ?? null,
            environment: toEnvironment(options.env),
          },
        ]
      }),
    ),
    functions: new Map(
      Object.entries(functions).map(([name, definition]) => {
        if (definition?.kind !== 'task') {
          throw new Error(`Expected the function "${name}" to be made by defineTask({ run })`)
        }
        return [
          name,
          { ...toShared(name, definition.shared), schema: definition.parameters, definition },
        ]
      }),
    ),
    allowRemoteCommands,
    project,
  }
}

function toShared(name: string, { retries, timeoutSeconds, tags = [] }: SharedTaskOptions) {
  if (timeoutSeconds !== undefined && !TimeoutSeconds.safeParse(timeoutSeconds).success) {
    throw new Error(
      `Expected timeoutSeconds of the task "${name}" above 0 and up to 2000000, got ${timeoutSeconds}`,
    )
  }
  return {
    retries: retries ? toRetries(name, retries) : null,
    timeoutSeconds: timeoutSeconds ?? null,
    tags,
  }
}

function toRetries(name: string, options: RetryOptions): Retries {
  const { attempts, delaySeconds, factor, maxDelaySeconds } = options
  const parsed = Retries.safeParse({
    attempts,
    delay_seconds: delaySeconds,
    factor,
    max_delay_seconds: maxDelaySeconds,
  })
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new Error(
    `The retries of the task "${name}" cannot be used: ${issue?.path.join('.')}: ${issue?.message}`,
  )
}

function assertName(name: string) {
  if (/^[A-Za-z][\w-]{0,99}$/.test(name)) return
  throw new Error(
    `Expected a name of letters, digits, - and _ for a task, beginning with a letter, got "${name}"`,
  )
}
