import { basename } from 'node:path'
import { type RefuseCommand, splitWords } from '../script/command.ts'

/** Part of an argument: text, or a place where the value of a parameter goes. */
type Part = string | { parameter: string }

/** A command of a task, split once: what fills the placeholders later is never read as code. */
export interface TaskCommand {
  /** As its author wrote it. */
  text: string
  words: readonly { parts: readonly Part[]; optional: boolean }[]
  /** Names of the parameters that it has placeholders for. */
  names: readonly string[]
}

/** Programs that read one of their arguments as code. */
const interpreters =
  /^((ba|da|z|k|a|fi|c|tc|mk|pw)?sh|python[\d.]*|pypy[\d.]*|Rscript|R|node|bun|deno|perl[\d.]*|ruby[\d.]*|php[\d.]*|lua[\d.]*|julia|awk|gawk|mawk|sed|jq|ssh|su|eval|watch)$/

/** Behind these an interpreter reads code, and after a script they are seldom needed. */
const codeFlag = /^(-[A-Za-z]*[ceEp]|--(eval|print|command|expression|execute|exec))$/
const codeOption = /^(--(eval|print|command|expression|execute|exec)=|-[ceE])/

/** The environment variable that a parameter is in. */
export const variableOf = (parameter: string): string => `PARAM_${parameter.toUpperCase()}`

/**
 * Reads the command of a task. Throws what is wrong with it: an open quote, what only a shell can do, or a parameter at a place
 * where its value would be run as code.
 */
export function parseTaskCommand(
  command: string | readonly string[],
  { label, shell = false }: { label: string; shell?: boolean },
): TaskCommand {
  const text = typeof command === 'string' ? command : command.join(' ')
  const refuse: RefuseCommand = (why) => {
    throw new Error(`${label} cannot be used: ${why}\n  ${text}`)
  }
  if (text.trim() === '') refuse('it is empty')
  if (text.includes('\0')) refuse('it holds a NUL character')
  if (shell) return parseScript(command, text, refuse)
  const split =
    typeof command === 'string'
      ? splitWords(command, refuse)
      : command.map((word) => ({ text: word, quoted: true }))
  if (typeof command === 'string' && /^\w+=/.test(split[0]?.text ?? '') && !split[0]?.quoted)
    refuse('it begins with a variable; put that into `env`')
  const words = split.map((word) => {
    const parts = toParts(word.text)
    // As in a shell: what is empty and not quoted is no argument.
    return { parts, optional: !word.quoted && parts.every((part) => typeof part !== 'string') }
  })
  assertData(words, refuse)
  const names = words.flatMap(({ parts }) =>
    parts.flatMap((part) => (typeof part === 'string' ? [] : [part.parameter])),
  )
  return { text, words, names: [...new Set(names)] }
}

/** The text of a script stays as it is: a value in its midst would be code. */
function parseScript(
  command: string | readonly string[],
  text: string,
  refuse: RefuseCommand,
): TaskCommand {
  if (typeof command !== 'string') return refuse('with `shell: true` it has to be one text')
  const words = ['/bin/sh', '-c', command].map((word) => ({ parts: [word], optional: false }))
  return { text, words, names: [] }
}

/** No value may choose the program, or stand where a program reads code. */
function assertData(words: TaskCommand['words'], refuse: RefuseCommand): void {
  if (words[0]?.parts.some((part) => typeof part !== 'string'))
    refuse('a parameter cannot be the program')
  let interpreter: string | undefined
  let hasScript = true
  let before = ''
  for (const { parts } of words) {
    const named = parts.find((part) => typeof part !== 'string')
    const literal = parts.filter((part) => typeof part === 'string').join('')
    if (named !== undefined && interpreter !== undefined) {
      if (!hasScript || codeFlag.test(before) || codeOption.test(literal)) {
        refuse(
          `{${named.parameter}} may be read as code by ${interpreter}; give it behind the script, such as \`${interpreter} script --name={name}\`, or let the script read the environment variable ${variableOf(named.parameter)}`,
        )
      }
    } else if (named === undefined) {
      const program = basename(literal)
      if (interpreters.test(program)) {
        interpreter = program
        hasScript = false
        // A script, or code: what stands behind it is data.
      } else if (!literal.startsWith('-')) hasScript = true
    }
    before = named === undefined ? literal : ''
  }
}

/** Program and arguments, with the values where the placeholders are. */
export function toTaskArguments(
  command: TaskCommand,
  values: Readonly<Record<string, string>>,
): string[] {
  return command.words.flatMap(({ parts, optional }) => {
    const word = parts
      .map((part) => (typeof part === 'string' ? part : (values[part.parameter] ?? '')))
      .join('')
    return word === '' && optional ? [] : [word]
  })
}

function toParts(word: string): Part[] {
  return word
    .split(/(\{[A-Za-z_]\w*\})/)
    .filter((part) => part !== '')
    .map((part) => (/^\{[A-Za-z_]\w*\}$/.test(part) ? { parameter: part.slice(1, -1) } : part))
}
