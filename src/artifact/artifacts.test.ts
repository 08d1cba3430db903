import fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { cases } from '../../test/setup/campaign.ts'
import { createBlobs } from '../blob/blobs.ts'
import { memoryBlobs } from '../blob/memory.ts'
import { createConfigs } from '../config/configs.ts'
import { migrate } from '../db/migrate.ts'
import { openSqlite } from '../db/sqlite.ts'
import { FunctionalModelRunner, MLServiceBuilder } from '../index.ts'
import { createIds } from '../kernel/id.ts'
import { createLinks } from '../link/links.ts'
import { linkStore } from '../link/store.ts'
import { fakeClock } from '../testing/clock.ts'
import { createTestService, type TestService } from '../testing/index.ts'
import { createArtifacts } from './artifacts.ts'
import { createTreeChanges } from './change/changes.ts'
import { isSameJson, takeData } from './intake.ts'
import type { ArtifactNode } from './schema.ts'

const runner = new FunctionalModelRunner({
  onTrain: ({ data }) => ({ rows: data.length }),
  onPredict: ({ model, future }) => future.derive('sample_0', () => model.rows),
})

function start(): Promise<TestService> {
  const info = { id: 'trees', display_name: 'Trees', period_type: 'monthly' } as const
  return createTestService(new MLServiceBuilder({ info, runner }).build())
}

const frame = { columns: ['time_period', 'location'], data: [['2020-01', 'a']] }

async function trainAndPredict({ request }: TestService) {
  const config = (await request('POST', '/api/v1/configs', { name: 'a', data: {} })).json
  const prefer = { prefer: 'wait=30' }
  const body = { config_id: config.id, data: frame }
  const model = (await request('POST', '/api/v1/ml/$train', body, prefer)).json
  const asked = { artifact_id: model.artifact_id, historic: frame, future: frame }
  const prediction = (await request('POST', '/api/v1/ml/$predict', asked, prefer)).json
  return { model: model.artifact_id, prediction: prediction.artifact_id }
}

test('lists, pages, trees and metadata read no content: they answer when all of it is gone', async () => {
  await using service = await start()
  const { model, prediction } = await trainAndPredict(service)
  await service.parts.database.write(async (tx) => void (await tx.deleteFrom('blob').execute()))

  for (const path of ['', '?page=1&size=10', '?after=00000000000000000000000000', '/$stats']) {
    expect((await service.request('GET', `/api/v1/artifacts${path}`)).status).toBe(200)
  }
  for (const id of [model, prediction]) {
    for (const operation of ['$tree', '$expand', '$metadata', '$config', '$lineage']) {
      const { status } = await service.request('GET', `/api/v1/artifacts/${id}/${operation}`)
      expect([operation, status]).toEqual([operation, 200])
    }
  }
  expect((await service.request('GET', `/api/v1/artifacts/${prediction}`)).status).toBe(500)
})

test('training twice stores the same files once', async () => {
  await using service = await start()
  const count = async () => {
    const { read } = service.parts.database
    const rows = await read.selectFrom('blob').select('hash').execute()
    return rows.length
  }
  await trainAndPredict(service)
  const first = await count()
  await trainAndPredict(service)
  // Configs, data, model and prediction are equal: nothing has to be stored again.
  expect(await count()).toBe(first)
})

/*
 * Forests against a plain model: what is created, moved, linked, unlinked, and deleted alone or with all that hangs on a config.
 */

const depth = 3
const hierarchy = { name: 'forest', labels: { 0: 'model', 1: 'prediction' }, depth }
const configNames = ['one', 'two'] as const
const unknown = '00000000000000000000000000'

/** Which of the nodes that are there, and one that is not; null for none. */
const place = fc.option(fc.nat(11), { freq: 4 })
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('create' as const), parent: place }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('move' as const), node: fc.nat(11), parent: place }),
  },
  fc.record({ do: fc.constant('retag' as const), node: fc.nat(11) }),
  fc.record({ do: fc.constant('remove' as const), node: fc.nat(11) }),
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom('link' as const, 'unlink' as const),
      node: fc.nat(11),
      config: fc.constantFrom(...configNames),
    }),
  },
  fc.record({ do: fc.constant('remove config' as const), config: fc.constantFrom(...configNames) }),
)

interface Node {
  id: string
  parent: Node | null
  config: (typeof configNames)[number] | null
}

const levelOf = ({ parent }: Node): number => (parent ? levelOf(parent) + 1 : 0)
const rootOf = (node: Node): Node => (node.parent ? rootOf(node.parent) : node)
const isWithin = (node: Node | null, ancestor: Node): boolean =>
  node !== null && (node === ancestor || isWithin(node.parent, ancestor))

type Refusal = 'conflict' | 'validation-failed' | 'bad-request' | 'not-found'

