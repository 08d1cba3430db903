import { inspect } from 'node:util'
import type { RunOptions, TaskError, TaskRequest, TaskResult } from '../ml/run.ts'
import type { TaskDefinition } from '../task/define.ts'
import { NotPlain, toPlain } from '../task/plain.ts'
import { createRemote } from '../task/remote.ts'
import { largestTaskResult } from './protocol.ts'
import { createReports } from './reports.ts'

/** The task functions of a service file, by name. */
export type TaskFunctions = ReadonlyMap<string, { definition: TaskDefinition }>

const unanswered = async () => ({
  error: { code: null, message: 'There is no service to ask' },
})

/** Runs a task function in whatever process this is. What it throws is part of the result. */
export async function runTask(
  functions: TaskFunctions,
  { name, parameters: given, attempt }: TaskRequest,
  { signal, events, call = unanswered }: RunOptions,
): Promise<TaskResult> {
  const fail = (error: TaskError): TaskResult => ({ kind: 'task', value: null, error })
  const definition = functions.get(name)?.definition
  if (!definition) {
    const message = `The service file has no function "${name}"`
    return fail({ type: 'NotFound', message, traceback: null, mayRetry: false })
  }
  try {
    const read = await definition.parameters?.['~standard'].validate(given)
    if (read?.issues) {
      const lines = read.issues.map(({ path = [], message }) => `${toPath(path)}: ${message}`)
      const message = `The parameters do not fit: ${lines.join('; ')}`
      return fail({ type: 'ValidationError', message, traceback: null, mayRetry: false })
    }
    const value = await definition.run({
      parameters: read ? read.value : given,
      ...createRemote(call, signal),
      ...createReports(events),
      signal,
      attempt,
    })
    const result = toPlain(value ?? null, 'result')
    const size = Buffer.byteLength(JSON.stringify(result))
    if (size <= largestTaskResult) return { kind: 'task', value: result, error: null }
    const message = `Expected a result of at most ${largestTaskResult} bytes of JSON, got ${size}; store it with artifacts.create and return its id`
    return fail({ type: 'ResultTooLarge', message, traceback: null, mayRetry: false })
  } catch (thrown) {
    return fail(toTaskError(thrown))
  }
}

type IssuePath = readonly (PropertyKey | { readonly key: PropertyKey })[]

const toPath = (path: IssuePath): string =>
  path.map((part) => String(typeof part === 'object' ? part.key : part)).join('.') || 'parameters'

function toTaskError(thrown: unknown): TaskError {
  // Thrown by another copy of the language it is no instance of our Error.
  const isError =
    thrown instanceof Error || Object.prototype.toString.call(thrown) === '[object Error]'
  if (!isError) {
    const message = typeof thrown === 'string' ? thrown : inspect(thrown, { depth: 2 })
    return { type: 'Error', message, traceback: null, mayRetry: true }
  }
  const { name, message, stack } = thrown as Error
  return {
    type: typeof name === 'string' && name ? name : 'Error',
    message: String(message),
    // Where our own checks stand is of no use to a user; and what is no data today is none tomorrow.
    traceback:
      typeof stack === 'string' && !(thrown instanceof NotPlain)
        ? inspect(thrown, { colors: false })
        : null,
    mayRetry: !(thrown instanceof NotPlain),
  }
}
