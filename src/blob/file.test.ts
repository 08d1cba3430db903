import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import * as nodeFileSystem from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, describe, expect, test } from 'vitest'
import { blobStoreSuite } from '../testing/blob-store-suite.ts'
import { type FileSystem, openFileBlobs } from './file.ts'

const root = mkdtempSync(join(tmpdir(), 'chapkit-blobs-'))
afterAll(() => rmSync(root, { recursive: true }))

const newFolder = () => mkdtempSync(join(root, 'data-'))
const files = (folder: string) => readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()
const leftovers = (folder: string) => [
  ...files(join(folder, 'tmp')),
  ...files(join(folder, 'trash')),
]
const hashOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const fail = (code: string) => Object.assign(new Error(`${code}: injected`), { code })

describe('openFileBlobs', () => blobStoreSuite(() => openFileBlobs({ folder: newFolder() })))

test('a blob is one file under the first two digits of its hash, for its owner only', async () => {
  const folder = newFolder()
  const store = await openFileBlobs({ folder })

  const { hash } = await store.put(Buffer.from('x'))

  expect(store.path?.(hash)).toBe(join(folder, hash.slice(0, 2), hash.slice(2)))
  expect(statSync(store.path!(hash)!).mode & 0o777).toBe(0o600)
  expect(leftovers(folder)).toEqual([])
})

test('creates its folder and makes each new level of it durable', async () => {
  const outer = newFolder()
  const { steps } = await recorded(join(outer, 'a', 'b'), outer)

  expect(steps.slice(0, 3)).toEqual(['folder sync .', 'folder sync a', 'folder sync a'])
})

test('another process with the same folder finds the blobs', async () => {
  const folder = newFolder()
  const { hash } = await (await openFileBlobs({ folder })).put(Buffer.from('kept'))

  expect(await (await openFileBlobs({ folder })).read(hash)).toEqual(Buffer.from('kept'))
})

describe('a put that fails leaves no file', () => {
  const sources: Record<string, () => AsyncIterable<Uint8Array>> = {
    'when its source throws': async function* () {
      yield Buffer.alloc(1000)
      throw new Error('lost')
    },
    'when its source is silent and it is aborted': async function* () {
      yield Buffer.alloc(1000)
      await new Promise(() => {})
    },
    'when its bytes are others than expected': async function* () {
      yield Buffer.alloc(1000)
    },
  }
  for (const [name, source] of Object.entries(sources)) {
    test(name, async () => {
      const folder = newFolder()
      const store = await openFileBlobs({ folder })
      const options = { signal: AbortSignal.timeout(20), expected: 'other' }

      await expect(store.put(source(), options)).rejects.toThrow()

      expect(files(folder)).toEqual(['tmp', 'trash'])
    })
  }
})

describe('a disk that fails is told apart from a bug', () => {
  const steps = [
    'open',
    'write',
    'sync',
    'rename',
    'folder sync',
    'last folder sync',
    'mkdir',
  ] as const
  const codes = {
    ENOSPC: { code: 'storage-full', status: 507 },
    EDQUOT: { code: 'storage-full', status: 507 },
    EIO: { code: 'unavailable', headers: { 'retry-after': '5' } },
    EMFILE: { code: 'unavailable', headers: { 'retry-after': '5' } },
    EROFS: { code: 'unavailable', headers: { 'retry-after': '5' } },
  }

  for (const [code, problem] of Object.entries(codes)) {
    for (const step of steps) {
      test(`${code} at ${step}: the put fails, nothing is visible, and the next put succeeds`, async () => {
        const folder = newFolder()
        let broken = false
        const store = await openFileBlobs({
          folder,
          fileSystem: observed(folder, ({ name, at }) => {
            const isLast = name === 'folder sync' && at !== '.'
            if (broken && (name === step || (isLast && step === 'last folder sync')))
              throw fail(code)
          }),
        })
        const bytes = Buffer.from('bytes')
        const sources = [
          bytes,
          (async function* () {
            yield bytes
          })(),
        ]

        broken = true
        for (const source of sources) {
          await expect(store.put(source)).rejects.toMatchObject({
            ...problem,
            cause: { code },
          })
          expect(await store.has(hashOf(bytes))).toBeUndefined()
          expect(leftovers(folder)).toEqual([])
        }
        broken = false

        expect((await store.put(bytes)).hash).toBe(hashOf(bytes))
        expect(await store.read(hashOf(bytes))).toEqual(bytes)
      })
    }
  }

  test('out of file handles while reading is unavailable, not absent', async () => {
    const folder = newFolder()
    let broken = false
    const store = await openFileBlobs({
      folder,
      fileSystem: observed(folder, ({ name }) => {
        if (broken && (name === 'open' || name === 'folder open')) throw fail('EMFILE')
      }),
    })
    const { hash } = await store.put(Buffer.from('x'))

    broken = true
    await expect(store.get(hash)).rejects.toMatchObject({ code: 'unavailable' })
    await expect(store.read(hash)).rejects.toMatchObject({ code: 'unavailable' })
  })
})

