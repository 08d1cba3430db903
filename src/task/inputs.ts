import { ChapkitError, type Issue, toError, validationError } from '../errors.ts'
import { type Clock, toTimestamp } from '../kernel/clock.ts'
import { isUlid } from '../kernel/id.ts'
import { ulidIssue } from '../kernel/page.ts'
import { parseTaskCommand } from './command.ts'
import type { Definitions } from './definitions.ts'
import { Retries, type TaskIn, type TaskType } from './schema.ts'
import type { TasksSpec } from './spec.ts'
import type { TaskRow } from './store.ts'

export interface InputsDeps {
  spec: TasksSpec
  definitions: Definitions
  now: Clock
  newId: () => string
}

/** What a client sent, checked as far as that goes without the stored task. */
export interface PreparedTask {
  id: string | null
  command: string
  task_type: TaskType
  /** Members that were left out are not there. */
  given: Partial<
    Pick<TaskRow, 'name' | 'parameters' | 'wanted' | 'retries' | 'timeout_seconds' | 'tags'>
  >
}

/** From what clients send to rows. */
export function createInputs({ spec, definitions, now, newId }: InputsDeps) {
  /** `known` is the task that is to be replaced. */
  async function prepare(input: TaskIn, known?: TaskRow): Promise<PreparedTask> {
    const task_type = toType(input.task_type) ?? known?.task_type ?? 'shell'
    const { name = known?.name ?? null, command, parameters } = input
    assertTexts(input)
    const code = { name, command, task_type, declared: 0 } as const
    if (known?.declared !== 1) {
      assertAllowed(code, known)
      assertCode(code)
      if (parameters) await definitions.check(code, parameters)
    }
    return {
      id: input.id ?? null,
      ...{ command, task_type },
      given: toGiven(input),
    }
  }

  /** A function has to be there; a command has to be one that can be run without a shell. */
  function assertCode({ command, task_type }: Pick<PreparedTask, 'command' | 'task_type'>) {
    const refuse = (msg: string) =>
      validationError([{ loc: ['body', 'command'], msg, type: 'value' }])
    if (task_type === 'function') {
      if (spec.functions.has(command)) return
      const names = [...spec.functions.keys()].join(', ') || 'none'
      throw refuse(`Expected a function of the service (${names}), got ${JSON.stringify(command)}`)
    }
    try {
      parseTaskCommand(command, { label: 'The command' })
    } catch (error) {
      const [why = ''] = toError(error).message.split('\n')
      throw refuse(
        `${why.replace(', or set `shell: true`', '')}: or declare it in the service file`,
      )
    }
  }

  /** A command that is there already may come again, with other tags say. */
  function assertAllowed(sent: Pick<TaskRow, 'command' | 'task_type'>, known?: TaskRow) {
    if (sent.task_type === 'function' || spec.allowRemoteCommands) return
    if (known?.task_type === 'shell' && known.command === sent.command) return
    throw new ChapkitError(
      'forbidden',
      'This service takes no commands over HTTP; declare the command in the service file, with withTasks({ shell }), or set allowRemoteCommands there',
    )
  }

  const enabled = (wanted: number, reason: string | null) =>
    wanted === 1 && reason === null ? 1 : 0

  return {
    prepare,

    /** A task that is new. */
    toRow({ id, given, ...code }: PreparedTask): TaskRow {
      assertAllowed(code)
      const at = toTimestamp(now())
      const { wanted = 1 } = given
      return {
        ...{ id: id ?? newId(), ...code },
        ...{ name: null, parameters: null, retries: null, timeout_seconds: null, tags: '[]' },
        ...given,
        ...{ wanted, enabled: enabled(wanted, null), disabled_reason: null, declared: 0 },
        ...{ created_at: at, updated_at: at },
      }
    },

    /** A task that takes the place of one that is stored. What was left out stays as it is. */
    replace(known: TaskRow, { id: _, given, ...code }: PreparedTask): TaskRow {
      const updated_at = toTimestamp(now())
      const { tags = known.tags, wanted = known.wanted } = given
      if (known.declared === 1) {
        assertAsDeclared(known, { ...code, ...given })
        return {
          ...known,
          tags,
          wanted,
          enabled: enabled(wanted, known.disabled_reason),
          updated_at,
        }
      }
      assertAllowed(code, known)
      const row = { ...known, ...code, ...given }
      const disabled_reason = definitions.whyBlocked(row)
      return {
        ...row,
        wanted,
        enabled: enabled(wanted, disabled_reason),
        disabled_reason,
        updated_at,
      }
    },
  }
}

const toType = (sent: TaskIn['task_type']): TaskType | undefined =>
  sent === 'python' ? 'function' : sent

/** What was sent besides the code, as columns have it. */
function toGiven({ name, parameters, enabled, retries, timeout_seconds, tags }: TaskIn) {
  return {
    ...(name !== undefined && { name }),
    ...(parameters !== undefined && { parameters: parameters && JSON.stringify(parameters) }),
    ...(enabled !== undefined && { wanted: enabled ? 1 : 0 }),
    ...(retries !== undefined && { retries: retries && JSON.stringify(Retries.parse(retries)) }),
    ...(timeout_seconds !== undefined && { timeout_seconds }),
    ...(tags !== undefined && { tags: JSON.stringify(tags) }),
  }
}

function assertTexts({ id, name, command }: TaskIn) {
  const issues: Issue[] = []
  if (typeof id === 'string' && !isUlid(id)) issues.push(ulidIssue(['body', 'id'], id))
  for (const [key, text] of Object.entries({ name, command })) {
    // Half a character cannot be written as UTF-8: it would come back as another one.
    if (typeof text !== 'string' || text.isWellFormed()) continue
    issues.push({
      loc: ['body', key],
      msg: 'Expected well-formed Unicode text, got half of a surrogate pair',
      type: 'string_unicode',
    })
  }
  if (issues.length > 0) throw validationError(issues)
}

/** What a client may not change of a declared task has to be as it is, or left out. */
function assertAsDeclared(known: TaskRow, sent: Partial<TaskRow>) {
  const changed = [
    sent.command !== known.command && 'command',
    sent.task_type !== known.task_type && 'task_type',
    sent.name != null && sent.name !== known.name && 'name',
    sent.parameters !== undefined && sent.parameters !== known.parameters && 'parameters',
    sent.retries != null && sent.retries !== known.retries && 'retries',
    sent.timeout_seconds != null &&
      sent.timeout_seconds !== known.timeout_seconds &&
      'timeout_seconds',
  ].filter((name) => name !== false)
  if (changed.length === 0) return
  throw new ChapkitError(
    'conflict',
    `Task ${known.id} stands in the service file: ${changed.join(', ')} can be changed there only; over HTTP its tags and \`enabled\` can`,
  )
}
