import type { Blobs } from '../blob/blobs.ts'
import { readManifest } from './manifest.ts'
import type { FileEntry } from './schema.ts'
import { layoutZipInSlices, type ZipLayout } from './zip.ts'

export interface LayoutsDeps {
  blobs: Pick<Blobs, 'read'>
  /** Entries of all layouts that are kept. @default 100_000 */
  keptEntries?: number
}

export type Layouts = ReturnType<typeof createLayouts>

/**
 * Layouts of archives, by the hash of the manifest. Requests that come at the same time share one calculation; the layout is kept
 * for later ones, which ask for a size or another range.
 */
export function createLayouts({ blobs, keptEntries = 100_000 }: LayoutsDeps) {
  /** Those that were asked for last at the end. */
  const known = new Map<string, Promise<ZipLayout<FileEntry>>>()
  /** Entries of those that are there. */
  const sizes = new Map<string, number>()

  async function layOut(hash: string): Promise<ZipLayout<FileEntry>> {
    const layout = await layoutZipInSlices<FileEntry>(await readManifest(blobs, hash))
    sizes.set(hash, layout.entries.length)
    letGo()
    return layout
  }

  function letGo(): void {
    let total = [...sizes.values()].reduce((sum, size) => sum + size, 0)
    for (const hash of [...known.keys()]) {
      if (total <= keptEntries) return
      const size = sizes.get(hash)
      // One that is being worked out is not there yet.
      if (size === undefined) continue
      total -= size
      sizes.delete(hash)
      known.delete(hash)
    }
  }

  return {
    get(hash: string): Promise<ZipLayout<FileEntry>> {
      const asked =
        known.get(hash) ??
        layOut(hash).catch((error: unknown) => {
          known.delete(hash)
          throw error
        })
      known.delete(hash)
      known.set(hash, asked)
      return asked
    },
  }
}
