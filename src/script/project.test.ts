import { expect, onTestFinished, test } from 'vitest'
import { createManifests, readManifest } from '../artifact/manifest.ts'
import { createBlobs } from '../blob/blobs.ts'
import { memoryBlobs } from '../blob/memory.ts'
import { migrate } from '../db/migrate.ts'
import { openSqlite } from '../db/sqlite.ts'
import { fakeClock } from '../testing/clock.ts'
import { createFilesWorker } from './files-worker.ts'
import { makeFolder } from './fixtures/project.ts'
import { createProject } from './project.ts'

async function open(files: Record<string, string>) {
  const database = openSqlite(':memory:')
  const worker = createFilesWorker()
  onTestFinished(async () => {
    await worker.close()
    await database.close()
  })
  await migrate(database)
  const blobs = createBlobs({ database, store: memoryBlobs(), now: fakeClock() })
  const manifests = createManifests({ database, blobs })
  const project = createProject({
    ...{ root: makeFolder(files), except: [], worker, blobs, manifests, database },
  })
  return {
    blobs,
    store: (job: string) => project.use(job, async (stored) => stored),
    end: (job: string) => database.write((tx) => blobs.release(tx, `job:${job}`)),
  }
}

test('a project that the sweep has removed with its last training is stored again', async () => {
  const { store, end, blobs } = await open({ 'train.R': 'train', 'lib/a.R': 'a' })
  const { hash, entries } = await store('first')
  await end('first')
  await blobs.sweep('all')
  expect(await blobs.has(hash)).toBe(false)

  expect((await store('second')).hash).toBe(hash)

  expect(await readManifest(blobs, hash)).toEqual(entries)
  for (const entry of entries)
    expect(await blobs.has('sha256' in entry ? entry.sha256 : '')).toBe(true)
})

test('a project that has not changed stays for as long as the job that was begun with it', async () => {
  const { store, end, blobs } = await open({ 'train.R': 'train' })
  await store('first')
  const { hash, entries } = await store('second')
  await end('first')

  await blobs.sweep('all')

  expect(await readManifest(blobs, hash)).toEqual(entries)
})