describe('bytes are on the disk before their name, and the name before the answer', () => {
  test('for the first blob of its folder', async () => {
    const { folder, steps, store } = await recorded()

    const { hash } = await store.put(Buffer.from('order'))
    steps.push('answer')

    const ab = hash.slice(0, 2)
    expect(steps).toEqual([
      'open tmp',
      'write tmp',
      'sync tmp',
      `mkdir ${ab}`,
      'folder sync .',
      `rename tmp ${ab}`,
      `folder sync ${ab}`,
      'answer',
    ])
    expect(leftovers(folder)).toEqual([])
  })

  test('for a stream, too', async () => {
    const { steps, store } = await recorded()

    const { hash } = await store.put(
      (async function* () {
        yield Buffer.from('or')
        yield Buffer.from('der')
      })(),
    )

    const ab = hash.slice(0, 2)
    expect(steps).toEqual([
      'open tmp',
      'write tmp',
      'write tmp',
      'sync tmp',
      `mkdir ${ab}`,
      'folder sync .',
      `rename tmp ${ab}`,
      `folder sync ${ab}`,
    ])
  })

  test('what is there already is not written again', async () => {
    const { steps, store } = await recorded()
    await store.put(Buffer.from('order'))
    steps.length = 0

    await store.put(Buffer.from('order'))

    expect(steps).toEqual([])
  })

  test('what an earlier process left is made durable before it is trusted', async () => {
    const { folder, store } = await recorded()
    const { hash } = await store.put(Buffer.from('order'))
    const later = await recorded(folder)

    await later.store.put(Buffer.from('order'))

    expect(later.steps).toEqual([`mkdir ${hash.slice(0, 2)}`, `folder sync ${hash.slice(0, 2)}`])
  })

  test('a second put of the same bytes waits until the first is durable', async () => {
    const folder = newFolder()
    const events: string[] = []
    const store = await openFileBlobs({
      folder,
      fileSystem: observed(folder, async ({ name, at }) => {
        if (name === 'folder sync' && at.length === 2 && at !== '..') {
          await sleep(20)
          events.push('durable')
        }
      }),
    })

    await Promise.all(
      ['first', 'second'].map(async (name) => {
        await store.put(Buffer.from('order'))
        events.push(name)
      }),
    )

    expect(events).toEqual(['durable', 'first', 'second'])
  })
})

