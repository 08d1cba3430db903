import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  copyFileSync,
  cpSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import BetterSqlite from 'better-sqlite3'
import { expect, onTestFinished, test } from 'vitest'
import { createBackup } from '../cli/commands/backup.ts'
import { openPlatform, type Platform } from '../platform.ts'
import { parseSettings } from '../settings.ts'
import { InUseError } from './ownership.ts'

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'chapkit-owner-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

async function open(file: string): Promise<Platform> {
  const platform = await openPlatform({ ...parseSettings({}), databaseUrl: file })
  onTestFinished(() => platform[Symbol.asyncDispose]())
  return platform
}

const config = (id: string) => ({
  ...{ id, name: 'a', data: '{}', tags: '[]', created_by: null },
  ...{ created_at: '2026-01-01', updated_at: '2026-01-01' },
})
const write = ({ database }: Platform, id: string) =>
  database.write(async (tx) => void (await tx.insertInto('config').values(config(id)).execute()))
const idsIn = async ({ database }: Platform) =>
  (await database.read.selectFrom('config').select('id').execute()).map(({ id }) => id)

/** A process that owns the data at `file`, in another process than the test. */
async function ownElsewhere(file: string) {
  const at = (path: string) => JSON.stringify(new URL(path, import.meta.url).href)
  const source = `
    const { openPlatform } = await import(${at('../platform.ts')})
    const { parseSettings } = await import(${at('../settings.ts')})
    const platform = await openPlatform({ ...parseSettings({}), databaseUrl: ${JSON.stringify(file)} })
    await platform.announce('http://127.0.0.1:8450')
    const at = '2026-01-01'
    const row = { id: 'theirs', name: 'a', data: '{}', tags: '[]', created_by: null, created_at: at, updated_at: at }
    await platform.database.write(async (tx) => void (await tx.insertInto('config').values(row).execute()))
    console.log('owns')
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  return {
    pid: child.pid as number,
    async kill() {
      child.kill('SIGKILL')
      await once(child, 'exit')
    },
  }
}

/** Other ways to the database at `folder/chapkit.db`. */
const ways: Record<string, (folder: string, elsewhere: string) => string> = {
  'the same path': (folder) => join(folder, 'chapkit.db'),
  'a path with detours': (folder) => `${folder}/../${folder.split('/').at(-1)}/./chapkit.db`,
  'a link to the folder'(folder, elsewhere) {
    symlinkSync(folder, join(elsewhere, 'folder'))
    return join(elsewhere, 'folder', 'chapkit.db')
  },
  'a link to the database'(folder, elsewhere) {
    symlinkSync(join(folder, 'chapkit.db'), join(elsewhere, 'other.db'))
    return join(elsewhere, 'other.db')
  },
  'a link to a link'(folder, elsewhere) {
    symlinkSync(join(folder, 'chapkit.db'), join(elsewhere, 'one.db'))
    symlinkSync('one.db', join(elsewhere, 'two.db'))
    return join(elsewhere, 'two.db')
  },
  'a second name of the file'(folder, elsewhere) {
    linkSync(join(folder, 'chapkit.db'), join(elsewhere, 'second.db'))
    return join(elsewhere, 'second.db')
  },
  'the same path, after the lock file was deleted'(folder) {
    rmSync(join(folder, 'chapkit.db.lock'))
    return join(folder, 'chapkit.db')
  },
  'a second name, after the lock file was deleted'(folder) {
    rmSync(join(folder, 'chapkit.db.lock'))
    linkSync(join(folder, 'chapkit.db'), join(folder, 'second.db'))
    return join(folder, 'second.db')
  },
}

test.each(Object.keys(ways))(
  'data that a service uses is refused by %s, and who uses it is told',
  async (way) => {
    const folder = temporaryFolder()
    const first = await ownElsewhere(join(folder, 'chapkit.db'))

    const refused = open((ways[way] as (typeof ways)[string])(folder, temporaryFolder()))

    await expect(refused).rejects.toThrow(InUseError)
    await expect(refused).rejects.toThrow(
      new RegExp(
        `^Another chapkit service \\(process ${first.pid} on ${hostname()} since \\d{4}-\\S+Z, at http://127.0.0.1:8450\\) is using .*Stop it, or start with another CHAPKIT_DATA_DIR$`,
      ),
    )
    await first.kill()
    expect(await idsIn(await open(join(folder, 'chapkit.db')))).toEqual(['theirs'])
  },
  30_000,
)

