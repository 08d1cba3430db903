import { spawnSync } from 'node:child_process'
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { migrate } from '../../src/db/migrate.ts'
import { openSqlite } from '../../src/db/sqlite.ts'
import { testWith } from '../setup/needs.ts'
import { type Answer, httpClient, type Send } from './client.ts'
import { compare, inspect } from './compare.ts'
import { bytesOf } from './fixtures/service.ts'
import {
  createConfig,
  type Expected,
  emptyWorld,
  type Operation,
  sha256,
  train,
  upload,
} from './ledger.ts'
import { descendants, startService, temporaryFolder, until } from './process.ts'
import { attach, threadsOf } from './strace.ts'

const large = 90_000

/** A client that takes a refusal for what it says: nothing was stored. */
function careful(send: Send) {
  return async (operation: Operation): Promise<number> => {
    const answer = await send(operation.request)
    if (operation.acknowledged.includes(answer.status)) operation.apply(answer)
    return answer.status
  }
}

/** Numbered operations, each a new one; each upload goes to a folder of its own, which is made for it. */
function operations(world: Expected) {
  let count = 0
  let seed = 0
  const folders = new Set<string>()
  function freshSeed(): number {
    for (;;) {
      const folder = sha256(bytesOf(++seed, large)).slice(0, 2)
      if (folders.size >= 256) folders.clear()
      if (folders.has(folder)) continue
      folders.add(folder)
      return seed
    }
  }
  return {
    config: () => createConfig(world, { name: `config-${count++}`, seed: count }),
    upload: () => upload(world, { tag: `upload-${count++}`, seed: freshSeed(), size: large }),
    train: (configId: string) =>
      train(world, { configId, key: `train-${count++}`, rows: 3_000, seed: count }),
  }
}

/** What has to go on whatever the disk does. */
async function expectReads(send: Send, world: Expected): Promise<void> {
  for (const path of ['/health', '/health/live', '/api/v1/info', '/api/v1/configs', '/api/v1/jobs'])
    expect([path, (await send({ method: 'GET', path })).status]).toEqual([path, 200])
  const [id] = [...world.uploads.keys()]
  const { status, bytes } = await download(send, id!)
  expect([status, bytes.length]).toEqual([200, large])
}

const download = (send: Send, id: string): Promise<Answer> =>
  send({ method: 'GET', path: `/api/v1/artifacts/${id}/$download` })

/** Ends the service without a word; what it acknowledged has to be there, and nothing else. */
async function expectWhole(folder: string, world: Expected): Promise<void> {
  expect(inspect(folder).violations).toEqual([])
  await using again = await startService(folder)
  const { send, close } = httpClient(again.url)
  for (const id of world.jobs.keys())
    await send({ method: 'GET', path: `/api/v1/jobs/${id}/$stream` })
  expect(await compare(world, send, { thorough: true })).toEqual([])
  close()
}

const mayMount = (() => {
  using at = temporaryFolder()
  const isMounted =
    spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'none', at.path]).status === 0
  if (isMounted) spawnSync('umount', [at.path])
  return isMounted
})()
if (!mayMount) console.warn('Skipping the test of a full disk: mounting a tmpfs needs root.')

test.skipIf(!mayMount)(
  'on a full disk reads and health go on, writes answer 507, and all goes on by itself when there is room again',
  { timeout: 300_000 },
  async () => {
    using data = temporaryFolder()
    await onSmallDisk(data.path, (disk) => fillAndFree(disk, data.path))
  },
)

test.skipIf(!mayMount)(
  'when the disk fills up within a commit that several writes share, each of them is told so',
  async () => {
    using data = temporaryFolder()
    await onSmallDisk(data.path, async (disk) => {
      await using database = openSqlite(join(disk, 'shared.db'))
      await migrate(database)
      const renewed_at = ''
      const fails = (each: number) =>
        database.write(async (tx) => {
          // More than SQLite holds in memory until the commit.
          for (let part = 0; part < 8; part++) {
            const row = { hash: `${each}-${part}`, size: 0, crc32: 0, renewed_at }
            await tx
              .insertInto('blob')
              .values({ ...row, bytes: Buffer.alloc(3e6) })
              .execute()
          }
        })
      const outcomes = await Promise.allSettled([1, 2, 3].map(fails))
      for (const outcome of outcomes)
        expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'storage-full' } })

      const row = { hash: 'fits', size: 0, crc32: 0, bytes: null, renewed_at }
      await database.write((tx) => tx.insertInto('blob').values(row).execute())
      const rows = await database.read.selectFrom('blob').select('hash').execute()
      expect(rows).toEqual([{ hash: 'fits' }])
    })
  },
)

