import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import { describe, expect, onTestFinished, test } from 'vitest'
import { temporaryFolder } from '../e2e/harness.ts'
import { type Running, serve } from './client.ts'
import { type Chapter, chapters, chaptersOf, fixtureVersions, unpack } from './fixture.ts'
import { takeSnapshot } from './snapshot.ts'
import { type Frame, until } from './story.ts'
import { type Run, runsOf } from './task-story.ts'

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
  test.each(chaptersOf(version))(
    'opens, and everything in it is as it was: %s',
    async (chapter) => {
      const { dataDir, story } = open(version, chapter)
      const service = await start(chapter, dataDir)
      // What had been promised is done first: reads of the rest must not change by it.
      for (const { job_id, artifact_id } of story.promised) {
        const job = await until(service, job_id, (status) => /completed|failed/.test(status))
        expect(job).toMatchObject({ status: 'completed', error: null, artifact_id })
        const { data } = await service.json('GET', `/api/v1/artifacts/${artifact_id}`)
        if (chapters[chapter] === 'tasks') expect(data).toHaveProperty('task.id')
        else expect(data.type).toBe('ml_training_workspace')
      }
      const snapshot = await takeSnapshot(service)
      for (const [path, { status, type, body }] of Object.entries(story.snapshot)) {
        const now = snapshot[path]
        expect({ path, status: now?.status, type: now?.type }).toEqual({ path, status, type })
        expect({ path, body: known(now?.body, body) }).toMatchObject({
          path,
          body: expected(path, body),
        })
      }
    },
  )

  test.each(chaptersOf(version))('has models that forecast what they did: %s', async (chapter) => {
    const { dataDir, story } = open(version, chapter)
    const service = await start(chapter, dataDir)
    const { body, frame } = story.prediction
    expect(await forecast(service, body)).toEqual(frame)
    if (story.numbered === undefined) return
    const { columns, data, ...rest } = story.numbered.frame
    expect(await forecast(service, story.numbered.body)).toEqual({
      ...{ columns, ...rest },
      data: data.map((row) => row.map((cell, at) => textOf(columns[at]!, cell))),
    })
  })

  test.each(chaptersOf(version).filter((chapter) => chapters[chapter] === 'tasks'))(
    'has schedules that go on where they were: %s',
    async (chapter) => {
      const { dataDir, story } = open(version, chapter)
      const service = await start(chapter, dataDir)
      const { late, left, queued } = story.schedules!
      const ended = (run: Run) => run.job_status === 'completed'
      expect(await runsOf(service, late, (runs) => runs.some(ended))).toMatchObject([
        { outcome: 'submitted', job_status: 'completed', count: 1 },
      ])
      expect(await runsOf(service, left, (runs) => runs.length > 0)).toMatchObject([
        { outcome: 'missed', job_id: null, count: 1 },
      ])
      // The job of the first slot was interrupted; those behind it wait for it, and for the schedule, which was paused.
      const { length } = await service.json('GET', `/api/v1/schedules/${queued}/$runs`)
      expect(length).toBeGreaterThan(2)
      await service.json('POST', `/api/v1/schedules/${queued}/$resume`)
      const first = (runs: Run[]) => runs.slice(-length)
      const runs = first(await runsOf(service, queued, (runs) => first(runs).every(ended)))
      expect(new Set(runs.map(({ job_id }) => job_id)).size).toBe(length)
    },
  )

  test.each(chaptersOf(version).filter((chapter) => chapters[chapter] !== 'shell'))(
    'gives requests that are sent again the answer that they got: %s',
    async (chapter) => {
      const { dataDir, story } = open(version, chapter)
      // Answers are kept for a day, and the folder is older.
      const database = new Sqlite(join(dataDir, 'chapkit.db'))
      database.prepare('update idempotency set created_at = ?').run(new Date().toISOString())
      database.close()
      const service = await start(chapter, dataDir)
      expect(story.keyed.length).toBeGreaterThan(0)
      for (const { path, body, key, answer } of story.keyed) {
        const headers = { 'idempotency-key': key }
        expect(await service.json('POST', path, body, headers)).toEqual(answer)
      }
    },
  )

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
function open(version: string, chapter: Chapter) {
  const folder = temporaryFolder()
  const story = unpack(version, folder)[chapter]
  if (story === undefined) throw new Error(`The fixture of ${version} tells nothing of ${chapter}`)
  return { story, dataDir: join(folder, chapter) }
}

async function start(chapter: Chapter, dataDir: string): Promise<Running> {
  const service = await serve(chapters[chapter], { dataDir })
  onTestFinished(() => service.end())
  return service
}

async function forecast(service: Running, body: object): Promise<object> {
  const headers = { prefer: 'wait=60' }
  return (await service.json('POST', '/api/v1/ml/$predict', body, headers)).prediction
}

/** Up to 0.2.0 codes that were sent as numbers reached models as numbers; they are text since, as in CSV. */
const textOf = (column: string, cell: Frame['data'][number][number]) =>
  column === 'location' || column === 'time_period' ? String(cell) : cell

/** A list without what has been added to it since. */
function known(now: unknown, then: unknown): unknown {
  if (!Array.isArray(now) || !Array.isArray(then)) return now
  const ids = new Set(then.map(({ id }) => id))
  return now.filter(({ id }) => ids.has(id))
}

/** What of an answer has to stay: all of it, but for what goes on with the time. */
function expected(path: string, body: unknown): unknown {
  if (path.endsWith('/$stats')) return {}
  if (path === '/api/v1/schedules') return (body as Schedule[]).map(lasting)
  if (/^\/api\/v1\/schedules\/\w+$/.test(path)) return lasting(body as Schedule)
  return body
}

interface Schedule {
  paused: boolean
  next_run_at?: unknown
  last_run_at?: unknown
  last_job_id?: unknown
}

/** A schedule without what its slots change that have come since. */
function lasting(schedule: Schedule): object {
  if (schedule.paused) return schedule
  const { next_run_at, last_run_at, last_job_id, ...rest } = schedule
  return rest
}
