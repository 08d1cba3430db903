/*
 * A zip whose bytes follow from a manifest.
 *
 * Entries are stored, not compressed, sorted by path and dated 1980-01-01, and their sizes and CRCs are known before a
 * byte is read. So the size of the archive, its ETag and any range of it can be told without making it, and a range
 * opens only the entries it touches. Compressing would save transfer and cost all of that.
 *
 * Folders are entries without bytes, and links are entries whose bytes are where they lead, as Info-ZIP has them.
 *
 * Layout (APPNOTE 6.3): for each entry a local header and its bytes; then a central record for each; then the end.
 * Fields that do not fit 32 (or, for the count, 16) bits hold all ones and the value follows in a zip64 structure.
 */
import { Readable } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { crc32 } from 'node:zlib'
import { ChapkitError } from '../errors.ts'
import { pathToBytes } from '../kernel/path.ts'
import { show } from '../kernel/show.ts'
import { encodedComment, encodeLink, encodePath, isPlainPath, isWholePath } from './zip-name.ts'

/** A file. */
export interface ZipEntry {
  /** Relative, with `/` between names; bytes that are not UTF-8 as `kernel/path.ts` writes them. */
  path: string
  /** Unix mode; only the permission bits are kept. */
  mode: number
  size: number
  crc32: number
}

export interface ZipFolder {
  path: string
  mode: number
  folder: true
}

export interface ZipLink {
  path: string
  /** Where it leads, from the folder that it is in. */
  link: string
}

export interface ZipRange {
  start: number
  end: number
}

/** Where everything stands in the archive. */
export interface ZipLayout<Entry extends ZipEntry = ZipEntry> {
  readonly size: number
  readonly entries: readonly PlacedEntry<Entry>[]
  /** Where the central directory begins and ends. */
  readonly directory: ZipRange
  /** Said at the end; empty but where names are encoded. */
  readonly comment: Buffer
}

interface PlacedEntry<Entry extends ZipEntry = ZipEntry> {
  /** The file; undefined for a folder or a link. */
  readonly entry: Entry | undefined
  readonly name: Buffer
  readonly size: number
  readonly crc32: number
  /** With the type of the file. */
  readonly mode: number
  /** Its bytes, unless it is a file. */
  readonly bytes: Buffer
  /** Where its local header, its bytes and its central record begin. */
  readonly headerAt: number
  readonly bytesAt: number
  readonly recordAt: number
}

/** Gives the bytes `start` to `end` of an entry, exactly. `undefined`: they are gone, which breaks the archive off. */
export type OpenEntry<Entry extends ZipEntry> = (
  entry: Entry,
  start: number,
  end: number,
) => MaybePromise<AsyncIterable<Uint8Array> | undefined>

type MaybePromise<T> = T | Promise<T>

const max16 = 0xffff
const max32 = 0xffffffff
const localHeaderBytes = 30
const centralRecordBytes = 46
const endBytes = 22
const end64Bytes = 56
const locator64Bytes = 20
/** 1980-01-01 in DOS form, the earliest a zip can say. */
const fixedDate = (1 << 5) | 1
const utf8Names = 0x0800
const madeByUnix = 3 << 8
const regularFile = 0o100000
const symbolicLink = 0o120000
const directoryType = 0o040000
const typeOfFile = 0o170000
/** Of MS-DOS, for programs that know no other. */
const directoryAttribute = 0x10

/** Entries that are placed before everybody else has a turn. */
const entriesPerTurn = 1000

/** Places the entries. A path that could leave the folder it is unpacked in, or stands twice, is refused. */
export function layoutZip<Entry extends ZipEntry>(
  entries: readonly (Entry | ZipFolder | ZipLink)[],
): ZipLayout<Entry> {
  const steps = layoutSteps(entries)
  for (;;) {
    const { done, value } = steps.next()
    if (done) return value
  }
}

