import { Command } from 'commander'
import { parsePort, type Run, withExamples, withJson } from './define.ts'

export function devCommand(run: Run): Command {
  const command = new Command('dev')
    .description('serve a service file, and again after each change of its project')
    .argument('[file]', 'service file whose default export is a service', 'service.ts')
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
    .action((file: string, options) =>
      run(async () => (await import('../commands/dev.ts')).dev(file, options)),
    )
  return withExamples(
    withJson(command, 'write the log as JSON lines'),
    'chapkit dev',
    'chapkit dev service.ts --port 9000',
  )
}
