import type { Blobs, StagedBlob } from '../blob/blobs.ts'
import type { Queries } from '../db/tables.ts'
import type { Manifest, ManifestEntry } from './schema.ts'
import { layoutZip } from './zip.ts'

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
export async function readManifest(blobs: Blobs, hash: string): Promise<ManifestEntry[]> {
  const manifest = JSON.parse(Buffer.from(await blobs.read(hash)).toString()) as Manifest
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

/**
 * Names what a manifest is made of, in the write that names the manifest itself: it stays as long as the manifest does. A
 * workspace on top of it then refers to the manifest alone, however many files that has.
 */
export function keepManifest(
  blobs: Blobs,
  tx: Queries,
  manifest: string,
  { keeps, refers }: { keeps: readonly StagedBlob[]; refers: readonly string[] },
): Promise<void> {
  return blobs.keep(tx, `manifest:${manifest}`, keeps, refers)
}

/** Size of the zip that these files make. */
export function zipSize(entries: ManifestEntry[]): number {
  return layoutZip(entries).size
}
