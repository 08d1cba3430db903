import type { Readable } from 'node:stream'
import type { Blobs, StagedBlob } from '../blob/blobs.ts'
import type { Along, Database } from '../db/database.ts'
import type { Queries } from '../db/tables.ts'
import { ChapkitError, validationError } from '../errors.ts'
import { type Clock, toTimestamp } from '../kernel/clock.ts'
import { isUlid } from '../kernel/id.ts'
import { type Page, type PageRequest, toPage, ulidIssue } from '../kernel/page.ts'
import { show } from '../kernel/show.ts'
import type { TreeChange, TreeChanges } from './change/changes.ts'
import { canonical, type TakenData, takeData, takeSmallData } from './intake.ts'
import type { ArtifactIntake } from './intake-queue.ts'
import { artifactHalves, bytesPlaceholder, splitContent, summaryText, toNode } from './render.ts'
import {
  type ArtifactIn,
  type ArtifactNode,
  type Hierarchy,
  type MlType,
  maximumLevels,
} from './schema.ts'
import { type ArtifactRow, artifactStore as store } from './store.ts'
import { createTree } from './tree.ts'

export interface ArtifactsDeps {
  database: Database
  blobs: Blobs
  intake: Pick<ArtifactIntake, 'isSame'>
  hierarchy: Hierarchy
  now: Clock
  newId: () => string
  changes: TreeChanges
  /** Throws 409 when an active job needs the artifact. */
  assertFree: (tx: Queries, id: string) => Promise<void>
  /** Throws 409 when an active job needs one of the artifacts that a change concerns. */
  assertAllFree: (tx: Queries, changeId: string) => Promise<void>
  /** Throws 409 when an active job will store its result under the id. */
  assertUnpromised: (tx: Queries, id: string) => Promise<void>
}

/** An artifact that the service itself makes: its content is staged, its level follows from its parent. */
export interface MlArtifact {
  id: string
  parentId: string | null
  type: MlType
  metadata: Record<string, unknown>
  content: {
    staged: StagedBlob
    kind: 'json' | 'workspace'
    type: string
    size: number | null
  } | null
  /** Further blobs that the content refers to: staged with it, or stored already. */
  keeps: StagedBlob[]
  refers: string[]
  lineage: unknown
}

/** Data that is ready to be stored under an id. */
export interface StagedArtifact {
  id: string
  staged: StagedBlob | null
  columns: Pick<
    ArtifactRow,
    'data' | 'content_offset' | 'content_kind' | 'content_type' | 'content_hash' | 'content_size'
  >
}

/** An artifact as a client sends it, its data taken apart. */
export type TakenArtifact = Omit<ArtifactIn, 'data'> & { data?: TakenData | null | undefined }

export type Artifacts = ReturnType<typeof createArtifacts>

