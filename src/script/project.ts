import { createReadStream } from 'node:fs'
import { type Manifests, manifestBytes } from '../artifact/manifest.ts'
import type { FileEntry, ManifestEntry } from '../artifact/schema.ts'
import type { Blobs } from '../blob/blobs.ts'
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
  blobs: Pick<Blobs, 'stage' | 'keep' | 'has'>
  manifests: Manifests
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

/** The files that a model is made of, kept once by content; what its author changes is there with the next training. */
export function createProject({ root, except, worker, blobs, manifests, database }: ProjectDeps) {
  /** What is known of files that have not changed since. */
  let known = new Map<string, { stamp: string; entry: FileEntry }>()
  let stored: string | undefined

  /** Whether the manifest that was stored last is still there; if so, the job keeps it from here on. */
  async function keepStored(job: string): Promise<boolean> {
    const hash = stored
    if (hash === undefined) return false
    return database.write(
      async (tx) => {
        if (!(await blobs.has(hash, tx))) return false
        await blobs.keep(tx, `job:${job}`, [], [hash])
        return true
      },
      { durable: false },
    )
  }

  /** Stores the files and their manifest, which the job keeps until a training does. */
  async function store(listing: ProjectListing, job: string): Promise<StoredProject> {
    // The sweep may have removed it with the last training that was made of it.
    if (!(await keepStored(job))) {
      known = new Map()
      stored = undefined
    }
    const entries: FileEntry[] = []
    const seen: typeof known = new Map()
    const batch = manifests.batch()
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
      await batch.add(staged)
    }
    await batch.end()
    const all = [...entries, ...listing.folders]
    const manifest = manifestBytes({ entries: all })
    const hash = sha256(manifest)
    if (hash !== stored) {
      await manifests.store(
        job,
        manifest,
        entries.map((entry) => entry.sha256),
      )
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
