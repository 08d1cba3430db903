import { createHash } from 'node:crypto'
import { buffer } from 'node:stream/consumers'
import { crc32 } from 'node:zlib'
import { expect, test } from 'vitest'
import type { BlobStore } from '../blob/blob-store.ts'

const always = Number.POSITIVE_INFINITY

/** What every blob store must do. `create` opens an empty one; the suite closes it. */
export function blobStoreSuite(create: () => Promise<BlobStore>): void {
  const behaves = (name: string, check: (store: BlobStore) => Promise<void>) =>
    test(name, async () => {
      const store = await create()
      try {
        await check(store)
      } finally {
        await store.close()
      }
    })

  behaves('returns the bytes that were put, named by their SHA-256', async (store) => {
    const bytes = Buffer.from('dengue')

    const digest = await store.put(bytes)

    expect(digest).toEqual({ hash: hashOf(bytes), size: 6, crc32: crc32(bytes) })
    expect(await read(store, digest.hash)).toEqual(bytes)
    expect(await store.has(digest.hash)).toEqual({ size: 6 })
  })

  behaves('stores a stream under the same name as the same bytes in one piece', async (store) => {
    const whole = await store.put(Buffer.from('abcdef'))
    const streamed = await store.put(chunks('ab', '', 'c', 'def'))

    expect(streamed).toEqual(whole)
    expect(await hashes(store)).toEqual([whole.hash])
  })

  behaves('stores no bytes at all', async (store) => {
    const { hash, size } = await store.put(chunks())

    expect(size).toBe(0)
    expect(await read(store, hash)).toEqual(Buffer.alloc(0))
    expect(await buffer((await store.get(hash))!)).toEqual(Buffer.alloc(0))
  })

  behaves('answers nothing for what is absent', async (store) => {
    const hash = hashOf(Buffer.from('absent'))

    expect(await store.get(hash)).toBeUndefined()
    expect(await store.get(hash, { start: 0, end: 1 })).toBeUndefined()
    expect(await store.read(hash)).toBeUndefined()
    expect(await store.has(hash)).toBeUndefined()
    expect(await store.touch(hash)).toBe(false)
    expect(await store.trash(hash, always)).toBeUndefined()
    await store.remove(hash)
  })

  behaves('refuses a name that is not a SHA-256', async (store) => {
    for (const name of ['', '..', `../${'a'.repeat(61)}`, 'A'.repeat(64), `${'a'.repeat(64)}/`]) {
      await expect(store.get(name)).rejects.toMatchObject({ code: 'internal' })
      await expect(store.has(name)).rejects.toMatchObject({ code: 'internal' })
      await expect(store.remove(name)).rejects.toMatchObject({ code: 'internal' })
      await expect(store.touch(name)).rejects.toMatchObject({ code: 'internal' })
    }
  })

  behaves('keeps its own copy of the bytes', async (store) => {
    const bytes = Buffer.from('mine')
    const { hash } = await store.put(bytes)
    bytes.fill(0)
    const returned = await store.read(hash)
    returned?.fill(0)

    expect(await read(store, hash)).toEqual(Buffer.from('mine'))
  })

  behaves('keeps its own copy of streamed chunks', async (store) => {
    const shared = Buffer.alloc(2)
    async function* reusing() {
      for (const text of ['ab', 'cd']) {
        shared.write(text)
        yield shared
      }
    }
    const { hash } = await store.put(reusing())

    expect(await read(store, hash)).toEqual(Buffer.from('abcd'))
  })

  behaves('every range equals the slice of the whole', async (store) => {
    const bytes = createHash('shake256', { outputLength: 300_000 }).digest()
    const { hash, size } = await store.put(bytes)
    const points = [0, 1, 1000, 65_535, 65_536, 65_537, 262_144, size - 1, size]

    for (const start of points) {
      for (const end of points.filter((point) => point >= start)) {
        const part = await buffer((await store.get(hash, { start, end }))!)
        expect(part.equals(bytes.subarray(start, end))).toBe(true)
      }
    }
  })

  behaves(
    'a range or size that does not fit what is stored is damage, not a short answer',
    async (store) => {
      const { hash } = await store.put(Buffer.from('four'))

      await expect(store.get(hash, { start: 0, end: 5 })).rejects.toMatchObject({
        code: 'internal',
      })
      await expect(store.get(hash, { start: 3, end: 2 })).rejects.toMatchObject({
        code: 'internal',
      })
      await expect(store.get(hash, { start: -1, end: 2 })).rejects.toMatchObject({
        code: 'internal',
      })
      await expect(store.get(hash, undefined, 5)).rejects.toMatchObject({ code: 'internal' })
      expect(await buffer((await store.get(hash, undefined, 4))!)).toEqual(Buffer.from('four'))
    },
  )

  behaves('bytes with another hash than expected are refused and not kept', async (store) => {
    const expected = hashOf(Buffer.from('right'))

    for (const source of [Buffer.from('wrong'), chunks('wr', 'ong')]) {
      await expect(store.put(source, { expected })).rejects.toMatchObject({
        code: 'validation-failed',
      })
    }
    expect(await hashes(store)).toEqual([])
    expect((await store.put(chunks('right'), { expected })).hash).toBe(expected)
  })

  behaves('more bytes than allowed are refused and not kept', async (store) => {
    let pulled = 0
    async function* endless() {
      while (true) {
        pulled += 1
        yield Buffer.alloc(4)
      }
    }

    for (const source of [Buffer.alloc(9), endless()]) {
      await expect(store.put(source, { maxBytes: 8 })).rejects.toMatchObject({
        code: 'payload-too-large',
      })
    }
    expect(pulled).toBe(3)
    expect(await hashes(store)).toEqual([])
    expect((await store.put(Buffer.alloc(8), { maxBytes: 8 })).size).toBe(8)
  })

  behaves('a source that fails leaves nothing, and its error comes through', async (store) => {
    const failure = new Error('connection lost')
    async function* failing() {
      yield Buffer.from('half')
      throw failure
    }

    await expect(store.put(failing())).rejects.toBe(failure)
    expect(await hashes(store)).toEqual([])
  })

  behaves('an abort ends a put whose source has gone silent', async (store) => {
    const stop = new AbortController()
    async function* silent() {
      yield Buffer.from('half')
      setTimeout(() => stop.abort(new Error('canceled')), 5)
      await new Promise(() => {})
    }

    await expect(store.put(silent(), { signal: stop.signal })).rejects.toThrow('canceled')
    await expect(store.put(Buffer.from('x'), { signal: stop.signal })).rejects.toThrow('canceled')
    expect(await hashes(store)).toEqual([])
  })

  behaves('a silent source is told to stop when its put is aborted', async (store) => {
    const stop = new AbortController()
    let stopped = false
    const source: AsyncIterable<Uint8Array> = {
      [Symbol.asyncIterator]: () => ({
        next: () => new Promise(() => setTimeout(() => stop.abort(new Error('canceled')), 5)),
        return: async () => {
          stopped = true
          return { done: true, value: undefined }
        },
      }),
    }

    await expect(store.put(source, { signal: stop.signal })).rejects.toThrow('canceled')
    expect(stopped).toBe(true)
  })

  behaves('a source is told to stop when its put is refused', async (store) => {
    let stopped = false
    async function* source() {
      try {
        while (true) yield Buffer.alloc(4)
      } finally {
        stopped = true
      }
    }

    await expect(store.put(source(), { maxBytes: 5 })).rejects.toMatchObject({
      code: 'payload-too-large',
    })
    expect(stopped).toBe(true)
  })

  behaves('many puts of the same bytes at once all succeed and store them once', async (store) => {
    const bytes = Buffer.alloc(100_000, 7)
    const sources = Array.from({ length: 20 }, (_, i) => (i % 2 ? bytes : chunks(bytes)))

    const digests = await Promise.all(sources.map((source) => store.put(source)))

    expect(new Set(digests.map(({ hash }) => hash))).toEqual(new Set([hashOf(bytes)]))
    expect(await read(store, hashOf(bytes))).toEqual(bytes)
    expect(await hashes(store)).toEqual([hashOf(bytes)])
  })

  behaves('lists every blob with its size and date', async (store) => {
    const before = Date.now()
    const digests = await Promise.all(
      ['a', 'bb', 'ccc'].map((text) => store.put(Buffer.from(text))),
    )

    const listed = await Array.fromAsync(store.list())

    expect(listed.map(({ hash, size }) => ({ hash, size })).sort(byHash)).toEqual(
      digests.map(({ hash, size }) => ({ hash, size })).sort(byHash),
    )
    for (const { changedAt } of listed) expect(changedAt).toBeGreaterThanOrEqual(before)
  })

  behaves('putting again and touching renew the date', async (store) => {
    const { hash } = await store.put(Buffer.from('again'))
    const date = async () => (await Array.fromAsync(store.list()))[0]!.changedAt

    const first = await date()
    await passes()
    await store.put(Buffer.from('again'))
    const second = await date()
    await passes()
    expect(await store.touch(hash)).toBe(true)
    const third = await date()

    expect(second).toBeGreaterThan(first)
    expect(third).toBeGreaterThan(second)
  })

  behaves('what is removed is gone, and can be put again', async (store) => {
    const { hash } = await store.put(Buffer.from('gone'))
    await store.put(Buffer.from('stays'))

    await store.remove(hash)
    await store.remove(hash)

    expect(await store.has(hash)).toBeUndefined()
    expect(await hashes(store)).toEqual([hashOf(Buffer.from('stays'))])
    await store.put(Buffer.from('gone'))
    expect(await read(store, hash)).toEqual(Buffer.from('gone'))
  })

  behaves('a stream that is being read survives the removal of its blob', async (store) => {
    const bytes = Buffer.alloc(1_000_000, 1)
    const { hash } = await store.put(bytes)

    const stream = (await store.get(hash))!
    await store.remove(hash)

    expect((await buffer(stream)).equals(bytes)).toBe(true)
  })

  behaves('trash hides a blob until it is restored or discarded', async (store) => {
    const { hash } = await store.put(Buffer.from('hidden'))

    const first = await store.trash(hash, always)
    expect(await store.has(hash)).toBeUndefined()
    expect(await hashes(store)).toEqual([])
    expect(await store.touch(hash)).toBe(false)
    await first!.restore()
    expect(await read(store, hash)).toEqual(Buffer.from('hidden'))

    const second = await store.trash(hash, always)
    await second!.discard()
    await store.clean()
    expect(await store.has(hash)).toBeUndefined()
  })

  behaves('trash leaves alone what is not older than asked', async (store) => {
    const before = Date.now()
    const { hash } = await store.put(Buffer.from('young'))

    expect(await store.trash(hash, before)).toBeUndefined()
    expect(await read(store, hash)).toEqual(Buffer.from('young'))
  })

  behaves(
    'bytes put while their blob is in the trash stay, whatever becomes of the trash',
    async (store) => {
      const bytes = Buffer.from('both')
      const { hash } = await store.put(bytes)

      for (const end of ['discard', 'restore'] as const) {
        const trashed = await store.trash(hash, always)
        await passes()
        const before = Date.now()
        await store.put(bytes)
        await trashed![end]()
        expect((await Array.fromAsync(store.list()))[0]!.changedAt).toBeGreaterThanOrEqual(before)
        expect(await read(store, hash)).toEqual(bytes)
        expect(await hashes(store)).toEqual([hash])
      }
    },
  )

  behaves('cleaning leaves blobs and what is in use alone', async (store) => {
    const kept = await store.put(Buffer.from('kept'))
    const hidden = await store.put(Buffer.from('hidden'))
    const trashed = await store.trash(hidden.hash, always)
    async function* cleaning() {
      yield Buffer.from('in ')
      await store.clean()
      yield Buffer.from('flight')
    }

    const { hash } = await store.put(cleaning())

    expect(await read(store, hash)).toEqual(Buffer.from('in flight'))
    expect(await read(store, kept.hash)).toEqual(Buffer.from('kept'))
    expect(await store.has(hidden.hash)).toBeUndefined()
    await trashed!.restore()
    expect(await read(store, hidden.hash)).toEqual(Buffer.from('hidden'))
  })
}

/** Time enough for another date. */
const passes = () => new Promise((resolve) => setTimeout(resolve, 5))

function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

async function* chunks(...parts: (string | Uint8Array)[]) {
  for (const part of parts) yield Buffer.from(part)
}

/** Both ways to read agree, or this is not equal to anything. */
async function read(store: BlobStore, hash: string): Promise<Buffer | undefined> {
  const stream = await store.get(hash)
  const whole = await store.read(hash)
  if (!stream || !whole) return undefined
  const streamed = await buffer(stream)
  expect(streamed.equals(whole)).toBe(true)
  return streamed
}

async function hashes(store: BlobStore): Promise<string[]> {
  return (await Array.fromAsync(store.list())).map(({ hash }) => hash)
}

function byHash(a: { hash: string }, b: { hash: string }): number {
  return a.hash < b.hash ? -1 : 1
}
