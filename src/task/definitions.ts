import { type JsonSchema, toJsonSchema } from '../kernel/json-schema.ts'
import { parseTaskCommand, type TaskCommand } from './command.ts'
import { assertNamed, checkStored, parseParameters, toTexts, type Values } from './parameters.ts'
import type { DeclaredTask, TasksSpec } from './spec.ts'
import type { TaskRow } from './store.ts'

/** What says which code a task runs. */
export type TaskCode = Pick<TaskRow, 'name' | 'command' | 'task_type'> & {
  declared: number | boolean
}

export type Definitions = ReturnType<typeof createDefinitions>

/** From a stored task to what the service file says of it. */
export function createDefinitions(spec: TasksSpec) {
  const isDeclared = ({ declared }: TaskCode) => declared === 1 || declared === true

  const shellOf = (task: TaskCode) =>
    isDeclared(task) ? spec.shell.get(task.name ?? '') : undefined

  function definitionOf(task: TaskCode): DeclaredTask | undefined {
    return task.task_type === 'function' ? spec.functions.get(task.command) : shellOf(task)
  }

  function commandOf(task: TaskCode): TaskCommand {
    return shellOf(task)?.command ?? parseTaskCommand(task.command, { label: 'The command' })
  }

  /** Why the service file does not let a task run; null when it does. */
  function whyBlocked(task: TaskCode): string | null {
    if (task.task_type === 'function') {
      return spec.functions.has(task.command)
        ? null
        : `the function "${task.command}" is not in the service file any more`
    }
    if (isDeclared(task))
      return shellOf(task) ? null : `the command "${task.name}" is not in the service file any more`
    return spec.allowRemoteCommands
      ? null
      : 'the service takes no commands from clients any more (allowRemoteCommands)'
  }

  /** The values that a run is given, as its schema makes them. Throws a 422 when they do not fit. */
  async function parse(task: TaskCode, given: Values): Promise<Values> {
    const schema = definitionOf(task)?.schema ?? null
    const values = await parseParameters(schema, given)
    if (task.task_type === 'shell') {
      const texts = toTexts(values)
      // A schema says itself what has to be there; without one everything that the command names has.
      if (schema === null) assertNamed(commandOf(task).names, texts)
    }
    return values
  }

  return {
    whyBlocked,
    parse,
    commandOf,
    schemaOf(task: TaskCode): JsonSchema {
      const schema = definitionOf(task)?.schema ?? null
      if (schema !== null) return toJsonSchema(schema)
      const names = task.task_type === 'shell' ? commandOf(task).names : []
      const properties = Object.fromEntries(names.map((name) => [name, {}]))
      return { type: 'object', ...(names.length > 0 && { required: names, properties }) }
    },
    environmentOf: (task: TaskCode) => shellOf(task)?.environment ?? { pass: [], set: {} },

    /** Throws a 422 when values that a task stores can never fit. */
    async check(task: TaskCode, given: Values): Promise<void> {
      await checkStored(definitionOf(task)?.schema ?? null, given)
      if (task.task_type === 'shell') toTexts(given)
    },
  }
}

/** Why a task does not run, in words for clients; null when it does. */
export function whyDisabled({
  wanted,
  disabled_reason,
}: Pick<TaskRow, 'wanted' | 'disabled_reason'>) {
  return disabled_reason ?? (wanted === 1 ? null : 'disabled by a client')
}