/** Mounts 8 MiB of memory as a disk. */
async function onSmallDisk(folder: string, use: (disk: string) => Promise<void>): Promise<void> {
  const disk = join(folder, 'disk')
  mkdirSync(disk)
  expect(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'none', disk]).status).toBe(0)
  try {
    await use(disk)
  } finally {
    await until('the disk is free', () => spawnSync('umount', [disk]).status === 0)
  }
}

async function fillAndFree(disk: string, outside: string): Promise<void> {
  const folder = join(disk, 'data')
  const gate = join(outside, 'gate')
  const world = emptyWorld()
  const next = operations(world)
  {
    await using service = await startService(folder, { LOG_LEVEL: 'error' })
    const { send, close } = httpClient(service.url)
    const ask = careful(send)
    expect(await ask(next.config())).toBe(201)
    expect(await ask(next.upload())).toBe(201)
    expect(await ask(createConfig(world, { name: 'gated', seed: 1, more: { gate } }))).toBe(201)
    const gated = [...world.configs.keys()].at(-1)!
    expect(await ask(next.train(gated))).toBe(202)
    const [runningId] = [...world.jobs.keys()]
    await until(
      'the training runs',
      async () => (await jobOf(send, runningId!)).status === 'running',
    )

    fill(join(disk, 'filler'))
    expect(await ask(next.upload())).toBe(507)
    // The log of the database may have room for some rows still.
    await until('a row finds no room', async () => (await ask(next.config())) === 507)
    expect(await ask(next.train(gated))).toBe(507)
    // The result of what was running finds none either; it waits for it.
    writeFileSync(gate, '')
    await until('the result was refused', () => service.hasSaid('run.store.failed'))
    await expectReads(send, world)
    for (let round = 0; round < 20; round++) {
      expect(await ask(next.config())).toBe(507)
      expect(await ask(next.upload())).toBe(507)
    }
    expect((await jobOf(send, runningId!)).status).not.toBe('failed')

    await rm(join(disk, 'filler'))
    await until('rows are taken again', async () => (await ask(next.config())) === 201)
    expect(await ask(next.upload())).toBe(201)
    await send({ method: 'GET', path: `/api/v1/jobs/${runningId}/$stream` })
    expect((await jobOf(send, runningId!)).status).toBe('completed')
    close()
  }
  await expectWhole(folder, world)
}

async function jobOf(send: Send, id: string) {
  return (await send({ method: 'GET', path: `/api/v1/jobs/${id}` })).json
}

function fill(file: string): void {
  const handle = openSync(file, 'w')
  try {
    for (let size = 1 << 20; size >= 1; size >>= 1) {
      try {
        for (;;) writeSync(handle, Buffer.alloc(size))
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
      }
    }
  } finally {
    closeSync(handle)
  }
}

const failures = [
  { thread: 'main', call: 'pwrite64', error: 'EIO', kind: 'config', answer: 503 },
  { thread: 'main', call: 'pwrite64', error: 'ENOSPC', kind: 'config', answer: 507 },
  { thread: 'main', call: 'fsync', error: 'EIO', kind: 'config', answer: 503 },
  { thread: 'files', call: 'write', error: 'EIO', kind: 'upload', answer: 503 },
  { thread: 'files', call: 'write', error: 'ENOSPC', kind: 'upload', answer: 507 },
  { thread: 'files', call: 'fsync', error: 'EIO', kind: 'upload', answer: 503 },
  { thread: 'files', call: 'rename', error: 'EIO', kind: 'upload', answer: 503 },
  { thread: 'files', call: 'rename', error: 'EROFS', kind: 'upload', answer: 503 },
  { thread: 'files', call: 'utimensat', error: 'EIO', kind: 'upload', answer: 503 },
  { thread: 'files', call: 'mkdir', error: 'ENOSPC', kind: 'upload', answer: 507 },
  { thread: 'files', call: 'openat', error: 'EMFILE', kind: 'upload', answer: 503 },
  { thread: 'files', call: 'openat', error: 'ENFILE', kind: 'upload', answer: 503 },
] as const

