import { expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { createBlobs } from '../../blob/blobs.ts'
import { memoryBlobs } from '../../blob/memory.ts'
import { createConfigs } from '../../config/configs.ts'
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
  const database = openSqlite(':memory:')
  onTestFinished(() => database.close())
  await migrate(database)
  const now = fakeClock()
  const common = { database, now, newId: createIds(now) }
  const blobs = createBlobs({ database, store: memoryBlobs(), now })
  const changes = createTreeChanges({
    ...{ ...common, blobs, rowsPerStep: 1 },
    forget: async (tx, ids) => void (await linkStore.removeArtifacts(tx, ids)),
    onError: (error) => {
      throw error
    },
  })
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
    ...{ create, marked, marks, ids, state },
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
  const { links, configs, config, root, artifacts, marked, marks, ids, state } = await open()
  const before = await ids()
  const removing = links.removeConfig(config.id)
  await marked(3)
  state.isBusy = true

  await expect(removing).rejects.toMatchObject({ code: 'conflict' })

  expect(await ids()).toEqual(before)
  expect(await artifacts.count()).toBe(before.length)
  expect(await configs.get(config.id)).toMatchObject({ name: 'a' })
  expect((await links.configOf(root)).id).toBe(config.id)
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
