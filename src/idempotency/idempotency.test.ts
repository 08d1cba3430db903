import fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import { migrate } from '../db/migrate.ts'
import { openSqlite } from '../db/sqlite.ts'
import { fakeClock } from '../testing/clock.ts'
import { type Answered, createIdempotency, type IdempotentRequest } from './idempotency.ts'

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

test('however requests with few keys interleave, each key makes one thing', async () => {
  const request = fc.record({
    key: fc.constantFrom('a', 'b'),
    body: fc.constantFrom('x', 'y'),
    turns: fc.nat(3),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(request, { maxLength: 12 }), async (requests) => {
      const { database, send, made, rows } = await open()
      const bodies = new Map<string, Set<string>>()
      await Promise.all(
        requests.map(async ({ key, body, turns }) => {
          for (let turn = 0; turn < turns; turn++)
            await new Promise((resolve) => setImmediate(resolve))
          const answer = await send({ key }, body).catch(({ code }) => code)
          if (typeof answer === 'string')
            return expect(['conflict', 'idempotency-mismatch']).toContain(answer)
          const seen = bodies.get(key) ?? new Set()
          bodies.set(key, seen.add(answer.answered.body))
        }),
      )
      expect(made()).toBe(bodies.size)
      for (const seen of bodies.values()) expect(seen.size).toBe(1)
      expect(await rows()).toHaveLength(bodies.size)
      await database.close()
    }),
    { numRuns: 100 },
  )
})
