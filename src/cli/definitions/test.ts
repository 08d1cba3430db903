import { Command, InvalidArgumentError, Option } from 'commander'
import { type Run, wholeNumber, withExamples, withService } from './define.ts'

export function testCommand(run: Run): Command {
  const command = withService(new Command('test'))
    .description('drive a service end to end with generated data; 1 if anything failed')
    .option('-c, --configs <number>', 'configs to make', wholeNumber(1, 1000), 1)
    .option('-t, --trainings <number>', 'trainings of each config', wholeNumber(1, 1000), 1)
    .option('-p, --predictions <number>', 'predictions of each model', wholeNumber(0, 1000), 1)
    .option(
      '-r, --rows <number>',
      'about so many rows of training data',
      wholeNumber(1, 1_000_000),
      250,
    )
    .option(
      '--predict-rows <number>',
      'about so many rows to predict',
      wholeNumber(1, 1_000_000),
      150,
    )
    .option(
      '--timeout <seconds>',
      'time that a training or a prediction may take',
      wholeNumber(1, 86_400),
      60,
    )
    .option('-d, --delay <seconds>', 'time between two runs', parseSeconds, 1)
    .option(
      '--parallel <number>',
      'trainings, with their predictions, at the same time',
      wholeNumber(1, 100),
      1,
    )
    .option(
      '--start-service [file]',
      'start this service file for the test, with data of its own (default service.ts)',
    )
    .option('--save-data', 'keep the generated data as CSV')
    .option('--save-data-dir <folder>', 'where to keep it', 'target')
    .addOption(
      new Option(
        '--period-type <type>',
        'periods of the data (default: those of the service)',
      ).choices([...['monthly', 'weekly']]),
    )
    .addOption(
      new Option('--geo-type <type>', 'shapes of the locations, where the service wants a map')
        .choices(['polygon', 'point'])
        .default('polygon'),
    )
    .option(
      '--seed <number>',
      'the same data again; below 0 it is new every time',
      wholeNumber(-1, 2 ** 31 - 1),
      -1,
    )
    .option('-v, --verbose', 'print each step')
    .option('--debug', 'print each step and why it failed')
    .action((options) => run(async () => (await import('../commands/test.ts')).test(options)))
  return withExamples(
    command,
    'chapkit test',
    'chapkit test --trainings 20 --parallel 4 --delay 0 --timeout 300',
    'chapkit test --start-service service.ts',
  )
}

function parseSeconds(text: string): number {
  const seconds = Number(text)
  if (/^\d+(\.\d+)?$/.test(text) && seconds <= 3600) return seconds
  throw new InvalidArgumentError(`expected seconds from 0 to 3600, got '${text}'`)
}
