import { Command, CommanderError, InvalidArgumentError } from 'commander'
import { version } from '../version.ts'

/** Runs a command line and answers the exit code: 0, 1 when the command failed, 2 when it was not understood. */
export async function main(args: readonly string[]): Promise<number> {
  let code = 0
  const program = new Command('chapkit')
    .description('Turns a model into a production web service')
    .version(version, '-v, --version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .showHelpAfterError('(add --help for what is possible)')
    .exitOverride()

  // Each command is loaded when it is called: `--help` pays for none of them.
  program
    .command('serve')
    .description('serve the model of a service file')
    .argument('<file>', 'service file whose default export is a service, such as service.ts')
    .option(
      '-p, --port <number>',
      'port to listen on; 0 takes a free one (PORT, default 8000)',
      parsePort,
    )
    .option('--host <address>', 'address to listen on (HOST, default 127.0.0.1)')
    .option(
      '--data-dir <folder>',
      'folder for the database and files (CHAPKIT_DATA_DIR, default ./data)',
    )
    .option('-w, --watch', 'start again when the file, or one that it imports, changes')
    .addHelpText('after', '\nExample:\n  chapkit serve service.ts --port 8080')
    .exitOverride()
    .action(async (file: string, options) => {
      const { serve } = await import('./commands/serve.ts')
      code = await serve(file, options)
    })

  program
    .command('backup')
    .description('copy the data of a service, which may go on running, into a new folder')
    .argument('<dir>', 'folder for the backup; absent or empty')
    .option('--data-dir <folder>', 'folder of the service (CHAPKIT_DATA_DIR, default ./data)')
    .addHelpText('after', '\nExample:\n  chapkit backup /backups/2026-11-22 --data-dir ./data')
    .exitOverride()
    .action(async (dir: string, options) => {
      const { backup } = await import('./commands/backup.ts')
      code = await backup(dir, options)
    })

  program
    .command('restore')
    .description('put a backup in place, checked, while no service runs')
    .argument('<dir>', 'folder that chapkit backup made')
    .option('--data-dir <folder>', 'folder to restore into (CHAPKIT_DATA_DIR, default ./data)')
    .option(
      '--force',
      'also where there is data, which is kept in <data-dir>.before-restore-<time>',
    )
    .addHelpText('after', '\nExample:\n  chapkit restore /backups/2026-11-22 --data-dir ./data')
    .exitOverride()
    .action(async (dir: string, options) => {
      const { restore } = await import('./commands/restore.ts')
      code = await restore(dir, options)
    })

  const mlproject = program
    .command('mlproject')
    .description('serve an MLproject, or make a service of it')
    .exitOverride()
  const done = (result: number) => {
    code = result
  }
  addRun(mlproject.command('run'), done)
  addMigrate(mlproject.command('migrate'), done)
  addRun(program.command('run', { hidden: true }), done)
  addMigrate(program.command('migrate', { hidden: true }), done)

  try {
    if (args.length === 0) program.help()
    await program.parseAsync(args, { from: 'user' })
    return code
  } catch (error) {
    // Help and version are ends, not faults; commander has printed everything.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    throw error
  }
}

function addRun(command: Command, done: (code: number) => void) {
  command
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
    .addHelpText('after', '\nExample:\n  chapkit mlproject run . --param seed_file=seed.txt')
    .exitOverride()
    .action(async (path: string, options) => {
      const { run } = await import('./commands/mlproject-run.ts')
      done(await run(path, options))
    })
}

function addMigrate(command: Command, done: (code: number) => void) {
  command
    .description('write a service from the MLproject of a folder, in that folder')
    .argument('[path]', 'folder of the project', '.')
    .option('--base-image <image>', 'image of the Dockerfile (default: one that fits the project)')
    .option('--dry-run', 'print what would be written and moved, and change nothing')
    .option('-y, --yes', 'do not ask')
    .option(...paramOption)
    .addHelpText('after', '\nExample:\n  chapkit mlproject migrate . --dry-run')
    .exitOverride()
    .action(async (path: string, options) => {
      const { migrate } = await import('./commands/mlproject-migrate.ts')
      done(await migrate(path, options))
    })
}

type Params = Readonly<Record<string, string>>

const paramOption: [string, string, (text: string, before?: Params) => Params] = [
  '--param <name=filename>',
  'file that stands for a parameter of the commands; may be given again',
  parseParam,
]

function parseParam(text: string, before: Params = {}): Params {
  const [, name, value] = /^([A-Za-z_]\w*)=(.+)$/s.exec(text) ?? []
  if (name === undefined || value === undefined)
    throw new InvalidArgumentError('Expected NAME=FILENAME.')
  return { ...before, [name]: value }
}

function parsePort(text: string): number {
  const port = Number(text)
  if (/^\d+$/.test(text) && port <= 65_535) return port
  throw new CommanderError(2, 'chapkit.port', reportPort(text))
}

function reportPort(text: string): string {
  const message = `error: expected a port from 0 to 65535, got '${text}'`
  console.error(message)
  return message
}
