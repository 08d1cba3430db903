import { Command, InvalidArgumentError, Option } from 'commander'
import type { ConfigFormat } from '../../mlproject/contract.ts'
import type { Settings } from '../../settings.ts'
import { parsePort, type Run, wholeNumber, withExamples } from './define.ts'

export function mlprojectCommand(run: Run): Command {
  return new Command('mlproject')
    .description('serve an MLproject, or make a service of it')
    .addCommand(mlprojectRunCommand(run))
    .addCommand(mlprojectMigrateCommand(run))
    .addCommand(mlprojectExportCommand(run))
}

export function mlprojectRunCommand(run: Run): Command {
  return withExamples(
    new Command('run')
      .description('serve an MLproject as it is')
      .argument('[path]', 'folder of the project, or its MLproject file', '.')
      .option(
        '-p, --port <number>',
        'port to listen on; 0 takes a free one (PORT, default 9090)',
        parsePort,
      )
      .option('--host <address>', 'address to listen on (HOST, default 127.0.0.1)')
      .addOption(
        new Option(
          '--data-dir <folder>',
          'folder for the database and files (CHAPKIT_DATA_DIR, default: in memory)',
        ).conflicts('database'),
      )
      .option('--database <file>', 'file of the database instead; other files lie beside it')
      .option(...paramOption)
      .option(...envOption)
      .addOption(
        new Option(
          '--config-format <format>',
          "layout of config.yml (default: the file's meta_data.config_format, or chap_core)",
        ).choices(configFormats),
      )
      .option(
        '--register-url <url>',
        "an orchestrator's $register, to register there (SERVICEKIT_ORCHESTRATOR_URL)",
      )
      .option(
        '--advertise-host <name>',
        'host at which it reaches the service (SERVICEKIT_HOST, default: the name of the machine)',
      )
      .option(
        '--advertise-port <number>',
        'port at which it reaches the service (SERVICEKIT_PORT, default: --port)',
        wholeNumber(1, 65_535, 'a port'),
      )
      .option(
        '--keepalive-interval <seconds>',
        'seconds from one sign of life to the next (default: 10)',
        parseSeconds,
      )
      .addOption(
        new Option('--log-level <level>', 'what the log has (LOG_LEVEL, default: info)').choices(
          logLevels,
        ),
      )
      .action((path: string, options) =>
        run(async () => (await import('../commands/mlproject-run.ts')).run(path, options)),
      ),
    'chapkit mlproject run . --param seed_file=seed.txt',
    "chapkit mlproject run MLproject --register-url 'http://chap:8000/v2/services/$register'",
  )
}

export function mlprojectMigrateCommand(run: Run): Command {
  return withExamples(
    new Command('migrate')
      .description('write a service from the MLproject of a folder, in that folder')
      .argument('[path]', 'folder of the project, or its MLproject file', '.')
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

export function mlprojectExportCommand(run: Run): Command {
  return withExamples(
    new Command('export')
      .description('write the MLproject file of a service whose model is commands')
      .argument('[file]', 'service file whose default export is a service', 'service.ts')
      .option('-o, --output <file>', 'file to write (default: MLproject beside the service file)')
      .option('--check', 'write nothing; fail when the file is not what would be written')
      .option('-f, --force', 'replace a file that this command has not written')
      .action((file: string, options) =>
        run(async () =>
          (await import('../commands/mlproject-export.ts')).exportProject(file, options),
        ),
      ),
    'chapkit mlproject export',
    'chapkit mlproject export service.ts --check',
  )
}

function parseSeconds(text: string): number {
  const value = Number(text)
  if (text.trim() !== '' && value >= 0.1 && value <= 86_400) return value
  throw new InvalidArgumentError(`expected seconds from 0.1 to 86400, got '${text}'`)
}

// Those of the reader and of the settings, which a help text need not load.
const configFormats = ['chap_core', 'flat'] as const satisfies ConfigFormat[]
const logLevels = [
  ...(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const),
] satisfies Settings['logLevel'][]

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
