import type { Artifacts } from '../artifact/artifacts.ts'
import type { Queries } from '../db/tables.ts'
import { ChapkitError, toError } from '../errors.ts'
import type { JobContext, JobHandler, JobOutcome } from '../job/dispatcher.ts'
import type { Claim } from '../job/jobs.ts'
import type { ModelHosts } from '../ml/run.ts'
import type { Commands } from '../script/commands.ts'
import { handled } from '../script/outcome.ts'
import { createDefinitions } from './definitions.ts'
import { retryAfter } from './retries.ts'
import { createFunctionRun } from './run-function.ts'
import { createShellRun } from './run-shell.ts'
import type { createServe } from './serve.ts'
import type { TasksSpec } from './spec.ts'
import type { TaskPayload } from './tasks.ts'

export interface TaskRunsDeps {
  spec: TasksSpec
  artifacts: Artifacts
  /** Runs commands. */
  commands: Commands
  /** Runs functions; null where there are none. */
  hosts: ModelHosts | null
  /** Answers what functions ask of the service. */
  serve: ReturnType<typeof createServe>
  random: () => number
  /** Takes paths of this machine out of what clients will read. */
  redact: (text: string) => string
}

/** What a run leaves: the data of its result artifact, and how it failed, if it did. */
export interface TaskRunResult {
  data: Record<string, unknown>
  failure: { error: string; traceback: string | null; mayRetry: boolean } | null
}

/** Runs a task once, to a result or to what a job does without one. */
export type TaskRun = (
  payload: TaskPayload,
  claim: Claim,
  context: JobContext,
) => Promise<TaskRunResult | JobOutcome>

/** How task jobs are run: a command in a folder, or a function in a host; the result is an artifact, also of a failure. */
export function createTaskRuns(deps: TaskRunsDeps): JobHandler {
  const { spec, artifacts, random } = deps
  const definitions = createDefinitions(spec)
  const runShell = createShellRun({ definitions, commands: deps.commands })
  const runFunction = createFunctionRun(deps)

  /** Says when a failed run is tried again, or ends the job with what is left of it. */
  async function settle(
    claim: Claim,
    { log }: JobContext,
    { retries }: TaskPayload,
    { data, failure }: TaskRunResult,
  ): Promise<JobOutcome> {
    const failures = claim.failures + 1
    const afterMs = failure?.mayRetry ? retryAfter(retries, { failures, random }) : null
    if (failure && afterMs !== null && retries !== null) {
      const next = `attempt ${failures + 1} of ${retries.attempts} follows in ${(afterMs / 1000).toFixed(1)} s`
      const [reason] = failure.error.split('\n', 1)
      log('log', `attempt ${failures} of ${retries.attempts} failed: ${reason}; ${next}`)
      return { status: 'failed-once', afterMs, progress: { fraction: null, message: next } }
    }
    const artifact = await artifacts.stage(data)
    const along = (tx: Queries) =>
      artifacts.insertStaged(tx, { id: claim.artifactId ?? '', ...artifact })
    if (failure === null) return { status: 'completed', along }
    const { error, traceback } = failure
    return { status: 'failed', error, traceback, along }
  }

  return (claim, context) =>
    handled(async () => {
      const payload = claim.payload as unknown as TaskPayload
      const reason = definitions.whyBlocked(payload.task)
      if (reason !== null) {
        // It was there when the job was submitted; the service has been started without it since.
        return { status: 'failed', error: `The task cannot run: ${reason}`, traceback: null }
      }
      const run = payload.task.task_type === 'shell' ? runShell : runFunction
      try {
        const result = await run(payload, claim, context)
        return 'status' in result ? result : await settle(claim, context, payload, result)
      } catch (thrown) {
        const error = toError(thrown)
        if (!(error instanceof ChapkitError && error.code === 'validation-failed')) throw error
        return { status: 'failed', error: error.message, traceback: null }
      }
    })
}
