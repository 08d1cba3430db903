import { existsSync } from 'node:fs'
import { copyFile, link, mkdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import type { BlobStore } from '../../blob/blob-store.ts'
import { openFileBlobs } from '../../blob/file.ts'
import { foldLog, readDatabase } from '../../db/backup.ts'
import { migrationNames } from '../../db/migrate.ts'
import { describeOwner } from '../../db/owner.ts'
import { InUseError, type Ownership, takeOwnership } from '../../db/ownership.ts'
import { type Clock, toTimestamp } from '../../kernel/clock.ts'
import { blobFolder, databaseFile } from '../../platform.ts'
import { environment, parseSettings } from '../../settings.ts'
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
  readManifest,
  sync,
  syncFolders,
  toLine,
  toReport,
} from '../backup.ts'
import { CommandError, exit } from '../exit.ts'
import { createOutput } from '../output.ts'

export interface RestoreOptions {
  dataDir?: string
  force?: boolean
  json?: boolean
}

/** Puts a back-up in place of a data folder that no service uses. Answers the exit code. */
export async function restore(folder: string, options: RestoreOptions): Promise<number> {
  let file = ''
  const output = createOutput(options)
  const progress = output.progress('restoring')
  try {
    const settings = parseSettings(environment())
    file = databaseFile({ ...settings, dataDir: options.dataDir ?? settings.dataDir })
    const force = options.force ?? false
    const { manifest, aside } = await restoreBackup(resolve(folder), file, {
      force,
      report: toReport(progress),
    })
    progress.end()
    const { counts, blobs, database } = manifest
    if (aside !== null) output.note(`what was there before is in ${aside}`)
    output.result(
      { folder: dirname(file), before: aside, ...manifest },
      () =>
        `Restored ${counts.configs} configs, ${counts.artifacts} artifacts, ${counts.jobs} jobs and ${blobs.files} files of ${manifest.created_at}: ${database.bytes + blobs.bytes} bytes in ${dirname(file)}`,
    )
    return exit.ok
  } catch (error) {
    throw new CommandError(toLine(error, file))
  } finally {
    progress.end()
  }
}

interface Staged {
  folder: string
  database: string
  blobs: string
  store: BlobStore
  files: readonly BlobFile[]
}

/**
 * Restores in an order that leaves the old data or the new at every moment, whatever ends it: a checked copy beside the data;
 * a second name for what is there; the new blobs, which the old database does not know and the next start would sweep; and
 * then, in one rename, the database.
 */
export async function restoreBackup(
  source: string,
  file: string,
  { force, report, now = Date.now }: { force: boolean; report: Report; now?: Clock },
): Promise<{ manifest: Manifest; aside: string | null }> {
  if (file === ':memory:')
    throw new BackupError('A service in memory keeps nothing: name a folder with --data-dir')
  const manifest = await readManifest(source)
  refuseNewer(manifest)

  const dataDir = dirname(file)
  const isNew = !existsSync(dataDir)
  const ownership = ownData(file, now)
  const folder = `${file}.restoring`
  try {
    assertUnused(ownership, file)
    const hasData = await holdsData(file, folder)
    if (hasData && !force)
      throw new BackupError(
        `${dataDir} has data: restore into another folder, or add --force, which moves it aside`,
      )
    await rm(folder, { recursive: true, force: true })
    const staged = await stage(source, manifest, folder, paced(report), report)
    report('putting it in place')
    const aside = hasData ? await keepAside(file, toTimestamp(now())) : null
    await placeBlobs(staged, blobFolder(file))
    // Once more: to copy a file gives the locks on it back.
    assertUnused(ownership, file)
    // From here on nothing can be refused any more.
    foldLog(file)
    await rename(staged.database, file)
    await sync(dataDir)
    if (isNew) await sync(dirname(dataDir))
    await rm(folder, { recursive: true, force: true })
    return { manifest, aside }
  } catch (error) {
    await rm(folder, { recursive: true, force: true }).catch(() => {})
    throw error
  } finally {
    ownership.release()
  }
}

/** The start of a service refuses a newer schema too; here it is said before anything is replaced. */
function refuseNewer({ migrations, chapkit }: Manifest) {
  const unknown = migrations.migration?.find((name) => !migrationNames.includes(name))
  if (unknown === undefined) return
  throw new BackupError(
    `The backup is newer than this program: chapkit ${chapkit} made it, with the migration "${unknown}". Install that version`,
  )
}

function ownData(file: string, now: Clock): Ownership {
  return explainUse(file, () => takeOwnership(file, { boot: 'restore', now }))
}

function assertUnused(ownership: Ownership, file: string): void {
  explainUse(file, () => ownership.assertUnused())
}

