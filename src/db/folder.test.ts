import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { makeFolder } from './folder.ts'

function temp(): string {
  const folder = mkdtempSync(join(tmpdir(), 'chapkit-folder-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

test('a folder is made with those above it, all for the same eyes only', () => {
  const folder = temp()
  makeFolder(join(folder, 'a', 'b', 'c'), 0o700)
  for (const path of ['a', 'a/b', 'a/b/c'])
    expect(statSync(join(folder, path)).mode & 0o777).toBe(0o700)
})

test('a folder that is there is left as it is', () => {
  const folder = temp()
  makeFolder(join(folder, 'a'), 0o755)
  makeFolder(join(folder, 'a'), 0o700)
  expect(statSync(join(folder, 'a')).mode & 0o777).toBe(0o755)
})

test('a file in the way is told, and so is a place where no folder can be', () => {
  const folder = temp()
  writeFileSync(join(folder, 'file'), '')
  expect(() => makeFolder(join(folder, 'file', 'a'))).toThrow(/ENOTDIR/)
  // Here Node's own recursive mkdir never comes back.
  if (existsSync('/proc/self')) expect(() => makeFolder('/proc/nowhere/a')).toThrow(/ENOENT/)
})
