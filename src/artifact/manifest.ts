import type { Blobs, StagedBlob } from '../blob/blobs.ts'
import type { Database } from '../db/database.ts'
import { readJsonInSlices } from './json-slices.ts'
import type { Manifest, ManifestEntry } from './schema.ts'
import { layoutZipInSlices } from './zip.ts'

/** What a workspace is made of: its own files, folders and links, on top of those of another one. */
export interface Layer {
  /** Hash of the manifest whose files this one has too. */
  base?: string
  /** Files of the base that this one does not have. */
  without?: readonly string[]
  entries: readonly ManifestEntry[]
}

/** The bytes of a manifest: equal manifests have equal bytes. */
export function manifestBytes({ base, without = [], entries }: Layer): Buffer {
  const manifest: Manifest = {
    version: 1,
    ...(base !== undefined && { base }),
    ...(without.length > 0 && { without: without.toSorted() }),
    entries: entries.toSorted((a, b) => (a.path < b.path ? -1 : 1)),
  }
  return Buffer.from(JSON.stringify(manifest))
}

/** All files of a workspace, those of the manifests below it included. */
export async function readManifest(
  blobs: Pick<Blobs, 'read'>,
  hash: string,
): Promise<ManifestEntry[]> {
  const manifest = (await readJsonInSlices(await blobs.read(hash))) as Manifest
  if (manifest.base === undefined) return manifest.entries
  return onTop(await readManifest(blobs, manifest.base), manifest)
}

/** The files of a base with those of a layer on top. */
export function onTop(
  base: readonly ManifestEntry[],
  { without = [], entries }: Pick<Layer, 'without' | 'entries'>,
): ManifestEntry[] {
  const hidden = new Set([...without, ...entries.map(({ path }) => path)])
  return [...base.filter(({ path }) => !hidden.has(path)), ...entries]
}

/** Blobs, and bytes of small ones, that one commit writes: everybody else waits for it. */
const blobsPerCommit = 250
const bytesPerCommit = 1024 * 1024

export interface ManifestsDeps {
  database: Pick<Database, 'write'>
  blobs: Pick<Blobs, 'stage' | 'put' | 'keep'>
}

export type Manifests = ReturnType<typeof createManifests>

/**
 * Stores manifests and what they are made of, of any size, in commits of bounded size. A manifest refers to its files: they stay
 * as long as it does, and a workspace on top of it refers to the manifest alone.
 */
export function createManifests({ database, blobs }: ManifestsDeps) {
  return {
    /** Takes files one after the other, and holds few of them in memory. */
    batch() {
      let staged: StagedBlob[] = []
      let bytes = 0
      const end = async () => {
        const some = staged
        staged = []
        bytes = 0
        if (some.length > 0) await database.write((tx) => blobs.put(tx, some), { durable: false })
      }
      return {
        async add(blob: StagedBlob): Promise<void> {
          staged.push(blob)
          bytes += blob.inline?.byteLength ?? 0
          if (staged.length >= blobsPerCommit || bytes >= bytesPerCommit) await end()
        },
        end,
      }
    },

    /** Stores a manifest of files that are stored. The job keeps it until something else refers to it. */
    async store(job: string, manifest: Uint8Array, files: Iterable<string>): Promise<StagedBlob> {
      const staged = await blobs.stage(manifest)
      // First the manifest itself: references of a manifest that is not there are removed.
      await database.write((tx) => blobs.keep(tx, `job:${job}`, [staged]), { durable: false })
      const hashes = [...new Set(files)]
      for (let at = 0; at < hashes.length; at += blobsPerCommit) {
        const some = hashes.slice(at, at + blobsPerCommit)
        await database.write((tx) => blobs.keep(tx, `manifest:${staged.hash}`, [], some), {
          durable: false,
        })
      }
      return staged
    },
  }
}

/** Size of the zip that these files make. */
export async function zipSize(entries: ManifestEntry[]): Promise<number> {
  return (await layoutZipInSlices(entries)).size
}