/** As `layoutZip`, for entries of which there may be many: others have their turns meanwhile. */
export async function layoutZipInSlices<Entry extends ZipEntry>(
  entries: readonly (Entry | ZipFolder | ZipLink)[],
): Promise<ZipLayout<Entry>> {
  const steps = layoutSteps(entries)
  for (;;) {
    const { done, value } = steps.next()
    if (done) return value
    await nextTurn()
  }
}

function* layoutSteps<Entry extends ZipEntry>(
  entries: readonly (Entry | ZipFolder | ZipLink)[],
): Generator<void, ZipLayout<Entry>> {
  const isEncoded = yield* refusePaths(entries)
  const parts: { part: Placing<Entry>; order: string }[] = []
  for (const some of slicesOf(entries)) {
    for (const entry of some) {
      const part = partOf(entry, isEncoded)
      // By bytes: the order does not depend on a locale. Texts of one byte a character are compared sooner than buffers.
      parts.push({ part, order: part.name.toString('latin1') })
    }
    yield
  }
  parts.sort((a, b) => (a.order < b.order ? -1 : 1))
  yield
  const placed = parts.map(({ part }) => part)

  let at = 0
  for (const some of slicesOf(placed)) {
    for (const part of some) {
      part.headerAt = at
      part.bytesAt = at + localHeaderBytes + part.name.length + localExtraBytes(part)
      at = part.bytesAt + part.size
    }
    yield
  }
  const directoryAt = at
  for (const some of slicesOf(placed)) {
    for (const part of some) {
      part.recordAt = at
      at += centralRecordBytes + part.name.length + centralExtraBytes(part)
    }
    yield
  }

  const directory = { start: directoryAt, end: at }
  const comment = Buffer.from(isEncoded ? encodedComment : '')
  const size = at + endLength(placed.length, directory) + comment.length
  if (!Number.isSafeInteger(size)) throw refused('entries that fit an archive', `${size} bytes`)
  return { size, entries: placed, directory, comment }
}

function* slicesOf<Item>(items: readonly Item[]): Generator<readonly Item[]> {
  for (let at = 0; at < items.length; at += entriesPerTurn)
    yield items.slice(at, at + entriesPerTurn)
}

type Placing<Entry extends ZipEntry> = {
  -readonly [Key in keyof PlacedEntry<Entry>]: PlacedEntry<Entry>[Key]
}

/** An entry as the archive has it, but for its place. */
function partOf<Entry extends ZipEntry>(
  entry: Entry | ZipFolder | ZipLink,
  isEncoded: boolean,
): Placing<Entry> {
  const path = isEncoded ? encodePath(entry.path) : entry.path
  const place = { headerAt: 0, bytesAt: 0, recordAt: 0 }
  if ('link' in entry) {
    const bytes = isEncoded ? Buffer.from(encodeLink(entry.link)) : pathToBytes(entry.link)
    const mode = symbolicLink | 0o777
    const [size, crc] = [bytes.length, crc32(bytes)]
    return { entry: undefined, name: Buffer.from(path), size, crc32: crc, mode, bytes, ...place }
  }
  const mode = checkedMode(entry) & 0o777
  if ('folder' in entry) {
    const name = Buffer.from(`${path}/`)
    const type = directoryType | mode
    return { entry: undefined, name, size: 0, crc32: 0, mode: type, bytes: noBytes, ...place }
  }
  const { size, crc32: crc } = checked(entry)
  const name = Buffer.from(path)
  return { entry, name, size, crc32: crc, mode: regularFile | mode, bytes: noBytes, ...place }
}

const noBytes = Buffer.alloc(0)

/** Exactly the bytes of `range` of the archive. An entry that gives other bytes than announced destroys the stream. */
export function zipStream<Entry extends ZipEntry>(
  layout: ZipLayout<Entry>,
  open: OpenEntry<Entry>,
  range: ZipRange = { start: 0, end: layout.size },
): Readable {
  const { start, end } = range
  if (
    !(
      Number.isSafeInteger(start) &&
      Number.isSafeInteger(end) &&
      0 <= start &&
      start <= end &&
      end <= layout.size
    )
  ) {
    throw refused(`a range within 0 to ${layout.size}`, `${start} to ${end}`)
  }
  return Readable.from(zipBytes(layout, open, range), { objectMode: false })
}

