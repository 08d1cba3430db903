import fc from 'fast-check'
import { sql } from 'kysely'
import { expect, onTestFinished, test } from 'vitest'
import { cases } from '../../test/setup/campaign.ts'
import { migrate } from '../db/migrate.ts'
import { openSqlite } from '../db/sqlite.ts'
import { fakeClock } from '../testing/clock.ts'
import {
  type Answered,
  createIdempotency,
  type IdempotentRequest,
  idempotencyMs,
} from './idempotency.ts'

const dayMs = 24 * 3600 * 1000

async function open() {
  const database = openSqlite(':memory:')
  onTestFinished(() => database.close())
  await migrate(database)
  const now = fakeClock()
  const idempotency = createIdempotency({ database, now })
  let made = 0

  /** Sends a request; `create` says what it makes, once. */
  const send = (change: Partial<IdempotentRequest> = {}, body = 'body') =>
    idempotency.run(
      {
        key: 'key',
        principal: '',
        method: 'POST',
        route: '/things',
        fingerprint: () => body,
        ...change,
      },
      (remember) =>
        database.write(async (tx) => {
          const answered: Answered = {
            status: 201,
            headers: { location: `/things/${++made}` },
            body: JSON.stringify({ id: made }),
            jobId: `job-${made}`,
          }
          await remember(tx, answered)
          return answered
        }),
    )
  const rows = () => database.read.selectFrom('idempotency').selectAll().execute()
  return { database, now, idempotency, send, rows, made: () => made }
}

test('a request that is sent again gets the first answer, and makes nothing', async () => {
  const { send, made } = await open()
  const first = await send()
  expect(first.replayed).toBe(false)
  expect(await send()).toEqual({ answered: first.answered, replayed: true })
  expect(made()).toBe(1)
})

test('the answer outlives the process that gave it', async () => {
  const { database, now, send } = await open()
  const { answered } = await send()
  const restarted = createIdempotency({ database, now })
  const again = await restarted.run(
    { key: 'key', principal: '', method: 'POST', route: '/things', fingerprint: () => 'body' },
    () => Promise.reject(new Error('made twice')),
  )
  expect(again).toEqual({ answered, replayed: true })
})

test('without a key every request is its own, and no body is hashed', async () => {
  const { send, rows } = await open()
  const fingerprint = () => {
    throw new Error('hashed')
  }
  const first = await send({ key: undefined, fingerprint })
  const second = await send({ key: undefined, fingerprint })
  expect(second.answered).not.toEqual(first.answered)
  expect(await rows()).toEqual([])
})

test('another body with the same key is a 422, also after a restart', async () => {
  const { send, made } = await open()
  await send()
  await expect(send({}, 'other body')).rejects.toMatchObject({ code: 'idempotency-mismatch' })
  expect(made()).toBe(1)
})

test('while the first request is in flight the second is a 409 that says when to come again', async () => {
  const { send, made } = await open()
  const first = send()
  await expect(send()).rejects.toMatchObject({ code: 'conflict', headers: { 'retry-after': '1' } })
  // Whatever its body: it cannot be compared yet.
  await expect(send({}, 'other body')).rejects.toMatchObject({ code: 'conflict' })
  await first
  expect((await send()).replayed).toBe(true)
  expect(made()).toBe(1)
})

test('keys of other callers, methods and routes are other keys', async () => {
  const { send, made } = await open()
  await send()
  for (const other of [{ principal: 'ada' }, { method: 'PUT' }, { route: '/others' }, { key: 'k' }])
    expect((await send(other)).replayed).toBe(false)
  expect(made()).toBe(5)
  expect((await send({ key: '"key"' })).replayed).toBe(true)
})

test('a request that was refused is not kept and may be repeated', async () => {
  const { database, idempotency, send, rows } = await open()
  const failing = idempotency.run(
    { key: 'key', principal: '', method: 'POST', route: '/things', fingerprint: () => 'body' },
    (remember) =>
      database.write(async (tx) => {
        await remember(tx, { status: 201, headers: {}, body: '{}', jobId: null })
        throw new Error('refused after all')
      }),
  )
  await expect(failing).rejects.toThrow('refused after all')
  expect(await rows()).toEqual([])
  expect((await send()).replayed).toBe(false)
})

test('after a day a key is new again, also before it is swept', async () => {
  const { now, send, rows, idempotency } = await open()
  const first = await send()
  now.advance(dayMs)
  expect((await send()).replayed).toBe(true)
  await idempotency.sweep()
  expect(await rows()).toHaveLength(1)

  now.advance(1)
  const later = await send({}, 'other body')
  expect(later.replayed).toBe(false)
  expect(later.answered).not.toEqual(first.answered)
  expect(await rows()).toHaveLength(1)

  now.advance(dayMs + 1)
  await idempotency.sweep()
  expect(await rows()).toEqual([])
})

test.each(['', ' ', '""', 'é', 'a\nb', 'x'.repeat(256)])('the key %j is refused', async (key) => {
  const { send } = await open()
  await expect(send({ key })).rejects.toMatchObject({ code: 'bad-request' })
})

