import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { expect, test, vi } from 'vitest'
import { type LargeRequest, wholeBody } from './whole-body.ts'

const chunks = (count: number) => Array.from({ length: count }, (_, at) => Buffer.alloc(65_536, at))

const requestOf = (headers: Record<string, string> = {}, bodyLimit?: number): LargeRequest => ({
  headers,
  routeOptions: { bodyLimit },
})

test('a large body is put together and hashed while others have their turns', async () => {
  const parts = chunks(160)
  const request = requestOf({ 'idempotency-key': 'a' })
  let turns = 0
  const count = () => {
    turns++
    counting = setImmediate(count)
  }
  let counting = setImmediate(count)
  const body = await wholeBody(request, Readable.from(parts))
  clearImmediate(counting)
  const whole = Buffer.concat(parts)
  expect(body.equals(whole)).toBe(true)
  expect(request.bodyHash?.()).toBe(createHash('sha256').update(whole).digest('hex'))
  expect(body.buffer.byteLength).toBe(whole.byteLength)
  // 10 MB are ten slices.
  expect(turns).toBeGreaterThanOrEqual(10)
})

test('no more than a slice is copied at a stretch', async () => {
  const parts = chunks(100)
  let copied = 0
  let most = 0
  const spies = parts.map((part) => {
    const { copy } = part
    return vi.spyOn(part, 'copy').mockImplementation((...given) => {
      if (copied === 0) setImmediate(() => (copied = 0))
      copied += part.length
      most = Math.max(most, copied)
      return copy.apply(part, given)
    })
  })
  await wholeBody(requestOf(), Readable.from(parts))
  for (const spy of spies) expect(spy).toHaveBeenCalledOnce()
  expect(most).toBeLessThanOrEqual(1024 * 1024)
})

test('a body without a key is not hashed', async () => {
  const request = requestOf()
  expect(await wholeBody(request, Readable.from([]))).toHaveLength(0)
  expect(request.bodyHash).toBe(undefined)
})

test.each([
  ['announces more than the route takes', { 'content-length': '200' }, 413],
  ['sends more than the route takes', {}, 413],
  ['sends more than it has announced', { 'content-length': '90' }, 400],
])('a client that %s is refused', async (_, headers, statusCode) => {
  const limit = statusCode === 413 ? 100 : 1000
  const body = wholeBody(requestOf(headers, limit), Readable.from([Buffer.alloc(150)]))
  await expect(body).rejects.toMatchObject({ statusCode })
})

test('a body that breaks off is the fault of its client', async () => {
  const payload = new Readable({ read() {} })
  const body = wholeBody(requestOf(), payload)
  payload.push(Buffer.alloc(10))
  payload.destroy(new Error('gone'))
  await expect(body).rejects.toMatchObject({ message: 'gone', statusCode: 400 })
})