async function* zipBytes<Entry extends ZipEntry>(
  layout: ZipLayout<Entry>,
  open: OpenEntry<Entry>,
  range: ZipRange,
): AsyncGenerator<Uint8Array> {
  const { entries, directory, size, comment } = layout

  for (const placed of from(entries, range.start, (one) => one.bytesAt + one.size)) {
    if (placed.headerAt >= range.end) break
    const { entry, headerAt, bytesAt } = placed
    const header = cut({ start: headerAt, end: bytesAt }, range)
    if (header) yield localHeader(placed).subarray(header.start, header.end)
    const bytes = cut({ start: bytesAt, end: bytesAt + placed.size }, range)
    if (!bytes) continue
    if (entry) yield* entryBytes(entry, bytes, open)
    else yield placed.bytes.subarray(bytes.start, bytes.end)
  }

  if (range.start < directory.end && range.end > directory.start) {
    const recordEnd = (one: PlacedEntry<Entry>) =>
      one.recordAt + centralRecordBytes + one.name.length + centralExtraBytes(one)
    for (const placed of from(entries, range.start, recordEnd)) {
      if (placed.recordAt >= range.end) break
      const record = cut({ start: placed.recordAt, end: recordEnd(placed) }, range)
      if (record) yield centralRecord(placed).subarray(record.start, record.end)
    }
  }

  const end = cut({ start: directory.end, end: size }, range)
  if (end) yield endRecords(entries.length, directory, comment).subarray(end.start, end.end)
}

/**
 * The bytes of one entry, counted, and of a whole entry checked against its CRC. The last chunk waits until the source
 * has ended well: a receiver that counts bytes must not take a wrong answer for complete.
 */
async function* entryBytes<Entry extends ZipEntry>(
  entry: Entry,
  { start, end }: ZipRange,
  open: OpenEntry<Entry>,
): AsyncGenerator<Uint8Array> {
  const source = await open(entry, start, end)
  if (!source) throw broken(entry, 'its bytes are gone')
  let count = 0
  let crc = 0
  let held: Uint8Array | undefined
  for await (const chunk of source) {
    if (chunk.byteLength === 0) continue
    count += chunk.byteLength
    if (count > end - start)
      throw broken(entry, `expected ${end - start} bytes, got ${count} or more`)
    crc = crc32(chunk, crc)
    if (held) yield held
    held = chunk
  }
  if (count !== end - start) throw broken(entry, `expected ${end - start} bytes, got ${count}`)
  if (count === entry.size && crc !== entry.crc32) throw broken(entry, 'its CRC-32 is another')
  if (held) yield held
}

/** The first of the sorted parts that ends after `start`, and those behind it. */
function* from<Part>(parts: readonly Part[], start: number, endOf: (part: Part) => number) {
  let low = 0
  let high = parts.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (endOf(parts[middle]!) > start) high = middle
    else low = middle + 1
  }
  for (let index = low; index < parts.length; index++) yield parts[index]!
}

/** What `range` touches of `part`, counted from the start of the part. */
function cut(part: ZipRange, range: ZipRange): ZipRange | undefined {
  const start = Math.max(part.start, range.start)
  const end = Math.min(part.end, range.end)
  return start < end ? { start: start - part.start, end: end - part.start } : undefined
}

function localHeader(placed: PlacedEntry): Buffer {
  const { name, size } = placed
  const extra = localExtraBytes(placed)
  const bytes = Buffer.alloc(localHeaderBytes + name.length + extra)
  bytes.writeUInt32LE(0x04034b50, 0)
  writeShared(bytes, 4, extra > 0, placed)
  bytes.writeUInt16LE(name.length, 26)
  bytes.writeUInt16LE(extra, 28)
  name.copy(bytes, localHeaderBytes)
  // In a local header zip64 must hold both sizes.
  if (extra > 0) writeExtra64(bytes, localHeaderBytes + name.length, [size, size])
  return bytes
}

