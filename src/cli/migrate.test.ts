import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { scripts, smallFile } from '../mlproject/fixtures/projects.ts'
import { type Confirm, migrate } from './commands/mlproject-migrate.ts'
import { applyMigration } from './migrate.ts'

function folderWith(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'chapkit-migrate-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
  return folder
}

/** Every file and folder below a folder, with a hash of its content. */
function treeOf(folder: string): Record<string, string> {
  return Object.fromEntries(
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .map((entry) => join(entry.parentPath, entry.name))
      .sort()
      .map((path) => [path.slice(folder.length + 1), hashOf(path)]),
  )
}

function hashOf(path: string): string {
  try {
    return createHash('sha256').update(readFileSync(path)).digest('hex')
  } catch {
    return 'folder'
  }
}

const project = { MLproject: smallFile, '.gitignore': '*.log\n', ...scripts }

test('a migration moves and writes', async () => {
  const folder = folderWith(project)
  await applyMigration(folder, {
    writes: [
      { path: '.gitignore', text: 'new' },
      { path: 'service.ts', text: 'service' },
    ],
    moves: [{ from: '.gitignore', to: '_old/.gitignore' }],
    kept: [],
    notes: [],
  })
  expect(readFileSync(join(folder, '.gitignore'), 'utf8')).toBe('new')
  expect(readFileSync(join(folder, '_old/.gitignore'), 'utf8')).toBe('*.log\n')
  expect(readdirSync(folder).sort()).toEqual(
    ['.gitignore', 'MLproject', '_old', 'data', 'predict.sh', 'service.ts', 'train.sh'].sort(),
  )
})

test.each([
  ['a file that is in the way', [{ path: 'train.sh', text: 'other' }], []],
  ['a folder that cannot be made', [{ path: 'train.sh/where', text: '' }], []],
  ['a file to move that is not there', [], [{ from: 'nothing', to: '_old/nothing' }]],
])('%s in the middle undoes all of it', async (_name, writes, moves) => {
  const folder = folderWith(project)
  const before = treeOf(folder)
  const migration = {
    writes: [{ path: 'service.ts', text: 'service' }, ...writes],
    moves: [{ from: 'MLproject', to: '_old/MLproject' }, ...moves],
    kept: [],
    notes: [],
  }
  await expect(applyMigration(folder, migration)).rejects.toThrow('nothing was changed')
  expect(treeOf(folder)).toEqual(before)
})

test.each<[string, Confirm, number]>([
  ['yes', async () => true, 0],
  ['no', async () => false, 1],
  ['nobody there to ask', null, 1],
])('asks before it changes anything: %s', async (_name, confirm, code) => {
  const folder = folderWith(project)
  const before = treeOf(folder)
  expect(await migrate(folder, {}, confirm)).toBe(code)
  if (code === 0) expect(treeOf(folder)).toHaveProperty('service.ts')
  else expect(treeOf(folder)).toEqual(before)
})

test('--dry-run changes nothing and asks nothing', async () => {
  const folder = folderWith(project)
  const before = treeOf(folder)
  const asked = () => Promise.reject(new Error('asked'))
  expect(await migrate(folder, { dryRun: true }, asked)).toBe(0)
  expect(treeOf(folder)).toEqual(before)
})

test('a second migration is refused', async () => {
  const folder = folderWith(project)
  expect(await migrate(folder, { yes: true }, null)).toBe(0)
  writeFileSync(join(folder, 'MLproject'), smallFile)
  const before = treeOf(folder)
  expect(await migrate(folder, { yes: true }, null)).toBe(1)
  expect(treeOf(folder)).toEqual(before)
})
