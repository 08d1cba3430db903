import { parseCommand } from '../script/command.ts'
import type { MlProject } from './project.ts'

/** Why a project cannot be used; each line is one reason. */
export class MlProjectError extends Error {
  readonly reasons: readonly string[]

  constructor(reasons: readonly string[]) {
    super(reasons.join('\n'))
    this.reasons = reasons
  }
}

export interface ServiceCommands {
  train: string
  predict: string
  /** Whether both are handed to a shell. */
  shell: boolean
  warnings: string[]
}

/** The file that each parameter of an entry point stands for. */
const files: Readonly<Record<string, string>> = {
  train_data: 'data.csv',
  historic_data: 'historic.csv',
  future_data: 'future.csv',
  out_file: 'predictions.csv',
  model: 'model',
  model_config: 'config.yml',
  polygons: 'geo.json',
}

/** What a service file writes instead, where the name is one of that command. */
const placeholders = {
  train: { train_data: '{data_file}', polygons: '{geo_file}' },
  predict: {
    historic_data: '{historic_file}',
    future_data: '{future_file}',
    out_file: '{output_file}',
    polygons: '{geo_file}',
  },
} as const

/** What needs no quotes in a command. */
const plainValue = /^[\w.,:=@%+/-]+$/

export interface CommandOptions {
  /** Values of parameters that a service does not know, and perhaps another file for `model`. */
  params: Readonly<Record<string, string>>
  /** Whether known names become names of files, or placeholders of a service file. */
  as: 'files' | 'placeholders'
}

/**
 * The commands of a project as a service runs them: `{name}` is filled in, `{{` and `}}` are braces. They were written for a
 * shell, and get one when they hold something that only a shell understands. Throws a `MlProjectError`.
 */
export function toServiceCommands(
  { commands }: Pick<MlProject, 'commands'>,
  { params, as }: CommandOptions,
): ServiceCommands {
  const reasons: string[] = []
  for (const [name, value] of Object.entries(params)) {
    if (Object.hasOwn(files, name) && name !== 'model')
      reasons.push(`--param ${name}: it is always ${files[name]}`)
    else if (!plainValue.test(value))
      reasons.push(
        `--param ${name}: expected letters, digits and . _ - / : = @ % + , got "${value}"`,
      )
    else if (!namesOf(commands.train).includes(name) && !namesOf(commands.predict).includes(name))
      reasons.push(`--param ${name}: no command has {${name}}`)
  }
  const train = fill('train')
  const predict = fill('predict')
  if (reasons.length > 0) throw new MlProjectError(reasons)

  const warnings = [needsShell('train', train), needsShell('predict', predict)].filter(
    (warning) => warning !== null,
  )
  if (reasons.length > 0) throw new MlProjectError(reasons)
  return { train, predict, shell: warnings.length > 0, warnings }

  function fill(kind: 'train' | 'predict'): string {
    const own: Readonly<Record<string, string>> = as === 'files' ? {} : placeholders[kind]
    const known = { ...files, ...own, ...params }
    const unknown = namesOf(commands[kind]).filter((name) => !Object.hasOwn(known, name))
    if (unknown.length > 0) {
      const list = unknown.map((name) => `{${name}}`).join(', ')
      reasons.push(
        `entry_points.${kind}.command: ${list} ${unknown.length === 1 ? 'is' : 'are'} not known; expected ${Object.keys(files).join(', ')}, or --param ${unknown[0]}=FILENAME`,
      )
    }
    return commands[kind].replace(braces, (text, name: string | undefined) =>
      name === undefined ? text.slice(1) : (known[name] ?? text),
    )
  }

  /** Why a command needs a shell; null when it does without. */
  function needsShell(kind: 'train' | 'predict', text: string): string | null {
    const runs = `entry_points.${kind}.command runs in /bin/sh`
    const sign = /[*?[~#]|^\s*(cd|source|\.|export|eval|exec|set|unset|ulimit|umask)\s/.exec(text)
    try {
      parseCommand(text, { kind, shell: false })
      return sign ? `${runs}: "${sign[0].trim()}" needs a shell` : null
    } catch (error) {
      const [line = ''] = (error as Error).message.split('\n')
      const why = line.replace(/^.*?cannot be used: /, '')
      if (why.includes('`shell: true`')) return `${runs}: ${why.replace(/; .*/, '')}`
      reasons.push(`entry_points.${kind}.command: ${why}`)
      return null
    }
  }
}

/** A doubled brace, or a parameter. `${NAME}` is a variable of the shell. */
const braces = /\{\{|\}\}|(?<!\$)\{([A-Za-z_]\w*)\}/g

function namesOf(command: string): string[] {
  const names = [...command.matchAll(braces)].map(([, name]) => name)
  return [...new Set(names.filter((name) => name !== undefined))]
}