function centralRecord(placed: PlacedEntry): Buffer {
  const { name, size, mode, headerAt } = placed
  const extra = centralExtraBytes(placed)
  const bytes = Buffer.alloc(centralRecordBytes + name.length + extra)
  bytes.writeUInt32LE(0x02014b50, 0)
  bytes.writeUInt16LE(madeByUnix | versionNeeded(extra > 0), 4)
  writeShared(bytes, 6, extra > 0, placed)
  bytes.writeUInt16LE(name.length, 28)
  bytes.writeUInt16LE(extra, 30)
  const attributes = (mode & typeOfFile) === directoryType ? directoryAttribute : 0
  bytes.writeUInt32LE(((mode << 16) | attributes) >>> 0, 38)
  bytes.writeUInt32LE(Math.min(headerAt, max32), 42)
  name.copy(bytes, centralRecordBytes)
  if (extra > 0) {
    // In a central record it holds those that did not fit, in this order.
    const sizes = size >= max32 ? [size, size] : []
    const offset = headerAt >= max32 ? [headerAt] : []
    writeExtra64(bytes, centralRecordBytes + name.length, [...sizes, ...offset])
  }
  return bytes
}

/** The fields a local header and a central record have in common; the method stays 0, stored. */
function writeShared(
  bytes: Buffer,
  at: number,
  zip64: boolean,
  { size, crc32: crc }: PlacedEntry,
): void {
  bytes.writeUInt16LE(versionNeeded(zip64), at)
  bytes.writeUInt16LE(utf8Names, at + 2)
  bytes.writeUInt16LE(fixedDate, at + 8)
  bytes.writeUInt32LE(crc, at + 10)
  bytes.writeUInt32LE(Math.min(size, max32), at + 14)
  bytes.writeUInt32LE(Math.min(size, max32), at + 18)
}

function writeExtra64(bytes: Buffer, at: number, values: number[]): void {
  bytes.writeUInt16LE(1, at)
  bytes.writeUInt16LE(values.length * 8, at + 2)
  values.forEach((value, index) => {
    bytes.writeBigUInt64LE(BigInt(value), at + 4 + index * 8)
  })
}

function endRecords(count: number, directory: ZipRange, comment: Buffer): Buffer {
  const length = endLength(count, directory)
  const size = directory.end - directory.start
  const bytes = Buffer.alloc(length + comment.length)
  if (length > endBytes) {
    bytes.writeUInt32LE(0x06064b50, 0)
    bytes.writeBigUInt64LE(BigInt(end64Bytes - 12), 4)
    bytes.writeUInt16LE(madeByUnix | versionNeeded(true), 12)
    bytes.writeUInt16LE(versionNeeded(true), 14)
    bytes.writeBigUInt64LE(BigInt(count), 24)
    bytes.writeBigUInt64LE(BigInt(count), 32)
    bytes.writeBigUInt64LE(BigInt(size), 40)
    bytes.writeBigUInt64LE(BigInt(directory.start), 48)
    bytes.writeUInt32LE(0x07064b50, end64Bytes)
    bytes.writeBigUInt64LE(BigInt(directory.end), end64Bytes + 8)
    bytes.writeUInt32LE(1, end64Bytes + 16)
  }
  const at = length - endBytes
  bytes.writeUInt32LE(0x06054b50, at)
  bytes.writeUInt16LE(Math.min(count, max16), at + 8)
  bytes.writeUInt16LE(Math.min(count, max16), at + 10)
  bytes.writeUInt32LE(Math.min(size, max32), at + 12)
  bytes.writeUInt32LE(Math.min(directory.start, max32), at + 16)
  bytes.writeUInt16LE(comment.length, at + 20)
  comment.copy(bytes, length)
  return bytes
}

