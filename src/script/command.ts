import type { Command, CommandPart, FilePlaceholder } from '../ml/runner.ts'

export type RunKind = 'train' | 'predict'

const placeholders: Record<RunKind, readonly FilePlaceholder[]> = {
  train: ['data_file', 'geo_file'],
  predict: ['historic_file', 'future_file', 'output_file', 'geo_file'],
}

/** What only a shell understands, with what to do instead. */
const shellSyntax = /[|&;<>`$()\n]/

export interface CommandOptions {
  kind: RunKind
  /** Hands the whole text to `/bin/sh`. */
  shell: boolean
}

/**
 * A command as its author writes it: a text, which is split into words as a shell would, or the list of words. It is split
 * once; what fills the placeholders later is never read as code. Other braces stay as they are.
 *
 * Throws what is wrong with it: an open quote, a placeholder of the other kind of run, or what only a shell can do.
 */
export function parseCommand(
  command: string | readonly string[],
  { kind, shell }: CommandOptions,
): Command {
  const text = typeof command === 'string' ? command : command.join(' ')
  const refuse = (why: string): never => {
    throw new Error(`The ${kind} command cannot be used: ${why}\n  ${text}`)
  }
  if (text.trim() === '') refuse('it is empty')
  if (text.includes('\0')) refuse('it holds a NUL character')
  const other = kind === 'train' ? 'predict' : 'train'
  for (const name of placeholders[other]) {
    if (!placeholders[kind].includes(name) && text.includes(`{${name}}`))
      refuse(`{${name}} is there in ${other} commands only`)
  }
  if (typeof command !== 'string') {
    const words = command.map((word) => ({ parts: toParts(word, kind), optional: false }))
    return { text, words }
  }
  if (shell) {
    // The names that fill the placeholders are ours and need no quotes.
    const words = ['/bin/sh', '-c', command].map((word) => ({
      parts: toParts(word, kind),
      optional: false,
    }))
    return { text, words }
  }
  const words = splitWords(command, refuse)
  if (/^\w+=/.test(words[0]?.text ?? '') && !words[0]?.quoted)
    refuse('it begins with a variable; put that into `env`, or set `shell: true`')
  return {
    text,
    words: words.map((word) => {
      const parts = toParts(word.text, kind)
      // As in a shell: what is empty and not quoted is no argument.
      const optional = !word.quoted && parts.every((part) => typeof part !== 'string')
      return { parts, optional }
    }),
  }
}

/** Program and arguments, with names of files where the placeholders are; a name may be empty. */
export function toArguments(
  command: Command,
  files: Readonly<Partial<Record<FilePlaceholder, string>>>,
): string[] {
  return command.words.flatMap(({ parts, optional }) => {
    const word = parts
      .map((part) => (typeof part === 'string' ? part : (files[part.file] ?? '')))
      .join('')
    return word === '' && optional ? [] : [word]
  })
}

function toParts(word: string, kind: RunKind): CommandPart[] {
  const names = placeholders[kind].join('|')
  return word
    .split(new RegExp(`(\\{(?:${names})\\})`))
    .filter((part) => part !== '')
    .map((part) =>
      new RegExp(`^\\{(?:${names})\\}$`).test(part)
        ? { file: part.slice(1, -1) as FilePlaceholder }
        : part,
    )
}

export interface Word {
  text: string
  quoted: boolean
}

/** Says why a command cannot be used. */
export type RefuseCommand = (why: string) => never

/** Words as a POSIX shell would split them, without anything that it would expand. */
export function splitWords(command: string, refuse: RefuseCommand): Word[] {
  const words: Word[] = []
  let word: Word | undefined
  const begin = (): Word => {
    word ??= { text: '', quoted: false }
    return word
  }
  const needsShell = (what: string) => {
    const name = what === '\n' ? 'a line break' : `"${what}"`
    return refuse(`${name} needs a shell; quote it, or set \`shell: true\``)
  }

  for (let at = 0; at < command.length; at++) {
    const char = command[at]!
    if (char === "'") {
      const end = command.indexOf("'", at + 1)
      if (end === -1) refuse("a quote (') is not closed")
      begin().text += command.slice(at + 1, end)
      begin().quoted = true
      at = end
    } else if (char === '"') {
      begin().quoted = true
      for (at++; command[at] !== '"'; at++) {
        if (at >= command.length) refuse('a quote (") is not closed')
        const next = command[at]!
        if (next === '$' || next === '`') needsShell(next)
        if (next === '\\' && /["\\$`]/.test(command[at + 1] ?? '')) at++
        begin().text += command[at]
      }
    } else if (char === '\\') {
      if (at + 1 >= command.length) refuse('a backslash stands at its end')
      at++
      begin().text += command[at]
    } else if (shellSyntax.test(char)) needsShell(char)
    else if (/\s/.test(char)) {
      if (word) words.push(word)
      word = undefined
    } else begin().text += char
  }
  if (word) words.push(word)
  return words
}
