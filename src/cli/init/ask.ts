import type { Readable, Writable } from 'node:stream'
import { CommandError, exit } from '../exit.ts'
import { nameProblem, titleProblem, toTitle } from './names.ts'
import type { ProjectChoice } from './plan.ts'
import {
  defaultTemplate,
  type Template,
  type TemplateName,
  takesValidation,
  templateNames,
  templates,
} from './templates.ts'

export interface AskOptions {
  /** Whether a program is installed. */
  isThere: (program: string) => boolean
  /** @default that of the process */
  terminal?: { input: Readable; output: Writable }
}

/** Asks on the terminal for what is not chosen yet. Throws when the user ends it. */
export async function ask(
  chosen: Partial<ProjectChoice>,
  { isThere, terminal }: AskOptions,
): Promise<ProjectChoice> {
  const { confirm, isCancel, select, text } = await import('@clack/prompts')

  async function answer<Value>(asked: Promise<Value>): Promise<Exclude<Value, symbol>> {
    const value = await asked
    if (isCancel(value)) throw new CommandError('Nothing was written', exit.interrupted)
    return value as Exclude<Value, symbol>
  }

  const aboutOf = ({ about, needs }: Template) =>
    needs === null || isThere(needs.program)
      ? about
      : `${about} (${needs.program} is not installed)`

  const name =
    chosen.name ??
    (await answer(
      text({
        ...terminal,
        message: 'What is it called?',
        placeholder: 'dengue-forecast',
        validate: (value = '') => nameProblem(value),
      }),
    ))
  const template =
    chosen.template ??
    (await answer(
      select<TemplateName>({
        ...terminal,
        message: 'How is the model written?',
        initialValue: defaultTemplate,
        options: templateNames.map((value) => ({
          value,
          label: `${value.padEnd(13)} ${aboutOf(templates[value])}`,
        })),
      }),
    ))
  const title =
    chosen.title ??
    (await answer(
      text({
        ...terminal,
        message: 'How should people read its name?',
        initialValue: toTitle(name),
        validate: (value = '') => titleProblem(value),
      }),
    ))
  const period =
    chosen.period ??
    (await answer(
      select<ProjectChoice['period']>({
        ...terminal,
        message: 'Are the counts by month or by week?',
        options: [
          { value: 'monthly', label: 'by month' },
          { value: 'weekly', label: 'by week' },
        ],
      }),
    ))
  const validation =
    chosen.validation ??
    (takesValidation(template) &&
      (await answer(
        confirm({
          ...terminal,
          message: 'With checks of the data, for you to extend?',
          initialValue: false,
        }),
      )))
  return { name, title, template, period, validation }
}
