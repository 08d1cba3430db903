import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { open as openFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { testWith } from '../../test/setup/needs.ts'
import { pathFromBytes } from '../kernel/path.ts'
import { layoutZip, layoutZipInSlices, type OpenEntry, type ZipEntry, zipStream } from './zip.ts'

const root = mkdtempSync(join(tmpdir(), 'chapkit-zip-'))
afterAll(() => rmSync(root, { recursive: true }))

interface File extends ZipEntry {
  bytes: Buffer
}

const file = (path: string, content: string | Buffer, mode = 0o644): File => {
  const bytes = Buffer.from(content)
  return { path, mode, size: bytes.length, crc32: crc32(bytes), bytes }
}
const giant = (path: string, size: number): ZipEntry => ({ path, mode: 0o644, size, crc32: 1 })

const open: OpenEntry<File> = (entry, start, end) =>
  Readable.from([entry.bytes.subarray(start, end)])
const zip = (files: File[]) => buffer(zipStream(layoutZip(files), open))

const workspace = [
  file('train.py', 'print("hei")\n', 0o755),
  file('data/målinger.csv', 'år,tilfeller\n2024,7\n'),
  file('data/empty', ''),
  file('a', createHash('shake256', { outputLength: 5000 }).digest(), 0o600),
  file('data.csv', 'x'),
]

describe('other programs read it', () => {
  testWith('unzip')(
    'unzip finds every entry whole and unpacks names, bytes, modes and dates',
    async () => {
      const path = join(root, 'workspace.zip')
      const folder = join(root, 'unzipped')
      writeFileSync(path, await zip(workspace))

      expect(execFileSync('unzip', ['-t', path], { encoding: 'utf8' })).toContain(
        'No errors detected',
      )
      execFileSync('unzip', ['-q', path, '-d', folder], {
        env: { ...process.env, LC_ALL: 'C.UTF-8' },
      })

      for (const { path: name, bytes, mode } of workspace) {
        expect(readFileSync(join(folder, name))).toEqual(bytes)
        expect(statSync(join(folder, name)).mode & 0o777).toBe(mode)
        expect(statSync(join(folder, name)).mtime.getFullYear()).toBe(1980)
      }
    },
  )

  testWith('python3')('python finds every entry whole, in the order of their paths', async () => {
    const path = join(root, 'python.zip')
    writeFileSync(path, await zip(workspace))

    expect(python(path).names).toEqual([
      'a',
      'data.csv',
      'data/empty',
      'data/målinger.csv',
      'train.py',
    ])
    expect(python(path).bad).toBeNull()
  })

  test('an archive without entries is one, too', async () => {
    const path = join(root, 'empty.zip')
    const bytes = await zip([])
    writeFileSync(path, bytes)

    expect(bytes).toHaveLength(22)
    expect(python(path)).toEqual({ names: [], bad: null })
  })

  testWith('python3', 'unzip')('python reads more entries than 16 bits can count', async () => {
    const path = join(root, 'many.zip')
    const files = Array.from({ length: 65_535 }, (_, n) => file(`f${n}`, ''))
    writeFileSync(path, await zip(files))

    expect(python(path).names).toHaveLength(65_535)
    expect(spawnSync('unzip', ['-tqq', path]).status).toBe(0)
  })

  testWith('python3')('python reads the directory of an archive of 13 GiB', async () => {
    const path = join(root, 'giant.zip')
    const layout = layoutZip([
      giant('a', 2 ** 32 - 2),
      giant('b', 2 ** 32 - 1),
      giant('c', 5 * 2 ** 30),
      file('d', 'after all'),
    ])
    // A sparse file: only what is not the giants' bytes is written.
    const pieces = layout.entries.map(({ headerAt, bytesAt }) => ({
      start: headerAt,
      end: bytesAt,
    }))
    const { bytesAt, size } = layout.entries[3]!
    pieces.push(
      { start: bytesAt, end: bytesAt + size },
      { start: layout.directory.start, end: layout.size },
    )
    const handle = await openFile(path, 'w')
    for (const piece of pieces) {
      const bytes = await buffer(
        zipStream(layout, () => Readable.from([Buffer.from('after all')]), piece),
      )
      expect(bytes).toHaveLength(piece.end - piece.start)
      await handle.write(bytes, 0, bytes.length, piece.start)
    }
    await handle.close()

    const script = `
import zipfile, json, sys
z = zipfile.ZipFile(sys.argv[1])
opened = [z.open(i).read(1) is not None for i in z.infolist()[:3]]
print(json.dumps([[[i.filename, i.file_size, i.header_offset] for i in z.infolist()], z.read('d').decode()]))`
    const [entries, last] = JSON.parse(
      execFileSync('python3', ['-c', script, path], { encoding: 'utf8' }),
    )
    expect(entries).toEqual(layout.entries.map((one) => [String(one.name), one.size, one.headerAt]))
    expect(last).toBe('after all')
    expect(statSync(path).size).toBe(layout.size)
  })
})

describe('the bytes follow from the entries', () => {
  test('whatever their order', async () => {
    expect((await zip(workspace.toReversed())).equals(await zip(workspace))).toBe(true)
  })

  test('the size is known before a byte is read', async () => {
    expect(layoutZip(workspace).size).toBe((await zip(workspace)).length)
  })

  test('the directory names each entry with its size, CRC, mode and place', async () => {
    const bytes = await zip(workspace)

    expect(parse(bytes)).toEqual(
      layoutZip(workspace).entries.map(({ name, mode, size, crc32, headerAt, entry }) => ({
        ...{ path: String(name), mode, size, crc32, headerAt, bytes: entry?.bytes },
      })),
    )
  })

  test('set-user-id and file type of a mode are not passed on', async () => {
    const [entry] = parse(await zip([file('a', '', 0o104755)]))
    expect(entry!.mode).toBe(0o100755)
  })

  test('any files come back as they went in', async () => {
    const name = fc
      .stringMatching(/^[a-zæøå0-9 ._-]{1,8}$/)
      .filter((part) => !/^ *\.[. ]*$/.test(part))
    const files = fc.uniqueArray(
      fc
        .tuple(name, fc.uint8Array({ maxLength: 300 }))
        .map(([path, bytes]) => file(path, Buffer.from(bytes))),
      { selector: ({ path }) => path, maxLength: 6 },
    )
    await fc.assert(
      fc.asyncProperty(files, async (entries) => {
        const found = parse(await zip(entries)).map(({ path, bytes }) => [
          path,
          bytes.toString('hex'),
        ])
        const expected = entries.map(({ path, bytes }) => [path, bytes.toString('hex')])
        expect(new Map(found as [string, string][])).toEqual(
          new Map(expected as [string, string][]),
        )
      }),
    )
  })
})

describe('a range', () => {
  test('equals the slice of the whole', async () => {
    const layout = layoutZip(workspace)
    const whole = await zip(workspace)
    const edges = layout.entries.flatMap((one) => [one.headerAt, one.bytesAt, one.recordAt])
    const point = fc.oneof(
      fc.nat(layout.size),
      fc
        .tuple(
          fc.constantFrom(...edges, layout.directory.end, layout.size),
          fc.integer({ min: -1, max: 1 }),
        )
        .map(([edge, by]) => Math.min(Math.max(edge + by, 0), layout.size)),
    )

    await fc.assert(
      fc.asyncProperty(point, point, async (a, b) => {
        const [start, end] = a < b ? [a, b] : [b, a]
        const part = await buffer(zipStream(layout, open, { start, end }))
        expect(part.equals(whole.subarray(start, end))).toBe(true)
      }),
      { numRuns: 2000 },
    )
  })

  test('opens only the entries it touches, and only that part of them', async () => {
    const layout = layoutZip(workspace)
    const [first, second] = layout.entries
    const opened: [string, number, number][] = []
    const noting: OpenEntry<File> = (entry, start, end) => {
      opened.push([entry.path, start, end])
      return open(entry, start, end)
    }

    await buffer(
      zipStream(layout, noting, { start: first!.bytesAt + 10, end: first!.bytesAt + 20 }),
    )
    await buffer(zipStream(layout, noting, { start: second!.headerAt, end: second!.bytesAt }))
    await buffer(zipStream(layout, noting, layout.directory))
    await buffer(zipStream(layout, noting, { start: 7, end: 7 }))

    expect(opened).toEqual([['a', 10, 20]])
  })

  test('outside the archive is refused', () => {
    const layout = layoutZip(workspace)
    for (const range of [
      { start: -1, end: 1 },
      { start: 2, end: 1 },
      { start: 0, end: layout.size + 1 },
      { start: 0.5, end: 1 },
    ]) {
      expect(() => zipStream(layout, open, range)).toThrow('expected a range')
    }
  })
})

describe('an entry that is not as announced destroys the stream before its last bytes', () => {
  const entries = [file('a', 'aaaa'), file('b', 'bbbb')]
  const layout = layoutZip(entries)
  const sources: Record<string, () => AsyncIterable<Uint8Array> | undefined> = {
    'too few bytes': () => Readable.from([Buffer.from('aaa')]),
    'too many bytes': () => Readable.from([Buffer.from('aaaa'), Buffer.from('a')]),
    'no bytes': () => Readable.from([]),
    'other bytes': () => Readable.from([Buffer.from('aaab')]),
    gone: () => undefined,
  }
  for (const [name, source] of Object.entries(sources)) {
    test(name, async () => {
      let received = 0
      const stream = zipStream(layout, source)
      stream.on('data', (chunk) => {
        received += chunk.length
      })

      await expect(buffer(stream)).rejects.toMatchObject({ code: 'internal' })

      expect(received).toBeLessThan(layout.entries[0]!.bytesAt + 4)
    })
  }

  test('an error of the source comes through', async () => {
    const lost = new Error('lost')
    const stream = zipStream(layout, async () => {
      throw lost
    })
    await expect(buffer(stream)).rejects.toBe(lost)
  })

  test('giving up the archive gives up the open entry', async () => {
    const source = Readable.from(
      (function* () {
        for (let n = 0; n < 100; n++) yield Buffer.alloc(1000)
      })(),
    )
    const stream = zipStream(layoutZip([giant('a', 100_000)]), () => source)

    for await (const chunk of stream) if (chunk.length === 1000) break

    await expect.poll(() => source.destroyed).toBe(true)
  })
})

describe('a path that could surprise who unpacks it is refused', () => {
  const paths = [
    '',
    '/etc/passwd',
    '../up',
    'a/../../up',
    'a/..',
    './a',
    'a//b',
    'a/',
    'a\0',
    '\ud800',
  ]
  for (const path of paths) {
    test(JSON.stringify(path), () => {
      expect(() => layoutZip([giant(path, 0)])).toThrow('relative path')
    })
  }

  test('a path longer than a zip can say', () => {
    expect(() => layoutZip([giant('å'.repeat(32_768), 0)])).toThrow('relative path')
    expect(layoutZip([giant('a'.repeat(65_535), 0)]).size).toBe(30 + 46 + 2 * 65_535 + 22)
  })

  test('the same path twice, or a file that is a folder, too', () => {
    expect(() => layoutZip([giant('a', 0), giant('a', 1)])).toThrow('each path once')
    expect(() => layoutZip([giant('a/b/c', 0), giant('a.b', 1), giant('a', 1)])).toThrow(
      'file or a folder',
    )
  })

  test('names with dots and spaces are fine', () => {
    expect(
      layoutZip([giant('..a/b..', 0), giant('.env.example', 0), giant(' ', 0)]).entries,
    ).toHaveLength(3)
  })

  test('an entry with an impossible size, CRC or mode', () => {
    for (const wrong of [
      { size: -1 },
      { size: 1.5 },
      { crc32: -1 },
      { crc32: 2 ** 32 },
      { mode: Number.NaN },
    ]) {
      expect(() => layoutZip([{ ...giant('a', 0), ...wrong }])).toThrow('Cannot lay out a zip')
    }
  })
})

describe('what a zip cannot say, or others would misread', () => {
  const names = (...paths: string[]) =>
    layoutZip(paths.map((path) => giant(path, 0))).entries.map(({ name }) => String(name))

  test.each([
    ['a backslash', 'output\\model.rds', 'output%5Cmodel.rds'],
    ['a way up on Windows', '..\\..\\up', '..%5C..%5Cup'],
    ['a drive', 'C:model.rds', 'C%3Amodel.rds'],
    ['a drive of a folder', 'a/d:/x', 'a/d%3A/x'],
    ['bytes that are not UTF-8', 'mod\udce9le.rds', 'mod%E9le.rds'],
    ['a line end', 'a\nb', 'a%0Ab'],
    ['an escape sequence', '\x1b[31m', '%1B[31m'],
    ['a control character of two bytes', 'a\x9bb', 'a%C2%9Bb'],
    ['dots and spaces, which Windows drops', '.. /x', '%2E%2E%20/x'],
  ])('is percent-encoded: %s', (_what, path, expected) => {
    expect(names(path)).toEqual([expected])
  })

  test('leaves what it can say as it is', () => {
    const plain = ['100%.csv', '10:00.csv', 'CON', 'a%5Cb', 'a.', 'é', 'e\u0301', 'A', '-rf', '~']
    expect(new Set(names(...plain))).toEqual(new Set(plain))
  })

  test('changes % in all names of that archive, so that none is taken for another', () => {
    expect(names('a\\b', 'a%5Cb', '100%').toSorted()).toEqual(['100%25', 'a%255Cb', 'a%5Cb'])
  })

  test('is a name inside the folder for all bytes that a name may have, and can be told from it', () => {
    const part = fc
      .uint8Array({ minLength: 1, maxLength: 8 })
      .map((bytes) => bytes.map((byte) => (byte === 0 || byte === 47 ? 92 : byte)))
      .filter((bytes) => !/^\.{1,2}$/.test(Buffer.from(bytes).toString('latin1')))
      .map((bytes) => pathFromBytes(bytes))
    const paths = fc.uniqueArray(part, { minLength: 1, maxLength: 5 })
    fc.assert(
      fc.property(paths, (all) => {
        const layout = layoutZip(all.map((path) => giant(path, 0)))
        const isEncoded = layout.comment.length > 0
        const decoded = layout.entries.map(({ name }) => {
          const text = String(name)
          expect(text).not.toMatch(/[\\\p{Cc}\ufffd/]|^[a-z]:|^ *\.[. ]*$/iu)
          return isEncoded ? decode(text) : text
        })
        expect(new Set(decoded)).toEqual(new Set(all))
      }),
      { numRuns: 10_000 },
    )
  })

  const decode = (name: string): string =>
    pathFromBytes(
      Buffer.concat(
        [...name.matchAll(/%([0-9A-F]{2})|[^%]/gu)].map(([whole, hex]) =>
          hex === undefined ? Buffer.from(whole) : Buffer.from(hex, 'hex'),
        ),
      ),
    )
})

describe('folders and links', () => {
  const tree = [
    file('models/2024.rds', 'm'),
    { path: 'plots', mode: 0o750, folder: true as const },
    { path: 'latest', link: 'models/2024.rds' },
    { path: 'models/up', link: '../plots' },
  ]

  testWith('unzip')('are there again when unzip has unpacked the archive', async () => {
    const path = join(root, 'tree.zip')
    const folder = join(root, 'tree')
    writeFileSync(path, await buffer(zipStream(layoutZip<File>(tree), open)))
    execFileSync('unzip', ['-q', path, '-d', folder])
    expect(statSync(join(folder, 'plots')).mode & 0o777).toBe(0o750)
    expect(readFileSync(join(folder, 'latest'), 'utf8')).toBe('m')
    expect(readlinkSync(join(folder, 'models/up'))).toBe('../plots')
  })

  testWith('python3')('are whole for python', async () => {
    const path = join(root, 'tree-python.zip')
    writeFileSync(path, await buffer(zipStream(layoutZip<File>(tree), open)))
    expect(python(path)).toEqual({
      names: ['latest', 'models/2024.rds', 'models/up', 'plots/'],
      bad: null,
    })
  })

  test('lead to the names that files have in the archive', async () => {
    const odd = [file('a/C:\udce9', 'x'), { path: 'b/l', link: '../a/C:\udce9' }]
    const layout = layoutZip<File>(odd)
    expect(layout.entries.map(({ name }) => String(name))).toEqual(['a/C%3A%E9', 'b/l'])
    expect(String(layout.entries[1]?.bytes)).toBe('../a/C%3A%E9')
    const whole = await buffer(zipStream(layout, open))
    expect(whole).toHaveLength(layout.size)
    expect(whole.subarray(-layout.comment.length)).toEqual(layout.comment)
  })

  test('have nothing below them but what is in a folder', () => {
    const below = giant('a/b', 0)
    expect(layoutZip([{ path: 'a', mode: 0o755, folder: true }, below]).entries).toHaveLength(2)
    expect(() => layoutZip([{ path: 'a', link: 'b' }, below])).toThrow('file or a folder')
  })
})

describe('zip64 is used from where it is needed', () => {
  const plain = (names: number) => names * (30 + 46 + 2) + 22
  const end64 = 56 + 20

  test('by an entry of 4 GiB less one byte, whose size is the mark itself', () => {
    const below = 2 ** 32 - 2
    // The directory behind it begins beyond 32 bits, the entry itself fits.
    expect(layoutZip([giant('a', below)]).size).toBe(below + plain(1) + end64)
    expect(layoutZip([giant('a', below + 1)]).size).toBe(below + 1 + plain(1) + end64 + 20 + 20)
  })

  test('by an entry that begins beyond 4 GiB', () => {
    const size = 2 ** 31
    const before = layoutZip([giant('a', size), giant('b', size - 62 - 1)])
    expect(before.directory.start).toBe(2 ** 32 - 1)
    expect(before.size).toBe(2 ** 32 - 63 + plain(2) + end64)
    const fits = layoutZip([giant('a', size), giant('b', size - 62 - 2)])
    expect(fits.size).toBe(2 ** 32 - 64 + plain(2))
    const marked = layoutZip([giant('a', size), giant('b', size - 62 - 1), giant('c', 0)])
    expect(marked.entries[2]!.headerAt).toBe(2 ** 32 - 1)
    expect(marked.size).toBe(2 ** 32 - 63 + plain(3) + end64 + 12)
    const beyond = layoutZip([giant('a', size), giant('b', size), giant('c', 1)])
    expect(beyond.size).toBe(2 ** 32 + 1 + plain(3) + end64 + 12)
  })

  test('by 65 535 entries', () => {
    const names = (count: number) =>
      Array.from({ length: count }, (_, n) => giant(String(n).padStart(5, '0'), 0))
    expect(layoutZip(names(65_534)).size).toBe(65_534 * (30 + 46 + 10) + 22)
    expect(layoutZip(names(65_535)).size).toBe(65_535 * (30 + 46 + 10) + 22 + end64)
  })
})

function python(path: string): { names: string[]; bad: string | null } {
  const script = `
import zipfile, json, sys
z = zipfile.ZipFile(sys.argv[1])
print(json.dumps({'names': z.namelist(), 'bad': z.testzip()}))`
  return JSON.parse(
    execFileSync('python3', ['-c', script, path], {
      encoding: 'utf8',
      maxBuffer: 64 * 1024 * 1024,
    }),
  )
}

/** Reads a small archive by its central directory and checks each local header against it. */
function parse(zipped: Buffer) {
  const end = zipped.length - 22
  expect(zipped.readUInt32LE(end)).toBe(0x06054b50)
  let at = zipped.readUInt32LE(end + 16)
  expect(at + zipped.readUInt32LE(end + 12)).toBe(end)

  return Array.from({ length: zipped.readUInt16LE(end + 10) }, () => {
    expect(zipped.readUInt32LE(at)).toBe(0x02014b50)
    const nameLength = zipped.readUInt16LE(at + 28)
    const headerAt = zipped.readUInt32LE(at + 42)
    expect(zipped.readUInt32LE(headerAt)).toBe(0x04034b50)
    // Version, flags, method, time, date, CRC, sizes and name length stand in both.
    expect(zipped.subarray(headerAt + 4, headerAt + 28)).toEqual(zipped.subarray(at + 6, at + 30))
    const bytesAt = headerAt + 30 + nameLength
    const size = zipped.readUInt32LE(at + 24)
    const entry = {
      path: zipped.toString('utf8', at + 46, at + 46 + nameLength),
      mode: zipped.readUInt32LE(at + 38) >>> 16,
      size,
      crc32: zipped.readUInt32LE(at + 16),
      headerAt,
      bytes: zipped.subarray(bytesAt, bytesAt + size),
    }
    expect(crc32(entry.bytes)).toBe(entry.crc32)
    at += 46 + nameLength
    return entry
  })
}

test('others have their turns while an archive of many files is laid out, which is the same', async () => {
  const many = Array.from({ length: 10_000 }, (_, at) => ({
    ...{ path: `d${at % 77}/${at}`, mode: 0o644, size: at, crc32: at },
  }))
  let turns = 0
  const count = () => {
    turns++
    counting = setImmediate(count)
  }
  let counting = setImmediate(count)
  const layout = await layoutZipInSlices(many)
  clearImmediate(counting)
  expect(layout).toEqual(layoutZip(many))
  // Each of five passes takes a thousand files at a time.
  expect(turns).toBeGreaterThanOrEqual(50)
})
