import { type ChildProcess, spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import BetterSqlite from 'better-sqlite3'
import { afterEach, describe, expect, test } from 'vitest'
import { takeLock } from '../db/lock.ts'
import { environment } from '../settings.ts'
import { version } from '../version.ts'
import { createBackup } from './commands/backup.ts'

/** How often a service is backed up under load; a campaign raises it. */
const rounds = Number(environment().BACKUP_ROUNDS ?? 5)

const bin = resolve(import.meta.dirname, 'bin.ts')
const folders: string[] = []
const children: ChildProcess[] = []

afterEach(async () => {
  for (const child of children.splice(0)) await end(child)
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

async function end(child: ChildProcess) {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGKILL')
  await once(child, 'exit')
}

const serviceFile = `
import { ServiceBuilder } from 'chapkit'
const info = { id: 'backed-up', display_name: 'Backed up' }
export default new ServiceBuilder({ info }).withConfig().withArtifacts().build()
`

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'chapkit-backup-'))
  folders.push(folder)
  writeFileSync(join(folder, 'service.ts'), serviceFile)
  return folder
}

function chapkit(folder: string, ...args: string[]): ChildProcess {
  const env = { ...environment(), LOG_FORMAT: 'json', LOG_LEVEL: 'info', CHAPKIT_DATA_DIR: 'data' }
  const child = spawn(process.execPath, ['--conditions=chapkit-source', bin, ...args], {
    cwd: folder,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  children.push(child)
  return child
}

async function run(folder: string, ...args: string[]) {
  const child = chapkit(folder, ...args)
  const text = { out: '', err: '' }
  child.stdout?.on('data', (chunk) => {
    text.out += chunk
  })
  child.stderr?.on('data', (chunk) => {
    text.err += chunk
  })
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, ...text }
}

async function serve(folder: string, dataDir = 'data') {
  const child = chapkit(folder, 'serve', 'service.ts', '--port', '0', '--data-dir', dataDir)
  child.stderr?.resume()
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
  const url = await new Promise<string>((found, lost) => {
    lines.on('line', (line) => {
      if (!line.startsWith('{')) return
      const { event, url } = JSON.parse(line) as { event?: string; url?: string }
      if (event === 'service.started' && url) found(url)
    })
    child.on('exit', () => lost(new Error('The service ended before it listened')))
  })
  return { child, url: `${url}/api/v1` }
}

interface Held {
  configs: Map<string, string>
  artifacts: Map<string, string>
}

const emptyHeld = (): Held => ({ configs: new Map(), artifacts: new Map() })
const hashOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

async function addConfig(url: string, held: Held, name: string) {
  const response = await fetch(`${url}/configs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name, data: { filled: 'x'.repeat(500) } }),
  })
  expect(response.status).toBe(201)
  const { id } = (await response.json()) as { id: string }
  held.configs.set(id, name)
}

async function upload(url: string, held: Held, size: number): Promise<string> {
  const bytes = randomBytes(size)
  const response = await fetch(`${url}/artifacts/$upload`, { method: 'POST', body: bytes })
  expect(response.status).toBe(201)
  const { id } = (await response.json()) as { id: string }
  held.artifacts.set(id, hashOf(bytes))
  return id
}

async function remove(url: string, held: Held, id: string) {
  held.artifacts.delete(id)
  expect((await fetch(`${url}/artifacts/${id}`, { method: 'DELETE' })).status).toBe(204)
}

const mixedSize = () => (Math.random() < 0.6 ? 70_000 + Math.floor(Math.random() * 300_000) : 2000)

/** Everything in `held` is there with its bytes; `ended` names what may be gone. */
async function expectHeld(url: string, held: Held, ended: ReadonlySet<string> = new Set()) {
  for (const [id, name] of held.configs) {
    const response = await fetch(`${url}/configs/${id}`)
    expect(response.status).toBe(200)
    expect(await response.json()).toMatchObject({ name })
  }
  for (const [id, hash] of held.artifacts) {
    const response = await fetch(`${url}/artifacts/${id}/$download`)
    if (ended.has(id) && response.status === 404) continue
    expect(response.status).toBe(200)
    expect(hashOf(new Uint8Array(await response.arrayBuffer()))).toBe(hash)
  }
}

const fileOf = (blobs: string, hash: string) => join(blobs, hash.slice(0, 2), hash.slice(2))

/** The hashes of a database's blobs in files, each of which must be whole. */
function wholeFiles(folder: string): string[] {
  const database = new BetterSqlite(join(folder, 'chapkit.db'), { readonly: true })
  try {
    expect(database.pragma('integrity_check', { simple: true })).toBe('ok')
    const hashes = database
      .prepare('SELECT hash FROM blob WHERE bytes IS NULL ORDER BY hash')
      .pluck()
      .all() as string[]
    for (const hash of hashes)
      expect(hashOf(readFileSync(fileOf(join(folder, 'chapkit.blobs'), hash)))).toBe(hash)
    return hashes
  } finally {
    database.close()
  }
}

/** Files in a store, those on their way not counted. */
const storedFiles = (blobs: string) =>
  readdirSync(blobs)
    .filter((name) => name.length === 2)
    .flatMap((name) => readdirSync(join(blobs, name)).map((rest) => name + rest))
    .sort()

/** Writes until `stop` is called. An id is in `ended` before it is deleted. */
function load(url: string, held: Held, ended: Set<string>) {
  let stopped = false
  let writes = 0
  const client = async (seed: number) => {
    const own = emptyHeld()
    for (let turn = 0; !stopped; turn++) {
      await addConfig(url, own, `config-${seed}-${turn}`)
      const id = await upload(url, own, mixedSize())
      for (const [key, value] of own.configs) held.configs.set(key, value)
      held.artifacts.set(id, own.artifacts.get(id) ?? '')
      const victim = turn % 3 === 2 ? [...own.artifacts.keys()][0] : undefined
      if (victim !== undefined) {
        ended.add(victim)
        await remove(url, own, victim)
        held.artifacts.delete(victim)
      }
      writes += 1
    }
  }
  const clients = Promise.all([client(1), client(2), client(3)])
  clients.catch(() => {})
  return {
    writes: () => writes,
    async stop() {
      stopped = true
      await clients
    },
  }
}

/** A stopped service with some data, and what is in it. */
async function filledFolder({ files = 3, running = false } = {}) {
  const folder = newFolder()
  const held = emptyHeld()
  const service = await serve(folder)
  await addConfig(service.url, held, 'first')
  for (let at = 0; at < files; at++) await upload(service.url, held, 100_000 + at)
  await upload(service.url, held, 1000)
  if (!running) {
    service.child.kill('SIGTERM')
    await once(service.child, 'exit')
  }
  return { folder, held, service }
}

test(
  `a service that is written to is backed up and restored whole, ${rounds} times`,
  async () => {
    const folder = newFolder()
    const service = await serve(folder)
    const held = emptyHeld()
    const ended = new Set<string>()
    for (let round = 0; round < rounds; round++) {
      // Only until the backup is made: what is written has to be read again in every round.
      const writers = load(service.url, held, ended)
      while (writers.writes() < 10) await sleep(20)

      const before: Held = { configs: new Map(held.configs), artifacts: new Map(held.artifacts) }
      const writesBefore = writers.writes()
      const made = await run(folder, 'backup', `kept/${round}`)
      expect(made).toMatchObject({ code: 0 })
      expect(made.out).toMatch(
        /^Backed up \d+ configs, \d+ artifacts, 0 jobs and \d+ files: \d+ byt/,
      )
      expect(writers.writes()).toBeGreaterThan(writesBefore)
      await writers.stop()

      const kept = join(folder, 'kept', String(round))
      expect(readdirSync(kept).sort()).toEqual(['chapkit.blobs', 'chapkit.db', 'manifest.json'])
      const hashes = wholeFiles(kept)
      expect(storedFiles(join(kept, 'chapkit.blobs'))).toEqual(hashes)

      const restored = await run(folder, 'restore', `kept/${round}`, '--data-dir', `again-${round}`)
      expect(restored).toMatchObject({ code: 0 })
      const second = await serve(folder, `again-${round}`)
      await expectHeld(second.url, before, ended)
      await end(second.child)
      expect(wholeFiles(join(folder, `again-${round}`))).toEqual(hashes)
      rmSync(join(folder, `again-${round}`), { recursive: true })
      rmSync(kept, { recursive: true })
    }
    await expectHeld(service.url, held)
  },
  300_000 + rounds * 30_000,
)

describe('backup', () => {
  test('of a stopped service says what it holds', async () => {
    const { folder, held } = await filledFolder()
    expect(await run(folder, 'backup', 'kept')).toMatchObject({ code: 0 })
    const kept = join(folder, 'kept')
    const manifest = JSON.parse(readFileSync(join(kept, 'manifest.json'), 'utf8'))
    expect(manifest).toMatchObject({
      format: 1,
      migrations: {
        migration: [
          ...['0001-core', '0002-counts', '0003-lean', '0004-tasks', '0005-schedules'],
          ...['0006-owner', '0007-tree-changes', '0008-service-time'],
        ],
      },
      database: { sha256: hashOf(readFileSync(join(kept, 'chapkit.db'))) },
      blobs: { files: 3, bytes: 300_003 },
      counts: { configs: 1, artifacts: 4, jobs: 0 },
    })
    expect((await run(folder, 'restore', 'kept', '--data-dir', 'other')).code).toBe(0)
    const second = await serve(folder, 'other')
    await expectHeld(second.url, held)
  })

  test('takes a later copy when the service removes contents in between', async () => {
    const { folder } = await filledFolder()
    const file = join(folder, 'data', 'chapkit.db')
    const database = new BetterSqlite(file)
    const removeOne = () => {
      const hash = database
        .prepare('SELECT hash FROM blob WHERE bytes IS NULL LIMIT 1')
        .pluck()
        .get() as string
      database.prepare('DELETE FROM blob_ref WHERE hash = ?').run(hash)
      database.prepare('DELETE FROM blob WHERE hash = ?').run(hash)
      rmSync(fileOf(join(folder, 'data', 'chapkit.blobs'), hash))
    }
    const lines: string[] = []
    // Between the copy of the database and the copies of the files.
    const manifest = await createBackup(file, join(folder, 'kept'), (line) => {
      lines.push(line)
      if (/^copying \d+ files$/.test(line) && lines.length < 8) removeOne()
    })
    database.close()
    expect(lines.filter((line) => line.includes('later copy')).length).toBeGreaterThan(0)
    const hashes = wholeFiles(join(folder, 'kept'))
    expect(manifest.blobs.files).toBe(hashes.length)
    expect(storedFiles(join(folder, 'kept', 'chapkit.blobs'))).toEqual(hashes)
  })

  test('leaves contents out that nothing needs any more', async () => {
    const { folder, held, service } = await filledFolder({ running: true })
    const [victim = ''] = held.artifacts.keys()
    await remove(service.url, held, victim)
    expect((await run(folder, 'backup', 'kept')).code).toBe(0)
    expect(wholeFiles(join(folder, 'kept'))).toHaveLength(2)
  })

  test.each(['missing', 'damaged'])('names a %s file and who needs it', async (what) => {
    const { folder } = await filledFolder()
    const [hash = ''] = storedFiles(join(folder, 'data', 'chapkit.blobs'))
    const path = fileOf(join(folder, 'data', 'chapkit.blobs'), hash)
    if (what === 'missing') rmSync(path)
    else writeFileSync(path, Buffer.alloc(readFileSync(path).length))
    const { code, err } = await run(folder, 'backup', 'kept')
    expect(code).toBe(1)
    expect(err).toContain(`The file ${path} is ${what}; needed by artifact:`)
    expect(readdirSync(folder).sort()).toEqual(['data', 'service.ts'])
  })

  test('refuses what it cannot do, in one line', async () => {
    const folder = newFolder()
    mkdirSync(join(folder, 'data'))
    expect(await run(folder, 'backup', 'kept')).toMatchObject({
      code: 1,
      err: `chapkit: There is no database ${join(folder, 'data', 'chapkit.db')}\n`,
    })
    writeFileSync(join(folder, 'data', 'chapkit.db'), 'not a database, but long enough'.repeat(9))
    expect((await run(folder, 'backup', 'kept')).err).toMatch(
      /is damaged: file is not a database\n/,
    )
    new BetterSqlite(join(folder, 'other.db')).exec('CREATE TABLE a (b)').close()
    cpSync(join(folder, 'other.db'), join(folder, 'data', 'chapkit.db'))
    expect((await run(folder, 'backup', 'kept')).err).toMatch(/is not a database of chapkit\n$/)
    expect((await run(folder, 'backup', '.')).err).toMatch(/exists and is not empty: name a new f/)
    expect((await run(folder, 'backup')).code).toBe(2)
    mkdirSync(join(folder, 'kept.partial'))
    writeFileSync(join(folder, 'kept.partial', 'mine'), '')
    expect((await run(folder, 'backup', 'kept')).err).toMatch(/in the way, and not of a backup/)
    expect(existsSync(join(folder, 'kept.partial', 'mine'))).toBe(true)
  })

  test('refuses a folder that another backup is writing to', async () => {
    const { folder } = await filledFolder()
    const other = takeLock(join(folder, 'kept.partial', 'lock'))
    expect(await run(folder, 'backup', 'kept')).toMatchObject({
      code: 1,
      err: `chapkit: Another backup is writing to ${join(folder, 'kept.partial')}\n`,
    })
    other.release()
    expect((await run(folder, 'backup', 'kept')).code).toBe(0)
    expect(readdirSync(folder).sort()).toEqual(['data', 'kept', 'service.ts'])
  })

  test(
    'that is killed is refused by restore, and the next one takes its place',
    async () => {
      const { folder } = await filledFolder({ files: 40 })
      for (let round = 0; round < rounds; round++) {
        const child = chapkit(folder, 'backup', 'kept')
        await once(child.stderr as NodeJS.ReadableStream, 'data')
        await sleep(round === 0 ? 0 : Math.random() * 150)
        await end(child)
        if (existsSync(join(folder, 'kept'))) {
          // It was done before the signal came: then it is whole.
          expect((await run(folder, 'restore', 'kept', '--data-dir', `o${round}`)).code).toBe(0)
        } else {
          const refused = await run(folder, 'restore', 'kept.partial', '--data-dir', `o${round}`)
          expect(refused.code).toBe(1)
          expect(refused.err).toContain('kept.partial is not a whole backup')
          expect(existsSync(join(folder, `o${round}`))).toBe(false)
          expect((await run(folder, 'backup', 'kept')).code).toBe(0)
        }
        expect(wholeFiles(join(folder, 'kept'))).toHaveLength(40)
        rmSync(join(folder, 'kept'), { recursive: true })
      }
    },
    120_000 + rounds * 20_000,
  )
})

describe('restore', () => {
  async function backedUp() {
    const made = await filledFolder()
    expect((await run(made.folder, 'backup', 'kept')).code).toBe(0)
    const kept = join(made.folder, 'kept')
    return { ...made, kept, blobs: join(kept, 'chapkit.blobs') }
  }

  test('refuses a damaged or missing file by name, and changes nothing', async () => {
    const { folder, kept, blobs } = await backedUp()
    const [hash = ''] = storedFiles(blobs)
    const path = fileOf(blobs, hash)
    const bytes = readFileSync(path)
    const old = readFileSync(join(folder, 'data', 'chapkit.db'))
    const refused = async (message: string) => {
      const { code, err } = await run(folder, 'restore', 'kept', '--force')
      expect(code).toBe(1)
      expect(err.trimEnd().split('\n').at(-1)).toContain(message)
      expect(readFileSync(join(folder, 'data', 'chapkit.db'))).toEqual(old)
      expect(readdirSync(folder).sort()).toEqual(['data', 'kept', 'service.ts'])
      expect(
        readdirSync(join(folder, 'data')).filter(
          (name) => !/^chapkit\.(db|blobs)(-|$|.lock$)/.test(name),
        ),
      ).toEqual([])
    }

    const flipped = Buffer.from(bytes)
    flipped.writeUInt8(flipped.readUInt8(50) ^ 1, 50)
    writeFileSync(path, flipped)
    await refused(`The backup is damaged: ${path} has other bytes than it should`)
    writeFileSync(path, bytes.subarray(1))
    await refused(`The backup is damaged: ${path} has other bytes than it should`)
    rmSync(path)
    await refused(`The backup is damaged: ${path} is missing`)
    writeFileSync(path, bytes)

    const database = join(kept, 'chapkit.db')
    const pages = readFileSync(database)
    writeFileSync(database, Buffer.concat([pages, Buffer.alloc(1)]))
    await refused(`The backup is damaged: ${database} has SHA-256`)
    rmSync(database)
    await refused(`The backup is damaged: ${database} is missing`)
    writeFileSync(database, pages)

    const manifest = join(kept, 'manifest.json')
    const text = readFileSync(manifest, 'utf8')
    writeFileSync(manifest, text.slice(0, 40))
    await refused('manifest.json is damaged')
    writeFileSync(manifest, text.replace('0004-tasks', '0099-later'))
    await refused(
      `The backup is newer than this program: chapkit ${version} made it, with the migration "0099-later"`,
    )
    rmSync(manifest)
    await refused('kept is not a whole backup: it has no manifest.json')
  })

  test('refuses a folder that a service uses, with --force, too', async () => {
    const { folder } = await filledFolder({ running: true })
    expect((await run(folder, 'backup', 'kept')).code).toBe(0)
    const refusal = new RegExp(
      `^chapkit: A chapkit service \\(process \\d+ on \\S+ since \\S+Z, at http://\\S+\\) is using ${join(folder, 'data')}: stop it first\n$`,
    )
    for (const act of [() => {}, () => rmSync(join(folder, 'data', 'chapkit.db.lock'))]) {
      act()
      const { code, err } = await run(folder, 'restore', 'kept', '--force')
      expect(code).toBe(1)
      expect(err).toMatch(refusal)
    }
  })

  test('refuses a folder with data; --force keeps that aside', async () => {
    const { folder, held } = await backedUp()
    const later: Held = { configs: new Map(held.configs), artifacts: new Map(held.artifacts) }
    const service = await serve(folder)
    await addConfig(service.url, later, 'later')
    const added = await upload(service.url, later, 90_000)
    // Killed: its last writes are in the log beside the database.
    await end(service.child)
    expect(existsSync(join(folder, 'data', 'chapkit.db-wal'))).toBe(true)

    const refused = await run(folder, 'restore', 'kept')
    expect(refused).toMatchObject({ code: 1 })
    expect(refused.err).toContain('has data: restore into another folder, or add --force')
    const forced = await run(folder, 'restore', 'kept', '--force')
    expect(forced).toMatchObject({ code: 0 })
    expect(forced.out).toMatch(/^Restored 1 configs, 4 artifacts, 0 jobs and 3 files of 20/)

    const aside = /what was there before is in (.*)/.exec(forced.err)?.[1] ?? ''
    expect(dirname(aside)).toBe(folder)
    expect(aside).toContain('data.before-restore-20')
    const restored = await serve(folder)
    await expectHeld(restored.url, held)
    expect((await fetch(`${restored.url}/artifacts/${added}`)).status).toBe(404)
    const before = await serve(folder, aside)
    await expectHeld(before.url, later)
  })

  test(
    'that is killed leaves the old data or the new',
    async () => {
      const { folder, held } = await filledFolder({ files: 40 })
      expect((await run(folder, 'backup', 'kept')).code).toBe(0)
      const service = await serve(folder)
      const later: Held = { configs: new Map(held.configs), artifacts: new Map(held.artifacts) }
      await addConfig(service.url, later, 'later')
      await upload(service.url, later, 90_000)
      await end(service.child)
      cpSync(join(folder, 'data'), join(folder, 'master'), { recursive: true })
      for (let round = 0; round < rounds; round++) {
        const name = `killed-${round}`
        cpSync(join(folder, 'master'), join(folder, name), { recursive: true })
        const child = chapkit(folder, 'restore', 'kept', '--force', '--data-dir', name)
        await once(child.stderr as NodeJS.ReadableStream, 'data')
        await sleep(Math.random() * 150)
        await end(child)
        const after = await serve(folder, name)
        const total = ((await (await fetch(`${after.url}/configs`)).json()) as unknown[]).length
        expect([1, 2]).toContain(total)
        await expectHeld(after.url, total === 2 ? later : held)
        await end(after.child)
        expect((await run(folder, 'restore', 'kept', '--force', '--data-dir', name)).code).toBe(0)
        expect(wholeFiles(join(folder, name))).toHaveLength(40)
      }
    },
    120_000 + rounds * 20_000,
  )
})