const versionNeeded = (zip64: boolean): number => (zip64 ? 45 : 20)

// All ones mean "see zip64": a value that is all ones needs it already.
const localExtraBytes = ({ size }: { size: number }): number => (size >= max32 ? 4 + 16 : 0)

function centralExtraBytes({ size, headerAt }: { size: number; headerAt: number }): number {
  const values = (size >= max32 ? 2 : 0) + (headerAt >= max32 ? 1 : 0)
  return values === 0 ? 0 : 4 + values * 8
}

function endLength(count: number, { start, end }: ZipRange): number {
  const zip64 = count >= max16 || start >= max32 || end - start >= max32
  return (zip64 ? end64Bytes + locator64Bytes : 0) + endBytes
}

/** Whether the names have to be encoded. */
function* refusePaths(entries: readonly { path: string }[]): Generator<void, boolean> {
  const all = new Set<string>()
  /** Those that nothing can be in. */
  const ends = new Set<string>()
  let isEncoded = false
  for (const some of slicesOf(entries)) {
    for (const entry of some) {
      const { path } = entry
      const isFolder = 'folder' in entry
      if (!(usualPath.test(path) && path.length < max16)) {
        if (isUnsafe(path, isFolder))
          throw refused('a relative path without `..` or empty parts', show(path))
        isEncoded ||= !isPlainPath(path)
      }
      if (all.has(path)) throw refused('each path once', `${show(path)} twice`)
      all.add(path)
      if (!isFolder) ends.add(path)
    }
    yield
  }
  // Many files are in the same folder, which is looked for once.
  const known = new Set<string>()
  for (const some of slicesOf(entries)) {
    for (const { path } of some) {
      for (let at = path.lastIndexOf('/'); at >= 0; at = path.lastIndexOf('/', at - 1)) {
        const folder = path.slice(0, at)
        if (known.has(folder)) break
        known.add(folder)
        if (ends.has(folder))
          throw refused('a path to be a file or a folder', `${show(folder)} as both`)
        if (at === 0) break
      }
    }
    yield
  }
  return isEncoded
}

/** Most paths: nothing of them needs a closer look. */
const usualPath = /^[\w-][\w.-]*(?:\/[\w-][\w.-]*)*$/

function isUnsafe(path: string, isFolder: boolean): boolean {
  return (
    path.split('/').some((part) => part === '' || part === '.' || part === '..') ||
    path.includes('\0') ||
    !isWholePath(path) ||
    isTooLong(path, isFolder)
  )
}

/** Whether a name is more than a zip can say; one byte becomes three at most. */
function isTooLong(path: string, isFolder: boolean): boolean {
  const most = max16 - (isFolder ? 1 : 0)
  const bytes = Buffer.byteLength(path)
  return bytes > most || (!isPlainPath(path) && Buffer.byteLength(encodePath(path)) > most)
}

function checked<Entry extends ZipEntry>(entry: Entry): Entry {
  const { path, size, crc32 } = entry
  if (!Number.isSafeInteger(size) || size < 0)
    throw refused('a size', `${show(size)} for ${show(path)}`)
  if (crc32 >>> 0 !== crc32) throw refused('a CRC-32', `${show(crc32)} for ${show(path)}`)
  return entry
}

function checkedMode({ path, mode }: { path: string; mode: number }): number {
  if (!Number.isSafeInteger(mode)) throw refused('a mode', `${show(mode)} for ${show(path)}`)
  return mode
}

function refused(expected: string, came: string): ChapkitError {
  return new ChapkitError('internal', `Cannot lay out a zip: expected ${expected}, got ${came}`)
}

function broken(entry: ZipEntry, what: string): ChapkitError {
  return new ChapkitError(
    'internal',
    `Cannot finish the zip: ${show(entry.path)} is not as announced`,
    {
      cause: new Error(`${entry.path}: ${what}`),
    },
  )
}
