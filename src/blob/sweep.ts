import type { BlobStore } from './blob-store.ts'

export interface SweepOptions {
  /** Asked before a blob is hidden, and once more after. */
  isReferenced: (hash: string) => Promise<boolean>
  /** Milliseconds since 1970: what was put or touched at or after this moment stays. */
  olderThan: number
  signal?: AbortSignal
}

/**
 * Removes the blobs nobody refers to.
 *
 * Whoever refers to a blob puts or touches it first and commits the reference after, sooner than the age limit.
 * Against such a writer a blob is safe at every moment. Renewed before `trash` looks at the date: it is left alone.
 * Renewed between the look and the move, by another process: the date moved with it, so it is restored. After: `put`
 * does not find it and stores its own copy, `touch` answers `false`. Only a blob that nobody renewed since the limit
 * and nobody refers to is discarded.
 *
 * The caller removes unreferenced rows first: a crash leaves bytes without a row, found by the next sweep, never a
 * row without bytes. A crash while a blob is in the trash leaves it there; `clean` brings it back, as it may be referenced by then.
 */
export async function sweepBlobs(
  store: Pick<BlobStore, 'list' | 'trash'>,
  { isReferenced, olderThan, signal }: SweepOptions,
): Promise<{ blobs: number; bytes: number }> {
  const removed = { blobs: 0, bytes: 0 }
  for await (const { hash, size, changedAt } of store.list()) {
    signal?.throwIfAborted()
    if (changedAt >= olderThan || (await isReferenced(hash))) continue
    const trashed = await store.trash(hash, olderThan)
    if (!trashed) continue

    let wanted = true
    try {
      wanted = trashed.changedAt >= olderThan || (await isReferenced(hash))
    } finally {
      // Not being able to ask counts as a yes.
      if (wanted) await trashed.restore()
    }
    if (wanted) continue
    await trashed.discard()
    removed.blobs += 1
    removed.bytes += size
  }
  return removed
}
