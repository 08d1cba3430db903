import { existsSync, lstatSync, readlinkSync, realpathSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import BetterSqlite from 'better-sqlite3'
import { type Clock, toTimestamp } from '../kernel/clock.ts'
import { makeFolder } from './folder.ts'
import { LockedError, takeLock } from './lock.ts'
import {
  describeOwner,
  findOwner,
  inodeOf,
  isOf,
  type Owner,
  selectOwner,
  stateOf,
  thisProcess,
} from './owner.ts'

type Handle = BetterSqlite.Database

/** How often a service looks whether its data is still its own, in milliseconds. Every commit looks as well. */
const lookMs = 1000

/** Data that another service is using. `owner` is who, where that is known. */
export class InUseError extends Error {
  override readonly name = 'InUseError'
  readonly owner: Owner | undefined

  constructor(message: string, owner?: Owner, options?: ErrorOptions) {
    super(message, options)
    this.owner = owner
  }
}

/** The data of a service was taken from it, or away, while it ran. */
export class OwnershipLostError extends Error {
  override readonly name = 'OwnershipLostError'
}

/** The right of this process to a database, from the lock before it is opened to the end of the service. */
export interface Ownership {
  /** Path of the database, without links. */
  readonly file: string
  /** Refuses, with an {@link InUseError}, a database that another service has open, under whatever name. */
  seize(handle: Handle): void
  /** The same for whoever replaces the database as a file: it asks for a moment, and holds nothing. */
  assertUnused(): void
  /** Writes who owns the database, where all who open it later can read it. The table must be there. */
  record(handle: Handle): void
  /** Throws an {@link OwnershipLostError} when the database is no longer this service's. */
  assertHeld(): void
  /** Resolves with the reason as soon as it is known that the database is lost; never otherwise. */
  readonly lost: Promise<OwnershipLostError>
  /** To be called before the connection is closed: says that the service stopped in good order. */
  leave(): void
  release(): void
}

export interface OwnershipOptions {
  /** Random, of this start of the service. */
  boot: string
  now: Clock
}

/**
 * Takes the database at `path` for this process.
 *
 * Two locks belong to it, and both end with the process. The lock file beside the database keeps the folder, from before the
 * database is opened. The database file itself is kept by SQLite's own lock: whoever opens it has to be alone on its inode
 * for a moment, and from then on stays on it. So links, other mounts and a lock file that was deleted lead to the same lock.
 */
export function takeOwnership(path: string, { boot, now }: OwnershipOptions): Ownership {
  const file = realFile(path)
  const lockFile = `${file}.lock`
  const lock = lockOf(path, file, lockFile)
  const lockInode = inodeOf(lockFile) ?? ''
  const loss = Promise.withResolvers<OwnershipLostError>()
  let lost: OwnershipLostError | undefined
  let held:
    | { handle: Handle; owner: BetterSqlite.Statement; inode: string; look: NodeJS.Timeout }
    | undefined

  function findLoss(): string | undefined {
    if (!held) return undefined
    if (inodeOf(file) !== held.inode)
      return `The database ${file} was removed or replaced while the service was using it`
    const owner = held.owner.get() as Owner | undefined
    if (owner?.boot === boot) return undefined
    const who = owner ? ` (${describeOwner(owner)})` : ''
    return `Another chapkit service${who} has taken over the database ${file}`
  }

  function assertHeld() {
    if (lost) throw lost
    const reason = findLoss()
    if (reason === undefined) return
    lost = new OwnershipLostError(`${reason}. This one stops; nothing more is stored`)
    loss.resolve(lost)
    throw lost
  }

  return {
    file,
    lost: loss.promise,
    assertHeld,

    seize: (handle) => assertAlone(handle, { path, file, lockInode }),

    assertUnused() {
      if (!existsSync(file)) return
      const handle = new BetterSqlite(file, { fileMustExist: true })
      try {
        assertAlone(handle, { path, file, lockInode })
      } catch (error) {
        // What is damaged no service uses.
        if (error instanceof InUseError || !isDamage(error)) throw error
      } finally {
        handle.close()
      }
    },

    record(handle) {
      const inode = inodeOf(file) ?? ''
      const owner: Owner = {
        ...{ boot, ...thisProcess(), since: toTimestamp(now()), url: null },
        ...{ place: file, inode, lock_inode: lockInode, released: 0 },
      }
      const names = Object.keys(owner)
      handle.exec('BEGIN IMMEDIATE')
      handle.exec('DELETE FROM owner')
      handle
        .prepare(`INSERT INTO owner (${names}) VALUES (${names.map((name) => `:${name}`)})`)
        .run(owner)
      handle.exec('COMMIT')
      // Under another name of the file its log is not seen: the row has to be in the file itself.
      handle.pragma('wal_checkpoint(PASSIVE)')
      const look = setInterval(() => {
        try {
          assertHeld()
        } catch (error) {
          clearInterval(look)
          // A database that cannot be read right now is not a database that was lost: the next commit says so.
          if (!(error instanceof OwnershipLostError)) return
        }
      }, lookMs).unref()
      // Asked at every commit.
      held = { handle, owner: handle.prepare('SELECT * FROM owner'), inode, look }
    },

    leave() {
      if (!held || lost) return
      try {
        assertHeld()
        held.handle.exec('UPDATE owner SET released = 1')
      } catch {
        // The next start finds out by itself that this process has ended.
      }
    },

    release() {
      clearInterval(held?.look)
      held = undefined
      lock.release()
    },
  }
}

/** A path without links, also of a database that is not there yet. */
function realFile(path: string): string {
  if (existsSync(path)) return realpathSync(path)
  const folder = dirname(path)
  makeFolder(folder)
  const isLink = lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ?? false
  if (isLink) return realFile(resolve(folder, readlinkSync(path)))
  return join(realpathSync(folder), basename(path))
}

function lockOf(path: string, file: string, lockFile: string) {
  try {
    return takeLock(lockFile)
  } catch (error) {
    if (!(error instanceof LockedError)) throw error
    throw inUse(path, findOwner(file), { cause: error })
  }
}

function inUse(path: string, owner: Owner | undefined, options?: ErrorOptions) {
  const who = owner ? ` (${describeOwner(owner)})` : ''
  return new InUseError(
    `Another chapkit service${who} is using ${dirname(path)}. Stop it, or start with another CHAPKIT_DATA_DIR`,
    owner,
    options,
  )
}

function isDamage(error: unknown): boolean {
  return /^SQLITE_(CORRUPT|NOTADB)/.test(String((error as { code?: unknown }).code))
}

interface Opened {
  path: string
  file: string
  lockInode: string
}

function assertAlone(handle: Handle, { path, file, lockInode }: Opened) {
  const isAlone = wasAlone(handle)
  const owner = selectOwner(handle)
  if (isAlone) {
    if (owner && isOf(owner, file)) assertNotRunning(owner, path, file)
    return
  }
  // Others read, such as a backup: the last owner held the lock file that is ours now, so it is not among them.
  const isOfThisFolder = owner?.lock_inode === lockInode && statSync(file).nlink === 1
  if (isOfThisFolder) return
  if (owner && isOf(owner, file) && stateOf(owner) !== 'ended') throw inUse(path, owner)
  throw new InUseError(
    `Another program has the database ${file} open, and it may be a chapkit service that uses it by another name. Stop that service; if it is a backup or a program that only reads, start again when it has ended`,
  )
}

/** A process that runs and lost its lock, or a log that lies where it cannot be seen from here. */
function assertNotRunning(owner: Owner, path: string, file: string) {
  if (stateOf(owner) === 'running' && owner.pid !== process.pid) throw inUse(path, owner)
  const log = statSync(`${owner.place}-wal`, { throwIfNoEntry: false })
  if (owner.place !== file && log && log.size > 0 && inodeOf(owner.place) === owner.inode) {
    throw new InUseError(
      `The database ${file} was last used as ${owner.place}, where a service ended without stopping and left a log. Start the service there once, and stop it`,
      owner,
    )
  }
}

/**
 * Whether nobody else has the database open. Every connection in WAL mode keeps a shared lock on the inode for as long as it is
 * open; in exclusive mode a write asks for the exclusive one, which goes back to a shared one without a gap.
 */
function wasAlone(handle: Handle): boolean {
  // To enter WAL mode first makes it possible to leave exclusive mode again.
  handle.prepare('SELECT count(*) FROM sqlite_master').get()
  handle.pragma('locking_mode = EXCLUSIVE')
  handle.pragma('busy_timeout = 0')
  try {
    handle.exec('BEGIN IMMEDIATE')
    handle.exec('COMMIT')
    return true
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'SQLITE_BUSY') throw error
    return false
  } finally {
    handle.pragma('busy_timeout = 5000')
    handle.pragma('locking_mode = NORMAL')
    // The lock is given back by the next access.
    handle.prepare('SELECT count(*) FROM sqlite_master').get()
  }
}
