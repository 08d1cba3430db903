import { type Command, InvalidArgumentError } from 'commander'

/** Runs what a command does and keeps its exit code. What it does is imported inside, so that `--help` pays for none of it. */
export type Run = (action: () => Promise<number>) => Promise<void>

/** Makes a command: its name, arguments, options and examples; the work itself is in `cli/commands/`. */
export type Definition = (run: Run) => Command

/** A command that knows examples of its use, for its help and for the reference. */
export type Exemplified = Command & { readonly examples?: readonly string[] }

/** Adds examples, each a whole command line, to a command and below its help. */
export function withExamples(command: Command, ...examples: readonly string[]): Command {
  const title = examples.length === 1 ? 'Example' : 'Examples'
  const lines = examples.map((example) => `  ${example}`).join('\n')
  command.addHelpText('after', `\n${title}:\n${lines}`)
  return Object.assign(command, { examples })
}

/** Adds what a command needs to reach a service. */
export function withService(command: Command): Command {
  return withJson(
    command
      .option(
        '-u, --url <url>',
        'where the service is (CHAPKIT_URL, default http://127.0.0.1:8000)',
      )
      .option(
        '--api-key <key>',
        'its API key; others on this machine can see it: better set CHAPKIT_API_KEY',
      ),
  )
}

/** Adds `--json`. */
export function withJson(command: Command, about = 'print JSON, and nothing else, on stdout') {
  return command.option('--json', about)
}

/** Reads a whole number of an option. */
export function wholeNumber(minimum: number, maximum: number, what = 'a whole number') {
  return (text: string): number => {
    const value = Number(text)
    if (/^-?\d+$/.test(text) && value >= minimum && value <= maximum) return value
    throw new InvalidArgumentError(`expected ${what} from ${minimum} to ${maximum}, got '${text}'`)
  }
}

export const parsePort = wholeNumber(0, 65_535, 'a port')

/** Keeps each value of an option that may be given again. */
export const collect = (text: string, before: readonly string[] = []): readonly string[] => [
  ...before,
  text,
]
