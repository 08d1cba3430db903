import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import { describe, expect, onTestFinished, test } from 'vitest'
import { temporaryFolder } from '../e2e/harness.ts'
import { type Running, type ServiceName, serve } from './client.ts'
import { chapters, fixtureVersions, unpack } from './fixture.ts'
import { takeSnapshot } from './snapshot.ts'
import { until } from './story.ts'

const released = fixtureVersions()

test('there is a fixture of every version that the changelog names as released', () => {
  const changelog = readFileSync(join(import.meta.dirname, '../../CHANGELOG.md'), 'utf8')
  const { version } = JSON.parse(
    readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8'),
  )
  const named = [...changelog.matchAll(/^## (\d+\.\d+\.\d+)$/gm)].map(([, name]) => name)
  // The one that is being worked on gets its fixture when it is released.
  expect(released).toEqual(expect.arrayContaining(named.filter((name) => name !== version)))
})

describe.each(released)('a data folder written by %s', (version) => {
  test.each(chapters)('opens, and everything in it is as it was: %s', async (chapter) => {
    const { dataDir, story } = open(version, chapter)
    const service = await start(chapter, dataDir)
    // What had been promised is done first: reads of the rest must not change by it.
    for (const { job_id, artifact_id } of story.promised) {
      const job = await until(service, job_id, (status) => /completed|failed/.test(status))
      expect(job).toMatchObject({ status: 'completed', error: null, artifact_id })
      expect((await service.json('GET', `/api/v1/artifacts/${artifact_id}`)).data.type).toBe(
        'ml_training_workspace',
      )
    }
    const snapshot = await takeSnapshot(service)
    const added = story.promised.map(({ artifact_id }) => artifact_id)
    for (const [path, { status, type, body }] of Object.entries(story.snapshot)) {
      expect({ path, status: snapshot[path]?.status, type: snapshot[path]?.type }).toEqual({
        ...{ path, status, type },
      })
      expect({ path, body: without(snapshot[path]?.body, added) }).toMatchObject({
        path,
        body: path.endsWith('/$stats') ? {} : body,
      })
    }
  })

  test.each(chapters)('has models that forecast what they did: %s', async (chapter) => {
    const { dataDir, story } = open(version, chapter)
    const service = await start(chapter, dataDir)
    const { prediction } = await service.json(
      'POST',
      '/api/v1/ml/$predict',
      story.prediction.body,
      {
        prefer: 'wait=60',
      },
    )
    expect(prediction).toEqual(story.prediction.frame)
  })

  test('gives requests that are sent again the answer that they got', async () => {
    const { dataDir, story } = open(version, 'functions')
    // Answers are kept for a day, and the folder is older.
    const database = new Sqlite(join(dataDir, 'chapkit.db'))
    database.prepare('update idempotency set created_at = ?').run(new Date().toISOString())
    database.close()
    const service = await start('functions', dataDir)
    expect(story.keyed.length).toBeGreaterThan(0)
    for (const { path, body, key, answer } of story.keyed) {
      const headers = { 'idempotency-key': key }
      expect(await service.json('POST', path, body, headers)).toEqual(answer)
    }
  })

  test('is refused with a sentence once a newer version has had it', async () => {
    const { dataDir } = open(version, 'functions')
    const service = await start('functions', dataDir)
    await service.end()
    const database = new Sqlite(join(dataDir, 'chapkit.db'))
    database.prepare('insert into migration (name, timestamp) values (?, ?)').run('9999-later', '')
    const before = database.prepare('select name, sql from sqlite_master').all()
    database.close()

    await expect(serve('functions', { dataDir })).rejects.toThrow(
      /The database is newer than this program: it has the migration "9999-later"\. Install the chapkit that made it, or restore a backup/,
    )
    const after = new Sqlite(join(dataDir, 'chapkit.db'))
    onTestFinished(() => void after.close())
    expect(after.prepare('select name, sql from sqlite_master').all()).toEqual(before)
  })
})

/** A data folder of a version, and what is told of it. */
function open(version: string, chapter: (typeof chapters)[number]) {
  const folder = temporaryFolder()
  return { story: unpack(version, folder)[chapter], dataDir: join(folder, chapter) }
}

async function start(chapter: (typeof chapters)[number], dataDir: string): Promise<Running> {
  const name: ServiceName = chapter === 'shell' ? 'shell' : 'functions'
  const service = await serve(name, { dataDir })
  onTestFinished(() => service.end())
  return service
}

/** A list without what has been added to it. */
function without(body: unknown, added: readonly string[]): unknown {
  if (!Array.isArray(body)) return body
  return body.filter((item) => !added.includes(item.id) && !added.includes(item.artifact_id))
}
