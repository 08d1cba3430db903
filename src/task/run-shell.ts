import type { Commands } from '../script/commands.ts'
import { tell, unfinished } from '../script/outcome.ts'
import { toTaskArguments } from './command.ts'
import type { Definitions } from './definitions.ts'
import { toTexts, toVariables } from './parameters.ts'
import type { TaskRun } from './runs.ts'

export interface ShellRunDeps {
  definitions: Definitions
  commands: Commands
}

/** Runs the command of a task in a copy of the project; parameters are arguments and variables, never code. */
export function createShellRun({ definitions, commands }: ShellRunDeps): TaskRun {
  return async ({ task, parameters, timeoutSeconds }, _claim, context) => {
    const values = await definitions.parse(task, parameters ?? {})
    const texts = toTexts(values)
    const { pass, set } = definitions.environmentOf(task)
    const end = await commands.run(
      {
        words: toTaskArguments(definitions.commandOf(task), texts),
        env: { pass, set: { ...set, ...toVariables(values, texts) } },
        timeoutMs: timeoutSeconds === null ? null : timeoutSeconds * 1000,
      },
      context,
    )
    const early = unfinished(end)
    if (early) return early
    const { id, command, created_at, updated_at } = task
    const { stdout, stderr, exitCode: exit_code } = end
    return {
      data: { task: { id, command, created_at, updated_at }, stdout, stderr, exit_code },
      failure:
        end.failure === null
          ? null
          : { error: tell('The command', end), traceback: null, mayRetry: true },
    }
  }
}
