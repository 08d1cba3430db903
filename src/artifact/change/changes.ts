import type { Blobs } from '../../blob/blobs.ts'
import type { Database } from '../../db/database.ts'
import type { Queries } from '../../db/tables.ts'
import { ChapkitError } from '../../errors.ts'
import { pause } from '../../kernel/abort.ts'
import { type ChildPosition, firstChild } from '../store.ts'
import { childFate, type Mark, treeStore as store } from './store.ts'

/** Artifacts that one commit of a change marks, or changes. It bounds how long everybody else waits for it. */
const maximumRows = 250
/** How long finishing waits after the disk refused it, in milliseconds. */
const retryMs = 1000

export interface TreeChangesDeps {
  database: Database
  blobs: Blobs
  newId: () => string
  /** Removes what others keep about artifacts that are gone. */
  forget: (tx: Queries, ids: readonly string[]) => Promise<void>
  onError: (error: unknown, event: string) => void
  /** Artifacts that one commit marks, or changes. @default 250 */
  rowsPerStep?: number
}

/** A change of whole trees: what is checked, which artifacts it begins with, and what is decided with it. */
export interface TreeChange<Result> {
  /** The config that goes as well; trees that are linked to it meanwhile go with it. */
  configId?: string
  /** Refuses the change, or says by how many levels what stays is moved. */
  check: (tx: Queries) => Promise<number>
  /** Ids of the artifacts to begin with behind one of them, in order, at most `limit`. */
  seeds: (tx: Queries, after: string, limit: number) => Promise<string[]>
  /** Whether the artifacts to begin with are gone afterwards. */
  removesSeeds: boolean
  /**
   * Runs in the commit from which on readers see the change. What it throws takes the change back. `deepest` is the greatest level
   * among the artifacts below the first ones.
   */
  decide: (tx: Queries, changeId: string, deepest: number) => Promise<Result>
}

export type TreeChanges = ReturnType<typeof createTreeChanges>

/** A change whose marks are still there. */
interface Unfinished {
  id: string
  /** Whether its marks are to be carried out; else they are taken back. */
  isDecided: boolean
}

/**
 * Changes of trees of any size, in commits of bounded size, one change at a time.
 *
 * First every artifact that is concerned is marked, which nobody sees; a crash takes that back. Then one commit decides, and all
 * readers see the change whole. Then the marks are carried out; a crash only delays that to the next start. A change that is small
 * is one commit.
 *
 * An artifact has one mark at most, so no change begins while marks of an earlier one are there.
 */
