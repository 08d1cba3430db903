/*
 * A back-up is a folder: `chapkit.db`, which stands alone, `chapkit.blobs/` with every file that it names, and
 * `manifest.json`, written last. It is made beside its place and renamed: what has the name is whole.
 */
import { createHash } from 'node:crypto'
import { createReadStream, type Dirent } from 'node:fs'
import { open, readdir, readFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { z } from 'zod'
import type { BlobStore } from '../blob/blob-store.ts'
import { ChapkitError } from '../errors.ts'
import type { Progress } from './progress.ts'

/** The names in a back-up. */
export const names = {
  database: 'chapkit.db',
  blobs: 'chapkit.blobs',
  manifest: 'manifest.json',
} as const

const count = z.int().nonnegative()

/** `manifest.json`: what a back-up holds and which program made it. */
export const Manifest = z.object({
  format: z.literal(1),
  chapkit: z.string(),
  created_at: z.string(),
  migrations: z.record(z.string(), z.array(z.string())),
  database: z.object({ bytes: count, sha256: z.string() }),
  blobs: z.object({ files: count, bytes: count }),
  counts: z.object({ configs: count, artifacts: count, jobs: count }),
})
export type Manifest = z.infer<typeof Manifest>

/** A failure that the user is told as it is, in one line. */
export class BackupError extends Error {
  override readonly name = 'BackupError'
}

/** Says how far something is: in words, and from 0 to 1 where that is known. */
export type Report = (line: string, done?: number) => void

/** Reports on a progress: what has a fraction moves it, everything else begins something. */
export function toReport(progress: Progress): Report {
  return (text, done) =>
    done === undefined ? progress.stage(text) : progress.update({ done, text })
}

export interface BlobFile {
  hash: string
  size: number
}

/** Where a blob lies in a folder, by the layout of a store of another folder. */
export function blobPath(
  folder: string,
  layout: { folder: string; store: BlobStore },
  hash: string,
) {
  return join(folder, relative(layout.folder, layout.store.path?.(hash) ?? hash))
}

/**
 * Copies blobs from a folder into a store, each checked against its hash before it gets its name. `onAbsent` hears of a file
 * that is not there; whether that is a fault, the caller knows.
 */
export async function copyBlobs(
  files: readonly BlobFile[],
  from: string,
  to: { folder: string; store: BlobStore },
  {
    report,
    onAbsent,
    onDamaged,
  }: {
    report: Report
    onAbsent: (file: BlobFile) => Promise<void> | void
    onDamaged: (file: BlobFile, path: string) => never
  },
): Promise<void> {
  const total = files.reduce((sum, { size }) => sum + size, 0)
  const queue = files[Symbol.iterator]()
  let done = 0
  let bytes = 0

  async function copyOne(file: BlobFile): Promise<void> {
    const path = blobPath(from, to, file.hash)
    const handle = await open(path, 'r').catch((error: unknown) => {
      if (hasCode(error, 'ENOENT')) return undefined
      throw error
    })
    if (!handle) return onAbsent(file)
    if ((await handle.stat()).size !== file.size) {
      await handle.close()
      onDamaged(file, path)
    }
    const stream = createReadStream('', { fd: handle, highWaterMark: 1024 * 1024 })
    try {
      await to.store.put(stream, { expected: file.hash })
    } catch (error) {
      const unreadable = hasCode(error, 'EIO') && (error as { syscall?: string }).syscall === 'read'
      if (unreadable || (error instanceof ChapkitError && error.code === 'validation-failed'))
        onDamaged(file, path)
      throw error
    } finally {
      stream.destroy()
    }
  }

  // Several at once: each waits for the disk to have its bytes.
  const worker = async () => {
    for (const file of queue) {
      await copyOne(file)
      done += 1
      bytes += file.size
      report(
        `files: ${done} of ${files.length}, ${toSize(bytes)} of ${toSize(total)}`,
        total === 0 ? 1 : bytes / total,
      )
    }
  }
  const ends = await Promise.allSettled(Array.from({ length: 4 }, worker))
  for (const end of ends) if (end.status === 'rejected') throw end.reason
}

/** Reports that come in thousands, at most twice a second; `always` what has no successor. */
export function paced(report: Report, now = () => performance.now()): Report {
  let last = Number.NEGATIVE_INFINITY
  return (line, done) => {
    if (now() - last < 500) return
    last = now()
    report(line, done)
  }
}

/** Reads a manifest. Throws what is wrong with the folder when it is none of a whole back-up. */
export async function readManifest(folder: string): Promise<Manifest> {
  const text = await readFile(join(folder, names.manifest), 'utf8').catch((error: unknown) => {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return undefined
    throw error
  })
  if (text === undefined) {
    throw new BackupError(
      `${folder} is not a whole backup: it has no ${names.manifest}; one that was interrupted has none`,
    )
  }
  const parsed = Manifest.safeParse(parseJson(text))
  if (parsed.success) return parsed.data
  throw new BackupError(
    `${join(folder, names.manifest)} is damaged, or was written by another version of chapkit`,
  )
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Length and SHA-256 of a file. */
export async function digestFile(path: string): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash('sha256')
  let bytes = 0
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 })) {
    hash.update(chunk)
    bytes += chunk.length
  }
  return { bytes, sha256: hash.digest('hex') }
}

/** Waits until a file or a folder has reached the disk. */
export async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Every folder under a folder and itself, the innermost first: the order in which they are synced. */
export async function syncFolders(folder: string): Promise<void> {
  for (const entry of await entries(folder))
    if (entry.isDirectory()) await syncFolders(join(folder, entry.name))
  await sync(folder)
}

/** What is in a folder; nothing when there is none. */
export async function entries(folder: string): Promise<Dirent[]> {
  return readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    if (hasCode(error, 'ENOENT')) return []
    throw error
  })
}

export function toSize(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`
  const units = ['KiB', 'MiB', 'GiB', 'TiB']
  const power = Math.min(units.length, Math.floor(Math.log2(bytes) / 10))
  return `${(bytes / 1024 ** power).toFixed(1)} ${units[power - 1]}`
}

/** What a failure is told as, in one line. `target` is where was being written. */
export function toLine(error: unknown, target: string): string {
  if (error instanceof BackupError) return error.message
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
  if (hasCode(cause, 'ENOSPC', 'EDQUOT', 'SQLITE_FULL') || hasCode(error, 'storage-full')) {
    return `The disk of ${dirname(target)} is full; nothing was changed. Make room and try again`
  }
  const told = cause instanceof Error ? cause : error
  const message = told instanceof Error ? told.message : String(told)
  return message.replace(/\s*\n\s*/g, ' ')
}

export function hasCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code))
}
