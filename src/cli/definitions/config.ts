import { Command } from 'commander'
import { collect, type Run, withExamples, withService } from './define.ts'

export function configCommand(run: Run): Command {
  return new Command('config')
    .description('see, make and change the configs of a service')
    .addCommand(list(run))
    .addCommand(create(run))
    .addCommand(edit(run))
}

const load = () => import('../commands/config.ts')

function list(run: Run): Command {
  return withService(
    new Command('list')
      .alias('ls')
      .description('print the configs of a service')
      .action((options) => run(async () => (await load()).configList(options))),
  )
}

function create(run: Run): Command {
  const command = new Command('create')
    .description('make a config')
    .argument('<name>', 'a name to find it by')
    .option('--set <key=value>', 'a value, read as YAML; may be given again', collect)
    .option('--data <file|json>', 'JSON, or a JSON or YAML file', collect)
    .action((name: string, options) => run(async () => (await load()).configCreate(name, options)))
  return withExamples(
    withService(command),
    'chapkit config create weekly --set prediction_periods=3 --set n_lags=2',
    'chapkit config create weekly --data weekly.yml',
  )
}

function edit(run: Run): Command {
  const command = new Command('edit')
    .description('change a config, in $EDITOR or by value')
    .argument('<config>', 'its name or id')
    .option('--set <key=value>', 'a value instead of an editor; may be given again', collect)
    .action((config: string, options) =>
      run(async () => (await load()).configEdit(config, options)),
    )
  return withExamples(
    withService(command),
    'chapkit config edit weekly',
    'chapkit config edit weekly --set prediction_periods=6',
  )
}
