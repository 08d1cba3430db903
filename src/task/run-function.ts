import type { JobContext } from '../job/dispatcher.ts'
import type { ModelHosts, RunEvents, TaskError, TaskResult } from '../ml/run.ts'
import type { TaskRun, TaskRunResult } from './runs.ts'
import type { createServe } from './serve.ts'
import type { TaskPayload } from './tasks.ts'

export interface FunctionRunDeps {
  /** Null where the service has no functions. */
  hosts: ModelHosts | null
  serve: ReturnType<typeof createServe>
  redact: (text: string) => string
}

/** How long a job waits when the machine has no room for a host. */
const noHostPauseMs = 2000
/** Runs a function of the service file in a host, and answers what it asks of the service meanwhile. */
export function createFunctionRun({ hosts, serve, redact }: FunctionRunDeps): TaskRun {
  return async (payload, claim, context) => {
    if (hosts === null) throw new Error('There are no hosts for functions')
    const { task, parameters, timeoutSeconds } = payload
    const timeout =
      timeoutSeconds === null ? null : AbortSignal.timeout(Math.ceil(timeoutSeconds * 1000))
    const signal = timeout ? AbortSignal.any([context.signal, timeout]) : context.signal
    // What a function asked and did not wait for ends with it.
    const ended = new AbortController()
    const asking = AbortSignal.any([signal, ended.signal])
    try {
      const attempt = claim.failures + 1
      const outcome = await hosts.run(
        { kind: 'task', name: task.command, parameters: parameters ?? {}, attempt },
        { signal, events: toEvents(context), call: (method, args) => serve(method, args, asking) },
      )
      switch (outcome.status) {
        case 'done':
          return toResult(payload, outcome.result as TaskResult)
        case 'failed': {
          const [, type = 'Error', message = ''] = /^(?:(\w+): )?(.*)$/s.exec(outcome.error) ?? []
          const { traceback } = outcome
          return toResult(payload, failed({ type, message, traceback, mayRetry: true }))
        }
        case 'no-host':
          return { status: 'retry', afterMs: noHostPauseMs }
        case 'aborted':
          if (!timeout?.aborted || context.signal.aborted) return outcome
          return toResult(
            payload,
            failed({
              type: 'TimeoutError',
              message: `the function was stopped after ${timeoutSeconds} seconds, the time that it may take`,
              traceback: null,
              mayRetry: true,
            }),
          )
        default:
          return outcome
      }
    } finally {
      ended.abort(new Error('The run has ended'))
    }
  }

  function toResult({ task, parameters }: TaskPayload, result: TaskResult): TaskRunResult {
    const { id, command, task_type, created_at, updated_at } = task
    const snapshot = { id, command, task_type, parameters, created_at, updated_at }
    const { error } = result
    if (error === null)
      return { data: { task: snapshot, result: result.value, error }, failure: null }
    const type = error.type
    const message = redact(error.message)
    const traceback = error.traceback && redact(error.traceback)
    return {
      data: { task: snapshot, result: null, error: { type, message, traceback } },
      failure: { error: `${type}: ${message}`, traceback, mayRetry: error.mayRetry },
    }
  }
}

const failed = (error: TaskError): TaskResult => ({ kind: 'task', value: null, error })

function toEvents({ log, progress }: JobContext): RunEvents {
  return {
    onLog: log,
    onProgress: (fraction, message) => progress({ fraction, message }),
    onMetrics: () => {},
  }
}
