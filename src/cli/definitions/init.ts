import { Command, Option } from 'commander'
import { templateNames, templates } from '../init/templates.ts'
import { type Run, withExamples } from './define.ts'

export function initCommand(run: Run): Command {
  const lines = templateNames.map((name) => `  ${name.padEnd(14)}${templates[name].about}`)
  const command = new Command('init')
    .description('make a project: a model, a service, sample data, tests, a Dockerfile')
    .argument('[name]', 'name of the project and of its new folder; . takes the current one')
    .addOption(
      new Option('-t, --template <name>', 'what it is made from (default: asked for)').choices(
        templateNames,
      ),
    )
    .option('--title <text>', 'how people read its name (default: from the name)')
    .addOption(
      new Option('--period <type>', 'whether its counts are monthly or weekly').choices([
        'monthly',
        'weekly',
      ]),
    )
    .option('--with-validation', 'with checks of the data, for you to extend')
    .option('--no-with-validation', 'without them, and without asking')
    .option('--path <folder>', 'folder that the new one is made in', '.')
    .option('--git', 'make it a git repository')
    .option('-y, --yes', 'do not ask: take the defaults for what is not given')
    .addOption(
      new Option(
        '--chapkit <range>',
        'where npm gets chapkit from: a version range, or a file',
      ).hideHelp(),
    )
    .addHelpText('after', `\nTemplates:\n${lines.join('\n')}`)
    .action((name: string | undefined, options) =>
      run(async () => (await import('../commands/init.ts')).init(name, options)),
    )
  return withExamples(
    command,
    'chapkit init dengue-forecast',
    'chapkit init dengue-forecast --template shell-r --period weekly',
  )
}
