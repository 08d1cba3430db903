import { Command, Option } from 'commander'
import { type Run, wholeNumber, withExamples, withService } from './define.ts'

export function jobCommand(run: Run): Command {
  return new Command('job')
    .description('see, follow and stop the jobs of a service')
    .addCommand(list(run))
    .addCommand(watch(run))
    .addCommand(logs(run))
    .addCommand(cancel(run))
}

const load = () => import('../commands/job.ts')
const idArgument = ['<id>', 'its id; latest is the newest'] as const

function list(run: Run): Command {
  const command = new Command('list')
    .alias('ls')
    .description('print the newest jobs of a service')
    .addOption(
      new Option('--status <status>', 'only in this state').choices([
        ...['pending', 'running', 'completed', 'failed', 'canceled'],
      ]),
    )
    .option('--type <type>', 'only of this type: train, predict, …')
    .option('--limit <number>', 'at most so many', wholeNumber(1, 100_000), 20)
    .action((options) => run(async () => (await load()).jobList(options)))
  return withExamples(withService(command), 'chapkit job list --status failed')
}

function watch(run: Run): Command {
  const command = new Command('watch')
    .description('follow a job to its end; the exit code is 0 if it completed, else 1')
    .argument(...idArgument)
    .option('--logs', 'show what it says')
    .action((id: string, options) => run(async () => (await load()).jobWatch(id, options)))
  return withExamples(withService(command), 'chapkit job watch latest --logs')
}

function logs(run: Run): Command {
  const command = new Command('logs')
    .description('print what a job has said')
    .argument(...idArgument)
    .option('-f, --follow', 'go on until it ends')
    .action((id: string, options) => run(async () => (await load()).jobLogs(id, options)))
  return withExamples(withService(command), 'chapkit job logs latest --follow')
}

function cancel(run: Run): Command {
  return withService(
    new Command('cancel')
      .description('stop a job')
      .argument(...idArgument)
      .action((id: string, options) => run(async () => (await load()).jobCancel(id, options))),
  )
}
