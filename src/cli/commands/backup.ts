import { existsSync } from 'node:fs'
import { mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { openFileBlobs } from '../../blob/file.ts'
import { copyDatabase, type DatabaseFacts, ownersOf, readDatabase } from '../../db/backup.ts'
import { makeFolder } from '../../db/folder.ts'
import { LockedError, takeLock } from '../../db/lock.ts'
import { type Clock, toTimestamp } from '../../kernel/clock.ts'
import { blobFolder, databaseFile } from '../../platform.ts'
import { environment, parseSettings } from '../../settings.ts'
import { version } from '../../version.ts'
import {
  BackupError,
  type BlobFile,
  blobPath,
  copyBlobs,
  digestFile,
  entries,
  hasCode,
  type Manifest,
  names,
  paced,
  type Report,
  sync,
  toLine,
  toReport,
} from '../backup.ts'
import { CommandError, exit } from '../exit.ts'
import { createOutput } from '../output.ts'

export interface BackupOptions {
  dataDir?: string
  json?: boolean
}

/** Backs up a data folder, in use or not, into a new folder. Answers the exit code. */
export async function backup(folder: string, options: BackupOptions): Promise<number> {
  const target = resolve(folder)
  const output = createOutput(options)
  const progress = output.progress('backing up')
  try {
    const settings = parseSettings(environment())
    const file = databaseFile({ ...settings, dataDir: options.dataDir ?? settings.dataDir })
    const manifest = await createBackup(file, target, toReport(progress))
    progress.end()
    const { counts, blobs, database } = manifest
    output.result(
      { folder: target, ...manifest },
      () =>
        `Backed up ${counts.configs} configs, ${counts.artifacts} artifacts, ${counts.jobs} jobs and ${blobs.files} files: ${database.bytes + blobs.bytes} bytes in ${target}`,
    )
    return exit.ok
  } catch (error) {
    throw new CommandError(toLine(error, target))
  } finally {
    progress.end()
  }
}

const lockName = 'lock'

/** A service that removes old contents all the time cannot outrun this many copies, each of which is shorter. */
const maximumCopies = 10

/**
 * Copies the database at `file` and every blob that it names into `target`, which is absent or empty. The order makes a
 * back-up that ended early one that nobody takes for whole: database, blobs, manifest, name, each on the disk before the next.
 */
export async function createBackup(
  file: string,
  target: string,
  report: Report,
  now: Clock = Date.now,
): Promise<Manifest> {
  if (file === ':memory:')
    throw new BackupError('A service in memory keeps nothing: there is nothing to back up')
  if (!existsSync(file)) throw new BackupError(`There is no database ${file}`)
  if (await isTaken(target))
    throw new BackupError(`${target} exists and is not empty: name a new folder`)

  const partial = `${target}.partial`
  const lock = await claim(partial)
  try {
    const folder = join(partial, 'backup')
    await mkdir(folder, { mode: 0o700 })
    const manifest = await fill(file, folder, { report, now })
    await rename(folder, target)
    await sync(dirname(target))
    return manifest
  } finally {
    lock.release()
    await rm(partial, { recursive: true, force: true }).catch(() => {})
  }
}

async function isTaken(folder: string): Promise<boolean> {
  try {
    return (await entries(folder)).length > 0
  } catch (error) {
    if (hasCode(error, 'ENOTDIR')) return true
    throw error
  }
}

/** Takes the folder that is written into, and what a back-up that ended early left there, away. */
async function claim(partial: string) {
  const left = (await entries(partial)).map(({ name }) => name)
  if (left.length > 0 && !left.includes(lockName))
    throw new BackupError(`${partial} is in the way, and not of a backup: move it`)
  makeFolder(partial, 0o700)
  let lock: ReturnType<typeof takeLock>
  try {
    lock = takeLock(join(partial, lockName))
  } catch (error) {
    if (!(error instanceof LockedError)) throw error
    throw new BackupError(`Another backup is writing to ${partial}`)
  }
  try {
    for (const name of left)
      if (name !== lockName) await rm(join(partial, name), { recursive: true, force: true })
    return lock
  } catch (error) {
    lock.release()
    throw error
  }
}

async function fill(
  file: string,
  folder: string,
  { report, now }: { report: Report; now: Clock },
): Promise<Manifest> {
  const database = join(folder, names.database)
  const blobs = join(folder, names.blobs)
  const store = await openFileBlobs({ folder: blobs })
  const progress = paced(report)
  const copied = new Set<string>()
  let facts: DatabaseFacts

  // The copied database is the truth. A blob whose file the service removes before it is copied has no row any more in a
  // later copy: that one is taken, and what is copied already stays.
  for (let copies = 1; ; copies++) {
    report(`copying the database ${file}`)
    await copyDatabase(file, database, (done, total) =>
      progress('copying the database', done / total),
    )
    facts = readDatabase(database, file)
    const wanted = facts.files.filter(({ hash }) => !copied.has(hash))
    report(`copying ${wanted.length} files`)
    const gone = new Set<string>()
    await copyBlobs(
      wanted,
      blobFolder(file),
      { folder: blobs, store },
      {
        report: progress,
        async onAbsent(blob) {
          const path = blobPath(blobFolder(file), { folder: blobs, store }, blob.hash)
          await assertRemoved(file, blob, path)
          gone.add(blob.hash)
        },
        onDamaged(blob, path) {
          throw new BackupError(`The file ${path} is damaged${neededBy(file, blob)}`)
        },
      },
    )
    for (const { hash } of wanted) if (!gone.has(hash)) copied.add(hash)
    if (gone.size === 0) break
    if (copies === maximumCopies)
      throw new BackupError('The service removes contents faster than they are copied: try again')
    report(`${gone.size} files were removed meanwhile: taking a later copy of the database`)
  }
  const named = new Set(facts.files.map(({ hash }) => hash))
  for (const hash of copied) if (!named.has(hash)) await store.remove(hash)
  await store.close()
  await sync(database)

  const manifest: Manifest = {
    format: 1,
    chapkit: version,
    created_at: toTimestamp(now()),
    migrations: facts.migrations,
    database: await digestFile(database),
    blobs: {
      files: facts.files.length,
      bytes: facts.files.reduce((sum, { size }) => sum + size, 0),
    },
    counts: facts.counts,
  }
  await sync(folder)
  const handle = await open(join(folder, names.manifest), 'wx', 0o600)
  try {
    await handle.writeFile(`${JSON.stringify(manifest, null, 2)}\n`)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await sync(folder)
  return manifest
}

/**
 * Resolves when an absent file is one that the service removed, or when it is back: a sweep moves a file away before it looks
 * once more whether it is needed. Throws when the service needs it and does not have it.
 */
async function assertRemoved(file: string, blob: BlobFile, path: string): Promise<void> {
  for (let looks = 0; looks < 10; looks++) {
    if (existsSync(path) || ownersOf(file, blob.hash) === null) return
    await sleep(100)
  }
  throw new BackupError(`The file ${path} is missing${neededBy(file, blob)}`)
}

function neededBy(file: string, { hash }: BlobFile): string {
  const owners = ownersOf(file, hash) ?? []
  return owners.length > 0 ? `; needed by ${owners.join(', ')}` : ''
}
