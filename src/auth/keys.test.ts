import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { readKeys } from './keys.ts'
import { type AuthOptions, toAuthSpec } from './options.ts'

const variables = ['KEYS', 'MORE_KEYS']
const read = (options: AuthOptions, environment: Record<string, string> = {}) =>
  readKeys(toAuthSpec(options, { variables }), environment)

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'chapkit-keys-'))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return path
}

function file(content: string | Uint8Array): string {
  const path = join(folder(), 'keys')
  writeFileSync(path, content)
  return path
}

test('a list comes before a file, and a file before the environment', async () => {
  const environment = { KEYS: 'environment' }
  const apiKeyFile = file('file')
  expect(await read({ apiKeys: ['list'], apiKeyFile }, environment)).toEqual(['list'])
  expect(await read({ apiKeyFile }, environment)).toEqual(['file'])
  expect(await read({}, environment)).toEqual(['environment'])
})

test('a file has a key a line, and comments, empty lines and line ends of any kind', async () => {
  const text =
    '\uFEFF# of the clinics\r\n\r\n  first \r\n\t# more\nsecond\n#third\n\nfirst\rfourth#'
  expect(await read({ apiKeyFile: file(text) })).toEqual(['first', 'second', 'fourth#'])
})

test('a file of Windows has the same keys in UTF-16', async () => {
  const apiKeyFile = file(Buffer.from('\ufefffirst\r\nsecond\r\n', 'utf16le'))
  expect(await read({ apiKeyFile })).toEqual(['first', 'second'])
})

test('the keys of all variables count, separated by commas', async () => {
  expect(await read({}, { KEYS: ' a , b,,', MORE_KEYS: 'c,a' })).toEqual(['a', 'b', 'c'])
  expect(await read({ env: 'MINE' }, { MINE: 'm', KEYS: 'a' })).toEqual(['m'])
  expect(await read({ env: ['MINE', 'OURS'] }, { OURS: 'o' })).toEqual(['o'])
})

test.each([
  ['an empty list', { apiKeys: [] }, 'the list `apiKeys`'],
  ['an empty environment', {}, 'the environment (KEYS, MORE_KEYS)'],
  ['another variable', { env: 'MINE' }, 'the environment (MINE)'],
])('%s is no key: the message says where it looked', async (_name, options, place) => {
  await expect(read(options)).rejects.toThrow(place)
})

test('a list that is empty is not made up for by the environment', async () => {
  await expect(read({ apiKeys: [] }, { KEYS: 'a' })).rejects.toThrow('no API keys')
})

test('a file of comments has no key', async () => {
  const apiKeyFile = file('# nothing\n\n')
  await expect(read({ apiKeyFile }, { KEYS: 'a' })).rejects.toThrow(`the file ${apiKeyFile}`)
})

test.each([
  ['a space', 'secret key'],
  ['a space at the end', 'secret '],
  ['a line end', 'secret\n'],
  ['a null', 'secret\0'],
  ['a letter that is not ASCII', 'secrét'],
  ['nothing', ''],
  ['too much', 'secret'.repeat(1000)],
  ['no text', { secret: true } as unknown as string],
  ['nobody', undefined as unknown as string],
])('a key with %s is refused by its place, and is not shown', async (_name, key) => {
  const refused = await read({ apiKeys: ['fine', key] }).catch((error: Error) => error.message)
  expect(refused).toContain('number 2 of `apiKeys`')
  expect(refused).not.toContain('secr')
})

test('a key of a file is refused by its line', async () => {
  const apiKeyFile = file('# keys\nfine\nsecret key\n')
  const refused = await read({ apiKeyFile }).catch((error: Error) => error.message)
  expect(refused).toContain(`line 3 of ${apiKeyFile}`)
  expect(refused).not.toContain('secret')
})

test('a key of the environment is refused by the name of its variable', async () => {
  await expect(read({}, { MORE_KEYS: 'a,b c' })).rejects.toThrow('number 2 of MORE_KEYS')
})

test.each([
  ['is not there', () => join(folder(), 'none'), 'ENOENT'],
  ['is a folder', folder, 'it is no regular file'],
  ['is something else altogether', () => file('x'.repeat(2 ** 20 + 1)), 'more than 1048576 bytes'],
  [
    'is a pipe that nobody writes to',
    () => {
      const path = join(folder(), 'pipe')
      spawnSync('mkfifo', [path])
      return path
    },
    'it is no regular file',
  ],
])('a file that %s is named, with the reason', async (_name, make, reason) => {
  const apiKeyFile = make()
  const refused = await read({ apiKeyFile }).catch((error: Error) => error.message)
  expect(refused).toContain(apiKeyFile)
  expect(refused).toContain(reason)
})

test.each([
  ['keys that are no list', { apiKeys: 'secret' as never }, '`apiKeys`'],
  ['a file without a name', { apiKeyFile: '' }, '`apiKeyFile`'],
  ['no variable', { env: [] }, '`env`'],
  ['a variable that cannot be', { env: 'A=B' }, '`env`'],
  ['a header that cannot be', { headerName: 'X Key' }, '`headerName`'],
  ['a header that means something else', { headerName: 'Authorization' }, '`headerName`'],
  ['an open path that is none', { openPaths: ['health'] }, '`openPaths`'],
  ['an open path with a slash at its end', { openPaths: ['/health/'] }, '`openPaths`'],
  ['an open path that leads up', { openPaths: ['/health/../api'] }, '`openPaths`'],
  ['an open path with a query', { openPaths: ['/health?x'] }, '`openPaths`'],
])('%s: the definition is refused', (_name, options, reason) => {
  const define = () => toAuthSpec(options, { variables })
  expect(define).toThrow(reason)
  expect(define).not.toThrow('secret')
})
