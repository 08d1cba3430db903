import { styleText } from 'node:util'
import { type Argument, Command } from 'commander'
import { printable } from '../kernel/printable.ts'
import { version } from '../version.ts'
import { artifactCommand } from './definitions/artifact.ts'
import { backupCommand, restoreCommand } from './definitions/backup.ts'
import { completeCommand, completionCommand } from './definitions/completion.ts'
import { configCommand } from './definitions/config.ts'
import type { Definition, Run } from './definitions/define.ts'
import { devCommand } from './definitions/dev.ts'
import { doctorCommand } from './definitions/doctor.ts'
import { initCommand } from './definitions/init.ts'
import { jobCommand } from './definitions/job.ts'
import { predictCommand, trainCommand } from './definitions/ml.ts'
import {
  mlprojectCommand,
  mlprojectMigrateCommand,
  mlprojectRunCommand,
} from './definitions/mlproject.ts'
import { openapiCommand } from './definitions/openapi.ts'
import { serveCommand } from './definitions/serve.ts'
import { testCommand } from './definitions/test.ts'
import { exitCatalogue } from './exit.ts'

/** The commands, in the order in which help and reference show them. */
const groups: Readonly<Record<string, readonly Definition[]>> = {
  'Begin:': [initCommand],
  'Serve a model:': [devCommand, serveCommand, mlprojectCommand],
  'Use a service:': [
    trainCommand,
    predictCommand,
    configCommand,
    artifactCommand,
    jobCommand,
    testCommand,
    openapiCommand,
  ],
  'Look after a service:': [doctorCommand, backupCommand, restoreCommand],
  'More:': [completionCommand],
}

/** Commands that nobody has to see: those that go by another name now, and what the completion of shells asks. */
const hidden: readonly Definition[] = [
  mlprojectRunCommand,
  mlprojectMigrateCommand,
  completeCommand,
]

/**
 * The tree of commands. It costs only commander and the definitions; what a command does is imported when it is run. `run`
 * hears of the command that is called; without it nothing happens, as for the reference.
 */
export function createProgram(run: Run = async () => {}): Command {
  const program = new Command('chapkit')
    .description('Turns a model into a production web service')
    .usage('<command> [options]')
    .version(version, '-v, --version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .helpCommand('help [command]', 'show the help of a command')
    .showHelpAfterError('(add --help for what is possible)')
    .configureHelp({
      // Taken away by commander where there is no terminal, or NO_COLOR.
      styleTitle: (title) => styleText('bold', title, { validateStream: false }),
      subcommandTerm: (command) =>
        [command.name(), ...command.registeredArguments.map(toTerm)].join(' '),
    })
    .configureOutput({ outputError: (text, write) => write(printable(toLine(text))) })
    // `-v` behind a command is an option of that command.
    .enablePositionalOptions()
    .exitOverride()

  for (const [group, definitions] of Object.entries(groups))
    for (const define of definitions) program.addCommand(define(run).helpGroup(group))
  program.commandsGroup('More:')
  for (const define of hidden) program.addCommand(define(run), { hidden: true })
  inherit(program)
  return program.addHelpText('after', () => `\nExit codes:\n${exitCodes()}`)
}

/** Commands that were made before they were added know nothing of how the program speaks and ends. */
function inherit(parent: Command) {
  for (const command of parent.commands) {
    command.copyInheritedSettings(parent)
    inherit(command)
  }
}

function toTerm(argument: Argument): string {
  const name = argument.name() + (argument.variadic ? '...' : '')
  return argument.required ? `<${name}>` : `[${name}]`
}

function exitCodes(): string {
  return Object.values(exitCatalogue)
    .map(({ code, about }) => `  ${String(code).padEnd(5)}${about}`)
    .join('\n')
}

/** What commander says of a command line that it does not understand, in the form of every other error. */
function toLine(text: string): string {
  return text
    .replace(/^error: /, 'chapkit: ')
    .replace(
      /^chapkit: (?:option|command-argument) '(?:-\w, )?([^ ']+).*?' argument '.*?' is invalid\. /s,
      'chapkit: $1: ',
    )
}
