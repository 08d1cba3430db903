import { expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { createBlobs } from '../../blob/blobs.ts'
import { memoryBlobs } from '../../blob/memory.ts'
import { createConfigs } from '../../config/configs.ts'
import type { Database } from '../../db/database.ts'
import { migrate } from '../../db/migrate.ts'
import { openSqlite } from '../../db/sqlite.ts'
import { ChapkitError } from '../../errors.ts'
import { createIds } from '../../kernel/id.ts'
import { createLinks } from '../../link/links.ts'
import { linkStore } from '../../link/store.ts'
import { fakeClock } from '../../testing/clock.ts'
import { createArtifacts } from '../artifacts.ts'
import { isSameJson } from '../intake.ts'
import { createTreeChanges } from './changes.ts'

/** Trees on a database in memory, with steps of one row. `busy` says whether a job works on something. */
async function open() {
  const opened = openSqlite(':memory:')
  onTestFinished(() => opened.close())
  await migrate(opened)
  const disk = { isFull: false, refused: 0 }
  const database: Database = {
    ...opened,
    write(step, options) {
      if (!disk.isFull) return opened.write(step, options)
      disk.refused++
      return Promise.reject(new ChapkitError('storage-full', 'full'))
    },
  }
  const now = fakeClock()
  const common = { database, now, newId: createIds(now) }
  const blobs = createBlobs({ database, store: memoryBlobs(), now })
  const changes = createTreeChanges({
    ...{ ...common, blobs, rowsPerStep: 1 },
    forget: async (tx, ids) => void (await linkStore.removeArtifacts(tx, ids)),
    onError: (error) => {
      if (!disk.isFull) throw error
    },
  })
  onTestFinished(() => changes.close())
  const state = { isBusy: false }
  const free = async () => {}
  const artifacts = createArtifacts({
    ...{ ...common, blobs, changes, hierarchy: { name: 'any', labels: {} } },
    ...{ assertFree: free, assertUnpromised: free },
    intake: { isSame: async (a, b) => isSameJson(a, b) },
    async assertAllFree() {
      if (state.isBusy) throw new ChapkitError('conflict', 'a job works on it')
    },
  })
  const configs = createConfigs({ ...common, schema: z.object({}) })
  const links = createLinks({ database, configs, artifacts, changes, assertFree: free })
  const create = async (parentId: string | null = null) =>
    (await artifacts.create({ data: {}, tags: [], parent_id: parentId })).id
  const config = await configs.create({ name: 'a', data: {}, tags: [] })
  const root = await create()
  for (let child = 0; child < 5; child++) await create(await create(root))
  await links.link(config.id, root)
  const marks = async () =>
    (await database.read.selectFrom('tree_mark').select('artifact_id').execute()).length
  /** Waits for the step after which so many artifacts are marked. */
  const marked = async (count: number) => {
    while ((await marks()) < count) await new Promise((resolve) => setImmediate(resolve))
  }
  const ids = async () => (await artifacts.list({ kind: 'all' })).map(({ id }) => id)
  return {
    ...{ database, changes, artifacts, links, configs, config, root },
    ...{ create, marked, marks, ids, state, disk },
  }
}

test('whatever comes below a tree while it is being deleted, or is linked to its config, goes with it', async () => {
  const { links, config, root, create, marked, ids, changes, marks } = await open()
  const removing = links.removeConfig(config.id)
  // By now every child of the root has been found.
  await marked(8)
  const late = await create(root)
  await create(late)
  const other = await create()
  await create(other)
  await links.link(config.id, other)

  await removing

  expect(await ids()).toEqual([])
  await changes.idle()
  expect(await marks()).toBe(0)
})

test('a job that comes while a tree is being marked keeps all of it', async () => {
  const { links, configs, config, root, artifacts, changes, marked, marks, ids, state } =
    await open()
  const before = await ids()
  const removing = links.removeConfig(config.id)
  await marked(3)
  state.isBusy = true

  await expect(removing).rejects.toMatchObject({ code: 'conflict' })

  expect(await ids()).toEqual(before)
  expect(await artifacts.count()).toBe(before.length)
  expect(await configs.get(config.id)).toMatchObject({ name: 'a' })
  expect((await links.configOf(root)).id).toBe(config.id)
  await changes.idle()
  expect(await marks()).toBe(0)
  state.isBusy = false
  await links.removeConfig(config.id)
  expect(await ids()).toEqual([])
})

test('at every moment readers see a whole tree or none of it', async () => {
  const { links, config, artifacts, ids } = await open()
  const whole = (await ids()).length
  let isDone = false
  const removing = links.removeConfig(config.id).finally(() => {
    isDone = true
  })
  const seen = new Set<number>()
  while (!isDone) {
    seen.add((await ids()).length)
    seen.add(await artifacts.count())
    await new Promise((resolve) => setImmediate(resolve))
  }
  await removing
  expect(await ids()).toEqual([])
  expect([...seen].filter((count) => count !== whole && count !== 0)).toEqual([])
  expect(seen).toContain(whole)
})

test('an id is free again as soon as its artifact is deleted, whatever is still to be removed', async () => {
  const { links, config, root, artifacts, changes, ids } = await open()
  await links.removeConfig(config.id)
  await artifacts.create({ id: root, data: { again: true }, tags: [], parent_id: null })
  expect(await ids()).toEqual([root])
  await changes.idle()
  expect(await ids()).toEqual([root])
  expect(await artifacts.count()).toBe(1)
})

test('deletions that are asked for at once are all done, whichever is inside of another', async () => {
  const { root, artifacts, changes, ids } = await open()
  const children = (await artifacts.list({ kind: 'all' })).filter((each) => each.parent_id === root)
  const rest = (await ids()).filter(
    (id) => id !== root && !children.some((child) => child.id === id),
  )

  await Promise.all([root, ...children.map(({ id }) => id)].map((id) => artifacts.remove(id)))

  await changes.idle()
  expect(await ids()).toEqual(rest)
  for (const row of await artifacts.list({ kind: 'all' }))
    expect(row).toMatchObject({ parent_id: null, level: 0 })
})

test('a tree that moves and is deleted at once is gone', async () => {
  const { root, create, artifacts, changes, ids, links, configs, marked } = await open()
  await links.unlink((await links.configOf(root)).id, root)
  const other = await create()
  const config = await configs.create({ name: 'b', data: {}, tags: [] })
  await links.link(config.id, other)

  const moving = artifacts.update(root, { data: {}, tags: [], parent_id: other })
  await marked(2)
  await Promise.all([moving, links.removeConfig(config.id)])

  await changes.idle()
  expect(await ids()).toEqual([])
})

test('a deletion that the disk refuses half way can be asked for again', async () => {
  const { links, config, marked, marks, ids, disk } = await open()
  const before = await ids()
  const removing = links.removeConfig(config.id)
  await marked(3)
  disk.isFull = true

  await expect(removing).rejects.toMatchObject({ code: 'storage-full' })
  // What is refused while it is taken back, too, is answered at once.
  await expect(links.removeConfig(config.id)).rejects.toMatchObject({ code: 'storage-full' })
  expect(await ids()).toEqual(before)
  expect(await marks()).toBeGreaterThan(0)

  disk.isFull = false
  await links.removeConfig(config.id)
  expect(await ids()).toEqual([])
})
