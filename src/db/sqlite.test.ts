import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import BetterSqlite from 'better-sqlite3'
import fc from 'fast-check'
import { sql } from 'kysely'
import type { Migration } from 'kysely/migration'
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import type { Happening } from '../kernel/observe.ts'
import { openPlatform } from '../platform.ts'
import { parseSettings } from '../settings.ts'
import type { Database } from './database.ts'
import { LockedError, takeLock } from './lock.ts'
import { migrate, migrateEntity } from './migrate.ts'
import { openSqlite } from './sqlite.ts'
import type { Queries } from './tables.ts'
import { createWriter } from './writer.ts'

afterEach(() => {
  vi.restoreAllMocks()
})

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'chapkit-db-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** A database with one table of numbers. */
async function open(file = join(temporaryFolder(), 'test.db')): Promise<Database> {
  const database = openSqlite(file)
  onTestFinished(() => database.close())
  await database.migrate(async (db) => {
    await sql`create table number (value integer primary key)`.execute(db)
  })
  return database
}

const insert = (value: number) => async (tx: Queries) => {
  await sql`insert into number values (${value})`.execute(tx)
  return value
}

async function numbers(db: Queries): Promise<number[]> {
  const { rows } = await sql<{ value: number }>`select value from number order by value`.execute(db)
  return rows.map(({ value }) => value)
}

/** What is executed outside of queries: BEGIN, COMMIT and the like, with the pragmas. */
function watchStatements() {
  const said: string[] = []
  const { exec, pragma } = BetterSqlite.prototype
  vi.spyOn(BetterSqlite.prototype, 'exec').mockImplementation(function (this: never, text) {
    said.push(text)
    return exec.call(this, text)
  })
  vi.spyOn(BetterSqlite.prototype, 'pragma').mockImplementation(function (
    this: never,
    text,
    options,
  ) {
    said.push(text)
    return pragma.call(this, text, options)
  })
  return said
}

describe.each([
  ['in a file', () => open()],
  ['in memory', () => open(':memory:')],
])('writes %s', (_place, create) => {
  test('that come together share one commit', async () => {
    const database = await create()
    const said = watchStatements()
    const results = await Promise.all([1, 2, 3, 4].map((value) => database.write(insert(value))))
    expect(results).toEqual([1, 2, 3, 4])
    expect(said).toEqual(['BEGIN IMMEDIATE', 'COMMIT'])
    expect(await numbers(database.read)).toEqual([1, 2, 3, 4])
  })

  test('that throw undo themselves and nothing else', async () => {
    const database = await create()
    const outcomes = await Promise.allSettled([
      database.write(insert(1)),
      database.write(async (tx) => {
        await insert(2)(tx)
        throw new Error('changed my mind')
      }),
      database.write(insert(1)),
      database.write(insert(3)),
    ])
    expect(outcomes.map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'rejected',
      'fulfilled',
    ])
    expect(outcomes[1]).toMatchObject({ reason: { message: 'changed my mind' } })
    expect(await numbers(database.read)).toEqual([1, 3])
  })

  test('that throw alone leave nothing and do not harm the next', async () => {
    const database = await create()
    const failing = database.write(async (tx) => {
      await insert(1)(tx)
      throw new Error('no')
    })
    await expect(failing).rejects.toThrow('no')
    expect(await numbers(database.read)).toEqual([])
    await database.write(insert(2))
    expect(await numbers(database.read)).toEqual([2])
  })

  test('see what earlier ones of the same commit have written', async () => {
    const database = await create()
    const seen = await Promise.all([
      database.write(insert(1)),
      database.write((tx) => numbers(tx)),
      database.write(insert(2)),
      database.write((tx) => numbers(tx)),
    ])
    expect(seen).toEqual([1, [1], 2, [1, 2]])
  })

  test('are acknowledged only after their commit, and all are refused when it fails', async () => {
    const database = await create()
    const { exec } = BetterSqlite.prototype
    const refusal = vi.spyOn(BetterSqlite.prototype, 'exec').mockImplementation(function (
      this: never,
      text,
    ) {
      if (text === 'COMMIT') {
        throw Object.assign(new Error('database or disk is full'), { code: 'SQLITE_FULL' })
      }
      return exec.call(this, text)
    })
    const outcomes = await Promise.allSettled([
      database.write(insert(1)),
      database.write(() => Promise.reject(new Error('own'))),
      database.write(insert(2)),
    ])
    for (const outcome of outcomes)
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'storage-full' } })
    refusal.mockRestore()
    expect(await numbers(database.read)).toEqual([])
    await database.write(insert(3))
    expect(await numbers(database.read)).toEqual([3])
  })

  test('reach the disk before the answer when they are durable, and need not when they are not', async () => {
    const database = await create()
    const said = watchStatements()
    await database.write(insert(1))
    await database.write(insert(2), { durable: false })
    await database.write(insert(3), { durable: false })
    await Promise.all([database.write(insert(4), { durable: false }), database.write(insert(5))])
    expect(said.filter((text) => text !== 'COMMIT')).toEqual([
      'BEGIN IMMEDIATE',
      'synchronous = NORMAL',
      'BEGIN IMMEDIATE',
      'BEGIN IMMEDIATE',
      'synchronous = FULL',
      'BEGIN IMMEDIATE',
    ])
  })

  test('are never seen half done by a reader', async () => {
    const database = await create()
    const seen: number[][] = []
    let writing = true
    const reader = (async () => {
      while (writing) {
        seen.push(await numbers(database.read))
        await new Promise((resolve) => setImmediate(resolve))
      }
    })()
    for (let round = 0; round < 30; round++) {
      await Promise.all([
        database.write(async (tx) => {
          await insert(2 * round)(tx)
          void numbers(database.read).then((rows) => seen.push(rows))
          await insert(2 * round + 1)(tx)
        }),
        database
          .write(async (tx) => {
            await insert(1000 + round)(tx)
            throw new Error('undone')
          })
          .catch(() => {}),
      ])
    }
    writing = false
    await reader
    expect(seen.length).toBeGreaterThan(30)
    for (const rows of seen) {
      expect(rows.length % 2).toBe(0)
      expect(rows.every((value) => value < 1000)).toBe(true)
    }
  })

  test('that are under way are finished by a close, later ones are refused', async () => {
    const database = await create()
    const last = Promise.all([database.write(insert(1)), database.write(insert(2))])
    const closed = database.close()
    await expect(database.write(insert(3))).rejects.toThrow('closed')
    expect(await last).toEqual([1, 2])
    await closed
  })

  test('leave exactly what was acknowledged, however they interleave and fail', async () => {
    const step = fc.record({
      value: fc.integer({ min: 0, max: 30 }),
      throws: fc.boolean(),
      durable: fc.boolean(),
      pauseBefore: fc.boolean(),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        const database = openSqlite(':memory:')
        await database.migrate(async (db) => {
          await sql`create table number (value integer primary key)`.execute(db)
        })
        const acknowledged: number[] = []
        const writes: Promise<void>[] = []
        for (const { value, throws, durable, pauseBefore } of steps) {
          if (pauseBefore) await new Promise((resolve) => setImmediate(resolve))
          const write = database.write(
            async (tx) => {
              await insert(value)(tx)
              if (throws) throw new Error('own')
            },
            { durable },
          )
          writes.push(
            write.then(
              () => void acknowledged.push(value),
              () => {},
            ),
          )
        }
        await Promise.all(writes)
        expect(await numbers(database.read)).toEqual(acknowledged.sort((a, b) => a - b))
        await database.close()
      }),
      { numRuns: 200 },
    )
  })
})

