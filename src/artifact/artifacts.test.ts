import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FunctionalModelRunner, MLServiceBuilder } from '../index.ts'
import { createTestService, type TestService } from '../testing/index.ts'

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

type Step =
  | { kind: 'create'; parent: number | null }
  | { kind: 'move'; node: number; parent: number | null }
  | { kind: 'remove'; node: number }

const anyNode = fc.nat(30)
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('create' as const), parent: fc.option(anyNode) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('move' as const),
      node: anyNode,
      parent: fc.option(anyNode),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('remove' as const), node: anyNode }) },
)

interface Node {
  id: string
  parent: string | null
}

const levelOf = (nodes: Map<string, Node>, node: Node): number => {
  const parent = node.parent === null ? undefined : nodes.get(node.parent)
  return parent ? levelOf(nodes, parent) + 1 : 0
}
const isBelow = (nodes: Map<string, Node>, id: string, ancestor: string): boolean => {
  if (id === ancestor) return true
  const parent = nodes.get(id)?.parent ?? null
  return parent !== null && isBelow(nodes, parent, ancestor)
}

test('whatever is created, moved and deleted, trees stay trees and levels follow from parents', async () => {
  await using service = await start()
  const { request } = service
  await fc.assert(
    fc.asyncProperty(fc.array(anyStep, { minLength: 5, maxLength: 25 }), async (steps) => {
      const nodes = new Map<string, Node>()
      const pick = (at: number) => [...nodes.values()][at % Math.max(1, nodes.size)]
      for (const step of steps) {
        if (step.kind === 'create') {
          const parent = step.parent === null ? null : (pick(step.parent)?.id ?? null)
          const { json } = await request('POST', '/api/v1/artifacts', {
            data: {},
            parent_id: parent,
          })
          nodes.set(json.id, { id: json.id, parent })
          continue
        }
        const node = pick(step.node)
        if (!node) continue
        if (step.kind === 'remove') {
          expect((await request('DELETE', `/api/v1/artifacts/${node.id}`)).status).toBe(204)
          nodes.delete(node.id)
          for (const child of nodes.values()) if (child.parent === node.id) child.parent = null
          continue
        }
        const parent = step.parent === null ? null : (pick(step.parent)?.id ?? null)
        const isCircle = parent !== null && isBelow(nodes, parent, node.id)
        const body = { data: {}, parent_id: parent }
        const { status } = await request('PUT', `/api/v1/artifacts/${node.id}`, body)
        expect(status).toBe(isCircle ? 409 : 200)
        if (!isCircle) node.parent = parent
      }
      for (const node of nodes.values()) {
        const { json } = await request('GET', `/api/v1/artifacts/${node.id}/$tree`)
        expect([json.parent_id, json.level]).toEqual([node.parent, levelOf(nodes, node)])
        const children = [...nodes.values()].filter((each) => each.parent === node.id)
        expect(json.children.map((child: Node) => child.id).sort()).toEqual(
          children.map((child) => child.id).sort(),
        )
      }
    }),
    { numRuns: 60 },
  )
})
