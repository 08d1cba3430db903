import { Command, Option } from 'commander'
import { type Run, wholeNumber, withExamples, withService } from './define.ts'

export function artifactCommand(run: Run): Command {
  return new Command('artifact')
    .description('see and download models, predictions and files of a service')
    .addCommand(list(run))
    .addCommand(tree(run))
    .addCommand(download(run))
}

const load = () => import('../commands/artifact.ts')

function list(run: Run): Command {
  const command = new Command('list')
    .alias('ls')
    .description('print the newest artifacts of a service')
    .addOption(
      new Option('-t, --type <type>', 'only of this type').choices([
        ...['model', 'prediction', 'workspace'],
      ]),
    )
    .option('--limit <number>', 'at most so many', wholeNumber(1, 100_000), 20)
    .action((options) => run(async () => (await load()).artifactList(options)))
  return withExamples(withService(command), 'chapkit artifact list --type model')
}

function tree(run: Run): Command {
  return withService(
    new Command('tree')
      .description('print an artifact and all that was made from it')
      .argument('[id]', 'its id; latest is the newest model', 'latest')
      .action((id: string, options) => run(async () => (await load()).artifactTree(id, options))),
  )
}

function download(run: Run): Command {
  const command = new Command('download')
    .description('write the content of an artifact into a file; goes on where it broke off')
    .argument('<id>', 'its id')
    .option('-o, --output <file>', 'name of the file (default: that of the artifact); - is stdout')
    .addOption(
      new Option('--format <format>', 'how a prediction is written').choices([
        ...['records', 'json', 'csv', 'parquet'],
      ]),
    )
    .option('-f, --force', 'also over a file that is there')
    .action((id: string, options) =>
      run(async () =>
        (await import('../commands/artifact-download.ts')).artifactDownload(id, options),
      ),
    )
  return withExamples(
    withService(command),
    'chapkit artifact download 01M82EBCXSKZTTGQH3QVBRBH9G -o model.zip',
    'chapkit artifact download 01M82F0A6T3KCW1SN7D8Z5QX4E --format csv -o forecast.csv',
  )
}
