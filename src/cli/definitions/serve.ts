import { Command } from 'commander'
import { parsePort, type Run, withExamples } from './define.ts'

export function serveCommand(run: Run): Command {
  return withExamples(
    new Command('serve')
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
      .option('--json', 'write the log as JSON lines')
      .action((file: string, options) =>
        run(async () => (await import('../commands/serve.ts')).serve(file, options)),
      ),
    'chapkit serve service.ts --port 8080',
  )
}
