import { Command, InvalidArgumentError } from 'commander'
import { parsePort, type Run, withExamples } from './define.ts'

export function mlprojectCommand(run: Run): Command {
  return new Command('mlproject')
    .description('serve an MLproject, or make a service of it')
    .addCommand(mlprojectRunCommand(run))
    .addCommand(mlprojectMigrateCommand(run))
}

export function mlprojectRunCommand(run: Run): Command {
  return withExamples(
    new Command('run')
      .description('serve the MLproject of a folder as it is')
      .argument('[path]', 'folder of the project', '.')
      .option(
        '-p, --port <number>',
        'port to listen on; 0 takes a free one (PORT, default 9090)',
        parsePort,
      )
      .option('--host <address>', 'address to listen on (HOST, default 127.0.0.1)')
      .option('--data-dir <folder>', 'folder for the database and files (default: in memory)')
      .option(...paramOption)
      .option(...envOption)
      .action((path: string, options) =>
        run(async () => (await import('../commands/mlproject-run.ts')).run(path, options)),
      ),
    'chapkit mlproject run . --param seed_file=seed.txt',
  )
}

export function mlprojectMigrateCommand(run: Run): Command {
  return withExamples(
    new Command('migrate')
      .description('write a service from the MLproject of a folder, in that folder')
      .argument('[path]', 'folder of the project', '.')
      .option(
        '--base-image <image>',
        'image of the Dockerfile (default: one that fits the project)',
      )
      .option('--dry-run', 'print what would be written and moved, and change nothing')
      .option('-y, --yes', 'do not ask')
      .option(...paramOption)
      .action((path: string, options) =>
        run(async () => (await import('../commands/mlproject-migrate.ts')).migrate(path, options)),
      ),
    'chapkit mlproject migrate . --dry-run',
  )
}

type Params = Readonly<Record<string, string>>

type Env = Readonly<Record<string, string | true>>

const envOption: [string, string, (text: string, before?: Env) => Env] = [
  '--env <name[=value]>',
  'variable that the commands get, too: the one of this shell, or a value; may be given again',
  parseEnv,
]

function parseEnv(text: string, before: Env = {}): Env {
  const [, name, value] = /^([A-Za-z_]\w*)(?:=(.*))?$/s.exec(text) ?? []
  if (name === undefined)
    throw new InvalidArgumentError(`expected NAME or NAME=VALUE, got '${text}'`)
  return { ...before, [name]: value ?? true }
}

const paramOption: [string, string, (text: string, before?: Params) => Params] = [
  '--param <name=filename>',
  'file that stands for a parameter of the commands; may be given again',
  parseParam,
]

function parseParam(text: string, before: Params = {}): Params {
  const [, name, value] = /^([A-Za-z_]\w*)=(.+)$/s.exec(text) ?? []
  if (name === undefined || value === undefined)
    throw new InvalidArgumentError(`expected NAME=FILENAME, got '${text}'`)
  return { ...before, [name]: value }
}