/** Trees of artifacts: what may be created under what, which of them are final, and reading them back. */
export function createArtifacts(deps: ArtifactsDeps) {
  const { database, blobs, intake, hierarchy, now, newId, changes } = deps
  const { assertFree, assertAllFree, assertUnpromised } = deps
  const trees = createTree({ database, hierarchy })

  async function getRow(id: string, db: Queries = database.read): Promise<ArtifactRow> {
    const row = await store.find(db, id)
    if (!row) throw notFound(id)
    return row
  }

  /** The level below a parent. A parent that does not exist is the fault of the request. */
  async function levelUnder(tx: Queries, parentId: string | null): Promise<number> {
    if (parentId === null) return 0
    const parentLevel = await store.levelOf(tx, parentId)
    if (parentLevel === undefined) {
      throw validationError([
        {
          loc: ['body', 'parent_id'],
          msg: `Expected the id of an artifact, got ${parentId}, which does not exist`,
          type: 'unknown_parent',
        },
      ])
    }
    assertDepth(parentLevel + 1)
    return parentLevel + 1
  }

  function assertDepth(level: number) {
    const levels = hierarchy.depth ?? maximumLevels
    if (level < levels) return
    throw validationError([
      {
        loc: ['body', 'parent_id'],
        msg: `Expected a tree of at most ${levels} levels, got level ${level}`,
        type: 'too_deep',
      },
    ])
  }

  async function insert(
    tx: Queries,
    row: ArtifactRow,
    staged: readonly (StagedBlob | null | undefined)[],
    stored: readonly string[] = [],
  ) {
    await store.insert(tx, row)
    if (row.parent_id !== null) await changes.inheritFromParent(tx, row.id, row.parent_id)
    const kept = staged.filter((blob) => blob !== null && blob !== undefined)
    await blobs.keep(tx, `artifact:${row.id}`, kept, stored)
  }

  /** Content as a blob, and the columns that describe it. */
  async function stageTaken({ text, offset, contentType, content }: TakenData) {
    const staged = content && (await blobs.stageHashed(content))
    return {
      staged,
      columns: {
        data: text,
        content_offset: offset,
        content_kind: staged ? ('json' as const) : null,
        content_type: contentType,
        content_hash: staged?.hash ?? null,
        content_size: staged?.size ?? null,
      },
    }
  }

  /** Stores a client's artifact. An id that is there already is a conflict. */
  async function createTaken(
    input: TakenArtifact,
    along?: Along<ArtifactRow>,
  ): Promise<ArtifactRow> {
    assertIds(input)
    const { staged, columns } = await stageTaken(assertGeneric(input.data))
    return database.write(async (tx) => {
      const at = toTimestamp(now())
      const row: ArtifactRow = {
        id: input.id ?? newId(),
        parent_id: input.parent_id ?? null,
        level: await levelUnder(tx, input.parent_id ?? null),
        ml_type: null,
        ...columns,
        lineage: null,
        tags: JSON.stringify(input.tags ?? []),
        created_at: at,
        updated_at: at,
      }
      if (input.id) {
        if (await store.find(tx, input.id)) {
          throw new ChapkitError(
            'conflict',
            `Artifact ${input.id} exists already; replace it with PUT, or leave the id out`,
          )
        }
        await assertUnpromised(tx, input.id)
        // One that is deleted may still have its row.
        await changes.settle(tx, input.id)
      }
      await insert(tx, row, [staged])
      await along?.(tx, row)
      return row
    })
  }

  /** As `update`, of data that was taken apart. */
  async function updateTaken(
    id: string,
    input: TakenArtifact,
    beforeMove?: Along<ArtifactRow>,
  ): Promise<ArtifactRow> {
    assertIds(input)
    const current = await getRow(id)
    // What a model is never changes, so this needs no transaction; reading its content inside one would hold up every write.
    if (current.ml_type !== null) await assertFinal(current, input)
    const change = current.ml_type === null ? await stageTaken(assertGeneric(input.data)) : null
    const replace = async (tx: Queries) => {
      // What is decided about its level would otherwise be done a second time.
      await changes.settle(tx, id)
      const known = await getRow(id, tx)
      const row: ArtifactRow = {
        ...known,
        ...change?.columns,
        tags: input.tags === undefined ? known.tags : JSON.stringify(input.tags),
        updated_at: toTimestamp(now()),
      }
      await store.update(tx, row)
      if (change) {
        await blobs.release(tx, `artifact:${id}`)
        await blobs.keep(tx, `artifact:${id}`, change.staged ? [change.staged] : [])
      }
      return row
    }
    const { parent_id: parentId } = input
    if (parentId === undefined || parentId === current.parent_id) return database.write(replace)
    return move(id, parentId, replace, beforeMove)
  }

  return {
    getRow,

    /** Throws 404 when there is no artifact with that id. */
    async assertThere(tx: Queries, id: string): Promise<void> {
      if ((await store.levelOf(tx, id)) === undefined) throw notFound(id)
    },

    find: (id: string, db: Queries = database.read) => store.find(db, id),

    /** Full JSON of an artifact, its content in place: in pieces, so that content of any size only passes through. */
    async text(id: string): Promise<(string | Readable)[]> {
      return fullText(await getRow(id))
    },

    fullText,

    /** The same in parts for another process: text, and the bytes or the file of the content, which is not read here. */
    async parts(id: string): Promise<(string | { bytes: Uint8Array } | { path: string })[]> {
      return aroundContent(await getRow(id), blobs.source)
    },

    createTaken,

    /** Stores a client's artifact. An id that is there already is a conflict. */
    create: async (input: ArtifactIn, along?: Along<ArtifactRow>): Promise<ArtifactRow> =>
      createTaken(taken(input), along),

    /** Stores bytes that a client streams in as a generic artifact. */
    async createFromBytes(
      input: { staged: StagedBlob; parentId: string | null; tags: string[]; contentType: string },
      along?: Along<ArtifactRow>,
    ): Promise<ArtifactRow> {
      const { staged, contentType } = input
      const { text, offset } = splitContent({
        type: 'generic',
        metadata: { sha256: staged.hash },
        content: null,
        content_type: contentType,
        content_size: staged.size,
      })
      return database.write(async (tx) => {
        const at = toTimestamp(now())
        const row: ArtifactRow = {
          id: newId(),
          parent_id: input.parentId,
          level: await levelUnder(tx, input.parentId),
          ml_type: null,
          data: text,
          content_offset: offset,
          content_kind: 'bytes',
          content_type: contentType,
          content_hash: staged.hash,
          content_size: staged.size,
          lineage: null,
          tags: JSON.stringify(input.tags),
          created_at: at,
          updated_at: at,
        }
        await insert(tx, row, [staged])
        await along?.(tx, row)
        return row
      })
    },

    /** Makes data ready to be an artifact: what is written later needs no reading and no waiting. */
    stage: async (data: unknown) => stageTaken(takeData(data)),

    /** Adds an artifact without a parent to a write that decides about more than it. */
    async insertStaged(tx: Queries, { id, staged, columns }: StagedArtifact): Promise<void> {
      const at = toTimestamp(now())
      const row: ArtifactRow = {
        ...{ id, parent_id: null, level: 0, ml_type: null, ...columns },
        ...{ lineage: null, tags: '[]', created_at: at, updated_at: at },
      }
      await insert(tx, row, [staged])
    },

    /** Adds an artifact of the service's own making to a write that decides about more than it. */
    async insertMl(tx: Queries, artifact: MlArtifact): Promise<void> {
      const { content } = artifact
      const at = toTimestamp(now())
      const { text, offset } = splitContent({
        type: artifact.type,
        metadata: artifact.metadata,
        content: null,
        content_type: content?.type ?? null,
        content_size: content?.size ?? null,
      })
      const row: ArtifactRow = {
        id: artifact.id,
        parent_id: artifact.parentId,
        level: await levelUnder(tx, artifact.parentId),
        ml_type: artifact.type,
        data: text,
        content_offset: offset,
        content_kind: content?.kind ?? null,
        content_type: content?.type ?? null,
        content_hash: content?.staged.hash ?? null,
        content_size: content?.size ?? content?.staged.size ?? null,
        lineage: artifact.lineage === null ? null : JSON.stringify(artifact.lineage),
        tags: '[]',
        created_at: at,
        updated_at: at,
      }
      await insert(tx, row, [content?.staged, ...artifact.keeps], artifact.refers)
    },

    updateTaken,

    /** Replaces data, and the tags if there are any, and moves the artifact when `parent_id` is given (null makes it a root). Models are final. `beforeMove` may refuse a move. */
    update: async (
      id: string,
      input: ArtifactIn,
      beforeMove?: Along<ArtifactRow>,
    ): Promise<ArtifactRow> => updateTaken(id, taken(input), beforeMove),

    /** Deletes one artifact; its children become roots. */
    remove: (id: string, along?: Along<ArtifactRow>): Promise<void> =>
      changes.make({
        async check(tx) {
          const { level } = await getRow(id, tx)
          await assertFree(tx, id)
          return -(level + 1)
        },
        seeds: async (_tx, after) => (after === '' ? [id] : []),
        removesSeeds: true,
        async decide(tx) {
          const row = await getRow(id, tx)
          await assertFree(tx, id)
          await along?.(tx, row)
        },
      }),

    /** Deletes trees with everything below their roots, all at once for whoever reads, together with what else `decide` writes. */
    removeTrees: (
      trees: Pick<TreeChange<void>, 'configId' | 'check' | 'decide'> & {
        rootIds: TreeChange<void>['seeds']
      },
    ): Promise<void> =>
      changes.make({
        ...(trees.configId !== undefined && { configId: trees.configId }),
        check: trees.check,
        seeds: trees.rootIds,
        removesSeeds: true,
        async decide(tx, changeId, deepest) {
          await assertAllFree(tx, changeId)
          await trees.decide(tx, changeId, deepest)
        },
      }),

    list: (page: PageRequest): Promise<ArtifactRow[]> => store.list(database.read, page),

    findMany: (ids: string[]): Promise<ArtifactRow[]> =>
      ids.length === 0 ? Promise.resolve([]) : store.findMany(database.read, ids),

    async page(page: number, size: number): Promise<Page<ArtifactRow>> {
      const rows = await store.list(database.read, { kind: 'number', page, size })
      return toPage(rows, await store.count(database.read), page, size)
    },

    count: (): Promise<number> => store.count(database.read),

    expand: async (id: string): Promise<ArtifactNode> => toNode(await getRow(id), hierarchy),

    /** An artifact with everything below it. */
    tree: (id: string): Promise<ArtifactNode> => trees.read(id),

    /** The same as JSON text, in pieces: a tree of any size only passes through. */
    treeText: (id: string): Promise<(string | Readable)[]> => trees.text(id),

    /** `data.metadata`, or an empty object. */
    async metadata(id: string): Promise<unknown> {
      const data = JSON.parse((await getRow(id)).data) as { metadata?: unknown } | null
      return data !== null && typeof data === 'object' ? (data.metadata ?? {}) : {}
    },

    /** What a model or a prediction was made from; an empty object for other artifacts. */
    async lineage(id: string): Promise<unknown> {
      const { lineage } = await getRow(id)
      return lineage === null ? {} : JSON.parse(lineage)
    },

    rootId: async (id: string, db: Queries = database.read): Promise<string | undefined> =>
      (await store.lineage(db, id)).at(-1),
  }

  function fullText(row: ArtifactRow): Promise<(string | Readable)[]> {
    return aroundContent(row, blobs.stream)
  }

  async function aroundContent<Content>(
    row: ArtifactRow,
    open: (hash: string) => Promise<Content>,
  ): Promise<(string | Content)[]> {
    if (row.content_offset === null) return [summaryText(row)]
    const { head, tail } = artifactHalves(row)
    if (row.content_kind === null || row.content_hash === null) return [head, 'null', tail]
    if (row.content_kind !== 'json') return [head, bytesPlaceholder(row.content_size), tail]
    return [head, await open(row.content_hash), tail]
  }

  /** Puts an artifact with everything below it under another parent, in one moment for whoever reads. */
  function move(
    id: string,
    parentId: string | null,
    replace: (tx: Queries) => Promise<ArtifactRow>,
    beforeMove?: Along<ArtifactRow>,
  ): Promise<ArtifactRow> {
    async function check(tx: Queries): Promise<{ row: ArtifactRow; by: number }> {
      const row = await getRow(id, tx)
      await beforeMove?.(tx, row)
      if (parentId !== null && (await store.lineage(tx, parentId)).includes(id)) {
        throw new ChapkitError(
          'conflict',
          `Artifact ${id} cannot be moved below ${parentId}, which is itself or one of its descendants`,
        )
      }
      return { row, by: (await levelUnder(tx, parentId)) - row.level }
    }
    let levelBy = 0
    return changes.make({
      check: async (tx) => (levelBy = (await check(tx)).by),
      seeds: async (_tx, after) => (after === '' && levelBy !== 0 ? [id] : []),
      removesSeeds: false,
      async decide(tx, _changeId, deepest) {
        const { row, by } = await check(tx)
        assertDepth(Math.max(deepest, row.level) + by)
        await store.setParent(tx, id, parentId)
        return { ...(await replace(tx)), parent_id: parentId, level: row.level + by }
      },
    })
  }

  /** Content and place of a model or prediction never change; sending them as they are is fine. */
  async function assertFinal(row: ArtifactRow, { data, parent_id }: TakenArtifact) {
    const { text = 'null', content } = data ?? {}
    const sameData =
      text === row.data || canonical(JSON.parse(text)) === canonical(JSON.parse(row.data))
    const sameContent =
      !content || content.hash === row.content_hash || (await isContentOf(row, content.bytes))
    const sameParent = parent_id === undefined || parent_id === row.parent_id
    if (sameData && sameContent && sameParent) return
    throw new ChapkitError(
      'conflict',
      `Artifact ${row.id} is a ${row.ml_type}: its content and parent are final, only its tags can be changed`,
    )
  }

  async function isContentOf(row: ArtifactRow, given: Uint8Array): Promise<boolean> {
    const { content_kind: kind, content_hash: hash, content_size: size } = row
    const stored =
      kind === 'json' && hash !== null
        ? await blobs.read(hash)
        : Buffer.from(bytesPlaceholder(size))
    // Equal JSON differs in the order of its keys at most, and in blanks that are never stored.
    return stored.byteLength === given.byteLength && intake.isSame(given, stored)
  }
}

