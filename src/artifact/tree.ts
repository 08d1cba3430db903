import { Readable } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Database } from '../db/database.ts'
import { ChapkitError } from '../errors.ts'
import { nodeHead, nodeTail, toNode } from './render.ts'
import type { ArtifactNode, Hierarchy } from './schema.ts'
import { type ArtifactRow, type ChildRow, firstChild, artifactStore as store } from './store.ts'

/** Rows of one look into the database. Between two of them everybody else has a turn. */
const pageRows = 200

interface Step {
  /** A node that begins, or undefined where one ends. */
  row: ArtifactRow | undefined
}

/** Reads trees of any size, some rows at a time. */
export function createTree({ database, hierarchy }: { database: Database; hierarchy: Hierarchy }) {
  /** A tree from its root down, in order of creation among siblings: where each node begins, and where it ends. */
  async function* walk(root: ArtifactRow): AsyncGenerator<Step> {
    yield { row: root }
    const open: { id: string; page: ChildRow[]; isLast: boolean }[] = []
    const enter = async (id: string, after = firstChild) => {
      const page = await store.children(database.read, id, after, pageRows)
      return { id, page, isLast: page.length < pageRows }
    }
    let seen = 0
    open.push(await enter(root.id))
    for (let top = open.at(-1); top; top = open.at(-1)) {
      const row = top.page.shift()
      if (row) {
        yield { row }
        if (row.has_children) open.push(await enter(row.id))
        else yield { row: undefined }
        if (top.page.length === 0 && !top.isLast) Object.assign(top, await enter(top.id, row))
        // A look that finds nothing costs about as much as some rows.
        seen += row.has_children ? 20 : 1
        if (seen >= pageRows) {
          seen = 0
          await nextTurn()
          await assertThere(root.id)
        }
      } else {
        open.pop()
        yield { row: undefined }
      }
    }
  }

  /** A tree that is deleted while it is read would otherwise look as if its end had never been. */
  async function assertThere(id: string) {
    if ((await store.levelOf(database.read, id)) === undefined) throw notFound(id)
  }

  async function find(id: string): Promise<ArtifactRow> {
    const root = await store.find(database.read, id)
    if (!root) throw notFound(id)
    return root
  }

  async function* texts(root: ArtifactRow): AsyncGenerator<string> {
    let text = ''
    let isFirst = true
    for await (const { row } of walk(root)) {
      if (row) text += `${isFirst ? '' : ','}${nodeHead(row, hierarchy)}`
      else text += nodeTail
      isFirst = row !== undefined
      if (text.length > pieceLength) {
        yield text
        text = ''
      }
    }
    yield text
  }

  return {
    /** The JSON of a tree, in pieces. */
    async text(id: string): Promise<(string | Readable)[]> {
      const pieces = texts(await find(id))
      const first = await pieces.next()
      const second = first.done ? first : await pieces.next()
      if (second.done) return [first.value ?? '']
      const rest = (async function* () {
        yield `${first.value}${second.value}`
        yield* pieces
      })()
      return [Readable.from(rest, { objectMode: false })]
    },

    async read(id: string): Promise<ArtifactNode> {
      const root = await find(id)
      const open: ArtifactNode[] = []
      for await (const { row } of walk(root)) {
        if (!row) {
          const node = open.pop()
          if (node && open.length === 0) return node
          continue
        }
        const node = { ...toNode(row, hierarchy), children: [] }
        open.at(-1)?.children?.push(node)
        open.push(node)
      }
      throw notFound(id)
    },
  }
}

/** Characters after which a piece of text is sent. */
const pieceLength = 32_768

function notFound(id: string): ChapkitError {
  return new ChapkitError('not-found', `Artifact ${id} not found`)
}
