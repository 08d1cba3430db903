import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import { keepManifest, manifestBytes } from '../artifact/manifest.ts'
import type { ManifestEntry } from '../artifact/schema.ts'
import type { Blobs, StagedBlob } from '../blob/blobs.ts'
import { sha256 } from '../blob/blobs.ts'
import type { Database } from '../db/database.ts'
import { FilesError, type FoundFile } from './files.ts'
import type { FilesWorker } from './files-worker.ts'
import { ContentChanged, type Filling } from './folders.ts'

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
}

/** How often a project is looked at anew when it changes while it is copied. */
const attempts = 5
/** Bytes of small files that are written in one go, so that others come in between. */
const bytesPerWrite = 1024 * 1024

/** The files that a model is made of, kept once by content; what its author changes is there with the next training. */
export function createProject({ root, except, worker, blobs, database }: ProjectDeps) {
  /** What is known of files that have not changed since. */
  let known = new Map<string, { stamp: string; entry: ManifestEntry }>()
  let stored: string | undefined

  /** Stores the files under the name of a job, which keeps them until a training does. */
  async function store(files: readonly FoundFile[], job: string): Promise<StoredProject> {
    const entries: ManifestEntry[] = []
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
    for (const { path, mode, stamp } of files) {
      const old = known.get(path)
      if (old?.stamp === stamp) {
        seen.set(path, old)
        entries.push(old.entry)
        continue
      }
      const staged = await blobs.stage(createReadStream(join(root, path)))
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
    const manifest = manifestBytes({ entries })
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
    return { hash, entries, filling: toFilling(hash, files) }
  }

  const toFilling = (key: string, files: readonly FoundFile[]): Filling => ({
    key,
    async fill(by, folder) {
      const placed = await by.run('placeProject', { root, folder, files })
      if (placed === false) throw new ContentChanged()
      return placed
    },
  })

  /** Lists the project and gives it to `use`, again when it turns out to have changed meanwhile. */
  async function whileStill<Result>(
    use: (files: readonly FoundFile[]) => Promise<Result>,
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
     * Stores the project as it is now and gives it to `use`, again when it turns out to have changed meanwhile. Throws a
     * `FilesError` when it cannot be read, or never stands still.
     */
    use: <Result>(job: string, use: (project: StoredProject) => Promise<Result>): Promise<Result> =>
      whileStill(async (files) => use(await store(files, job))),

    /** As `use`, without storing it: what a folder is filled with to have a copy. */
    copy: <Result>(use: (filling: Filling) => Promise<Result>): Promise<Result> =>
      whileStill((files) => use(toFilling(sha256(Buffer.from(JSON.stringify(files))), files))),
  }
}
