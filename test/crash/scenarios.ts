import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import BetterSqlite from 'better-sqlite3'
import type { Send } from './client.ts'
import {
  changeConfig,
  createConfig,
  deleteConfig,
  deleteUpload,
  type Expected,
  perform,
  predict,
  train,
  upload,
} from './ledger.ts'
import type { Scenario } from './points.ts'

const large = 100 * 1024
const firstKey = <Key>(map: Map<Key, unknown>): Key => map.keys().next().value as Key

async function withConfig(world: Expected, send: Send): Promise<string> {
  await perform(createConfig(world, { name: 'first', seed: 1 }), send)
  return firstKey(world.configs)
}

async function withTraining(world: Expected, send: Send) {
  const configId = await withConfig(world, send)
  const options = { configId, key: 'trained', rows: 3_000, seed: 1, wait: 30 }
  await perform(train(world, options), send)
  return [...world.jobs.values()][0]!
}

/** Takes a finished job back to where it was when its service died under it: running, its inputs kept, no result. */
function unfinish(folder: string): void {
  const db = new BetterSqlite(join(folder, 'chapkit.db'))
  try {
    const last = db
      .prepare(`select id, artifact_id, payload from job order by id desc limit 1`)
      .get() as {
      id: string
      artifact_id: string
      payload: string
    }
    const own = `(select id from artifact where id = '${last.artifact_id}' or parent_id = '${last.artifact_id}')`
    const { data, historic, future } = JSON.parse(last.payload) as Record<
      string,
      string | undefined
    >
    for (const hash of new Set([data, historic, future])) {
      if (hash)
        db.prepare('insert into blob_ref (owner, hash) values (?, ?)').run(`job:${last.id}`, hash)
    }
    db.exec(`
      delete from blob_ref where owner in (select 'artifact:' || id from artifact where id in ${own});
      delete from config_artifact where artifact_id in ${own};
      delete from artifact where id in ${own};
      update job set status = 'running', token = 'old', boot = 'old', finished_at = null where id = '${last.id}';
    `)
  } finally {
    db.close()
  }
}

/** Writes to be cut at every point. Those of jobs are a file of tests of their own, beside the others. */
export const scenarios: readonly Scenario[] = [
  {
    name: 'config save',
    operation: (world) => createConfig(world, { name: 'saved', seed: 5 }),
    prepare: async () => {},
    task: {},
  },
  {
    name: 'config change',
    prepare: async (world, send) => void (await withConfig(world, send)),
    operation: (world) => changeConfig(world, firstKey(world.configs), 9),
    task: {},
  },
  {
    name: 'artifact save, in the database',
    operation: (world) => upload(world, { tag: 'small', seed: 1, size: 2_000 }),
    prepare: async () => {},
    task: {},
  },
  {
    name: 'artifact save, as a file',
    operation: (world) => upload(world, { tag: 'large', seed: 2, size: large }),
    prepare: async () => {},
    task: {},
  },
  {
    name: 'artifact save, bytes known already',
    prepare: async (world, send) =>
      void (await perform(upload(world, { tag: 'one', seed: 3, size: large }), send)),
    operation: (world) => upload(world, { tag: 'two', seed: 3, size: large }),
    task: {},
  },
  {
    name: 'job submit',
    prepare: async (world, send) => void (await withConfig(world, send)),
    operation: (world) =>
      train(world, { configId: firstKey(world.configs), key: 'submitted', rows: 3_000, seed: 4 }),
    task: {},
  },
  {
    name: 'job finish of a training',
    async prepare(world, send) {
      await withTraining(world, send)
      for (const job of world.jobs.values()) job.isDone = false
    },
    damage: unfinish,
    task: { start: true, job: 'last' },
  },
  {
    name: 'job finish of a prediction',
    async prepare(world, send) {
      const training = await withTraining(world, send)
      await perform(predict(world, training, { key: 'predicted', rows: 3_000, wait: 30 }), send)
      for (const job of world.jobs.values()) job.isDone = job.kind === 'train'
    },
    damage: unfinish,
    task: { start: true, job: 'last' },
  },
  {
    name: 'artifact delete',
    prepare: async (world, send) =>
      void (await perform(upload(world, { tag: 'gone', seed: 6, size: large }), send)),
    operation: (world) => deleteUpload(world, firstKey(world.uploads)),
    task: {},
  },
  {
    name: 'delete of a config with its models',
    async prepare(world, send) {
      const training = await withTraining(world, send)
      await perform(predict(world, training, { key: 'predicted', rows: 5, wait: 30 }), send)
    },
    operation: (world) => deleteConfig(world, firstKey(world.configs)),
    task: {},
  },
  {
    name: 'migration at a first start',
    task: { start: true },
  },
  {
    name: 'sweep of what a crash left',
    async prepare(world, send) {
      for (const seed of [1, 2, 3])
        await perform(upload(world, { tag: `t${seed}`, seed, size: large }), send)
      await perform(deleteUpload(world, firstKey(world.uploads)), send)
    },
    damage(folder) {
      const blobs = join(folder, 'chapkit.blobs')
      writeFileSync(join(blobs, 'tmp', '1-1'), 'half of it')
      writeFileSync(join(blobs, 'trash', `${'ab'.repeat(32)}-1-1`), 'was nobody’s')
      mkdirSync(join(blobs, 'cd'), { recursive: true })
      writeFileSync(join(blobs, 'cd', 'cd'.repeat(31)), 'has no row')
    },
    task: { start: true },
  },
  {
    name: 'close, with its checkpoint',
    async prepare(world, send) {
      await withTraining(world, send)
    },
    operation: (world) => createConfig(world, { name: 'before the end', seed: 8 }),
    task: { close: true },
  },
]

export const isOfJobs = ({ name }: Scenario): boolean => name.startsWith('job ')