function explainUse<Result>(file: string, act: () => Result): Result {
  try {
    return act()
  } catch (error) {
    if (!(error instanceof InUseError)) throw error
    const { owner } = error
    throw new BackupError(
      owner
        ? `A chapkit service (${describeOwner(owner)}) is using ${dirname(file)}: stop it first`
        : `A chapkit service or another program is using ${dirname(file)}: stop it first`,
    )
  }
}

/** Blobs without a database are data too, unless an interrupted restore into an empty folder put them there. */
async function holdsData(file: string, staging: string): Promise<boolean> {
  if (existsSync(file)) return true
  return (await entries(blobFolder(file))).length > 0 && !existsSync(staging)
}

/** Copies a back-up into a folder on the disk of the data, checking every byte. Nothing that is in use is touched. */
async function stage(
  source: string,
  manifest: Manifest,
  folder: string,
  progress: Report,
  report: Report,
): Promise<Staged> {
  const from = join(source, names.database)
  if (!existsSync(from)) throw new BackupError(`The backup is damaged: ${from} is missing`)
  await mkdir(folder, { mode: 0o700 })
  const database = join(folder, names.database)
  report('checking the database')
  await copyFile(from, database)
  const { bytes, sha256 } = await digestFile(database)
  if (bytes !== manifest.database.bytes || sha256 !== manifest.database.sha256) {
    throw new BackupError(
      `The backup is damaged: ${from} has SHA-256 ${sha256}, expected ${manifest.database.sha256}`,
    )
  }
  const { files } = readDatabase(database, from)
  await sync(database)

  report(`checking ${files.length} files`)
  const blobs = join(folder, names.blobs)
  const store = await openFileBlobs({ folder: blobs })
  await copyBlobs(
    files,
    join(source, names.blobs),
    { folder: blobs, store },
    {
      report: progress,
      onAbsent({ hash }) {
        const path = blobPath(join(source, names.blobs), { folder: blobs, store }, hash)
        throw new BackupError(`The backup is damaged: ${path} is missing`)
      },
      onDamaged(_file, path) {
        throw new BackupError(`The backup is damaged: ${path} has other bytes than it should`)
      },
    },
  )
  await store.close()
  return { folder, database, blobs, store, files }
}

/**
 * Keeps what is there in a folder beside it, or inside when that is on another disk, as where the data folder is a mount.
 * The database is copied, as until the end the old one may be used again; blobs never change and get a second name.
 */
async function keepAside(file: string, time: string): Promise<string> {
  const dataDir = dirname(file)
  const suffix = `before-restore-${time.replaceAll(':', '-')}`
  const blobs = blobFolder(file)
  const fill = async (aside: string) => {
    await mkdir(aside, { mode: 0o700 })
    try {
      await linkFolder(blobs, join(aside, basename(blobs)))
      for (const end of ['', '-journal', '-wal']) {
        if (!existsSync(file + end)) continue
        const copy = join(aside, basename(file) + end)
        await copyFile(file + end, copy)
        await sync(copy)
      }
      await syncFolders(aside)
      await sync(dirname(aside))
      return aside
    } catch (error) {
      await rm(aside, { recursive: true, force: true }).catch(() => {})
      throw error
    }
  }
  try {
    return await fill(`${dataDir}.${suffix}`)
  } catch (error) {
    if (!hasCode(error, 'EXDEV', 'EACCES', 'EROFS', 'EPERM')) throw error
    return fill(join(dataDir, suffix))
  }
}

async function linkFolder(from: string, to: string): Promise<void> {
  const found = await entries(from)
  await mkdir(to, { mode: 0o700 })
  for (const entry of found) {
    if (entry.isDirectory()) await linkFolder(join(from, entry.name), join(to, entry.name))
    else if (entry.isFile()) await linkFile(join(from, entry.name), join(to, entry.name))
  }
}

async function linkFile(from: string, to: string): Promise<void> {
  try {
    await link(from, to)
  } catch (error) {
    // Some file systems have no second names.
    if (!hasCode(error, 'EPERM', 'ENOTSUP', 'EMLINK')) throw error
    await copyFile(from, to)
    await sync(to)
  }
}

/** Gives every staged blob its place. One that is there is replaced by the same bytes, or by the right ones if it is damaged. */
async function placeBlobs(staged: Staged, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const layout = { folder: staged.blobs, store: staged.store }
  const folders = new Set<string>()
  for (const { hash } of staged.files) {
    const path = blobPath(folder, layout, hash)
    const parent = dirname(path)
    if (!folders.has(parent)) await mkdir(parent, { recursive: true, mode: 0o700 })
    folders.add(parent)
    await rename(blobPath(staged.blobs, layout, hash), path)
  }
  for (const parent of folders) await sync(parent)
  await sync(folder)
  await sync(dirname(folder))
}