describe('damage is an error, never other bytes', () => {
  const original = createHash('shake256', { outputLength: 600_000 }).digest()
  const flipped = Buffer.from(original)
  flipped[flipped.length - 1]! ^= 1
  const damage: Record<string, (path: string) => void> = {
    'a flipped bit': (path) => writeFileSync(path, flipped),
    'a lost end': (path) => truncateSync(path, 500_000),
    'an emptied file': (path) => truncateSync(path, 0),
    'another blob under its name': (path) => writeFileSync(path, 'other'),
    'a longer file': (path) => truncateSync(path, 600_001),
  }

  for (const [name, inflict] of Object.entries(damage)) {
    test(name, async () => {
      const store = await openFileBlobs({ folder: newFolder() })
      const { hash, size } = await store.put(original)
      inflict(store.path!(hash)!)

      await expect(store.read(hash)).rejects.toMatchObject({
        code: 'internal',
        cause: { message: /damaged/ },
      })
      let received = 0
      const stream = (await store.get(hash))!
      stream.on('data', (chunk) => {
        received += chunk.length
      })
      await expect(buffer(stream)).rejects.toMatchObject({ code: 'internal' })
      expect(received).toBeLessThan(size)
    })
  }

  test('another length is found before the first byte', async () => {
    const store = await openFileBlobs({ folder: newFolder() })
    const { hash, size } = await store.put(original)
    truncateSync(store.path!(hash)!, 10)

    await expect(store.get(hash, undefined, size)).rejects.toMatchObject({ code: 'internal' })
    await expect(store.get(hash, { start: 5, end: 20 })).rejects.toMatchObject({ code: 'internal' })
  })

  test('putting the bytes again repairs another length', async () => {
    const store = await openFileBlobs({ folder: newFolder() })
    const { hash } = await store.put(original)
    truncateSync(store.path!(hash)!, 10)

    await store.put(original)

    expect(hashOf((await store.read(hash))!)).toBe(hash)
  })
})

describe('after a crash', () => {
  test('half-written files are cleaned', async () => {
    const folder = newFolder()
    const store = await openFileBlobs({ folder })
    const { hash } = await store.put(Buffer.from('kept'))
    writeFileSync(join(folder, 'tmp', '77-1'), 'half')

    await store.clean()

    expect(leftovers(folder)).toEqual([])
    expect(await store.read(hash)).toEqual(Buffer.from('kept'))
  })

  test('what was in the trash comes back with its date: it may have been referenced by then', async () => {
    const folder = newFolder()
    const before = await openFileBlobs({ folder, now: () => 1000 })
    const { hash } = await before.put(Buffer.from('kept'))
    await before.trash(hash, 2000)
    const after = await openFileBlobs({ folder })
    expect(await after.has(hash)).toBeUndefined()

    await after.clean()

    expect(leftovers(folder)).toEqual([])
    expect(await Array.fromAsync(after.list())).toEqual([{ hash, size: 4, changedAt: 1000 }])
  })

  test('names of temp files left by a process with the same id are passed over', async () => {
    const folder = newFolder()
    const store = await openFileBlobs({ folder })
    for (let n = 1; n <= 3; n++) writeFileSync(join(folder, 'tmp', `${process.pid}-${n}`), 'half')

    const { hash } = await store.put(Buffer.from('x'))

    expect(await store.read(hash)).toEqual(Buffer.from('x'))
    expect(files(join(folder, 'tmp'))).toHaveLength(3)
  })

  test('files that are no blobs are not listed', async () => {
    const folder = newFolder()
    const store = await openFileBlobs({ folder })
    const { hash } = await store.put(Buffer.from('x'))
    writeFileSync(join(folder, 'README'), '')
    writeFileSync(join(folder, hash.slice(0, 2), 'notes.txt'), '')

    expect((await Array.fromAsync(store.list())).map((blob) => blob.hash)).toEqual([hash])
  })
})

