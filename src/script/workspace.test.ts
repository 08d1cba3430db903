import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { type Manifests, onTop } from '../artifact/manifest.ts'
import type { Manifest, ManifestEntry } from '../artifact/schema.ts'
import { layoutZip } from '../artifact/zip.ts'
import { sha256 } from '../blob/blobs.ts'
import { pathFromBytes, pathToBytes, systemPath } from '../kernel/path.ts'
import { remove } from './files.ts'
import { tasks } from './files-thread.ts'
import type { FoundFile } from './found.ts'
import { type Collected, createWorkspaces } from './workspace.ts'

const root = mkdtempSync(join(tmpdir(), 'chapkit-trees-'))
afterAll(() => remove({ path: root }))

/** `CHAPKIT_TREES` makes a longer campaign of it. */
const numRuns = Number(process.env.CHAPKIT_TREES ?? 200)

/** A folder of bytes. Names are bytes, as everything on Linux but `/` and zero. */
type Node =
  | { kind: 'file'; mode: number; bytes: Uint8Array }
  | { kind: 'link'; target: Uint8Array }
  | { kind: 'folder'; mode: number; inside: Tree }
type Tree = [name: Buffer, node: Node][]

const oddNames = [
  ...['C:model.rds', 'output\\model.rds', '..\\..\\up', '...', '.. ', 'a.', ' ', '-rf', 'CON'],
  ...['a', 'A', 'é', 'e\u0301', '\n', '\x1b[1m', '\u202e', '%5C', '%', '😀', '\ufeff', '\ufffd'],
].map((name) => Buffer.from(name))
const notText = [[0xe9], [0x6d, 0xe9, 0x6c], [0xed, 0xa0, 0x80], [0xc0, 0xaf], [0xf0, 0x9f]]
const name = fc.oneof(
  fc.constantFrom(
    ...oddNames,
    ...notText.map((bytes) => Buffer.from(bytes)),
    Buffer.alloc(255, 'n'),
  ),
  fc
    .uint8Array({ minLength: 1, maxLength: 10 })
    .map((bytes) => Buffer.from(bytes.map((byte) => (byte === 0 || byte === 47 ? 95 : byte))))
    .filter((bytes) => !['.', '..'].includes(bytes.toString('latin1'))),
)
const mode = fc.oneof(fc.constantFrom(0o644, 0o755, 0o444, 0o555, 0), fc.nat(0o777))
const { tree } = fc.letrec<{ tree: Tree; node: Node }>((tie) => ({
  tree: fc.uniqueArray(fc.tuple(name, tie('node')), {
    selector: ([bytes]) => bytes.toString('hex'),
    maxLength: 4,
  }),
  node: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.record({
      kind: fc.constant('file' as const),
      mode,
      bytes: fc.uint8Array({ maxLength: 40 }),
    }),
    fc.record({ kind: fc.constant('link' as const), target: name }),
    fc.record({ kind: fc.constant('folder' as const), mode, inside: tie('tree') }),
  ),
}))

function write(folder: string, nodes: Tree, below = ''): void {
  for (const [bytes, node] of nodes) {
    const path = below === '' ? pathFromBytes(bytes) : `${below}/${pathFromBytes(bytes)}`
    const at = systemPath(folder, path)
    rmSync(at, { recursive: true, force: true })
    if (node.kind === 'link') symlinkSync(Buffer.from(node.target), at)
    else if (node.kind === 'file') writeFileSync(at, node.bytes)
    else {
      mkdirSync(at)
      write(folder, node.inside, path)
    }
    if (node.kind !== 'link') chmodSync(at, node.mode)
  }
}

/** All of a folder by its bytes: rights, content, where links lead. */
function read(folder: string, below = ''): [string, string][] {
  const at = systemPath(folder, below)
  const entries = readdirSync(at, { encoding: 'buffer' })
  return entries
    .flatMap((bytes): [string, string][] => {
      const path = below === '' ? pathFromBytes(bytes) : `${below}/${pathFromBytes(bytes)}`
      const here = systemPath(folder, path)
      const stat = lstatSync(here)
      const key = pathToBytes(path).toString('hex')
      const rights = (stat.mode & 0o777).toString(8)
      if (stat.isSymbolicLink())
        return [[key, `link ${readlinkSync(here, 'buffer').toString('hex')}`]]
      // Whoever is not root could not look otherwise.
      chmodSync(here, 0o700)
      const found: [string, string][] = stat.isDirectory()
        ? [[key, `folder ${rights}`], ...read(folder, path)]
        : [[key, `file ${rights} ${readFileSync(here).toString('hex')}`]]
      chmodSync(here, stat.mode & 0o777)
      return found
    })
    .sort(([a], [b]) => (a < b ? -1 : 1))
}

