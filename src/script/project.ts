import { createReadStream } from 'node:fs'
import { keepManifest, manifestBytes } from '../artifact/manifest.ts'
import type { FileEntry, ManifestEntry } from '../artifact/schema.ts'
import type { Blobs, StagedBlob } from '../blob/blobs.ts'
import { sha256 } from '../blob/blobs.ts'
import type { Database } from '../db/database.ts'
import { systemPath } from '../kernel/path.ts'
import type { FilesWorker } from './files-worker.ts'
import { ContentChanged, type Filling } from './folders.ts'
import type { ProjectListing, Skipped } from './listing.ts'
import { FilesError } from './trouble.ts'

export interface ProjectDeps {
  root: string
  /** Folders below the project that are the service's own. */
  except: readonly string[]
  worker: FilesWorker
  blobs: Blobs
  database: Database
}

/** A project as it is at a moment. */
export interface StoredProject {
  /** Hash of its manifest. */
  hash: string
  entries: ManifestEntry[]
  filling: Filling
  /** What is not copied, though no rule says so. */
  skipped: Skipped[]
}

/** How often a project is looked at anew when it changes while it is copied. */
const attempts = 5
/** Bytes of small files that are written in one go, so that others come in between. */
const bytesPerWrite = 1024 * 1024

/** The files that a model is made of, kept once by content; what its author changes is there with the next training. */
export function createProject({ root, except, worker, blobs, database }: ProjectDeps) {
  /** What is known of files that have not changed since. */
  let known = new Map<string, { stamp: string; entry: FileEntry }>()
  let stored: string | undefined

  /** Stores the files under the name of a job, which keeps them until a training does. */
  async function store(listing: ProjectListing, job: string): Promise<StoredProject> {
    const entries: FileEntry[] = []
    const seen: typeof known = new Map()
    let fresh: StagedBlob[] = []
    let bytes = 0
    const write = async () => {
      const staged = fresh
      fresh = []
      bytes = 0
      if (staged.length > 0)
        await database.write((tx) => blobs.keep(tx, `job:${job}`, staged), { durable: false })
    }
    for (const { path, mode, stamp } of listing.files) {
      const old = known.get(path)
      if (old?.stamp === stamp) {
        seen.set(path, old)
        entries.push(old.entry)
        continue
      }
      const staged = await blobs.stage(createReadStream(systemPath(root, path)))
      const entry = {
        ...{ path, mode, size: staged.size, crc32: staged.crc32 },
        sha256: staged.hash,
      }
      seen.set(path, { stamp, entry })
      entries.push(entry)
      fresh.push(staged)
      bytes += staged.inline?.byteLength ?? 0
      if (bytes >= bytesPerWrite) await write()
    }
    await write()
    const all = [...entries, ...listing.folders]
    const manifest = manifestBytes({ entries: all })
    const hash = sha256(manifest)
    if (hash !== stored) {
      const staged = await blobs.stage(manifest)
      const hashes = entries.map((entry) => entry.sha256)
      await database.write(async (tx) => {
        await keepManifest(blobs, tx, hash, { keeps: [], refers: hashes })
        await blobs.keep(tx, `job:${job}`, [staged])
      })
    }
    known = seen
    stored = hash
    return { hash, entries: all, filling: toFilling(hash, listing), skipped: listing.skipped }
  }

  const toFilling = (key: string, { files, folders }: ProjectListing): Filling => ({
    key,
    async fill(by, folder) {
      const placed = await by.run('placeProject', { root, folder, files, folders })
      if (placed === false) throw new ContentChanged()
      return placed
    },
  })

  /** Lists the project and gives it to `use`, again when it turns out to have changed meanwhile. */
  async function whileStill<Result>(
    use: (listing: ProjectListing) => Promise<Result>,
  ): Promise<Result> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await use(await worker.run('listProject', { root, except }))
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException
        const hasChanged = error instanceof ContentChanged || code === 'ENOENT'
        if (!hasChanged) throw error
        if (attempt === attempts) {
          throw new FilesError(
            'The project was changed each time that it was copied; name what changes all the time in .chapkitignore',
          )
        }
        // What is missing may be what is believed to be stored.
        stored = undefined
      }
    }
  }

  return {
    root,

    /**
     * Stores the project as it is now and gives it to `use`, again when it turns out to have changed meanwhile: `use` copies it,
     * and does nothing else. Throws a `FilesError` when it cannot be read, or never stands still.
     */
    use: <Result>(job: string, use: (project: StoredProject) => Promise<Result>): Promise<Result> =>
      whileStill(async (listing) => use(await store(listing, job))),

    /** As `use`, without storing it: what a folder is filled with to have a copy. */
    copy: <Result>(use: (filling: Filling) => Promise<Result>): Promise<Result> =>
      whileStill(({ files, folders, ...rest }) => {
        const key = sha256(Buffer.from(JSON.stringify({ files, folders })))
        return use(toFilling(key, { files, folders, ...rest }))
      }),
  }
}
