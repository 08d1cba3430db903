import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { testWith } from '../../test/setup/needs.ts'
import { complete } from './complete.ts'
import { chapkit, folderWith, start } from './fixtures/run.ts'
import { createProgram } from './program.ts'

const wordsFor = (...typed: string[]) =>
  complete(createProgram(), typed).words.map(({ word }) => word)

test('commands are completed, but not those that nobody has to see', () => {
  expect(wordsFor('')).toEqual(expect.arrayContaining(['serve', 'train', 'job', 'help']))
  expect(wordsFor('')).not.toContain('complete')
  expect(wordsFor('ba')).toEqual(['backup'])
  expect(wordsFor('job', 'l')).toEqual(['list', 'logs'])
})

test('options, their values and those of arguments are completed', () => {
  expect(wordsFor('serve', '--da')).toEqual(['--data-dir'])
  expect(wordsFor('job', 'list', '--status', 'c')).toEqual(['completed', 'canceled'])
  expect(wordsFor('completion', '')).toEqual(['bash', 'zsh', 'fish'])
})

test('files are completed where files stand, and nowhere else', () => {
  const filesFor = (...typed: string[]) => complete(createProgram(), typed).files
  expect(filesFor('train', '')).toBe(true)
  expect(filesFor('train', 'x.csv', '--geo', '')).toBe(true)
  expect(filesFor('job', 'watch', '')).toBe(false)
  expect(filesFor('train', '--url', '')).toBe(false)
  expect(filesFor('')).toBe(false)
})

test('an option without a value does not take the word behind it', () => {
  expect(wordsFor('job', 'watch', '--logs', '--u')).toEqual(['--url'])
})

describe('the script of a shell', () => {
  /** A folder to be first on the PATH, where `chapkit` is the one of the sources. */
  function pathFolder(): string {
    const words = chapkit.map((word) => `'${word}'`).join(' ')
    return folderWith({ chapkit: `#!/bin/sh\nexec ${words} "$@"\n` })
  }

  async function inShell(shell: string[], script: string) {
    const folder = pathFolder()
    const env = { PATH: `${folder}:${process.env.PATH}` }
    const { code, out, err } = await start([
      'sh',
      '-c',
      `chmod +x '${join(folder, 'chapkit')}'`,
    ]).ended.then(() => start([...shell, script], { env }).ended)
    expect({ code, err }).toEqual({ code: 0, err: '' })
    return out
  }

  testWith('bash')('is taken by bash, which then completes commands', async () => {
    const script = `set -eu
eval "$(chapkit completion bash)"
COMP_WORDS=(chapkit job '') COMP_CWORD=2
_chapkit
printf '%s\\n' "\${COMPREPLY[@]}"`
    expect(await inShell(['bash', '-c'], script)).toBe('list\nwatch\nlogs\ncancel\nhelp\n')
  })

  testWith('fish')('is taken by fish, which then completes commands', async () => {
    const script = 'chapkit completion fish | source; complete -C"chapkit job c"'
    expect(await inShell(['fish', '--no-config', '-c'], script)).toBe('cancel\tstop a job\n')
  })

  testWith('zsh')('is taken by zsh', async () => {
    const script = `autoload -Uz compinit; compinit -D
eval "$(chapkit completion zsh)"
print $_comps[chapkit]`
    expect(await inShell(['zsh', '-f', '-c'], script)).toBe('_chapkit\n')
  })
})
