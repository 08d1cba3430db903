import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Artifacts, TakenArtifact } from '../artifact/artifacts.ts'
import type { TreeChanges } from '../artifact/change/changes.ts'
import type { ArtifactRow } from '../artifact/store.ts'
import type { Configs } from '../config/configs.ts'
import type { ConfigOut } from '../config/schema.ts'
import type { Database } from '../db/database.ts'
import type { Queries } from '../db/tables.ts'
import { ChapkitError } from '../errors.ts'
import { linkStore as store } from './store.ts'

/** Rows of one look into the database. */
const pageRows = 200

export interface LinksDeps {
  database: Database
  configs: Configs
  artifacts: Artifacts
  changes: TreeChanges
  /** Throws 409 when an active job needs the config. */
  assertFree: (tx: Queries, id: string) => Promise<void>
}

export type Links = ReturnType<typeof createLinks>

/** What joins configs and artifacts: which config a tree of artifacts was made from. A tree has one config, a config many trees. */
export function createLinks({ database, configs, artifacts, changes, assertFree }: LinksDeps) {
  async function assertConfig(tx: Queries, configId: string) {
    if (await configs.find(configId, tx)) return
    throw new ChapkitError('not-found', `Config ${configId} not found`)
  }

  async function insert(tx: Queries, configId: string, artifactId: string) {
    await store.insert(tx, configId, artifactId)
    await changes.inheritFromConfig(tx, artifactId, configId)
  }

  return {
    /** Links a root artifact to a config. Linking it again to the same config changes nothing. */
    link: (configId: string, artifactId: string): Promise<void> =>
      database.write(async (tx) => {
        await assertConfig(tx, configId)
        const artifact = await artifacts.find(artifactId, tx)
        if (!artifact) throw new ChapkitError('bad-request', `Artifact ${artifactId} not found`)
        if (artifact.parent_id !== null) {
          throw new ChapkitError(
            'bad-request',
            `Artifact ${artifactId} is not a root artifact (parent_id=${artifact.parent_id})`,
          )
        }
        const linked = await store.configOf(tx, artifactId)
        if (linked === configId) return
        if (linked !== undefined) {
          throw new ChapkitError(
            'conflict',
            `Artifact ${artifactId} is linked to config ${linked} already; unlink it there first`,
          )
        }
        await insert(tx, configId, artifactId)
      }),

    /** Links inside of a larger write, when a training has made the artifact. A config that is gone by then is let be. */
    async linkTrained(tx: Queries, configId: string, artifactId: string): Promise<void> {
      if (await configs.find(configId, tx)) await insert(tx, configId, artifactId)
    },

    /** Takes a link away. Throws 404 when the artifact is not linked to that config. */
    unlink: (configId: string, artifactId: string): Promise<void> =>
      // A config that is being deleted takes its trees with it: nothing is unlinked in between.
      changes.apart(() =>
        database.write(async (tx) => {
          await assertConfig(tx, configId)
          if ((await store.configOf(tx, artifactId)) !== configId) {
            throw new ChapkitError(
              'not-found',
              `Artifact ${artifactId} is not linked to config ${configId}`,
            )
          }
          await store.removeArtifact(tx, artifactId)
        }),
      ),

    /** The roots that are linked to a config, in order of creation. */
    async *artifactsOf(configId: string): AsyncGenerator<ArtifactRow> {
      const places: { id: string; created_at: string }[] = []
      let after = ''
      for (let isLast = false; !isLast; ) {
        const ids = await store.artifactsOf(database.read, configId, after, pageRows)
        for (const { id, created_at } of await artifacts.findMany(ids))
          places.push({ id, created_at })
        after = ids.at(-1) ?? after
        isLast = ids.length < pageRows
        if (!isLast) await nextTurn()
      }
      places.sort((a, b) => compare(a.created_at, b.created_at) || compare(a.id, b.id))
      for (let at = 0; at < places.length; at += pageRows)
        yield* await artifacts.findMany(places.slice(at, at + pageRows).map(({ id }) => id))
    },

    /** The config that an artifact's tree was made from. Throws 404 when there is none. */
    async configOf(artifactId: string): Promise<ConfigOut> {
      const rootId = await artifacts.rootId(artifactId)
      const configId = rootId && (await store.configOf(database.read, rootId))
      if (!configId)
        throw new ChapkitError('not-found', `No config linked to artifact ${artifactId}`)
      return configs.get(configId)
    },

    /** Deletes a config with every tree that is linked to it, all or nothing. */
    removeConfig: (configId: string): Promise<void> =>
      artifacts.removeTrees({
        configId,
        async check(tx) {
          await configs.get(configId, tx)
          await assertFree(tx, configId)
          return 0
        },
        rootIds: (tx, after, limit) => store.artifactsOf(tx, configId, after, limit),
        async decide(tx) {
          await assertFree(tx, configId)
          await configs.removeIn(tx, configId)
        },
      }),

    /** Replaces an artifact. One that is linked stays a root: its tree would otherwise go with two configs. */
    updateArtifact: (id: string, input: TakenArtifact): Promise<ArtifactRow> =>
      artifacts.updateTaken(id, input, async (tx) => {
        const configId = await store.configOf(tx, id)
        if (configId === undefined) return
        throw new ChapkitError(
          'conflict',
          `Artifact ${id} is linked to config ${configId}, so it stays a root; unlink it first`,
        )
      }),

    removeArtifact: (id: string): Promise<void> =>
      artifacts.remove(id, async (tx) => void (await store.removeArtifact(tx, id))),
  }
}

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)
