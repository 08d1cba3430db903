import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { placeProject, remove } from './files.ts'
import { makeFolder } from './fixtures/project.ts'
import { listProject, listRun } from './listing.ts'

const paths = (root: string, except: string[] = []) =>
  listProject({ root, except }).files.map(({ path }) => path)

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

  test('are told apart by the case of their letters, as git tells them, but a secret is one in any case', () => {
    const files = {
      '.gitignore': 'Data/\n*.CSV\n!Keep.csv\nnotes.md\n',
      'sub/.gitignore': 'LOCAL.txt\n',
      '.chapkitignore': '*.R\n!main.R\n',
      ...{ 'data/a.txt': '', 'Data/a.txt': '', 'a.csv': '', 'b.CSV': '', 'Keep.csv': '' },
      ...{
        'keep.CSV': '',
        'Notes.md': '',
        'notes.md': '',
        'sub/local.txt': '',
        'sub/LOCAL.txt': '',
      },
      ...{ 'main.R': '', 'Main.R': '', 'main.r': '', 'Build/x.txt': '', 'build/x.txt': '' },
      ...{ 'Server.PEM': '', '.Env': '', ID_RSA: '', 'Chapkit.DB': '' },
    }
    expect(paths(makeFolder(files)).sort()).toEqual(
      [
        'Build/x.txt',
        'Keep.csv',
        'Notes.md',
        'a.csv',
        'data/a.txt',
        'main.R',
        'main.r',
        'sub/local.txt',
      ].sort(),
    )
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

describe('empty folders of a project', () => {
  test('are copied, also where rules leave out all that is in them, but not those of the service', () => {
    const root = makeFolder({
      '.gitignore': 'out/*\nbuild-logs/\n',
      'a.R': '',
      'out/old.csv': '',
      'build-logs/x': '',
      'data/chapkit.db': '',
    })
    mkdirSync(join(root, 'plots', 'deep'), { recursive: true })
    const { folders } = listProject({ root, except: [] })
    expect(folders.map(({ path }) => path)).toEqual(['out', 'plots/deep'])
    const folder = join(makeFolder(), 'work')
    placeProject({ root, folder, ...listProject({ root, except: [] }) })
    expect(statSync(join(folder, 'plots/deep')).mode & 0o777).toBe(0o755)
  })
})

describe('what in a project is neither a file nor a folder', () => {
  test('is not copied, and told', () => {
    const root = makeFolder({ 'a.R': '' })
    execFileSync('mkfifo', [join(root, 'queue')])
    symlinkSync('nowhere', join(root, 'gone.R'))
    symlinkSync('self', join(root, 'self'))
    symlinkSync('.', join(root, 'up'))
    const { files, skipped } = listProject({ root, except: [] })
    expect(files.map(({ path }) => path)).toEqual(['a.R'])
    expect(skipped.map(({ path, why }) => `${path} ${why}`)).toEqual([
      'gone.R is a link that leads nowhere and is not copied',
      'queue is a pipe and is not copied',
      'self is a link that leads nowhere and is not copied',
      'up is a link to a folder that it is in, and is not copied',
    ])
  })
})

describe('an ignore file', () => {
  const rules = 'patients.csv\r\nsecrets.yml\r\n'
  const project = { 'a.R': '', 'patients.csv': '', 'secrets.yml': '' }

  test.each([
    ['UTF-8', Buffer.from(rules)],
    ['UTF-8 with a byte order mark', Buffer.from(`\ufeff${rules}`)],
    ['UTF-16, as the > of PowerShell writes it', Buffer.from(`\ufeff${rules}`, 'utf16le')],
    ['UTF-16 with the other order of bytes', Buffer.from(`\ufeff${rules}`, 'utf16le').swap16()],
    ['line ends of an old Mac', Buffer.from(rules.replaceAll('\r\n', '\r'))],
  ])('is read as %s', (_encoding, bytes) => {
    for (const name of ['.chapkitignore', '.gitignore']) {
      const root = makeFolder(project)
      writeFileSync(join(root, name), bytes)
      expect(paths(root)).toEqual(['a.R'])
    }
  })

  const write = (bytes: Buffer) => (path: string) => writeFileSync(path, bytes)
  test.each<[string, (path: string) => void, RegExp]>([
    ['Latin-1', write(Buffer.from('a\ndonn\xe9es.csv\n', 'latin1')), /is not UTF-8 \(line 2\)/],
    ['UTF-16 without a mark', write(Buffer.from(rules, 'utf16le')), /holds zero bytes/],
    ['half of UTF-16', write(Buffer.from([0xff, 0xfe, 0x61])), /begins as UTF-16, and is not/],
    ['a folder', (path) => mkdirSync(path), /is a folder/],
    ['a pipe', (path) => execFileSync('mkfifo', [path]), /is no ordinary file/],
    ['a link that leads nowhere', (path) => symlinkSync('gone', path), /cannot be read \(ENOENT\)/],
    ['a link to itself', (path) => symlinkSync(basename(path), path), /cannot be read \(ELOOP\)/],
    [
      'larger than rules are',
      write(Buffer.alloc(1024 * 1024 + 1, 'a\n')),
      /has more than 1048576 bytes/,
    ],
  ])('that is %s is refused with its name, never taken for empty', (_what, make, reason) => {
    for (const name of ['.chapkitignore', '.gitignore', 'lib/.gitignore']) {
      const root = makeFolder({ ...project, 'lib/b.R': '' })
      make(join(root, name))
      expect(() => paths(root)).toThrow(`The ignore file "${name}"`)
      expect(() => paths(root)).toThrow(reason)
    }
  })

  test('of a folder holds there, whatever characters the name of the folder has', () => {
    for (const name of [
      'data[1]',
      'a*',
      'what?',
      '!x',
      '#x',
      'a b ',
      'back\\slash',
      '{a,b}',
      'é\n',
    ]) {
      const root = makeFolder({ [`${name}/.gitignore`]: 'secret.txt\n/top.txt\n' })
      for (const file of ['secret.txt', 'deep/secret.txt', 'top.txt', 'kept.txt']) {
        mkdirSync(dirname(join(root, name, file)), { recursive: true })
        writeFileSync(join(root, name, file), '')
      }
      expect(paths(root)).toEqual([`${name}/kept.txt`])
    }
  })
})

describe('what a run leaves', () => {
  test('is its files and databases; caches, secrets and links to outside stay out', () => {
    const folder = makeFolder({
      'model.rds': '',
      'study.db': '',
      'out/a.csv': '',
      'lib/__pycache__/x.pyc': '',
      '.env': '',
    })
    symlinkSync('/etc/passwd', join(folder, 'passwd'))
    symlinkSync('../../x', join(folder, 'out', 'up'))
    const { files, links, skipped } = listRun({ folder, maximumBytes: 1000 })
    expect(files.map(({ path }) => path)).toEqual(['model.rds', 'out/a.csv', 'study.db'])
    expect(links).toEqual([])
    expect(skipped.map(({ path, isLoss }) => [path, isLoss])).toEqual([
      ['.env', false],
      ['out/up', false],
      ['passwd', false],
    ])
  })

  test('has its links to itself, those with a whole path as the way from where they are', () => {
    const folder = makeFolder({ 'runs/1/model.rds': '' })
    const kept: [string, string, string][] = [
      ['latest', 'runs/1', 'runs/1'],
      ['runs/top', '../latest/model.rds', '../latest/model.rds'],
      ['later', 'not-there-yet', 'not-there-yet'],
      ['self', 'self', 'self'],
      ['whole', join(folder, 'runs/1/model.rds'), 'runs/1/model.rds'],
      ['runs/1/whole', join(folder, 'runs'), '../../runs'],
      ['runs/1/here', folder, '../..'],
      ['round', 'runs/1/../1', 'runs/1'],
    ]
    for (const [path, target] of kept) symlinkSync(target, join(folder, path))
    const { links } = listRun({ folder, maximumBytes: 1000 })
    expect(Object.fromEntries(links.map(({ path, link }) => [path, link]))).toEqual(
      Object.fromEntries(kept.map(([path, , link]) => [path, link])),
    )
  })

  test('never has a link that leads outside by way of another one', () => {
    const folder = makeFolder({ 'a/b/c/x': '' })
    symlinkSync('../../..', join(folder, 'a/b/c/up'))
    // As text this is a/b; the system follows `up` first.
    symlinkSync('a/b/c/up/../..', join(folder, 'out'))
    const { links, skipped } = listRun({ folder, maximumBytes: 1000 })
    expect(links).toEqual([{ path: 'a/b/c/up', link: '../../..' }])
    expect(skipped.map(({ path }) => path)).toEqual(['out'])
  })

  test('is kept but for its largest files, which are a loss, where there is no room for all', () => {
    const folder = makeFolder({ a: 'x'.repeat(600), b: 'x'.repeat(500), c: 'x'.repeat(100) })
    const { files, skipped } = listRun({ folder, maximumBytes: 1000 })
    expect(files.map(({ path }) => path)).toEqual(['b', 'c'])
    expect(skipped).toEqual([{ path: 'a', isLoss: true, why: expect.any(String) }])
    expect(skipped[0]?.why).toMatch(
      /^of 600 bytes has no room: expected at most 1000 bytes in the folder of a run, got 1200/,
    )
  })

  test('deeper than a path can say is a loss, and can be removed', () => {
    const folder = makeFolder({ 'model.rds': '' })
    const deep = 'for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25'
    execFileSync(
      'sh',
      ['-c', `n=$(printf '%0200d' 0); ${deep}; do mkdir $n; cd -P $n; done; echo x > model`],
      { cwd: folder },
    )
    const { files, skipped } = listRun({ folder, maximumBytes: 1000 })
    expect(files.map(({ path }) => path)).toEqual(['model.rds'])
    expect(skipped).toMatchObject([{ why: 'cannot be read (ENAMETOOLONG)', isLoss: true }])
    remove({ path: folder })
    expect(existsSync(folder)).toBe(false)
  })
})
