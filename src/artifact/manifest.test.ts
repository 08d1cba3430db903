import { sql } from 'kysely'
import { expect, onTestFinished, test } from 'vitest'
import { createBlobs } from '../blob/blobs.ts'
import { memoryBlobs } from '../blob/memory.ts'
import type { Database } from '../db/database.ts'
import { migrate } from '../db/migrate.ts'
import { openSqlite } from '../db/sqlite.ts'
import { fakeClock } from '../testing/clock.ts'
import { createManifests, manifestBytes } from './manifest.ts'

/** Blobs on a database that says how many rows the largest of its commits has changed. */
async function open() {
  const opened = openSqlite(':memory:')
  onTestFinished(() => opened.close())
  await migrate(opened)
  let largest = 0
  const changes = async () => {
    const { rows } = await sql<{ n: number }>`select total_changes() as n`.execute(opened.read)
    return rows[0]?.n ?? 0
  }
  const database: Database = {
    ...opened,
    async write(step, options) {
      const before = await changes()
      const result = await opened.write(step, options)
      largest = Math.max(largest, (await changes()) - before)
      return result
    },
  }
  const blobs = createBlobs({ database, store: memoryBlobs(), now: fakeClock() })
  const rows = async (table: 'blob' | 'blob_ref') =>
    (await opened.read.selectFrom(table).selectAll().execute()).length
  return { database, blobs, rows, largest: () => largest }
}

const count = 5000

test('a manifest of thousands of files is stored, kept and removed in commits of bounded size', async () => {
  const { database, blobs, rows, largest } = await open()
  const manifests = createManifests({ database, blobs })
  const batch = manifests.batch()
  const entries = []
  for (let at = 0; at < count; at++) {
    const staged = await blobs.stage(Buffer.from(`file ${at}`))
    const { hash: sha256, size, crc32 } = staged
    entries.push({ path: `${at}`, mode: 0o644, size, crc32, sha256 })
    await batch.add(staged)
  }
  await batch.end()
  const hashes = entries.map(({ sha256 }) => sha256)
  const { hash } = await manifests.store('a', manifestBytes({ entries }), hashes)
  await database.write(async (tx) => {
    await blobs.keep(tx, 'artifact:a', [], [hash])
    await blobs.release(tx, 'job:a')
  })

  await blobs.sweep('all')
  expect(await rows('blob')).toBe(count + 1)
  expect(await rows('blob_ref')).toBe(count + 1)

  await database.write((tx) => blobs.release(tx, 'artifact:a'))
  await blobs.sweep('all')
  expect(await rows('blob')).toBe(0)
  expect(await rows('blob_ref')).toBe(0)
  expect(largest()).toBeLessThan(2500)
})

test('a manifest that is stored again while the last one like it is removed keeps its files', async () => {
  const { database, blobs } = await open()
  const manifests = createManifests({ database, blobs })
  const staged = await blobs.stage(Buffer.from('a file'))
  const { hash: sha256, size, crc32 } = staged
  const manifest = manifestBytes({
    entries: [{ path: 'a', mode: 0o644, size, crc32, sha256 }],
  })
  const store = async (job: string) => {
    const batch = manifests.batch()
    await batch.add(staged)
    await batch.end()
    return manifests.store(job, manifest, [sha256])
  }
  const { hash } = await store('first')
  await database.write((tx) => blobs.release(tx, 'job:first'))
  await Promise.all([blobs.sweep('all'), store('second')])

  await blobs.sweep('all')
  expect(await blobs.has(hash)).toBe(true)
  expect(await blobs.has(sha256)).toBe(true)
})