const taken = ({ data, ...input }: ArtifactIn): TakenArtifact => ({
  ...input,
  data: data === undefined || data === null ? data : takeSmallData(data),
})

function assertIds({ id, parent_id }: TakenArtifact) {
  const issues = []
  if (typeof id === 'string' && !isUlid(id)) issues.push(ulidIssue(['body', 'id'], id))
  if (typeof parent_id === 'string' && !isUlid(parent_id)) {
    issues.push(ulidIssue(['body', 'parent_id'], parent_id))
  }
  if (issues.length > 0) throw validationError(issues)
}

/** Clients store what they like, but not what only a training or a prediction makes. */
function assertGeneric(data: TakenData | null | undefined): TakenData {
  if (data === null || data === undefined) {
    throw validationError([
      {
        loc: ['body', 'data'],
        msg: `Expected any JSON but null, got ${show(data)}`,
        type: 'missing',
      },
    ])
  }
  if (!data.type?.toLowerCase().startsWith('ml_')) return data
  throw validationError([
    {
      loc: ['body', 'data', 'type'],
      msg: `Expected a type that does not begin with "ml_", got ${show(data.type)}; such artifacts are made by $train and $predict only`,
      type: 'reserved_type',
    },
  ])
}

function notFound(id: string): ChapkitError {
  return new ChapkitError('not-found', `Artifact ${id} not found`)
}
