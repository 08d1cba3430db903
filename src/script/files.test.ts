import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { listProject, listRun, place, placeProject, readPrediction, remove } from './files.ts'
import { makeFolder } from './fixtures/project.ts'

const paths = (root: string, except: string[] = []) =>
  listProject({ root, except }).map(({ path }) => path)

describe('the files of a project', () => {
  test('are those that are neither secrets nor left behind by tools', () => {
    const kept = {
      'a.R': '',
      'lib/b.R': '',
      'data/lookup.csv': '',
      '.env.example': '',
      'x.env': '',
    }
    const dropped = [
      '.env',
      '.env.local',
      'deep/.env',
      'id_rsa',
      'id_rsa.pub',
      'certs/server.pem',
      'server.key',
      '.netrc',
      '.aws/credentials',
      '.ssh/config',
      '.npmrc',
      '.git/config',
      'data/chapkit.db',
      'data/chapkit.db-wal',
      'data/chapkit.blobs/ab/abcd',
      'data/chapkit.runs/x/work/a.R',
      'results.sqlite3',
      '.venv/bin/python',
      'lib/__pycache__/b.cpython-311.pyc',
      'node_modules/x/index.js',
      '.Rhistory',
      '.Renviron',
      '.gitignore',
      'build/out',
    ]
    const root = makeFolder({ ...kept, ...Object.fromEntries(dropped.map((path) => [path, ''])) })
    expect(paths(root).sort()).toEqual(Object.keys(kept).sort())
  })

  test('are not those that .gitignore and .chapkitignore name, here or below', () => {
    const root = makeFolder({
      '.gitignore': 'out/\n*.tmp\n/only-here.txt\n!keep.tmp\n',
      'sub/.gitignore': 'local.txt\n!back.tmp\n',
      '.chapkitignore': 'notes.md\n!out/\n!build/\n',
      'out/model.bin': '',
      'build/table.csv': '',
      'a.tmp': '',
      'keep.tmp': '',
      'only-here.txt': '',
      'local.txt': '',
      'notes.md': '',
      'sub/local.txt': '',
      'sub/back.tmp': '',
      'sub/other.tmp': '',
      'sub/only-here.txt': '',
    })
    expect(paths(root).sort()).toEqual([
      'build/table.csv',
      'keep.tmp',
      'local.txt',
      'out/model.bin',
      'sub/back.tmp',
      'sub/only-here.txt',
    ])
  })

  test('never hold a secret, also where .chapkitignore asks for it', () => {
    const root = makeFolder({ '.chapkitignore': '!.env\n!*.pem\n!*.db\n', '.env': '', 'a.pem': '' })
    expect(paths(root)).toEqual([])
  })

  test('are what links lead to, but a link that leads back up is not followed', () => {
    const other = makeFolder({ 'shared.R': 'shared' })
    const root = makeFolder({ 'a.R': '', 'sub/b.R': '' })
    symlinkSync(join(other, 'shared.R'), join(root, 'shared.R'))
    symlinkSync(other, join(root, 'library'))
    symlinkSync(root, join(root, 'sub', 'up'))
    symlinkSync(join(root, 'nowhere'), join(root, 'broken'))
    expect(paths(root)).toEqual(['a.R', 'library/shared.R', 'shared.R', 'sub/b.R'])
  })

  test('are not those of the service itself', () => {
    const root = makeFolder({ 'a.R': '', 'data/x.csv': '', 'other/x.csv': '' })
    expect(paths(root, [join(root, 'data')])).toEqual(['a.R', 'other/x.csv'])
    expect(paths(root, [join(root, 'data/x.csv')])).toEqual(['a.R', 'other/x.csv'])
    expect(paths(root, [root])).toEqual(['a.R', 'data/x.csv', 'other/x.csv'])
  })
})

