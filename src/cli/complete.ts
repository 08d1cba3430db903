import type { Argument, Command, Option } from 'commander'

/** What may stand where the cursor is. */
export interface Completion {
  words: readonly { word: string; about: string }[]
  /** The shell adds names of files. */
  files: boolean
}

const nothing: Completion = { words: [], files: false }

/**
 * What may stand at the end of a command line: `words` are those behind `chapkit`, the last of which is being typed and may be
 * empty.
 */
export function complete(program: Command, words: readonly string[]): Completion {
  const typed = words.at(-1) ?? ''
  let command = program
  let open: Option | undefined
  let given = 0
  let onlyArguments = false
  for (const word of words.slice(0, -1)) {
    if (open) open = undefined
    else if (word === '--') onlyArguments = true
    else if (!onlyArguments && word.startsWith('-')) open = takesValue(command, word)
    else {
      const sub = given === 0 ? findCommand(command, word) : undefined
      if (sub) command = sub
      else given += 1
    }
  }
  if (open) return narrow(valuesOf(open), typed)
  if (typed.startsWith('-') && !onlyArguments) return narrow(optionsOf(command), typed)
  if (command.commands.length > 0) return narrow(commandsOf(command), typed)
  const declared = command.registeredArguments
  const argument = declared[given] ?? (declared.at(-1)?.variadic ? declared.at(-1) : undefined)
  return argument ? narrow(valuesOf(argument), typed) : nothing
}

function narrow({ words, files }: Completion, typed: string): Completion {
  return { words: words.filter(({ word }) => word.startsWith(typed)), files }
}

const findCommand = (command: Command, word: string) =>
  command.commands.find((each) => each.name() === word || each.aliases().includes(word))

function takesValue(command: Command, word: string): Option | undefined {
  const option = command.options.find(({ long, short }) => word === long || word === short)
  return option?.required || option?.optional ? option : undefined
}

function commandsOf(command: Command): Completion {
  const words = command
    .createHelp()
    .visibleCommands(command)
    .map((each) => ({ word: each.name(), about: each.description() }))
  return { words, files: false }
}

function optionsOf(command: Command): Completion {
  const words = command
    .createHelp()
    .visibleOptions(command)
    .map(({ long, short, description }) => ({ word: long ?? short ?? '', about: description }))
  return { words, files: false }
}

/** Values stand for files unless their name says that they are something else. */
function valuesOf(value: Argument | Option): Completion {
  const choices = value.argChoices ?? []
  const name = 'flags' in value ? (/[<[]([^>\]]+)/.exec(value.flags)?.[1] ?? '') : value.name()
  return {
    words: choices.map((word) => ({ word, about: '' })),
    files: /^(file|folder|dir|path|data|historic|future)/.test(name),
  }
}

export const shells = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof shells)[number]

/*
 * Each script asks `chapkit complete` for what may stand next, so it stays right when chapkit changes. Answers are lines of a
 * word, a tab and a description; a line `:files` asks for names of files.
 */
export const scripts: Readonly<Record<Shell, string>> = {
  bash: `# chapkit completion for bash. Put into ~/.bashrc:
#   eval "$(chapkit completion bash)"
_chapkit() {
  local word about
  COMPREPLY=()
  while IFS=$'\\t' read -r word about; do
    if [ "$word" = ':files' ]; then
      compopt -o default
    elif [ -n "$word" ]; then
      COMPREPLY+=("$word")
    fi
  done < <("\${COMP_WORDS[0]}" complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _chapkit chapkit
`,
  zsh: `#compdef chapkit
# chapkit completion for zsh. Put into ~/.zshrc, behind compinit:
#   eval "$(chapkit completion zsh)"
_chapkit() {
  local word about files=0
  local -a found
  while IFS=$'\\t' read -r word about; do
    if [[ "$word" == ':files' ]]; then
      files=1
    elif [[ -n "$word" ]]; then
      found+=("\${word//:/\\\\:}:$about")
    fi
  done < <("\${words[1]}" complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)
  (( \${#found} )) && _describe 'chapkit' found
  (( files )) && _files
}
compdef _chapkit chapkit
`,
  fish: `# chapkit completion for fish. Put into ~/.config/fish/config.fish:
#   chapkit completion fish | source
function __chapkit_complete
  set -l words (commandline -opc) (commandline -ct)
  for line in ($words[1] complete -- $words[2..-1] 2>/dev/null)
    if test "$line" = ':files'
      __fish_complete_path (commandline -ct)
    else
      echo $line
    end
  end
end
complete -c chapkit -f -a '(__chapkit_complete)'
`,
}