testWith('strace')(
  'whichever call of a write fails, once or for as long as the disk is broken, the answer is 503 or 507 and the next write works',
  { timeout: 600_000 },
  async () => {
    using data = temporaryFolder()
    const folder = join(data.path, 'data')
    const world = emptyWorld()
    const next = operations(world)
    const answers: Record<string, number[]> = {}
    {
      await using service = await startService(folder, { UV_THREADPOOL_SIZE: '1' })
      const { send, close } = httpClient(service.url)
      const ask = careful(send)
      expect(await ask(next.upload())).toBe(201)
      const threads = threadsOf(service.pid)
      let temps = world.uploads.size

      for (const { thread, call, error, kind, answer } of failures) {
        const name = `${call} on ${thread} with ${error}`
        const seen: number[] = []
        answers[name] = seen
        for (let when = 1; ; when++) {
          // 0 is for ever: the disk is broken until strace lets go.
          const log = join(data.path, 'log')
          const paths =
            call === 'write'
              ? [0, 1, 2, 3].map(
                  (each) => `-P${folder}/chapkit.blobs/tmp/${service.pid}-${temps + each}`,
                )
              : []
          const strace = await attach(threads[thread], [
            `-o${log}`,
            `-etrace=${call}`,
            `-einject=${call}:error=${error}:when=${when}`,
            ...paths,
          ])
          const status = await ask(next[kind]())
          await strace.detach()
          if (kind === 'upload') temps++
          const wasHit = readFileSync(log, 'utf8').includes('(INJECTED)')
          if (!wasHit) {
            expect([name, status]).toEqual([name, 201])
            break
          }
          seen.push(status)
          expect([name, when, [answer, 201].includes(status)], `${status}`).toEqual([
            name,
            when,
            true,
          ])
          const again = await ask(next[kind]())
          if (kind === 'upload') temps++
          expect([name, 'after it', again]).toEqual([name, 'after it', 201])
        }
        expect([name, seen]).toEqual([name, expect.arrayContaining([answer])])

        {
          await using _broken = await attach(threads[thread], [
            '-o/dev/null',
            `-etrace=${call}`,
            `-einject=${call}:error=${error}`,
            ...(call === 'write' ? pathsFor(folder, service.pid, temps) : []),
          ])
          for (let round = 0; round < 3; round++) {
            // Side by side they share a commit: what breaks it, breaks it for all of them.
            const statuses = await Promise.all([1, 2, 3].map(() => ask(next[kind]())))
            expect([name, statuses]).toEqual([name, [answer, answer, answer]])
          }
          if (call !== 'openat') await expectReads(send, world)
          else expect((await send({ method: 'GET', path: '/health' })).status).toBe(200)
        }
        if (kind === 'upload') temps += 9
        expect([name, 'when it is whole', await ask(next[kind]())]).toEqual([
          name,
          'when it is whole',
          201,
        ])
        if (kind === 'upload') temps++
      }
      console.log(JSON.stringify(answers))
      close()
    }
    await expectWhole(folder, world)
  },
)

const pathsFor = (folder: string, pid: number, first: number) =>
  Array.from({ length: 12 }, (_, each) => `-P${folder}/chapkit.blobs/tmp/${pid}-${first + each}`)

test('without a file descriptor left reads go on and no job fails: those that need a new model host wait for one', {
  timeout: 300_000,
}, async () => {
  using data = temporaryFolder()
  const folder = join(data.path, 'data')
  const world = emptyWorld()
  const next = operations(world)
  {
    await using service = await startService(folder)
    const { send, close } = httpClient(service.url)
    const ask = careful(send)
    expect(await ask(next.config())).toBe(201)
    expect(await ask(next.upload())).toBe(201)
    const [configId] = [...world.configs.keys()]
    const [host] = await until('the host is there', () => {
      const pids = descendants(service.pid)
      return pids.length > 0 && pids
    })
    process.kill(host!, 'SIGKILL')
    await until('the host is gone', () => descendants(service.pid).length === 0)

    const limit = (most: number) =>
      spawnSync('prlimit', ['--pid', String(service.pid), `--nofile=${most}:`]).status
    // The lowest number that is free is the next one to be given out.
    const used = new Set(readdirSync(`/proc/${service.pid}/fd`).map(Number))
    const free = Array.from(used.values().map((each) => each + 1)).filter((each) => !used.has(each))
    expect(limit(Math.min(...free))).toBe(0)
    expect(await ask(next.upload())).toBe(503)
    expect(await ask(next.config())).toBe(201)
    expect((await send({ method: 'GET', path: '/health' })).status).toBe(200)
    expect(await ask(train(world, { configId: configId!, key: 'waits', rows: 5, seed: 1 }))).toBe(
      202,
    )
    const [jobId] = [...world.jobs.keys()]
    await expectNoFailure(send, jobId!)

    expect(limit(4096)).toBe(0)
    await send({ method: 'GET', path: `/api/v1/jobs/${jobId}/$stream` })
    expect((await jobOf(send, jobId!)).status).toBe('completed')
    expect(await ask(next.upload())).toBe(201)
    close()
  }
  await expectWhole(folder, world)
})

/** It is given to hosts that cannot be started more often than hosts may die under it. */
async function expectNoFailure(send: Send, id: string): Promise<void> {
  for (let round = 0; round < 200; round++) {
    const { status, error } = await jobOf(send, id)
    expect([status === 'failed', error]).toEqual([false, null])
  }
}
