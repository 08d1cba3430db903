import fc from 'fast-check'
import { sql } from 'kysely'
import { expect, onTestFinished, test, vi } from 'vitest'
import { createBlobs, inlineLimit } from '../../src/blob/blobs.ts'
import { memoryBlobs } from '../../src/blob/memory.ts'
import type { Database } from '../../src/db/database.ts'
import { migrate } from '../../src/db/migrate.ts'
import { openServiceTime } from '../../src/db/service-time.ts'
import { openSqlite } from '../../src/db/sqlite.ts'
import { createIdempotency, idempotencyMs } from '../../src/idempotency/idempotency.ts'
import { type Claim, createJobs } from '../../src/job/jobs.ts'
import type { JobRecord } from '../../src/job/schema.ts'
import { createIds } from '../../src/kernel/id.ts'

/*
 * Histories of a clock: it is set forward and back by seconds, an hour and ten years, and to 1970, between what clients and models
 * do, while the service runs and between its starts, in good order and by crashes. Beside it a plain model, which knows of no wall
 * clock at all: only for how long the service has run.
 */

/** How many are played. */
const histories = Number(process.env.CLOCK_HISTORIES ?? 1000)

const second = 1000
const hour = 3_600_000
const day = 24 * hour
const retentionMs = 2 * hour
const begin = Date.parse('2026-11-29T12:00:00Z')
/** How far ahead of the right time a clock is. */
const errors = [0, 0, 2 * second, -2 * second, hour, -hour, 3650 * day, -3650 * day, -begin]

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('submit' as const),
      delayMs: fc.constantFrom(0, 0, 30 * second, 5 * 60 * second),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('pass' as const),
      ms: fc.constantFrom(1, 1500, 30 * second, 10 * 60 * second, 3 * hour, 25 * hour),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('set' as const), ms: fc.constantFrom(...errors) }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('claim' as const) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom('complete' as const, 'fail once' as const),
      which: fc.nat(3),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom('stop' as const, 'crash' as const) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('sweep' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('send' as const), key: fc.constantFrom('a', 'b') }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom('upload' as const, 'refer' as const) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('pages' as const) }) },
)

interface ModelJob {
  id: string
  dueAt: number
  status: JobRecord['status']
  startedAt: number
  endedAt: number
}

async function open() {
  const database = openSqlite(':memory:')
  onTestFinished(() => database.close())
  await migrate(database)
  await database.migrate(async (db) => {
    await sql`create table result (job_id text)`.execute(db)
  })
  return database
}

async function clear(database: Database) {
  await database.write(async (tx) => {
    for (const table of ['job', 'job_log', 'blob', 'blob_ref', 'idempotency', 'result'])
      await sql`delete from ${sql.table(table)}`.execute(tx)
  })
}

