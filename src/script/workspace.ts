import { createReadStream } from 'node:fs'
import { chmod, constants, open } from 'node:fs/promises'
import { type Manifests, manifestBytes, onTop, zipSize } from '../artifact/manifest.ts'
import {
  type FileEntry,
  type FolderEntry,
  isFileEntry,
  isFolderEntry,
  isLinkEntry,
  type LinkEntry,
  type ManifestEntry,
} from '../artifact/schema.ts'
import type { Blobs, StagedBlob } from '../blob/blobs.ts'
import { showPath, systemPath } from '../kernel/path.ts'
import { fileEntry } from '../ml/model-file.ts'
import type { PlacedFile } from './files.ts'
import type { FilesWorker } from './files-worker.ts'
import type { RunFolder } from './folders.ts'
import type { FoundFile } from './found.ts'
import type { RunListing, Skipped } from './listing.ts'
import { isPassing } from './trouble.ts'

/*
 * The folder of a run as something that is stored, and the way back. Nothing here begins a command, so all of it may be done
 * again.
 */

/** A file of a run that is known without reading it: what was written before the command began. */
export interface KnownFile {
  entry: FileEntry
  /** To be stored; a frame is already. */
  staged: StagedBlob | null
}

/** What a run leaves. */
export interface Workspace {
  /** Its manifest, which is stored and refers to all that it is made of. */
  staged: StagedBlob
  /** Size of it as a zip. */
  size: number
  /** What became of the folder itself, where it is none any more; then the workspace is empty. */
  gone: string | null
  /** What is not in it. */
  skipped: Skipped[]
}

export interface WorkspaceDeps {
  blobs: Pick<Blobs, 'stage' | 'source'>
  manifests: Manifests
  worker: Pick<FilesWorker, 'run'>
}

/** A run whose folder is to be stored. */
export interface Collected {
  /** The job that keeps what is stored, until an artifact does. */
  job: string
  folder: Pick<RunFolder, 'work' | 'placed'>
  /** The workspace that it began with. */
  base: { hash: string; entries: readonly ManifestEntry[] }
  known: readonly KnownFile[]
}

/** Bytes that the folder of a run may hold when it ends. */
const maximumBytes = 4 * 1024 ** 3
/** Blobs that are read in one go: small ones come from the database, and others wait for their turn meanwhile. */
const lookups = 16

export type Workspaces = ReturnType<typeof createWorkspaces>

