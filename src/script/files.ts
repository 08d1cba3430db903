import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { parseCsv, writeCsv } from '../data/csv.ts'
import { decodeCsv } from '../data/csv-file.ts'
import type { FrameJson } from '../data/frame.ts'
import { canonicalFrameText } from '../data/frame-json.ts'
import { ChapkitError, toError } from '../errors.ts'
import { pathFromBytes, pathToBytes, systemPath } from '../kernel/path.ts'
import { factsOf } from '../ml/facts.ts'
import { checkForecast } from '../ml/forecast.ts'
import type { BytesSource, FrameFacts } from '../ml/run.ts'
import type { Adapters } from '../ml/runner.ts'
import { type Adapted, adaptFrame } from './adapters.ts'
import { type FoundFile, look, type Tree, usualFolderMode } from './found.ts'
import { FilesError } from './trouble.ts'

/*
 * What is done with the folders of scripts, step by step without waiting: run in a thread, where nobody else has to wait.
 */

/** Beyond this size a file is copied by the system. */
const largeBytes = 1024 * 1024
/** Bytes of a prediction that is read. */
const maximumOutput = 512 * 1024 * 1024

/** Bytes, or the file that has them. */
type PlacedSource = BytesSource | { path: string | Buffer }

/** A file that a run finds in its folder. */
export interface PlacedFile {
  path: string
  mode: number
  source: PlacedSource
  /** The source is a frame, and the file is to be CSV: with LF, or with CRLF as it once was. */
  derive?: 'csv-lf' | 'csv'
}

/**
 * Makes files, folders and links in a folder, which need not be there; answers how the files were found then. Folders get
 * their rights last, as they may be those of nobody.
 */
export function place({
  folder,
  files,
  folders = [],
  links = [],
}: { folder: string; files: readonly PlacedFile[] } & Partial<
  Omit<Tree<never>, 'files'>
>): FoundFile[] {
  const ensure = createEnsure(folder)
  const placed = files.map(({ path, mode, source, derive }): FoundFile => {
    ensure(parentOf(path))
    const target = systemPath(folder, path)
    if (derive) {
      const text = writeCsv(readFrame(source), derive === 'csv' ? '\r\n' : '\n')
      writeFileSync(target, text, { mode })
    } else if ('bytes' in source) writeFileSync(target, source.bytes, { mode })
    else copy(source.path, target)
    chmodSync(target, mode)
    return look(folder, path, false)
  })
  for (const { path, link } of links) {
    ensure(parentOf(path))
    symlinkSync(link.isWellFormed() ? link : pathToBytes(link), systemPath(folder, path))
  }
  for (const { path } of folders) ensure(path)
  // The inner ones first: their place may not be reached later.
  for (const { path, mode } of folders.toSorted((a, b) => (a.path < b.path ? 1 : -1)))
    chmodSync(systemPath(folder, path), mode)
  return placed
}

/** Makes folders below one, and remembers those that are there. */
function createEnsure(root: string): (path: string) => void {
  const made = new Set<string>()
  return function ensure(path) {
    if (made.has(path)) return
    made.add(path)
    if (path === '') {
      mkdirSync(root, { recursive: true })
      return
    }
    ensure(parentOf(path))
    const at = systemPath(root, path)
    try {
      mkdirSync(at)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      return
    }
    // Whatever the umask of the service is.
    chmodSync(at, usualFolderMode)
  }
}

const parentOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')))

/** Puts the inputs of a run into its folder, in the place of whatever has their names there. */
export function placeInputs({
  folder,
  files,
}: {
  folder: string
  files: readonly PlacedFile[]
}): FoundFile[] {
  // Also a link, which would be written through, and a file that may not be written.
  for (const { path } of files) rmSync(systemPath(folder, path), { recursive: true, force: true })
  return place({ folder, files })
}

/**
 * A copy, never a link. What the system copies it gives its place on the disk at once; what is written may be gone again before
 * it gets there, as most small files of a run are. Where large ones can share blocks until one side changes, they do.
 */
function copy(from: string | Buffer, to: string | Buffer): void {
  if (statSync(from).size <= largeBytes) writeFileSync(to, readFileSync(from))
  else copyFileSync(from, to, constants.COPYFILE_FICLONE)
}

