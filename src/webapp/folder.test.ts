import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { openBelow } from './folder.ts'

function folder(): string {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'chapkit-folder-')))
  onTestFinished(() => rmSync(root, { recursive: true }))
  mkdirSync(join(root, 'sub'))
  writeFileSync(join(root, 'sub/main.js'), 'start()')
  return root
}

test('a file is opened by the one name that it has', async () => {
  const root = folder()
  const file = await openBelow(root, 'sub/main.js')
  if (typeof file !== 'object') throw new Error('Expected a file')
  expect(file.size).toBe(7)
  await file.handle.close()
  expect(await openBelow(root, 'sub')).toBe('folder')
})

test.each([
  '',
  '.',
  '/sub/main.js',
  'sub//main.js',
  './sub/main.js',
  'sub/../sub/main.js',
  'sub\\main.js',
  'sub/main.js\0',
  'sub/main.js\n',
])('nothing is opened by the name %j', async (name) => {
  expect(await openBelow(folder(), name)).toBeUndefined()
})