/** Stores the folders of runs, each as a layer on what it began with, and makes such folders again. */
export function createWorkspaces({ blobs, manifests, worker }: WorkspaceDeps) {
  /** Stores the files that the run has made or changed. */
  async function storeChanged(
    folder: Pick<RunFolder, 'work' | 'placed'>,
    base: ReadonlyMap<string, ManifestEntry>,
    known: readonly KnownFile[],
    listing: RunListing,
  ): Promise<{ layer: FileEntry[]; lost: Skipped[] }> {
    const own = new Map(known.map((file) => [file.entry.path, file]))
    const batch = manifests.batch()
    const layer: FileEntry[] = []
    const lost: Skipped[] = []
    const add = async ({ entry, staged }: KnownFile) => {
      layer.push(entry)
      if (staged) await batch.add(staged)
    }
    for (const file of listing.files) {
      const isUntouched = folder.placed.get(file.path)?.stamp === file.stamp
      const knownFile = own.get(file.path)
      const before = base.get(file.path)
      if (isUntouched && knownFile) await add(knownFile)
      else if (!isUntouched || !before || !isFileEntry(before)) {
        const staged = await stageFile(folder.work, file)
        if ('why' in staged) lost.push(staged)
        else await add(staged)
      }
    }
    await batch.end()
    return { layer, lost }
  }

  /** A file as a blob, or why it is none. Rejects where it is the store that cannot take it. */
  async function stageFile(work: string, file: FoundFile): Promise<KnownFile | Skipped> {
    const { path, mode } = file
    try {
      const staged = await blobs.stage(readOwn(work, file))
      return { entry: { ...fileEntry(path, staged), mode }, staged }
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error
      return { path, why: `cannot be read (${error.code})`, isLoss: true }
    }
  }

  async function store({ job, folder, base, known }: Collected, listing: RunListing) {
    const below = new Map(base.entries.map((entry) => [entry.path, entry]))
    const { layer, lost } = await storeChanged(folder, below, known, listing)
    const { folders, links, files } = listing
    const changed = [...folders, ...links].filter((entry) => !isSame(entry, below.get(entry.path)))
    const entries = [...layer, ...changed]
    const isLost = new Set(lost.map(({ path }) => path))
    const there = new Set([...files, ...folders, ...links].map(({ path }) => path))
    const without = [...below.keys()].filter((path) => !there.has(path) || isLost.has(path))
    const manifest = manifestBytes({ base: base.hash, without, entries })
    const hashes = [base.hash, ...layer.map(({ sha256 }) => sha256)]
    return {
      staged: await manifests.store(job, manifest, hashes),
      size: await zipSize(onTop(base.entries, { without, entries })),
      gone: listing.gone,
      skipped: [...listing.skipped, ...lost],
    }
  }

  return {
    /**
     * Answers a function that stores what a run has left, as a layer on what it began with. It may be called until it works; the
     * folder is listed once, as that gives back rights that a script has taken away, which are stored as they were.
     */
    collector(run: Collected): () => Promise<Workspace> {
      let listing: RunListing | undefined
      return async () => {
        listing ??= await worker.run('listRun', { folder: run.folder.work, maximumBytes })
        return store(run, listing)
      }
    },

    /** Copies a stored workspace into a folder: never a link to what is stored. */
    async fill(
      by: Pick<FilesWorker, 'run'>,
      folder: string,
      entries: readonly ManifestEntry[],
    ): Promise<FoundFile[]> {
      const wanted = entries.filter(isFileEntry)
      const placed: FoundFile[] = []
      for (let at = 0; at < wanted.length; at += lookups) {
        const files = await Promise.all(
          wanted.slice(at, at + lookups).map(async ({ path, mode, sha256, derive }) => ({
            ...{ path, mode, source: await blobs.source(sha256) },
            ...(derive && { derive }),
          })),
        )
        placed.push(...(await by.run('place', { folder, files }, ownBuffers(files))))
      }
      const folders = entries.filter(isFolderEntry)
      const links = entries.filter(isLinkEntry)
      if (folders.length + links.length > 0)
        await by.run('place', { folder, files: [], folders, links })
      return placed
    },
  }
}

/** A line of a log for what is not copied or stored. */
export const skippedLine = ({ path, why }: Skipped): string => `${shownInLine(path)} ${why}`

/** Without quotes where nothing needs them. */
const shownInLine = (path: string) => (/^[\w./+=-]{1,100}$/.test(path) ? path : showPath(path))

function isSame(entry: FolderEntry | LinkEntry, other: ManifestEntry | undefined): boolean {
  if (!other || isFileEntry(other)) return false
  if (isFolderEntry(entry)) return isFolderEntry(other) && other.mode === entry.mode
  return isLinkEntry(other) && other.link === entry.link
}

/** What is wrong with a file of a run, as opposed to the store that its bytes go to. */
class Unreadable extends Error {
  readonly code: string

  constructor(cause: unknown) {
    super('A file of a run cannot be read', { cause })
    this.code = (cause as NodeJS.ErrnoException).code ?? 'UNKNOWN'
  }
}

/** The bytes of a file that a run has left. */
async function* readOwn(root: string, file: FoundFile): AsyncGenerator<Buffer> {
  try {
    yield* createReadStream('', { fd: await openOwn(root, file), highWaterMark: 256 * 1024 })
  } catch (error) {
    throw isPassing(String((error as NodeJS.ErrnoException).code)) ? error : new Unreadable(error)
  }
}

async function openOwn(root: string, { path, mode }: FoundFile) {
  const at = systemPath(root, path)
  // Not through a link that has taken its place meanwhile, nor into a pipe.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
  try {
    return await open(at, flags)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EACCES') throw error
    // The script has taken the right away; the folder is the service's, so it can give it back.
    await chmod(at, mode | 0o400)
    return open(at, flags)
  }
}

/** The memory of bytes that have one of their own, as those read from the database do. */
function ownBuffers(files: readonly PlacedFile[]): ArrayBuffer[] {
  return files.flatMap(({ source }) => {
    if (!('bytes' in source)) return []
    const { buffer, byteLength } = source.bytes
    return buffer instanceof ArrayBuffer && buffer.byteLength === byteLength ? [buffer] : []
  })
}
