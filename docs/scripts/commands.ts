import { stripVTControlCharacters } from 'node:util'
import type { Command } from 'commander'
import { block, code, frontMatter, page, prose, table } from './markdown.ts'

/** A page for each command, and one of them all, from the tree of commands itself. */
export function commandPages(program: Command): Record<string, string> {
  const commands = subcommands(program)
  return {
    'index.md': page(
      frontMatter({ order: 0 }),
      '# Command line',
      'In a project, `npx chapkit` runs the command of the project. Every command has `--help`.',
      ...groups(commands),
      '## Options of all',
      optionTable(program),
      afterHelp(program),
    ),
    ...Object.fromEntries(
      commands.map((command, at) => [
        `${command.name()}.md`,
        page(
          frontMatter({ order: at + 1 }),
          `# chapkit ${command.name()}`,
          ...sections(command, 2),
        ),
      ]),
    ),
  }
}

/** What is shown: commands that only go by an old name are not. */
function subcommands(command: Command): Command[] {
  return command
    .createHelp()
    .visibleCommands(command)
    .filter((each) => each.name() !== 'help')
}

function groups(commands: readonly Command[]): string[] {
  const names = [...new Set(commands.map((command) => command.helpGroup() ?? ''))]
  return names.flatMap((name) => [
    `## ${name.replace(/:$/, '') || 'Commands'}`,
    table(
      ['command', 'does'],
      commands
        .filter((command) => (command.helpGroup() ?? '') === name)
        .map((command) => [
          `[${code(`chapkit ${command.name()}`)}](${command.name()}.md)`,
          prose(command.description()),
        ]),
    ),
  ])
}

function sections(command: Command, level: number): string[] {
  const heading = '#'.repeat(level)
  return [
    `${capital(prose(command.description()))}.`,
    block('text', usage(command)),
    table(
      ['argument', 'meaning', 'default'],
      command.registeredArguments.map((argument) => [
        code(argument.required ? `<${argument.name()}>` : `[${argument.name()}]`),
        prose(argument.description),
        argument.defaultValue === undefined ? '' : code(String(argument.defaultValue)),
      ]),
    ),
    optionTable(command),
    afterHelp(command),
    ...subcommands(command).flatMap((each) => [
      `${heading} ${path(each)}`,
      ...sections(each, Math.min(level + 1, 4)),
    ]),
  ]
}

/** The options of a command; every one has `--help`, which is not said again. */
function optionTable(command: Command): string {
  const help = command.createHelp()
  return table(
    ['option', 'meaning', 'default'],
    help
      .visibleOptions(command)
      .filter(({ long }) => long !== '--help')
      .map((option) => [
        code(option.flags),
        prose(option.description) +
          (option.argChoices ? `: ${option.argChoices.map(code).join(', ')}` : ''),
        option.defaultValue === undefined ? '' : code(JSON.stringify(option.defaultValue)),
      ]),
  )
}

function usage(command: Command): string {
  return command.createHelp().commandUsage(command)
}

function path(command: Command): string {
  return command.parent ? `${path(command.parent)} ${command.name()}` : command.name()
}

/** What a command says after its options: examples, exit codes. */
function afterHelp(command: Command): string {
  let text = ''
  const write = (part: string) => {
    text += part
  }
  const width = 100
  command.configureOutput({
    writeOut: write,
    getOutHasColors: () => false,
    getOutHelpWidth: () => width,
  })
  command.outputHelp()
  const help = command.createHelp()
  help.prepareContext({ helpWidth: width })
  const after = text.slice(stripVTControlCharacters(help.formatHelp(command, help)).length)
  return [...after.matchAll(/^(\w[\w ]*):\n((?: {2}.*(?:\n|$)|\n(?= {2}))+)/gm)]
    .map(([, title = '', lines = '']) => {
      const shown = lines.replace(/^ {2}/gm, '')
      return `**${title}**\n\n${block(/example/i.test(title) ? 'bash' : 'text', shown)}`
    })
    .join('\n\n')
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