describe('64 MiB pass through without being held', () => {
  const chunk = Buffer.alloc(64 * 1024, 5)
  const count = 1024

  test('in: each chunk is on its way before the next is asked for', async () => {
    const folder = newFolder()
    let written = 0
    const store = await openFileBlobs({
      folder,
      fileSystem: observed(folder, ({ name }) => {
        if (name === 'write') written += 1
      }),
    })
    let ahead = 0
    async function* source() {
      for (let n = 0; n < count; n++) {
        ahead = Math.max(ahead, n - written)
        yield chunk
      }
    }
    const before = process.memoryUsage.rss()

    const { size, hash } = await store.put(source())

    expect(size).toBe(64 * 1024 * 1024)
    expect(ahead).toBeLessThanOrEqual(1)
    expect(process.memoryUsage.rss() - before).toBeLessThan(48 * 1024 * 1024)
    expect(await store.has(hash)).toEqual({ size })
  })

  test('out: a reader that stops is not read ahead for', async () => {
    const folder = newFolder()
    let read = 0
    const store = await openFileBlobs({
      folder,
      fileSystem: observed(folder, ({ name, bytes = 0 }) => {
        if (name === 'read') read += bytes
      }),
    })
    const { hash, size } = await store.put(Buffer.alloc(64 * 1024 * 1024, 5))

    let received = 0
    for await (const part of (await store.get(hash))!) {
      received += part.length
      if (received < 10 * part.length) await sleep(1)
      expect(read - received).toBeLessThanOrEqual(1024 * 1024)
    }
    expect(received).toBe(size)
  })

  test('a stream that is given up closes its file', async () => {
    const folder = newFolder()
    let open = 0
    const store = await openFileBlobs({
      folder,
      fileSystem: observed(folder, ({ name }) => {
        if (name === 'open' || name === 'folder open') open += 1
        if (name === 'close') open -= 1
      }),
    })
    const { hash } = await store.put(Buffer.alloc(1_000_000))
    expect(open).toBe(0)

    for await (const _ of (await store.get(hash))!) break
    const unread = (await store.get(hash))!
    expect(open).toBe(1)
    unread.destroy()
    await new Promise((resolve) => unread.once('close', resolve))
    await expect(store.get(hash, { start: 0, end: 2_000_000 })).rejects.toThrow()

    expect(open).toBe(0)
  })
})

interface Step {
  name: string
  /** The first folder under the data folder, `.` for itself. */
  at: string
  bytes?: number
}

/** The real file system, which tells each step before it takes it. */
function observed(folder: string, tell: (step: Step) => void | Promise<void>): FileSystem {
  const place = (path: unknown) => relative(folder, String(path)).split('/')[0] || '.'
  return {
    ...nodeFileSystem,
    async mkdir(path: string, options: { recursive?: boolean }) {
      if (!options.recursive) await tell({ name: 'mkdir', at: place(path) })
      return nodeFileSystem.mkdir(path, options)
    },
    async rename(from: string, to: string) {
      await tell({ name: 'rename', at: `${place(from)} ${place(to)}` })
      return nodeFileSystem.rename(from, to)
    },
    async open(path: string, flags: string, mode?: number) {
      const at = place(path)
      const prefix = flags === 'r' ? 'folder ' : ''
      await tell({ name: `${prefix}open`, at })
      const handle = await nodeFileSystem.open(path, flags, mode)
      return new Proxy(handle, {
        get(target, name) {
          const member = Reflect.get(target, name)
          if (typeof member !== 'function') return member
          return async (...args: unknown[]) => {
            if (name === 'write') await tell({ name, at })
            if (name === 'read') await tell({ name, at, bytes: Number(args[2]) })
            if (name === 'sync') await tell({ name: `${prefix}sync`, at })
            // A second close of a handle does nothing.
            if (name === 'close' && target.fd >= 0) await tell({ name, at })
            return member.apply(target, args)
          }
        },
      })
    },
  } as FileSystem
}

async function recorded(folder = newFolder(), from = folder) {
  const steps: string[] = []
  const store = await openFileBlobs({
    folder,
    fileSystem: observed(from, ({ name, at }) => {
      if (name !== 'folder open' && name !== 'close') steps.push(`${name} ${at}`)
    }),
  })
  if (from === folder) steps.length = 0
  return { folder, steps, store }
}