function openWorkspaces({ afterListing = (_folder: string) => {} } = {}) {
  const stored = new Map<string, Uint8Array>()
  const blobs = {
    async stage(source: Uint8Array | AsyncIterable<Uint8Array>) {
      const bytes = source instanceof Uint8Array ? source : await buffer(source)
      const hash = sha256(bytes)
      stored.set(hash, Uint8Array.from(bytes))
      return { hash, size: bytes.byteLength, crc32: crc32(bytes), inline: bytes }
    },
    source: async (hash: string) => ({ bytes: Uint8Array.from(stored.get(hash)!) }),
  }
  const worker = {
    async run(task: keyof typeof tasks, input: { folder: string }) {
      const output = structuredClone(tasks[task](structuredClone(input) as never))
      if (task === 'listRun') afterListing(input.folder)
      return output
    },
  } as unknown as Parameters<typeof createWorkspaces>[0]['worker']
  const manifests: Manifests = {
    batch: () => ({ add: async () => {}, end: async () => {} }),
    store: (_job, manifest) => blobs.stage(manifest),
  }
  const workspaces = createWorkspaces({ blobs, manifests, worker })
  const manifestOf = (hash: string) =>
    JSON.parse(Buffer.from(stored.get(hash)!).toString()) as Manifest
  return { ...workspaces, worker, manifestOf }
}

const placedMap = (files: readonly FoundFile[]) => new Map(files.map((file) => [file.path, file]))
const runIn = (
  work: string,
  base: Collected['base'],
  placed: Collected['folder']['placed'] = new Map(),
): Collected => ({ job: 'a', folder: { work, placed }, base, known: [] })
let folders = 0
const freshFolder = () => {
  const folder = join(root, String(folders++))
  mkdirSync(folder)
  return folder
}

test(
  'whatever a training leaves comes back byte for byte at a prediction, as does what that leaves of it',
  async () => {
    const { collector, fill, worker, manifestOf } = openWorkspaces()
    await fc.assert(
      fc.asyncProperty(tree, tree, async (left, changed) => {
        const [first, second, third] = [freshFolder(), freshFolder(), freshFolder()]
        write(first, left)
        const leftFirst = read(first)
        const nothing = { hash: 'none', entries: [] }
        const training = await collector(runIn(first, nothing))()
        expect(training).toMatchObject({ gone: null, skipped: [] })
        const entries: ManifestEntry[] = manifestOf(training.staged.hash).entries

        const placed = placedMap(await fill(worker, second, entries))
        write(second, changed)
        const leftSecond = read(second)
        const base = { hash: training.staged.hash, entries }
        const prediction = await collector(runIn(second, base, placed))()
        expect(prediction).toMatchObject({ gone: null, skipped: [] })
        await fill(worker, third, onTop(entries, manifestOf(prediction.staged.hash)))
        expect(read(third)).toEqual(leftSecond)

        const again = freshFolder()
        await fill(worker, again, entries)
        expect(read(again)).toEqual(leftFirst)
        expect(layoutZip(entries).entries).toHaveLength(entries.length)
        for (const folder of [first, second, third, again]) remove({ path: folder })
      }),
      { numRuns },
    )
  },
  20 * 60_000,
)

test('a file that cannot be read when its bytes are stored is a loss, and the rest is stored', async () => {
  const { collector, fill, worker, manifestOf } = openWorkspaces({
    // Between the list and the bytes.
    afterListing: (folder) => rmSync(join(folder, 'b')),
  })
  const [folder, again] = [freshFolder(), freshFolder()]
  for (const name of ['a', 'b', 'c']) writeFileSync(join(folder, name), name)
  const base = { hash: 'none', entries: [] }
  const { skipped, staged } = await collector(runIn(folder, base))()
  expect(skipped).toEqual([{ path: 'b', why: 'cannot be read (ENOENT)', isLoss: true }])
  await fill(worker, again, manifestOf(staged.hash).entries)
  expect(readdirSync(again)).toEqual(['a', 'c'])
})