test('what is due and what is kept goes by how long the service runs, whatever its clock says', async () => {
  const database = await open()
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => void vi.useRealTimers())

  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 5, maxLength: 30, size: 'max' }),
      async (steps) => {
        await clear(database)
        vi.clearAllTimers()
        let passed = 0
        let ahead = 0
        const now = () => begin + passed + ahead
        const store = memoryBlobs({ now: () => service.clock.now() })
        let boots = 0

        async function start() {
          const clock = await openServiceTime(database, { monotonic: () => passed })
          const parts = { database, now: clock.now }
          const blobs = createBlobs({ ...parts, store })
          const newId = createIds(now)
          const jobs = createJobs({
            ...{ database, blobs, now, serviceTime: clock.now, newId },
            engine: { notify: () => {}, run: () => {}, close: async () => {} },
            ...{ boot: `boot-${++boots}`, retentionMs, maxQueued: 1000 },
          })
          await jobs.takeOver()
          return { clock, blobs, newId, jobs, idempotency: createIdempotency(parts) }
        }
        let service = await start()
        const time = () => service.clock.now()

        const model: ModelJob[] = []
        let claims: Claim[] = []
        const answers = new Map<string, { body: string; at: number }>()
        let uploaded: { hash: string; at: number } | undefined
        let count = 0
        let life = 0

        async function claimAll() {
          const due = model.filter(({ status, dueAt }) => status === 'pending' && dueAt <= time())
          for (const job of due) {
            const claim = await service.jobs.claim('train', `token-${++count}`)
            // In the order in which they were submitted.
            expect(claim?.id).toBe(job.id)
            claims.push(claim as Claim)
            Object.assign(job, { status: 'running', startedAt: time() })
          }
          expect(await service.jobs.claim('train', 'more')).toBeUndefined()
        }

        async function upload() {
          const bytes = Buffer.alloc(inlineLimit + 1, ++count % 250)
          uploaded = { hash: (await service.blobs.stage(bytes)).hash, at: time() }
        }

        async function restart(isCrash: boolean) {
          const before = time()
          if (!isCrash) await service.clock.close()
          vi.clearAllTimers()
          service = await start()
          const lost = time() - before
          expect(lost).toBeGreaterThanOrEqual(0)
          expect(lost).toBeLessThanOrEqual(isCrash ? Math.min(61 * second, life + 2 * second) : 0)
          life = 0
          claims = []
          for (const job of model) if (job.status === 'running') job.status = 'pending'
          // What nobody referred to before the stop is nobody's.
          uploaded = undefined
        }

        async function expectPages() {
          const all = await service.jobs.list({}, { kind: 'all' })
          expect(all.map(({ id }) => id).sort()).toEqual(model.map(({ id }) => id).sort())
          const free = model.find(({ status }) => status !== 'running')
          const seen: string[] = []
          for (let after: string | null = null; ; ) {
            const page = await service.jobs.list({}, { kind: 'key', size: 1, after })
            const [job] = page
            if (!job) break
            seen.push(job.id)
            after = job.id
            // Also behind one that is deleted meanwhile.
            if (job.id === free?.id) {
              await service.jobs.remove(job.id)
              model.splice(model.indexOf(free), 1)
            }
          }
          expect(seen).toEqual(all.map(({ id }) => id))
        }

        for (const each of steps) {
          if (each.do === 'pass') {
            passed += each.ms
            life += each.ms
            // The timers see a part of it; that is enough to come once.
            await vi.advanceTimersByTimeAsync(Math.min(each.ms, 61 * second))
            await database.write(async () => {})
          } else if (each.do === 'set') ahead = each.ms === -begin ? each.ms - passed : each.ms
          else if (each.do === 'submit') {
            const { delayMs } = each
            const id = service.newId()
            await service.jobs.submit({
              ...{ id, type: 'train', payload: {}, subjectId: null, artifactId: null, blobs: [] },
              delayMs,
            })
            model.push({
              ...{ id, dueAt: time() + delayMs, status: 'pending', startedAt: 0, endedAt: 0 },
            })
          } else if (each.do === 'claim') await claimAll()
          else if (each.do === 'complete' || each.do === 'fail once') {
            const [claim] = claims.splice(each.which % Math.max(1, claims.length), 1)
            const job = model.find(({ id }) => id === claim?.id)
            if (!claim || !job) continue
            if (each.do === 'fail once') {
              await service.jobs.handBack(claim, undefined, 20 * second, true)
              Object.assign(job, { status: 'pending', dueAt: time() + 20 * second })
              continue
            }
            await service.jobs.complete(
              claim,
              async (tx) => void (await sql`insert into result values (${claim.id})`.execute(tx)),
            )
            Object.assign(job, { status: 'completed', endedAt: time() })
            const record = await service.jobs.get(job.id)
            const seen = Date.parse(record.finished_at!) - Date.parse(record.started_at!)
            expect(Math.abs(seen - (job.endedAt - job.startedAt))).toBeLessThan(second)
            expect(Date.parse(record.finished_at!)).toBe(now())
          } else if (each.do === 'stop' || each.do === 'crash') await restart(each.do === 'crash')
          else if (each.do === 'sweep') {
            await service.jobs.sweep()
            await service.idempotency.sweep()
            await service.blobs.sweep(day)
            const old = model.filter(
              ({ status, endedAt }) => status === 'completed' && endedAt < time() - retentionMs,
            )
            for (const job of old) model.splice(model.indexOf(job), 1)
            const left = await service.jobs.list({}, { kind: 'all' })
            expect(left.map(({ id }) => id).sort()).toEqual(model.map(({ id }) => id).sort())
          } else if (each.do === 'send') {
            const { key } = each
            const body = `answer ${++count}`
            const known = answers.get(key)
            const isKnown = known !== undefined && time() - known.at <= idempotencyMs
            const { answered, replayed } = await service.idempotency.run(
              { key, principal: '', method: 'POST', route: '/', fingerprint: () => 'same' },
              (remember) =>
                database.write(async (tx) => {
                  const made = { status: 201, headers: {}, body, jobId: null }
                  await remember(tx, made)
                  return made
                }),
            )
            expect({ replayed, body: answered.body }).toEqual(
              isKnown ? { replayed: true, body: known.body } : { replayed: false, body },
            )
            if (!isKnown) answers.set(key, { body, at: time() })
          } else if (each.do === 'upload') await upload()
          else if (each.do === 'refer') {
            if (!uploaded || time() - uploaded.at >= day) continue
            expect(await store.has(uploaded.hash)).toBeDefined()
          } else await expectPages()
        }

        // In the end every job has run, once, after no more than its own delay.
        for (let round = 0; round < 2; round++) {
          passed += 5 * 60 * second
          await claimAll()
          for (const claim of claims.splice(0))
            await service.jobs.complete(
              claim,
              async (tx) => void (await sql`insert into result values (${claim.id})`.execute(tx)),
            )
        }
        const left = await service.jobs.list({ status: 'pending' }, { kind: 'all' })
        expect(left).toEqual([])
        const { rows: twice } = await sql`
        select job_id from result group by job_id having count(*) > 1`.execute(database.read)
        expect(twice).toEqual([])
        vi.clearAllTimers()
      },
    ),
    { numRuns: histories },
  )
}, 600_000)
