import { sql } from 'kysely'
import { type Migration, Migrator } from 'kysely/migration'
import type { Database } from './database.ts'
import { core } from './migrations/0001-core.ts'
import { counts } from './migrations/0002-counts.ts'
import { lean } from './migrations/0003-lean.ts'
import { tasks } from './migrations/0004-tasks.ts'
import { schedules } from './migrations/0005-schedules.ts'
import { owner } from './migrations/0006-owner.ts'
import { treeChanges } from './migrations/0007-tree-changes.ts'
import { serviceTime } from './migrations/0008-service-time.ts'
import type { Queries } from './tables.ts'

const migrations: Record<string, Migration> = {
  '0001-core': core,
  '0002-counts': counts,
  '0003-lean': lean,
  '0004-tasks': tasks,
  '0005-schedules': schedules,
  '0006-owner': owner,
  '0007-tree-changes': treeChanges,
  '0008-service-time': serviceTime,
}

/** The schema changes that this program knows. */
export const migrationNames: readonly string[] = Object.keys(migrations)

/**
 * Brings the database to the schema of this program. Throws, before changing anything, when it was made by a newer program
 * or by the Python framework of the same name, and says what to do.
 */
export async function migrate(database: Database): Promise<void> {
  await database.migrate(async (db) => {
    await refuseForeign(db)
    await runMigrations(db, 'migration', migrations, 'Install the chapkit that made it')
  })
}

/** Runs the migrations of a user's own entity, kept in a table of their own so that both can grow apart. */
export async function migrateEntity(
  database: Database,
  name: string,
  own: Record<string, Migration>,
): Promise<void> {
  await database.migrate((db) =>
    runMigrations(
      db,
      `migration_${name}`,
      own,
      `The entity "${name}" has it from a later release of this service: run that one`,
    ),
  )
}

async function refuseForeign(db: Queries) {
  const tables = await sql<{
    name: string
  }>`select name from sqlite_master where type = 'table'`.execute(db)
  if (tables.rows.some(({ name }) => name === 'alembic_version')) {
    throw new Error(
      'This database was made by the Python chapkit. Start with another CHAPKIT_DATA_DIR, and copy configs over through the HTTP API',
    )
  }
}

async function runMigrations(
  db: Queries,
  table: string,
  provided: Record<string, Migration>,
  advice: string,
) {
  const migrator = new Migrator({
    db,
    provider: { getMigrations: async () => provided },
    migrationTableName: table,
    migrationLockTableName: `${table}_lock`,
  })

  const unknown = await newerThan(db, table, provided)
  if (unknown) {
    throw new Error(
      `The database is newer than this program: it has the migration "${unknown.name}". ${advice}, or restore a backup`,
    )
  }
  const { error, results } = await migrator.migrateToLatest()
  if (error) {
    const failed = results?.find(({ status }) => status === 'Error')
    throw new Error(
      `Migration ${failed?.migrationName ?? 'of the database'} failed; nothing was changed by it`,
      {
        cause: error,
      },
    )
  }
}

/** A migration in the table that this program does not know. */
async function newerThan(db: Queries, table: string, provided: Record<string, Migration>) {
  const exists =
    await sql`select 1 from sqlite_master where type = 'table' and name = ${table}`.execute(db)
  if (exists.rows.length === 0) return undefined
  const { rows } = await sql<{ name: string }>`select name from ${sql.table(table)}`.execute(db)
  return rows.find(({ name }) => !(name in provided))
}
