import { spawnSync } from 'node:child_process'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { expect, test } from 'vitest'
import type { Exemplified } from './definitions/define.ts'
import { exitCatalogue } from './exit.ts'
import { createProgram } from './program.ts'

/** Every command that does something, with its name in front of it. */
function leaves(command: Command, path: readonly string[] = []): [string, Command][] {
  const below = command.commands.flatMap((each) => leaves(each, [...path, each.name()]))
  return command.commands.length > 0 ? below : [[path.join(' '), command]]
}

const all = leaves(createProgram())

test.each(all)('%s describes itself, its arguments and its options', (_name, command) => {
  expect(command.description()).not.toBe('')
  for (const argument of command.registeredArguments) expect(argument.description).not.toBe('')
  for (const option of command.options) expect(option.description).not.toBe('')
})

const examples = all.flatMap(([, command]) => (command as Exemplified).examples ?? [])

test.each(examples)('the example is understood: %s', async (example) => {
  const words = example
    .replace(/^eval "\$\((.*)\)"/, '$1')
    .replace(/^\w+=\S+ /, '')
    .replace(/ +(#|\||<).*$/, '')
    .split(' ')
  expect(words.shift()).toBe('chapkit')
  let called = false
  const program = createProgram(async () => {
    called = true
  })
  await program.parseAsync(words, { from: 'user' })
  expect(called).toBe(true)
})

test('help lists every exit code', () => {
  let help = ''
  createProgram()
    .configureOutput({
      writeOut: (text) => {
        help += text
      },
    })
    .outputHelp()
  for (const { code, about } of Object.values(exitCatalogue))
    expect(help).toMatch(new RegExp(`^ {2}${code} +${about}$`, 'm'))
})

test('help pays for commander and the definitions, and for no command', () => {
  const script = `
    import { registerHooks } from 'node:module'
    const loaded = []
    registerHooks({ load: (url, context, next) => { loaded.push(url); return next(url, context) } })
    const { main } = await import('./main.ts')
    await main(['--help'])
    console.error(JSON.stringify(loaded))`
  const { stderr } = spawnSync(
    process.execPath,
    ['--conditions=chapkit-source', '--input-type=module', '--eval', script],
    { cwd: resolve(import.meta.dirname), encoding: 'utf8' },
  )
  const loaded = (JSON.parse(stderr) as string[]).filter((url) => url.startsWith('file:'))
  const packages = loaded.filter((url) => url.includes('/node_modules/'))
  expect(packages.filter((url) => !url.includes('/node_modules/commander/'))).toEqual([])
  const heavy = loaded
    .filter((url) => url.includes('/src/'))
    .filter(
      (url) =>
        !/\/src\/(cli\/((definitions|init)\/)?[\w-]+|version|errors|kernel\/[\w-]+)\.ts$/.test(url),
    )
  expect(heavy).toEqual([])
  expect(loaded.some((url) => url.includes('/cli/commands/'))).toBe(false)
})
