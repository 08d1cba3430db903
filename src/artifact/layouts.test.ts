import { expect, test, vi } from 'vitest'
import { createLayouts } from './layouts.ts'
import { manifestBytes } from './manifest.ts'
import type { FileEntry } from './schema.ts'
import { layoutZip } from './zip.ts'

const files = (count: number, folder: string): FileEntry[] =>
  Array.from({ length: count }, (_, at) => ({
    path: `${folder}/${at}`,
    mode: 0o644,
    size: at,
    crc32: at,
    sha256: String(at).padStart(64, '0'),
  }))

function storeOf(manifests: Record<string, FileEntry[]>) {
  const read = vi.fn(async (hash: string) => {
    if (!manifests[hash]) throw new Error(`no ${hash}`)
    return manifestBytes({ entries: manifests[hash] })
  })
  return { blobs: { read }, read }
}

test('an archive is laid out once for all who ask for it, and for who asks next', async () => {
  const entries = files(3000, 'a')
  const { blobs, read } = storeOf({ a: entries })
  const layouts = createLayouts({ blobs })
  const all = await Promise.all(Array.from({ length: 12 }, () => layouts.get('a')))
  expect(new Set([...all, await layouts.get('a')]).size).toBe(1)
  expect(read).toHaveBeenCalledOnce()
  expect(all[0]).toEqual(layoutZip(entries))
})

test('no more entries are kept than there is room for, those that were asked for last', async () => {
  const { blobs, read } = storeOf({ a: files(40, 'a'), b: files(40, 'b'), c: files(40, 'c') })
  const layouts = createLayouts({ blobs, keptEntries: 100 })
  for (const hash of ['a', 'b', 'a', 'c', 'a', 'c']) await layouts.get(hash)
  expect(read.mock.calls.flat()).toEqual(['a', 'b', 'c'])
  await layouts.get('b')
  expect(read.mock.calls.flat()).toEqual(['a', 'b', 'c', 'b'])
})

test('what could not be read is read again for who asks next', async () => {
  const manifests: Record<string, FileEntry[]> = {}
  const { blobs } = storeOf(manifests)
  const layouts = createLayouts({ blobs })
  await expect(layouts.get('a')).rejects.toThrow('no a')
  manifests.a = files(2, 'a')
  expect((await layouts.get('a')).entries).toHaveLength(2)
})
