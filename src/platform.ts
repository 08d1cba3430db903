import { createHash, randomUUID } from 'node:crypto'
import { tmpdir } from 'node:os'
import { isAbsolute, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { BlobStore } from './blob/blob-store.ts'
import { openFileBlobs } from './blob/file.ts'
import { memoryBlobs } from './blob/memory.ts'
import type { Database } from './db/database.ts'
import { migrate } from './db/migrate.ts'
import { takeOwnership } from './db/ownership.ts'
import { openServiceTime } from './db/service-time.ts'
import { openSqlite } from './db/sqlite.ts'
import { embeddedEngine } from './engine/embedded.ts'
import type { Engine } from './engine/engine.ts'
import type { Clock } from './kernel/clock.ts'
import { createIds } from './kernel/id.ts'
import type { Observe } from './kernel/observe.ts'
import type { Settings } from './settings.ts'

/** What the outside world gives a service. Whoever opened it closes it. */
export interface Platform extends AsyncDisposable {
  database: Database
  blobStore: BlobStore
  engine: Engine
  /** The clock on the wall: for times that people read. It may be wrong, and set. */
  now: Clock
  /** The clock of the data: for what is due in so long, or kept for so long. It is never set. */
  serviceTime: Clock
  newId: () => string
  /** Random and unguessable: tokens of claims, names of starts. */
  newToken: () => string
  /** Folder for what is needed for a while; nobody else uses it. It need not be there. */
  scratch: string
  /** Files and folders that are the service's own, wherever they lie; some need not be there. */
  owned: readonly string[]
  /** Chance: from 0 to below 1. */
  random: () => number
  /** False when everything is gone with the process. */
  isDurable: boolean
  /** This start of the service: random and unguessable. */
  boot: string
  /** Resolves with the reason once the data is no longer this service's, which has to stop then. */
  lost: Promise<Error>
  /** Tells others who find the data in use where the service answers. */
  announce(url: string): Promise<void>
}

export interface PlatformOptions {
  /** @default Date.now */
  now?: Clock
  /** Told of what happens in the database. */
  observe?: Observe | undefined
}

/** Opens database, blobs and engine as the settings say. The only place that chooses drivers. */
export async function openPlatform(
  settings: Settings,
  { now = Date.now, observe }: PlatformOptions = {},
): Promise<Platform> {
  const file = databaseFile(settings)
  const newToken: () => string = randomUUID
  const boot = newToken()
  const shared = {
    boot,
    now,
    newId: createIds(now),
    newToken,
    random: Math.random,
  }
  if (file === ':memory:') {
    const database = openSqlite(file, { observe })
    await migrate(database)
    const clock = await openServiceTime(database)
    const blobStore = memoryBlobs({ now: clock.now })
    const engine = embeddedEngine({ now: clock.now })
    return {
      ...shared,
      serviceTime: clock.now,
      engine,
      database,
      blobStore,
      scratch: join(settings.tempDir ?? tmpdir(), `chapkit-${shared.newToken()}`),
      owned: [],
      isDurable: false,
      lost: new Promise<never>(() => {}),
      announce: async () => {},
      [Symbol.asyncDispose]: async () => {
        await engine.close()
        await blobStore.close()
        await clock.close()
        await database.close()
      },
    }
  }

  assertSyncs()
  // The lock comes first: nothing in the folder is touched while another process owns it.
  const ownership = takeOwnership(file, { boot, now })
  try {
    const database = openSqlite(ownership.file, { observe, ownership })
    try {
      await migrate(database)
      database.claim()
      const clock = await openServiceTime(database)
      const blobStore = await openFileBlobs({ folder: blobFolder(file), now: clock.now })
      const engine = embeddedEngine({ now: clock.now })
      await blobStore.clean()
      return {
        ...shared,
        serviceTime: clock.now,
        engine,
        database,
        blobStore,
        scratch: scratchFolder(file, settings.tempDir),
        owned: [...new Set([...ownedBy(file), ...ownedBy(ownership.file)])],
        isDurable: true,
        lost: ownership.lost,
        announce: database.announce,
        [Symbol.asyncDispose]: async () => {
          await engine.close()
          await blobStore.close()
          await clock.close()
          await database.close()
          ownership.release()
        },
      }
    } catch (error) {
      await database.close()
      throw error
    }
  } catch (error) {
    ownership.release()
    throw error
  }
}

/** What is acknowledged has to be on the disk, and Yarn's own file system has no way to bring it there. */
function assertSyncs() {
  if (process.versions.pnp === undefined) return
  throw new Error(
    "Yarn's Plug'n'Play cannot write data safely to the disk: put `nodeLinker: node-modules` into .yarnrc.yml and run `yarn install`",
  )
}

/** Folder of the blobs that belong to a database file. */
export function blobFolder(file: string): string {
  return `${file.replace(/\.[^./]+$/, '')}.blobs`
}

/** Beside the database, where files can be shared with the blobs; elsewhere a name says whose it is. */
function scratchFolder(file: string, tempDir: string | null): string {
  if (tempDir === null) return `${file.replace(/\.[^./]+$/, '')}.runs`
  const name = createHash('sha256').update(file).digest('hex').slice(0, 16)
  return resolve(join(tempDir, `chapkit-${name}`))
}

/** A database and what SQLite and the lock make beside it. */
function ownedBy(file: string): string[] {
  const endings = ['', '-wal', '-shm', '-journal', '.lock', '.lock-journal']
  return [...endings.map((ending) => file + ending), blobFolder(file)]
}

/** Path of the database: `:memory:`, a path, or the URL forms that clients of the contract know (`sqlite:///data/x.db`). */
export function databaseFile({
  databaseUrl,
  dataDir,
}: Pick<Settings, 'databaseUrl' | 'dataDir'>): string {
  if (databaseUrl === null) return resolve(join(dataDir, 'chapkit.db'))
  if (databaseUrl === ':memory:' || /^sqlite[^:]*:\/\/\/?(:memory:)?$/.test(databaseUrl))
    return ':memory:'
  if (databaseUrl.startsWith('file:')) return fileURLToPath(databaseUrl)
  const path = /^sqlite[^:]*:\/\/\/(.+)$/.exec(databaseUrl)?.[1] ?? databaseUrl
  if (/^[a-z][a-z0-9+]*:\/\//i.test(path)) {
    throw new Error(
      `Expected an SQLite path or URL as the database, got a ${path.split(':', 1)[0]} URL`,
    )
  }
  return isAbsolute(path) ? path : resolve(path)
}
