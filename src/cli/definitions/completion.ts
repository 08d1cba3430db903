import { Argument, Command } from 'commander'
import type { Shell } from '../complete.ts'
import { type Run, withExamples } from './define.ts'

export function completionCommand(run: Run): Command {
  return withExamples(
    new Command('completion')
      .description('print what makes a shell complete commands and options')
      .addArgument(new Argument('<shell>', 'the shell').choices(['bash', 'zsh', 'fish']))
      .action((shell: Shell) =>
        run(async () => (await import('../commands/completion.ts')).completion(shell)),
      ),
    'eval "$(chapkit completion bash)"     # in ~/.bashrc',
    'eval "$(chapkit completion zsh)"      # in ~/.zshrc, behind compinit',
    'chapkit completion fish | source      # in ~/.config/fish/config.fish',
  )
}

/** What the completion scripts ask; people have no use for it. */
export function completeCommand(run: Run): Command {
  return new Command('complete')
    .description('print what may stand at the end of a command line')
    .argument('[words...]', 'the words behind chapkit; the last is being typed')
    .action((words: string[], _options, command: Command) =>
      run(async () =>
        (await import('../commands/completion.ts')).completeWords(command.parent!, words),
      ),
    )
}