/** Copies a project as it was listed. False when it has been changed since. */
export function placeProject({
  root,
  folder,
  files,
  folders,
}: {
  root: string
  folder: string
} & Omit<Tree<FoundFile>, 'links'>): FoundFile[] | false {
  const isSame = () => files.every(({ path, stamp }) => look(root, path, true).stamp === stamp)
  try {
    const placed = place({
      folder,
      folders,
      files: files.map(({ path, mode }) => ({
        ...{ path, mode, source: { path: systemPath(root, path) } },
      })),
    })
    return isSame() && placed
  } catch (error) {
    // A file of it has gone meanwhile.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}

/** Writes a frame as CSV, with the columns of adapters. */
export function placeFrame({
  folder,
  path,
  frame,
  covariates,
  adapters,
}: {
  folder: string
  path: string
  frame: BytesSource
  covariates: readonly string[]
  adapters: Adapters
}): { file: FoundFile; facts: FrameFacts; missing: string[] } {
  const json = readFrame(frame)
  const { frame: adapted, missing } = toAdapted(path, json, adapters)
  const bytes = Buffer.from(writeCsv(adapted, '\n'))
  const [file] = placeInputs({ folder, files: [{ path, mode: 0o644, source: { bytes } }] })
  return { file: file!, facts: factsOf(json, covariates), missing }
}

function toAdapted(path: string, frame: FrameJson, adapters: Adapters): Adapted {
  if (Object.keys(adapters).length === 0) return { frame, missing: [] }
  try {
    return adaptFrame(frame, adapters)
  } catch (error) {
    throw new FilesError(`The adapters cannot be applied to ${path}: ${toError(error).message}`)
  }
}

function readFrame(source: PlacedSource): FrameJson {
  const bytes = 'bytes' in source ? source.bytes : readFileSync(source.path)
  return JSON.parse(
    Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString(),
  ) as FrameJson
}

/** Reads the prediction for `future`. Throws what is wrong with it. */
export function readPrediction({
  folder,
  path,
  covariates,
  future,
}: {
  folder: string
  path: string
  covariates: readonly string[]
  future: BytesSource
}): { frame: Uint8Array; facts: FrameFacts; warnings: string[] } {
  const file = join(folder, path)
  const stat = lstatSync(file)
  if (!stat.isFile()) throw new FilesError(`${path} is no ordinary file`)
  if (stat.size > maximumOutput)
    throw new FilesError(`Expected at most ${maximumOutput} bytes in ${path}, got ${stat.size}`)
  const frame = parsePrediction(path, readFileSync(file))
  const { error, warnings } = checkForecast(frame, readFrame(future))
  if (error !== null) throw new FilesError(`${path} has another forecast: ${error}`)
  const text = canonicalFrameText(frame)
  return { frame: Buffer.from(text), facts: factsOf(frame, covariates), warnings }
}

function parsePrediction(path: string, bytes: Buffer): FrameJson {
  try {
    const text = decodeCsv(bytes)
    if (text.trim() === '') throw new FilesError(`${path} is empty`)
    const header = text.slice(0, text.search(/\r?\n|$/))
    const samples = [...header.matchAll(/\bsample_\d+\b/g)].map(
      ([name]) => [name, 'number'] as const,
    )
    const frame = parseCsv(text, { types: Object.fromEntries(samples) })
    if (frame.data.length === 0) {
      throw new FilesError(
        `${path} has no rows; expected one for each location and period of the future data`,
      )
    }
    return frame
  } catch (error) {
    if (!(error instanceof ChapkitError)) throw error
    const [issue] = error.issues ?? []
    const line = issue?.loc.at(-1)
    throw new FilesError(
      `${path} cannot be read as CSV: ${typeof line === 'number' ? `line ${line}: ` : ''}${issue?.msg ?? error.message}`,
    )
  }
}

/** Removes a folder with all that a script may have made of it. */
export function remove({ path }: { path: string }): void {
  const all = () => rmSync(path, { recursive: true, force: true, maxRetries: 3 })
  try {
    all()
  } catch {
    makeRemovable(path)
    all()
  }
}

/** Brings all that is in a folder to the disk. Throws where something cannot be read. */
export function bringToDisk({ folder }: { folder: string }): void {
  const pending: Buffer[] = [Buffer.from(folder)]
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    for (const entry of readdirSync(at, { withFileTypes: true, encoding: 'buffer' })) {
      const path = Buffer.concat([at, Buffer.from('/'), entry.name])
      if (entry.isDirectory()) pending.push(path)
      else if (entry.isFile()) sync(path)
    }
    sync(at)
  }
}

function sync(path: Buffer): void {
  const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

/** Beyond this a part of a folder is moved up: the system takes paths of less than 4096 bytes. */
const longPath = 2048

/** A script may have taken away the right to change its folders, or made them deeper than a path can say. */
function makeRemovable(root: string): void {
  let moved = 0
  const pending = ['']
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    let at = systemPath(root, path)
    chmodSync(at, 0o700)
    if (at.length > root.length + longPath) {
      path = `moved-${process.pid}-${moved++}`
      renameSync(at, systemPath(root, path))
      at = systemPath(root, path)
    }
    for (const entry of readdirSync(at, { withFileTypes: true, encoding: 'buffer' })) {
      const name = pathFromBytes(entry.name)
      if (entry.isDirectory()) pending.push(path === '' ? name : `${path}/${name}`)
    }
  }
}