test('whatever is created, moved, linked and deleted, trees stay trees, levels follow from parents and configs from roots', async () => {
  const database = openSqlite(':memory:')
  onTestFinished(() => database.close())
  await migrate(database)
  const now = fakeClock()
  const newId = createIds(now)
  const free = async () => {}
  const blobs = createBlobs({ database, store: memoryBlobs(), now })
  const common = { database, now, newId }
  // Steps so small that every change of more than one artifact takes several commits.
  const changes = createTreeChanges({
    ...{ ...common, blobs, rowsPerStep: 1 },
    forget: async (tx, ids) => void (await linkStore.removeArtifacts(tx, ids)),
    onError: (error) => {
      throw error
    },
  })
  const artifacts = createArtifacts({
    ...{ ...common, blobs, hierarchy, changes },
    ...{ assertFree: free, assertAllFree: free, assertUnpromised: free },
    intake: { isSame: async (a, b) => isSameJson(a, b) },
  })
  const configs = createConfigs({ ...common, schema: z.object({}) })
  const links = createLinks({ database, configs, artifacts, changes, assertFree: free })

  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 16, size: 'max' }), async (steps) => {
      await changes.idle()
      await database.write(async (tx) => {
        for (const table of ['config', 'artifact', 'config_artifact'] as const)
          await tx.deleteFrom(table).execute()
      })
      const configIds = new Map<string, string>()
      const configFor = async (name: string) => {
        const known = configIds.get(name)
        if (known !== undefined) return known
        const { id } = await configs.create({ name, data: {}, tags: [] })
        configIds.set(name, id)
        return id
      }
      let nodes: Node[] = []
      const below = (node: Node | null) => nodes.filter(({ parent }) => parent === node)
      const heightOf = (node: Node): number =>
        1 + Math.max(0, ...below(node).map((child) => heightOf(child)))

      /** Where something is put: what stands against it, and the parent as the test and as the service know it. */
      function under(at: number | null, height: number) {
        const parent = at === null ? null : nodes[at % (nodes.length + 1)]
        if (parent === undefined)
          return { parent: null, id: unknown, refusal: 'validation-failed' as const }
        const isTooDeep = (parent ? levelOf(parent) + 1 : 0) + height > depth
        return {
          parent,
          id: parent?.id ?? null,
          ...(isTooDeep && { refusal: 'validation-failed' as const }),
        }
      }

      async function ends(doing: Promise<unknown>, refusal: Refusal | undefined): Promise<boolean> {
        const error = await doing.then(
          () => undefined,
          (thrown: unknown) => thrown,
        )
        expect((error as { code?: string } | undefined)?.code).toBe(refusal)
        return refusal === undefined
      }

      for (const each of steps) {
        now.advance(1)
        if (each.do === 'create') {
          const { parent, id, refusal } = under(each.parent, 1)
          const creating = artifacts.create({
            ...{ data: takeData({}), tags: [], parent_id: id },
          })
          if (await ends(creating, refusal))
            nodes.push({ id: (await creating).id, parent, config: null })
          continue
        }
        if (each.do === 'remove config') {
          const id = configIds.get(each.config)
          if (id === undefined) continue
          await links.removeConfig(id)
          configIds.delete(each.config)
          nodes = nodes.filter((node) => rootOf(node).config !== each.config)
          continue
        }
        const node = nodes[each.node % nodes.length]
        if (!node) continue
        if (each.do === 'retag') {
          await links.updateArtifact(node.id, { data: takeData({}), tags: ['seen'] })
        } else if (each.do === 'remove') {
          await links.removeArtifact(node.id)
          for (const child of below(node)) child.parent = null
          nodes = nodes.filter((other) => other !== node)
        } else if (each.do === 'move') {
          const { parent, id, refusal } = under(each.parent, heightOf(node))
          const isMove = id !== (node.parent?.id ?? null)
          const isRefused = isMove && (node.config !== null || isWithin(parent, node))
          const moving = links.updateArtifact(node.id, {
            ...{ data: takeData({}), tags: [], parent_id: id },
          })
          const expected = isRefused ? 'conflict' : isMove ? refusal : undefined
          if (await ends(moving, expected)) node.parent = parent
        } else {
          const configId = await configFor(each.config)
          if (each.do === 'unlink') {
            const refusal = node.config === each.config ? undefined : 'not-found'
            if (await ends(links.unlink(configId, node.id), refusal)) node.config = null
            continue
          }
          const isTaken = node.config !== null && node.config !== each.config
          const refusal = node.parent ? 'bad-request' : isTaken ? 'conflict' : undefined
          if (await ends(links.link(configId, node.id), refusal)) node.config = each.config
        }
      }

      const toExpected = (node: Node): unknown => {
        const level = levelOf(node)
        return {
          ...{ id: node.id, parent_id: node.parent?.id ?? null, level },
          level_label: ['model', 'prediction'][level] ?? `level_${level}`,
          // Made in this order.
          children: below(node).map(toExpected),
        }
      }
      const plain = (tree: ArtifactNode): unknown => ({
        ...{ id: tree.id, parent_id: tree.parent_id, level: tree.level },
        ...{ level_label: tree.level_label, children: tree.children?.map(plain) ?? null },
      })
      for (const node of nodes) {
        expect(plain(await artifacts.tree(node.id))).toEqual(toExpected(node))
        const expanded = plain(await artifacts.expand(node.id))
        expect(expanded).toEqual({ ...(toExpected(node) as object), children: null })
        const { config } = rootOf(node)
        const configOf = links.configOf(node.id).then(
          ({ name }) => name,
          ({ code }) => code,
        )
        expect(await configOf).toBe(config ?? 'not-found')
      }
      const ids = (rows: { id: string }[]) => rows.map(({ id }) => id)
      expect(await artifacts.count()).toBe(nodes.length)
      await changes.idle()
      const linked = await database.read.selectFrom('config_artifact').selectAll().execute()
      expect(linked).toHaveLength(nodes.filter(({ config }) => config !== null).length)
      expect(ids(await artifacts.list({ kind: 'all' }))).toEqual(ids(nodes))
      for (const [name, id] of configIds)
        expect(ids(await Array.fromAsync(links.artifactsOf(id)))).toEqual(
          ids(nodes.filter(({ config }) => config === name)),
        )
    }),
    { numRuns: cases(10_000) },
  )
}, 600_000)
