import type { Artifacts } from '../artifact/artifacts.ts'
import type { Queries } from '../db/tables.ts'
import { ChapkitError, toError } from '../errors.ts'
import type { JobContext, JobHandler, JobOutcome } from '../job/dispatcher.ts'
import type { Claim } from '../job/jobs.ts'
import type { Commands } from '../script/commands.ts'
import { handled, tell, unfinished } from '../script/outcome.ts'
import { toTaskArguments } from './command.ts'
import { createDefinitions } from './definitions.ts'
import { toTexts, toVariables } from './parameters.ts'
import { retryAfter } from './retries.ts'
import type { TasksSpec } from './spec.ts'
import type { TaskPayload } from './tasks.ts'

export interface TaskRunsDeps {
  spec: TasksSpec
  artifacts: Artifacts
  /** Runs commands; null where the service has no folder for them. */
  commands: Commands
  random: () => number
}

/** How a run has failed, and whether another one may do better. */
interface Failure {
  error: string
  traceback: string | null
  mayRetry: boolean
}

/** What a run leaves: the data of its result artifact, and how it failed, if it did. */
interface Result {
  data: Record<string, unknown>
  failure: Failure | null
}

/** How task jobs are run: a command in a folder, or a function in a host; the result is an artifact in any case. */
export function createTaskRuns(deps: TaskRunsDeps): JobHandler {
  const { spec, artifacts, random } = deps
  const definitions = createDefinitions(spec)

  async function runShell(
    { task, parameters, timeoutSeconds }: TaskPayload,
    context: JobContext,
  ): Promise<Result | JobOutcome> {
    const values = await definitions.parse(task, parameters ?? {})
    const texts = toTexts(values)
    const env = definitions.environmentOf(task)
    const end = await deps.commands.run(
      {
        words: toTaskArguments(definitions.commandOf(task), texts),
        env: { ...env, set: { ...env.set, ...toVariables(values, texts) } },
        timeoutMs: timeoutSeconds === null ? null : timeoutSeconds * 1000,
      },
      context,
    )
    const early = unfinished(end)
    if (early) return early
    const { id, command, created_at, updated_at } = task
    const { stdout, stderr, exitCode: exit_code } = end
    const failure =
      end.failure === null
        ? null
        : { error: tell('The command', end), traceback: null, mayRetry: true }
    return {
      data: { task: { id, command, created_at, updated_at }, stdout, stderr, exit_code },
      failure,
    }
  }

  /** Says when a failed run is tried again, or ends the job with what is left of it. */
  async function settle(
    claim: Claim,
    { log }: JobContext,
    { retries }: TaskPayload,
    { data, failure }: Result,
  ): Promise<JobOutcome> {
    const artifact = await artifacts.stage(data)
    const along = async (tx: Queries) => {
      await artifacts.insertStaged(tx, { id: claim.artifactId ?? '', ...artifact })
    }
    if (failure === null) return { status: 'completed', along }
    const { error, traceback, mayRetry } = failure
    const failures = claim.failures + 1
    const afterMs = mayRetry ? retryAfter(retries, { failures, random }) : null
    if (afterMs === null || retries === null) return { status: 'failed', error, traceback, along }
    const next = `attempt ${failures + 1} of ${retries.attempts} follows in ${(afterMs / 1000).toFixed(1)} s`
    log(
      'log',
      `attempt ${failures} of ${retries.attempts} failed: ${error.split('\n', 1)[0]}; ${next}`,
    )
    return { status: 'failed-once', afterMs, progress: { fraction: null, message: next } }
  }

  return (claim, context) =>
    handled(async () => {
      const payload = claim.payload as unknown as TaskPayload
      const reason = definitions.whyBlocked(payload.task)
      // It was there when the job was submitted; the service has been started without it since.
      if (reason !== null)
        return { status: 'failed', error: `The task cannot run: ${reason}`, traceback: null }
      try {
        const result = await runShell(payload, context)
        return 'status' in result ? result : await settle(claim, context, payload, result)
      } catch (thrown) {
        const error = toError(thrown)
        if (!(error instanceof ChapkitError && error.code === 'validation-failed')) throw error
        return { status: 'failed', error: error.message, traceback: null }
      }
    })
}
