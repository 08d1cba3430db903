import type { ArtifactRecord, ArtifactTree, Client } from '../../client/index.ts'
import { toSize } from '../backup.ts'
import { exit } from '../exit.ts'
import { findModel } from '../find.ts'
import { type RemoteOptions, withRemote } from '../remote.ts'

/** Words for the types of artifacts, and those types. */
export const types = {
  model: 'ml_training_workspace',
  prediction: 'ml_prediction',
  workspace: 'ml_prediction_workspace',
} as const

export interface ArtifactListOptions extends RemoteOptions {
  type?: keyof typeof types
  limit: number
}

/** Prints the newest artifacts of a service. */
export async function artifactList(options: ArtifactListOptions): Promise<number> {
  return withRemote(options, async ({ client, output, command }) => {
    const { type, limit } = options
    const wanted = type && types[type]
    const artifacts = await newest(client, limit, ({ data }) => !wanted || data?.type === wanted)
    output.result(artifacts, () =>
      artifacts.length === 0
        ? `No artifacts yet. ${command('train DATA.csv')} makes one`
        : output.table(
            [
              ...[{ title: 'id' }, { title: 'type' }, { title: 'state' }],
              { title: 'size', align: 'right' },
              ...[{ title: 'created' }, { title: 'below' }],
            ],
            artifacts.map(({ id, data, created_at, parent_id }) => [
              ...[id, toType(data?.type), toState(data)],
              typeof data?.content_size === 'number' ? toSize(data.content_size) : '',
              ...[created_at.slice(0, 16).replace('T', ' '), parent_id ?? ''],
            ]),
          ),
    )
    return exit.ok
  })
}

const pageSize = 100

/** Artifacts are listed oldest first: the pages are read from the end. */
async function newest(
  client: Client,
  limit: number,
  isWanted: (artifact: ArtifactRecord) => boolean,
): Promise<ArtifactRecord[]> {
  const found: ArtifactRecord[] = []
  let page = Math.ceil((await client.artifacts.count()) / pageSize)
  for (; page > 0 && found.length < limit; page--) {
    const { items } = await client.artifacts.page(page, pageSize)
    found.push(...items.reverse().filter(isWanted))
  }
  return found.slice(0, limit)
}

function toType(type: unknown): string {
  const known = Object.entries(types).find(([, name]) => name === type)
  return known?.[0] ?? (typeof type === 'string' ? type : 'data')
}

function toState(data: ArtifactRecord['data'] | null): string {
  const state = data?.metadata?.status
  return typeof state === 'string' ? state : ''
}

/** Prints an artifact, or the newest model for `latest`, and all that was made from it. */
export async function artifactTree(wanted: string, options: RemoteOptions): Promise<number> {
  return withRemote(options, async (remote) => {
    const { client, output } = remote
    const tree = await client.artifacts.tree(await findModel(remote, wanted))
    output.result(tree, () => draw(tree).join('\n'))
    return exit.ok
  })
}

function draw(node: ArtifactTree): string[] {
  const children = node.children ?? []
  const below = children.flatMap((child, at) => {
    const isLast = at === children.length - 1
    const [first = '', ...rest] = draw(child)
    return [
      `${isLast ? '└─ ' : '├─ '}${first}`,
      ...rest.map((line) => (isLast ? '   ' : '│  ') + line),
    ]
  })
  const facts = [
    toType(node.data?.type),
    toState(node.data),
    node.created_at.slice(0, 16).replace('T', ' '),
  ]
  return [`${node.id}  ${facts.filter(Boolean).join('  ')}`, ...below]
}