describe('a copy', () => {
  test('is no link to what was copied, whatever is done to it', () => {
    const big = 'b'.repeat(3 * 1024 * 1024)
    const root = makeFolder({ small: 's', big, 'run.sh': '#!/bin/sh\n' })
    const folder = join(makeFolder(), 'work')
    const files = listProject({ root, except: [] })
    expect(placeProject({ root, folder, files })).toHaveLength(3)
    for (const name of ['small', 'big', 'run.sh']) {
      const [from, to] = [lstatSync(join(root, name)), lstatSync(join(folder, name))]
      expect(to.isFile()).toBe(true)
      expect(to.nlink).toBe(1)
      expect(to.ino).not.toBe(from.ino)
      expect(to.mode).toBe(from.mode)
      writeFileSync(join(folder, name), 'changed')
      expect(readFileSync(join(root, name), 'utf8')).not.toBe('changed')
    }
  })

  test('of a project that has been changed since it was listed is refused', () => {
    const root = makeFolder({ a: '1' })
    const files = listProject({ root, except: [] })
    const copy = () => placeProject({ root, folder: join(makeFolder(), 'work'), files })
    writeFileSync(join(root, 'a'), '2')
    expect(copy()).toBe(false)
    remove({ path: join(root, 'a') })
    expect(copy()).toBe(false)
  })

  test('tells by its stamp whether anything was written to it', () => {
    const folder = makeFolder()
    const [placed] = place({
      folder,
      files: [{ path: 'a/b.txt', mode: 0o640, source: { bytes: Buffer.from('one') } }],
    })
    const look = () => listRun({ folder, maximumBytes: 1000 }).found[0]
    expect(look()).toEqual(placed)
    expect(statSync(join(folder, 'a/b.txt')).mode & 0o777).toBe(0o640)
    writeFileSync(join(folder, 'a/b.txt'), 'two')
    expect(look()?.stamp).not.toBe(placed?.stamp)
  })
})

describe('what a run leaves', () => {
  test('is its files; links are told apart, and caches and secrets stay out', () => {
    const folder = makeFolder({
      'model.rds': '',
      'out/a.csv': '',
      'lib/__pycache__/x.pyc': '',
      '.env': '',
    })
    symlinkSync('/etc/passwd', join(folder, 'passwd'))
    const { found, links } = listRun({ folder, maximumBytes: 1000 })
    expect(found.map(({ path }) => path).sort()).toEqual(['model.rds', 'out/a.csv'])
    expect(links).toEqual(['passwd'])
  })

  test('may not be more than there is room for', () => {
    const folder = makeFolder({ a: 'x'.repeat(600), b: 'x'.repeat(600) })
    expect(() => listRun({ folder, maximumBytes: 1000 })).toThrow(
      'Expected at most 1000 bytes in the folder of a run, got 1200',
    )
  })

  test('is removed also where a script has taken rights away', () => {
    const folder = makeFolder({ 'locked/deep/x': '' })
    mkdirSync(join(folder, 'locked', 'none'), { mode: 0o000 })
    remove({ path: folder })
    expect(existsSync(folder)).toBe(false)
    expect(() => remove({ path: folder })).not.toThrow()
  })
})

test('a prediction with a byte order mark, line ends of Windows and quotes is read', () => {
  const folder = makeFolder({
    'p.csv':
      '\ufefftime_period,location,"sample_0"\r\n2024-01,"north, upper",1\r\n2024-02,007,\r\n',
  })
  const future = {
    columns: ['time_period', 'location'],
    data: [
      ['2024-01', 'north, upper'],
      ['2024-02', '007'],
    ],
  }
  const source = { bytes: Buffer.from(JSON.stringify(future)) }
  const prediction = readPrediction({ folder, path: 'p.csv', covariates: [], future: source })
  const { frame, facts, warnings } = prediction
  expect(JSON.parse(Buffer.from(frame).toString())).toMatchObject({
    columns: ['time_period', 'location', 'sample_0'],
    data: [
      ['2024-01', 'north, upper', 1],
      ['2024-02', '007', null],
    ],
  })
  expect(facts.rows).toBe(2)
  expect(warnings).toEqual(['1 row of 2 have samples without a value'])
})