test('a file is written in WAL mode with full syncs and foreign keys, and its reader cannot write', async () => {
  const database = await open()
  const ask = async (db: Queries, pragma: string) =>
    Object.values((await sql`${sql.raw(`pragma ${pragma}`)}`.execute(db)).rows[0] as object)[0]
  await database.write(async (tx) => {
    expect(await ask(tx, 'journal_mode')).toBe('wal')
    expect(await ask(tx, 'synchronous')).toBe(2)
    expect(await ask(tx, 'foreign_keys')).toBe(1)
  })
  await database.write(async (tx) => expect(await ask(tx, 'synchronous')).toBe(1), {
    durable: false,
  })
  await database.write(async (tx) => expect(await ask(tx, 'synchronous')).toBe(2))
  await expect(insert(1)(database.read)).rejects.toThrow('A write outside of database.write')
})

describe('migrations', () => {
  test('run once: starting again changes nothing', async () => {
    const file = join(temporaryFolder(), 'test.db')
    const schema = async () => {
      const database = openSqlite(file)
      await migrate(database)
      const { rows } = await sql`select sql from sqlite_master order by name`.execute(database.read)
      const { rows: done } = await sql`select * from migration`.execute(database.read)
      await database.close()
      return { rows, done }
    }
    const first = await schema()
    expect(first.done).not.toHaveLength(0)
    expect(await schema()).toEqual(first)
  })

  test('of a newer program stop the start, say what to do and leave the database alone', async () => {
    const file = join(temporaryFolder(), 'test.db')
    const database = openSqlite(file)
    onTestFinished(() => database.close())
    await migrate(database)
    await database.write(async (tx) => {
      await sql`insert into migration values ('0999-future', '2030-01-01')`.execute(tx)
    })
    await expect(migrate(database)).rejects.toThrow(
      /newer than this program.*"0999-future".*Install the chapkit that made it/,
    )
  })

  test('do not touch a database of the Python program, and say what to do', async () => {
    const dataDir = temporaryFolder()
    const file = join(dataDir, 'chapkit.db')
    const python = new BetterSqlite(file)
    python.exec('create table alembic_version (version_num text)')
    python.close()
    const settings = { ...parseSettings({}), dataDir }
    const opening = () => openPlatform(settings)
    await expect(opening()).rejects.toThrow(/Python chapkit.*CHAPKIT_DATA_DIR/)
    // The refusal holds on to nothing: neither the lock nor the database.
    await expect(opening()).rejects.toThrow(/Python chapkit/)
    const left = new BetterSqlite(file)
    expect(left.prepare('select name from sqlite_master').pluck().all()).toEqual([
      'alembic_version',
    ])
    left.close()
  })

  test('that fail half way leave nothing, and can be tried again', async () => {
    const database = await open()
    let broken = true
    const own: Record<string, Migration> = {
      '0001-own': {
        async up(db) {
          await sql`create table own_first (id integer)`.execute(db)
          if (broken) throw new Error('half way')
          await sql`create table own_second (id integer)`.execute(db)
        },
      },
    }
    await expect(migrateEntity(database, 'own', own)).rejects.toThrow(
      'Migration 0001-own failed; nothing was changed by it',
    )
    const tables = async () =>
      (
        await sql<{
          name: string
        }>`select name from sqlite_master where name like 'own%'`.execute(database.read)
      ).rows.map(({ name }) => name)
    expect(await tables()).toEqual([])
    broken = false
    await migrateEntity(database, 'own', own)
    expect(await tables()).toEqual(['own_first', 'own_second'])
  })
})

