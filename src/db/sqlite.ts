import { stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import BetterSqlite from 'better-sqlite3'
import {
  CompiledQuery,
  type DatabaseConnection,
  type Driver,
  Kysely,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
  sql,
} from 'kysely'
import { ChapkitError } from '../errors.ts'
import type { Observe } from '../kernel/observe.ts'
import type { Database } from './database.ts'
import { makeFolder } from './folder.ts'
import { type Ownership, OwnershipLostError } from './ownership.ts'
import type { Queries, Tables } from './tables.ts'
import { createWriter, type Transactions } from './writer.ts'

type Handle = BetterSqlite.Database

/** Versions 3.7.0 to 3.51.2 can corrupt a WAL database that has two connections (the WAL-reset race). */
const minimumVersion = [3, 51, 3] as const

export interface SqliteOptions {
  observe?: Observe | undefined
  /** The right to the file: without it others may use the database, too. */
  ownership?: Ownership | undefined
}

/**
 * Opens an SQLite database: a file (WAL, FULL), or `:memory:`. There is one connection: readers wait while a commit is being
 * made, which takes a turn of the event loop, and find the pages that the writer has just had in its hands. A connection of
 * their own would drop all it knows with every commit of the other, and read it from the disk again.
 */
export function openSqlite(file: string, { observe, ownership }: SqliteOptions = {}): Database {
  const memory = file === ':memory:'
  if (!memory) makeFolder(dirname(file))
  const handle = new BetterSqlite(file)
  assertVersion(handle)
  if (!memory) {
    handle.pragma('journal_mode = WAL')
    handle.pragma('journal_size_limit = 67108864')
    handle.pragma('wal_autocheckpoint = 1000')
  }
  for (const pragma of [
    'foreign_keys = ON',
    'busy_timeout = 5000',
    'trusted_schema = OFF',
    'cell_size_check = ON',
    'temp_store = MEMORY',
  ]) {
    handle.pragma(pragma)
  }
  // After WAL: better-sqlite3 is compiled to fall to NORMAL with the first statement in WAL mode.
  handle.prepare('SELECT 1').get()
  handle.pragma('synchronous = FULL')
  try {
    ownership?.seize(handle)
  } catch (error) {
    handle.close()
    throw error
  }

  const { reading, writing } = sqliteConnections(handle)
  const writeQueries = kyselyOn(writing)
  let syncing = true
  /**
   * False after a failed sync of the log: the kernel may have thrown away what it could not write, and the next sync would
   * succeed without it. A commit behind a gap is lost with the power, however well it was synced itself.
   */
  let isLogTrusted = true

  /** Moves what was committed from the log into the database, where it is synced, and begins the log anew. */
  function renewLog() {
    handle.pragma('busy_timeout = 0')
    try {
      const [outcome] = handle.pragma('wal_checkpoint(TRUNCATE)') as { busy: number }[]
      if (outcome?.busy !== 0) throw unavailable()
      isLogTrusted = true
    } finally {
      handle.pragma('busy_timeout = 5000')
    }
  }
  const transactions: Transactions = {
    begin(durable) {
      if (!isLogTrusted) renewLog()
      // The level of a WAL commit: FULL syncs the log, and with it every earlier commit; NORMAL leaves it to a later one.
      if (durable !== syncing) handle.pragma(`synchronous = ${durable ? 'FULL' : 'NORMAL'}`)
      syncing = durable
      handle.exec('BEGIN IMMEDIATE')
      // Behind the lock of the write: from here on nobody else can take the database over before the commit.
      ownership?.assertHeld()
    },
    commit() {
      try {
        handle.exec('COMMIT')
      } catch (error) {
        isLogTrusted &&= !isFailedSync(error)
        throw error
      }
    },
    rollback: () => void (handle.inTransaction && handle.exec('ROLLBACK')),
    isOpen: () => handle.inTransaction,
    toError: toStorageError,
  }
  const writer = createWriter(writeQueries, transactions, observe)

  const read = kyselyOn(reading, () => writer.idle())

  /** All or nothing: a process that ends half way leaves the database as it was. */
  async function migrate(step: (db: Queries) => Promise<void>) {
    handle.exec('BEGIN IMMEDIATE')
    try {
      await step(writeQueries)
      handle.exec('COMMIT')
    } catch (error) {
      if (handle.inTransaction) handle.exec('ROLLBACK')
      throw error
    }
  }

  async function close() {
    await writer.close()
    ownership?.leave()
    handle.close()
  }

  return {
    read,
    write: writer.write,
    async size() {
      if (memory) return undefined
      const log = await stat(`${file}-wal`).catch(() => undefined)
      return { database: (await stat(file)).size, log: log?.size ?? 0 }
    },
    async check() {
      ownership?.assertHeld()
      await sql`select 1 from job limit 1`.execute(read)
    },
    migrate,
    claim: () => ownership?.record(handle),
    async announce(url) {
      const say = async (tx: Queries) => void (await tx.updateTable('owner').set({ url }).execute())
      await writer.write(say, { durable: false })
      // Under another name of the file its log is not seen.
      if (!memory && !handle.inTransaction) handle.pragma('wal_checkpoint(PASSIVE)')
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

function assertVersion(handle: Handle) {
  const { version } = handle.prepare('SELECT sqlite_version() AS version').get() as {
    version: string
  }
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number)
  const [a, b, c] = minimumVersion
  if (major * 1e6 + minor * 1e3 + patch >= a * 1e6 + b * 1e3 + c) return
  throw new Error(
    `SQLite ${version} can corrupt a database in WAL mode; ${minimumVersion.join('.')} or later is needed`,
  )
}

/** Kysely over one synchronous connection. `ready` holds readers back while the connection is in a transaction of others. */
function kyselyOn(
  connection: DatabaseConnection,
  ready?: () => Promise<void> | undefined,
): Queries {
  const driver: Driver = {
    init: async () => {},
    async acquireConnection() {
      await ready?.()
      return connection
    },
    releaseConnection: async () => {},
    beginTransaction: async (on) => void (await on.executeQuery(CompiledQuery.raw('BEGIN'))),
    commitTransaction: async (on) => void (await on.executeQuery(CompiledQuery.raw('COMMIT'))),
    rollbackTransaction: async (on) => void (await on.executeQuery(CompiledQuery.raw('ROLLBACK'))),
    destroy: async () => {},
  }
  return new Kysely<Tables>({
    dialect: {
      createAdapter: () => new SqliteAdapter(),
      createDriver: () => driver,
      createIntrospector: (db) => new SqliteIntrospector(db),
      createQueryCompiler: () => new SqliteQueryCompiler(),
    },
  })
}

/** The two faces of one connection. Statements are compiled once per text: preparing costs more than most of them take to run. */
function sqliteConnections(handle: Handle): Record<'reading' | 'writing', DatabaseConnection> {
  const statements = new Map<string, BetterSqlite.Statement>()

  function prepare(text: string): BetterSqlite.Statement {
    let statement = statements.get(text)
    if (!statement) {
      statement = handle.prepare(text)
      if (statements.size >= 500) statements.clear()
      statements.set(text, statement)
    }
    return statement
  }

  function connection(mayWrite: boolean): DatabaseConnection {
    async function executeQuery<Row>(query: CompiledQuery): Promise<QueryResult<Row>> {
      try {
        const statement = prepare(query.sql)
        if (!mayWrite && !statement.readonly)
          throw new Error(`A write outside of database.write: ${query.sql}`)
        if (statement.reader) return { rows: statement.all(query.parameters) as Row[] }
        const { changes, lastInsertRowid } = statement.run(query.parameters)
        return {
          rows: [],
          numAffectedRows: BigInt(changes),
          insertId: BigInt(lastInsertRowid),
        }
      } catch (error) {
        throw toStorageError(error)
      }
    }
    return {
      executeQuery,
      // An open cursor would hold up every other statement of the connection.
      async *streamQuery<Row>(query: CompiledQuery) {
        yield await executeQuery<Row>(query)
      },
    }
  }

  return { reading: connection(false), writing: connection(true) }
}

/** Storage that is full or failing, as an answer that says so; anything else as it came. */
function toStorageError(error: unknown): unknown {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (code === 'SQLITE_FULL') {
    return new ChapkitError('storage-full', 'The disk of the service is full; nothing was stored', {
      cause: error,
    })
  }
  if (error instanceof OwnershipLostError) return unavailable(error, error.message)
  if (/^SQLITE_(IOERR|BUSY|READONLY|CANTOPEN|NOMEM)/.test(code)) {
    return unavailable(error)
  }
  return error
}

function isFailedSync(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'SQLITE_IOERR_FSYNC'
}

function unavailable(
  cause?: unknown,
  detail = 'The database cannot be used right now; nothing was stored',
): ChapkitError {
  return new ChapkitError('unavailable', detail, { cause, headers: { 'retry-after': '5' } })
}
