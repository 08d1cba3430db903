import { Command } from 'commander'
import { parsePort, type Run, withExamples, withJson } from './define.ts'

export function doctorCommand(run: Run): Command {
  const command = new Command('doctor')
    .description('say what is installed, what is missing, and the command that gets it')
    .argument('[file]', 'service file to look at (default: service.ts, if there is one)')
    .option('--data-dir <folder>', 'folder of the data (CHAPKIT_DATA_DIR, default ./data)')
    .option('-p, --port <number>', 'port that should be free (PORT, default 8000)', parsePort)
    .option('--host <address>', 'address to listen on (HOST, default 127.0.0.1)')
    .action((file: string | undefined, options) =>
      run(async () => (await import('../commands/doctor.ts')).doctor(file, options)),
    )
  return withExamples(withJson(command), 'chapkit doctor')
}