describe('the lock of a data folder', () => {
  test('is held by one at a time', () => {
    const folder = temporaryFolder()
    const file = join(folder, 'deep', 'chapkit.db.lock')
    const lock = takeLock(file)
    expect(() => takeLock(file)).toThrow(LockedError)
    lock.release()
    takeLock(file).release()
  })

  test('is free as soon as its holder was killed', async () => {
    const file = join(temporaryFolder(), 'lock')
    const source = `const { takeLock } = await import(${JSON.stringify(new URL('./lock.ts', import.meta.url).href)})
      takeLock(${JSON.stringify(file)}); console.log('held'); setInterval(() => {}, 1000)`
    const holder = spawn(process.execPath, ['--input-type=module', '-e', source])
    onTestFinished(() => void holder.kill('SIGKILL'))
    await once(holder.stdout, 'data')
    expect(() => takeLock(file)).toThrow(LockedError)
    holder.kill('SIGKILL')
    await once(holder, 'exit')
    takeLock(file).release()
  })

  test('that cannot be taken for another reason does not blame another service', () => {
    const file = join(temporaryFolder(), 'lock')
    const other = new BetterSqlite(':memory:')
    other.close()
    vi.spyOn(BetterSqlite.prototype, 'exec').mockImplementation(() => {
      throw Object.assign(new Error('disk I/O error'), { code: 'SQLITE_IOERR' })
    })
    expect(() => takeLock(file)).toThrow('disk I/O error')
  })
})

describe('an observer', () => {
  test('is told of each commit, and how many writes shared it', async () => {
    const told: Happening[] = []
    const database = openSqlite(':memory:', { observe: (happening) => void told.push(happening) })
    onTestFinished(() => database.close())
    const nothing = async () => {}

    await Promise.all([database.write(nothing), database.write(nothing), database.write(nothing)])
    await database.write(nothing, { durable: false })

    expect(told).toEqual([
      { kind: 'commit.done', steps: 3, durable: true, seconds: expect.any(Number) },
      { kind: 'commit.done', steps: 1, durable: false, seconds: expect.any(Number) },
    ])
  })

  test('is told of a commit that failed, and not that it was done', async () => {
    const told: Happening[] = []
    const transactions = {
      begin: () => {},
      commit: () => {
        throw new Error('the disk is gone')
      },
      rollback: () => {},
      isOpen: () => true,
      toError: (error: unknown) => error,
    }
    const database = await open()
    const writer = createWriter(database.read, transactions, (happening) => {
      told.push(happening)
    })

    await expect(writer.write(async () => {})).rejects.toThrow('the disk is gone')

    expect(told).toEqual([{ kind: 'commit.failed' }])
  })

  test('and every write is told, once, of a transaction that could not begin', async () => {
    let begun = 0
    const transactions = {
      begin: () => {
        begun++
        throw new Error('the disk is gone')
      },
      commit: () => {},
      rollback: () => {},
      isOpen: () => false,
      toError: (error: unknown) => error,
    }
    const database = await open()
    const writer = createWriter(database.read, transactions)

    const writes = [writer.write(async () => {}), writer.write(async () => {})]

    for (const each of writes) await expect(each).rejects.toThrow('the disk is gone')
    await new Promise((resolve) => setImmediate(resolve))
    expect(begun).toBe(1)
  })
})
