import type { Command } from 'commander'
import { complete, type Shell, scripts } from '../complete.ts'
import { exit } from '../exit.ts'
import { write } from '../print.ts'

/** Prints the completion script of a shell. */
export async function completion(shell: Shell): Promise<number> {
  write('stdout', scripts[shell])
  return exit.ok
}

/** Prints what may stand at the end of a command line, for those scripts. */
export async function completeWords(program: Command, words: readonly string[]): Promise<number> {
  const { words: found, files } = complete(program, words)
  const lines = found.map(({ word, about }) => `${word}\t${about}\n`)
  write('stdout', [...lines, ...(files ? [':files\n'] : [])].join(''))
  return exit.ok
}