/*
 * Against a plain model: requests of few keys and bodies, which wait inside for as long as the history lets them, end well or
 * badly, are cut off by a restart, and come again before and after their answers have expired.
 */

const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('send' as const),
      key: fc.constantFrom('a', 'b'),
      body: fc.constantFrom('x', 'x', 'y'),
      isDoubled: fc.boolean(),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom('commit' as const, 'refuse' as const, 'refuse after writing' as const),
      which: fc.nat(3),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('wait' as const),
      milliseconds: fc.constantFrom(1, dayMs / 2, dayMs, dayMs + 1),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('sweep' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const) }) },
)

/** A request that has been let in and waits to be decided. */
interface Open {
  key: string
  body: string
  decide: (how: 'commit' | 'refuse' | 'refuse after writing') => void
  answer: Promise<unknown>
}

interface Kept {
  body: string
  made: string
  at: number
}

test('however requests interleave, fail, expire and are cut off, a key makes one thing and always tells of it', async () => {
  const database = openSqlite(':memory:')
  onTestFinished(() => database.close())
  await migrate(database)
  await database.migrate(async (db) => void (await sql`create table made (body text)`.execute(db)))
  const now = fakeClock()
  const nothing = Symbol('let in')
  let count = 0

  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30, size: 'max' }), async (steps) => {
      await database.write(async (tx) => {
        await tx.deleteFrom('idempotency').execute()
        await sql`delete from made`.execute(tx)
      })
      let idempotency = createIdempotency({ database, now })
      let open: Open[] = []
      const kept = new Map<string, Kept>()
      const isFresh = (known: Kept) => known.at >= now() - idempotencyMs
      const made: string[] = []

      /** Sends a request: what it is answered at once, or `nothing` while it waits to be decided. */
      async function send(key: string, body: string) {
        const entered = Promise.withResolvers<typeof nothing>()
        const decision = Promise.withResolvers<Parameters<Open['decide']>[0]>()
        const request = { key, principal: '', method: 'POST', route: '/', fingerprint: () => body }
        const answer = idempotency.run(request, async (remember) => {
          entered.resolve(nothing)
          const how = await decision.promise
          if (how === 'refuse') throw new Error(how)
          return database.write(async (tx) => {
            const text = `${key} ${body} ${++count}`
            const answered: Answered = { status: 201, headers: { text }, body: text, jobId: text }
            await sql`insert into made values (${text})`.execute(tx)
            await remember(tx, answered)
            if (how !== 'commit') throw new Error(how)
            return answered
          })
        })
        const settled = answer.catch((error: Error) => error)
        const first = await Promise.race([entered.promise, settled])
        if (first === nothing) open.push({ key, body, decide: decision.resolve, answer: settled })
        return first
      }

      for (const each of steps) {
        if (each.do === 'wait') now.advance(each.milliseconds)
        else if (each.do === 'sweep') {
          await idempotency.sweep()
          for (const [key, known] of kept) if (!isFresh(known)) kept.delete(key)
        } else if (each.do === 'restart') {
          // What was in flight died with the process, before it wrote.
          for (const { decide } of open) decide('refuse')
          await Promise.all(open.map(({ answer }) => answer))
          open = []
          idempotency = createIdempotency({ database, now })
        } else if (each.do === 'send') {
          const { key, body } = each
          const known = kept.get(key)
          const sending = send(key, body)
          const double = each.isDoubled ? send(key, body) : undefined
          const outcome = await sending
          if (double) expect(await double).toMatchObject({ code: 'conflict' })
          if (open.some((other) => other.key === key && outcome !== nothing)) {
            expect(outcome).toMatchObject({ code: 'conflict', headers: { 'retry-after': '1' } })
          } else if (!known || !isFresh(known)) expect(outcome).toBe(nothing)
          else if (known.body !== body)
            expect(outcome).toMatchObject({ code: 'idempotency-mismatch' })
          else {
            const text = known.made
            const answered = { status: 201, headers: { text }, body: text, jobId: text }
            expect(outcome).toEqual({ answered, replayed: true })
          }
          expect(new Set(open.map((other) => other.key)).size).toBe(open.length)
        } else {
          const [request] = open.splice(each.which % Math.max(1, open.length), 1)
          if (!request) continue
          const { key, body, decide, answer } = request
          decide(each.do)
          if (each.do !== 'commit') {
            expect(await answer).toMatchObject({ message: each.do })
            continue
          }
          const text = `${key} ${body} ${count + 1}`
          expect(await answer).toMatchObject({ answered: { body: text }, replayed: false })
          kept.set(key, { body, made: text, at: now() })
          made.push(text)
        }
      }
      for (const { decide } of open) decide('refuse')
      await Promise.all(open.map(({ answer }) => answer))

      const { rows } = await sql<{ body: string }>`select body from made`.execute(database.read)
      expect(rows.map(({ body }) => body)).toEqual(made)
      const stored = await database.read.selectFrom('idempotency').select('body').execute()
      expect(stored.map(({ body }) => body).sort()).toEqual(
        [...kept.values()].map((known) => known.made).sort(),
      )
    }),
    { numRuns: cases(10_000) },
  )
}, 600_000)
