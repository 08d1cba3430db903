import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { testWith } from '../../test/setup/needs.ts'
import { counting, makeFolder, startScripts } from './fixtures/project.ts'

/** Trains with a script as it is, byte for byte. */
async function failureOf(
  script: string,
  {
    mode = 0o755,
    command = './train.sh',
    ...options
  }: Parameters<typeof startScripts>[1] & {
    mode?: number
    command?: string
  } = {},
): Promise<string> {
  const project = makeFolder(counting)
  writeFileSync(join(project, 'train.sh'), script)
  chmodSync(join(project, 'train.sh'), mode)
  const service = await startScripts({}, { project, trainCommand: command, ...options })
  const { job } = await service.train()
  expect(job.status).toBe('failed')
  return job.error
}

describe('a script with Windows line ends is told so, with what repairs it', () => {
  test.each([
    ['named by itself', '#!/bin/sh\r\necho hi\r\n', {}],
    ['run by env', '#!/usr/bin/env sh\r\necho hi\r\n', {}],
    ['with flags', '#!/bin/sh -e\r\necho hi\r\n', {}],
    ['under limits', '#!/bin/sh\r\necho hi\r\n', { limits: { cpuSeconds: 60 } }],
    ['given to sh', 'set -e\r\ncd .\r\n', { command: 'sh train.sh' }],
    ['given to bash', 'set -e\r\ncd nowhere\r\n', { command: 'bash train.sh' }],
    [
      'in a line of shell',
      '#!/bin/sh\r\necho hi\r\n',
      { command: './train.sh && echo done', shell: true },
    ],
  ])('%s', async (_, script, options) => {
    const error = await failureOf(script, options)
    expect(error).toContain('train.sh" has Windows line ends (CR LF)')
    expect(error).toContain("sed -i 's/\\r$//' ")
  })
})

test.each([
  ['#!/opt/none/bin/Rscript\n', 'names "/opt/none/bin/Rscript", which is not on this machine'],
  ['#!/usr/bin/env no-such-program\n', 'names "no-such-program", which was not found'],
  ['\ufeff#!/usr/bin/env python3\nimport sys\n', 'begins with a byte order mark'],
  [
    '#!/bin/sh\rexit 1\r',
    "has line ends of old Macs (CR), so all of it is its first line: tr '\\r' '\\n'",
  ],
  ['#!/usr\n', 'names "/usr", which is no program that can be started'],
  ['#!/etc/passwd\n', 'names "/etc/passwd", which is no program that can be started'],
])(
  'a script that begins with %j is told what is wrong with its first line',
  async (script, reason) => {
    expect(await failureOf(script)).toContain(reason)
  },
)

test('a script that may not be executed is told how to make it so', async () => {
  expect(await failureOf('#!/bin/sh\ntrue\n', { mode: 0o644 })).toBe(
    'The train command could not be started: "./train.sh" may not be executed: make it so with chmod +x train.sh (git keeps that: git update-index --chmod=+x), or name the program that reads it, such as sh ./train.sh',
  )
})

test.each([
  [
    'a plain failure',
    '#!/bin/sh\nexit 3\n',
    './train.sh',
    'The train command ended with exit code 3',
  ],
  [
    'a single CR',
    'printf "a\\r" > x\nexit 4\n',
    'sh train.sh',
    'The train command ended with exit code 4',
  ],
  ['a folder', '', './', 'The train command could not be started: "./" is a folder'],
  [
    'no such file',
    '',
    './other.sh',
    'The train command could not be started: "./other.sh" is not in the project',
  ],
])('nothing is guessed: %s', async (_, script, command, error) => {
  expect(await failureOf(script, { command })).toBe(error)
})

testWith('python3')('Windows line ends harm no script that is not of a shell', async () => {
  const error = await failureOf('import sys\r\nsys.exit(5)\r\n', { command: 'python3 train.sh' })
  expect(error).toBe('The train command ended with exit code 5')
})