test('two services of one process do not share data either', async () => {
  const file = join(temporaryFolder(), 'chapkit.db')
  await open(file)
  await expect(open(file)).rejects.toThrow(`process ${process.pid} on`)
  rmSync(`${file}.lock`)
  await expect(open(file)).rejects.toThrow(InUseError)
})

test('a killed owner leaves nothing that has to be waited for, whoever has its process id by then', async () => {
  const file = join(temporaryFolder(), 'chapkit.db')
  const first = await ownElsewhere(file)
  await first.kill()
  // As after a restart of a container, whose first process always has the same id.
  const handle = new BetterSqlite(file)
  handle.prepare('UPDATE owner SET pid = ?').run(process.ppid)
  handle.close()
  const before = performance.now()
  expect(await idsIn(await open(file))).toEqual(['theirs'])
  expect(performance.now() - before).toBeLessThan(5000)
})

test('a program that reads, such as a backup, keeps no service from starting again', async () => {
  const file = join(temporaryFolder(), 'chapkit.db')
  const first = await ownElsewhere(file)
  const reader = new BetterSqlite(file, { readonly: true })
  onTestFinished(() => void reader.close())
  reader.exec('BEGIN')
  reader.prepare('SELECT count(*) FROM config').get()
  await first.kill()
  const second = await open(file)
  await write(second, 'mine')
  expect((await idsIn(second)).sort()).toEqual(['mine', 'theirs'])
})

test('a copy of data that is in use belongs to nobody, and a backup neither', async () => {
  const folder = temporaryFolder()
  await ownElsewhere(join(folder, 'data', 'chapkit.db'))
  cpSync(join(folder, 'data'), join(folder, 'copy'), { recursive: true })
  await createBackup(join(folder, 'data', 'chapkit.db'), join(folder, 'kept'), () => {})
  for (const name of ['copy', 'kept'])
    expect(await idsIn(await open(join(folder, name, 'chapkit.db')))).toEqual(['theirs'])
})

test('what a killed owner left in a log of another name is not passed over', async () => {
  const folder = temporaryFolder()
  const file = join(folder, 'chapkit.db')
  const first = await ownElsewhere(file)
  await first.kill()
  const second = join(temporaryFolder(), 'second.db')
  linkSync(file, second)
  await expect(open(second)).rejects.toThrow(`was last used as ${file}`)
  expect(await idsIn(await open(file))).toEqual(['theirs'])
})

const takings: Record<string, (file: string) => void> = {
  deleted: (file) => rmSync(file),
  moved: (file) => renameSync(file, `${file}.moved`),
  'replaced by a copy'(file) {
    copyFileSync(file, `${file}.copy`)
    renameSync(`${file}.copy`, file)
  },
  'moved with its folder'(file) {
    const folder = join(file, '..')
    renameSync(folder, `${folder}.moved`)
    onTestFinished(() => rmSync(`${folder}.moved`, { recursive: true, force: true }))
    mkdirSync(folder)
  },
  'taken over by another service'(file) {
    const handle = new BetterSqlite(file)
    handle.exec(`UPDATE owner SET boot = 'other', pid = 1`)
    handle.close()
  },
}

test.each(Object.keys(takings))(
  'a service whose database was %s stores nothing any more, and says why',
  async (taking) => {
    const file = join(temporaryFolder(), 'data', 'chapkit.db')
    const platform = await open(file)
    await write(platform, 'before')

    takings[taking]?.(file)

    await expect(write(platform, 'after')).rejects.toMatchObject({ code: 'unavailable' })
    await expect(platform.database.check()).rejects.toThrow(/nothing more is stored/)
    expect((await platform.lost).message).toContain(file)
    expect(await idsIn(platform)).toEqual(['before'])
  },
)

test('the log of a database that took the place of another one survives the end of the other one', async () => {
  const file = join(temporaryFolder(), 'chapkit.db')
  const first = await open(file)
  await write(first, 'old')
  for (const end of ['', '-wal', '-shm', '.lock']) rmSync(file + end)
  const second = await ownElsewhere(file)
  const log = statSync(`${file}-wal`).ino
  await expect(write(first, 'late')).rejects.toMatchObject({ code: 'unavailable' })
  await first[Symbol.asyncDispose]()
  expect(statSync(`${file}-wal`).ino).toBe(log)
  expect(readFileSync(`${file}-wal`).length).toBeGreaterThan(0)
  await second.kill()
  expect(await idsIn(await open(file))).toEqual(['theirs'])
})