export function createTreeChanges({
  database,
  blobs,
  newId,
  forget,
  onError,
  rowsPerStep = maximumRows,
}: TreeChangesDeps) {
  let last: Promise<unknown> = Promise.resolve()
  /** Changes that are decided, or are to be taken back, the oldest first. */
  const unfinished: Unfinished[] = []
  let isFinishing = false
  let finishing = Promise.resolve()
  const stop = new AbortController()

  /** Runs after what came before it. */
  function inTurn<Result>(act: () => Promise<Result>): Promise<Result> {
    const turn = last.then(act)
    last = turn.catch(() => {})
    return turn
  }

  async function change<Result>(plan: TreeChange<Result>): Promise<Result> {
    const id = newId()
    const walk = createWalk(id, plan, rowsPerStep)
    /** Decides, and carries out as much as one commit may. */
    async function decide(tx: Queries) {
      const result = await plan.decide(tx, id, walk.deepest())
      await store.decide(tx, id)
      return { result, isWhole: await carryOutSome(tx, id) }
    }
    let levelBy = 0
    let decided = await database.write(async (tx) => {
      levelBy = await plan.check(tx)
      await store.insert(tx, { id, config_id: plan.configId ?? null, level_by: levelBy })
      return (await walk.step(tx, levelBy)) ? decide(tx) : undefined
    })
    try {
      while (!decided) {
        if (stop.signal.aborted) throw stopped()
        const isMarked = await database.write((tx) => walk.step(tx, levelBy), { durable: false })
        // Something may have come below what was marked, since the last look.
        if (isMarked)
          decided = await database.write(async (tx) =>
            (await walk.step(tx, levelBy)) ? decide(tx) : undefined,
          )
      }
    } catch (error) {
      finishLater({ id, isDecided: false })
      throw error
    }
    if (!decided.isWhole) finishLater({ id, isDecided: true })
    return decided.result
  }

  /** Carries out one commit's worth; true when nothing is left. */
  async function carryOutSome(tx: Queries, id: string): Promise<boolean> {
    const marks = await store.marks(tx, id, rowsPerStep)
    // One artifact may refer to very many blobs.
    if (!(await releaseSome(tx, marks))) return false
    await carryOutMarks(tx, marks)
    if (marks.length === rowsPerStep) return false
    await store.remove(tx, id)
    return true
  }

  /** Removes references of the artifacts that are gone; true when none is left. */
  async function releaseSome(tx: Queries, marks: readonly Mark[]): Promise<boolean> {
    const owners = goneOf(marks).map((id) => `artifact:${id}` as const)
    return owners.length === 0 || blobs.releaseSome(tx, owners)
  }

  async function carryOutMarks(tx: Queries, marks: readonly Mark[]) {
    const gone = goneOf(marks)
    if (gone.length > 0) await forget(tx, gone)
    await store.carryOut(tx, marks)
  }

  async function carryOut(id: string): Promise<void> {
    for (let isWhole = false; !isWhole && !stop.signal.aborted; )
      isWhole = await database.write((tx) => carryOutSome(tx, id), { durable: false })
  }

  async function takeBack(id: string): Promise<void> {
    for (let removed = rowsPerStep; removed === rowsPerStep && !stop.signal.aborted; ) {
      removed = await database.write((tx) => store.unmark(tx, id, rowsPerStep), { durable: false })
    }
    if (!stop.signal.aborted) await database.write((tx) => store.remove(tx, id), { durable: false })
  }

  /** Removes all marks that are there. Rejects while the disk refuses it; what is left then is begun with the next time. */
  async function finish(): Promise<void> {
    for (let change = unfinished[0]; change && !stop.signal.aborted; change = unfinished[0]) {
      const { id, isDecided } = change
      await (isDecided ? carryOut(id) : takeBack(id))
      if (!stop.signal.aborted) unfinished.shift()
    }
  }

  function finishLater(...changes: readonly Unfinished[]): void {
    unfinished.push(...changes)
    if (!isFinishing) finishing = finishAtLast()
  }

  /** What is decided is done, however long the disk refuses it. */
  async function finishAtLast(): Promise<void> {
    isFinishing = true
    while (unfinished.length > 0 && !stop.signal.aborted) {
      try {
        await inTurn(finish)
      } catch (error) {
        if (stop.signal.aborted) break
        onError(error, 'artifact.change.failed')
        await pause(retryMs, stop.signal)
      }
    }
    isFinishing = false
  }

  return {
    /** Makes a change. Resolves when every reader sees it; it has reached the disk then. */
    make: <Result>(plan: TreeChange<Result>): Promise<Result> =>
      inTurn(async () => {
        await finish()
        if (stop.signal.aborted) throw stopped()
        return change(plan)
      }),

    /** Runs something that must not come between the marks of a change. */
    apart: inTurn,

    /** To be called with each new artifact below another one: it shares the fate of that. */
    inheritFromParent: store.inheritFromParent,
    /** To be called with each tree that is linked to a config: it shares the fate of that. */
    inheritFromConfig: store.inheritFromConfig,

    /** Carries out at once what is decided about an artifact: before its row, or one with its id, is written. */
    async settle(tx: Queries, artifactId: string): Promise<void> {
      const mark = await store.decidedMark(tx, artifactId)
      if (!mark) return
      while (!(await releaseSome(tx, [mark])));
      await carryOutMarks(tx, [mark])
    },

    /** Called once at start: carries out what an earlier start decided, and takes back the rest. Nobody waits for it. */
    async resume(): Promise<void> {
      const left = await store.left(database.read)
      finishLater(...left.map(({ id, decided }) => ({ id, isDecided: decided === 1 })))
    },

    /** Resolves when every change is carried out. */
    async idle(): Promise<void> {
      await inTurn(async () => {})
      await finishing
    },

    /** Ends after the commit under way; the next start goes on. */
    async close(): Promise<void> {
      stop.abort()
      await last
      await finishing
    },
  }
}

const goneOf = (marks: readonly Mark[]): string[] =>
  marks.filter((mark) => mark.gone === 1).map((mark) => mark.artifact_id)

const stopped = () =>
  new ChapkitError('unavailable', 'The service stops; send the request again after its next start')

/** Finds what is below the first artifacts of a change, and marks it: some in each step. */
function createWalk(
  id: string,
  { seeds, removesSeeds }: Pick<TreeChange<unknown>, 'seeds' | 'removesSeeds'>,
  rowsPerStep: number,
) {
  let lastSeed: string | null = ''
  let seq = 0
  let parent: { id: string; gone: 0 | 1; at: ChildPosition } | undefined
  let waiting: { seq: number; id: string; gone: 0 | 1; has_children: number }[] = []
  let deepest = 0

  /** Marks children of the parent that is being looked at, and says how many. */
  async function markChildren(tx: Queries, levelBy: number, limit: number): Promise<number> {
    if (!parent) return 0
    const children = await store.childrenOf(tx, parent.id, parent.at, limit)
    const fate = childFate(parent.gone, levelBy !== 0)
    await store.mark(
      tx,
      id,
      children.map((child) => child.id),
      fate,
    )
    for (const { level } of children) deepest = Math.max(deepest, level)
    const end = children.at(-1)
    if (end && children.length === limit) parent.at = end
    else parent = undefined
    return children.length
  }

  return {
    deepest: () => deepest,

    /** Marks some more; true when everything is marked. */
    async step(tx: Queries, levelBy: number): Promise<boolean> {
      let room = rowsPerStep
      while (room > 0) {
        if (lastSeed !== null) {
          const found = await seeds(tx, lastSeed, room)
          await store.mark(tx, id, found, { gone: removesSeeds ? 1 : 0, detached: 0 })
          lastSeed = found.length === room ? (found.at(-1) ?? null) : null
          room -= found.length
        } else if (parent) {
          room -= await markChildren(tx, levelBy, room)
        } else if (waiting.length > 0) {
          const next = waiting.shift()
          if (!next) break
          seq = next.seq
          if (next.has_children) parent = { id: next.id, gone: next.gone, at: firstChild }
        } else {
          waiting = await store.parents(tx, id, seq, rowsPerStep)
          // To look whether there is something below is work, too.
          room -= waiting.length
          if (waiting.length === 0) return true
        }
      }
      return false
    },
  }
}
