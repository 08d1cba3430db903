import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { chapkit, folderWith, start } from './fixtures/run.ts'

const serviceFile = (name: string) => `
import { ServiceBuilder } from 'chapkit'
import { suffix } from './suffix.ts'
const info = { id: 'developed', display_name: '${name}' + suffix }
export default new ServiceBuilder({ info }).withConfig().build()
`

function develop(name: string, ...args: string[]) {
  const folder = folderWith({
    'service.ts': serviceFile(name),
    'suffix.ts': "export const suffix = ''\n",
  })
  const dev = start([...chapkit, 'dev', '--port', '0', ...args], { cwd: folder })
  return { folder, ...dev }
}

test('a change of the service file, or of one that it imports, starts the service again', async () => {
  const { folder, child, ended, says } = develop('First')
  await says(/First at http/)
  writeFileSync(join(folder, 'service.ts'), serviceFile('Second'))
  await says(/service\.ts changed: starting again/)
  await says(/Second at http/)
  writeFileSync(join(folder, 'suffix.ts'), "export const suffix = ' and more'\n")
  await says(/Second and more at http/)
  child.kill('SIGTERM')
  expect((await ended).code).toBe(0)
})

test('a file with an error is told with its line, and the next change starts the service', async () => {
  const { folder, child, ended, says, text } = develop('Sound')
  await says(/Sound at http/)
  writeFileSync(join(folder, 'service.ts'), 'const a = 1\nexport default {\n')
  await says(/service\.ts cannot be loaded: service\.ts:\d/)
  await says(/the service ended \(exit code 1\); waiting for a change/)
  expect(text.err).not.toContain('node:internal')
  writeFileSync(join(folder, 'service.ts'), serviceFile('Mended'))
  await says(/Mended at http/)
  child.kill('SIGINT')
  expect((await ended).code).toBe(0)
})

test('data and logs that are written beside the service do not start it again', async () => {
  const { folder, child, ended, says, text } = develop('Steady')
  await says(/Steady at http/)
  for (const name of ['forecast.csv', 'dev.log', 'result.json'])
    writeFileSync(join(folder, name), 'x')
  // A change that counts comes last: whatever those had done would have been told before it.
  writeFileSync(join(folder, 'train.R'), 'x')
  await says(/train\.R changed: starting again[\s\S]*Steady at http/)
  expect(text.err.match(/changed: starting again/g)).toHaveLength(1)
  expect(existsSync(join(folder, 'data', 'chapkit.db'))).toBe(true)
  child.kill('SIGTERM')
  await ended
})

test('logs are for people, and with --json for programs', async () => {
  const people = develop('Readable')
  await people.says(/INFO: listening at http/)
  const programs = develop('Structured', '--json')
  await programs.says(/"event":"service\.started"/)
  for (const { child, ended } of [people, programs]) {
    child.kill('SIGTERM')
    await ended
  }
})

test('a file that is not there is told at once', async () => {
  const { ended } = start([...chapkit, 'dev', 'nope.ts'], { cwd: folderWith() })
  expect(await ended).toMatchObject({
    code: 1,
    err: 'chapkit: There is no file nope.ts; name the service file, or make one with chapkit init\n',
  })
})
