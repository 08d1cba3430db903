import {
  chmodSync,
  constants,
  copyFileSync,
  type Dirent,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { parseCsv, writeCsv } from '../data/csv.ts'
import { decodeCsv } from '../data/csv-file.ts'
import type { FrameJson } from '../data/frame.ts'
import { canonicalFrameText } from '../data/frame-json.ts'
import { ChapkitError, toError } from '../errors.ts'
import { factsOf } from '../ml/facts.ts'
import { checkForecast } from '../ml/forecast.ts'
import type { BytesSource, FrameFacts } from '../ml/run.ts'
import type { Adapters } from '../ml/runner.ts'
import { type Adapted, adaptFrame } from './adapters.ts'
import { leftByRun, projectRules } from './ignore.ts'

/*
 * What is done with the folders of scripts, step by step without waiting: run in a thread, where nobody else has to wait.
 */

/** A file as it was found. `stamp` differs as soon as anything was written to it. */
export interface FoundFile {
  path: string
  mode: number
  size: number
  stamp: string
}

/** More than a project, or what a run leaves behind, may have. */
const maximumFiles = 50_000
/** Beyond this size a file is copied by the system. */
const largeBytes = 1024 * 1024
/** Bytes of a prediction that is read. */
const maximumOutput = 512 * 1024 * 1024

/** A failure that its reader can do something about, told as it is. */
export class FilesError extends Error {}

/** The files of a project, without those that its rules leave out and those in `except` or below. Links are followed. */
export function listProject({
  root,
  except,
}: {
  root: string
  except: readonly string[]
}): FoundFile[] {
  const rules = projectRules(root)
  const found: FoundFile[] = []
  if (real(root) === undefined) throw new FilesError('The folder of the project is not there')
  const hidden = new Set(except.map((path) => join(real(dirname(path)) ?? '', basename(path))))

  function walk(folder: string, above: readonly string[]) {
    const at = join(root, folder)
    const here = real(at)
    // A link that leads back up would never end.
    if (here === undefined || above.includes(here) || (folder !== '' && hidden.has(here))) return
    rules.enter(folder)
    for (const entry of inOrder(readdirSync(at, { withFileTypes: true }))) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`
      const kind = kindOf(join(root, path), entry)
      if (kind === 'folder') {
        if (!rules.ignored(`${path}/`)) walk(path, [...above, here])
      } else if (kind === 'file' && !hidden.has(join(here, entry.name)) && !rules.ignored(path))
        found.push(look(root, path, true))
      if (found.length > maximumFiles) {
        throw new FilesError(
          `Expected at most ${maximumFiles} files in the project; name what does not belong to the model in .chapkitignore`,
        )
      }
    }
  }
  walk('', [])
  return found
}

/** The files that a run has left in its folder. Links are left out: what they lead to is not its own. */
export function listRun({ folder, maximumBytes }: { folder: string; maximumBytes: number }) {
  const found: FoundFile[] = []
  const links: string[] = []
  let bytes = 0

  function walk(below: string) {
    for (const entry of readdirSync(join(folder, below), { withFileTypes: true })) {
      const path = below === '' ? entry.name : `${below}/${entry.name}`
      if (entry.isDirectory()) {
        if (!leftByRun(`${path}/`)) walk(path)
      } else if (entry.isSymbolicLink()) links.push(path)
      else if (entry.isFile() && !leftByRun(path)) {
        const file = look(folder, path, false)
        bytes += file.size
        found.push(file)
      }
      if (found.length > maximumFiles)
        throw new FilesError(`Expected at most ${maximumFiles} files in the folder of a run`)
    }
  }
  walk('')
  if (bytes > maximumBytes) {
    throw new FilesError(
      `Expected at most ${maximumBytes} bytes in the folder of a run, got ${bytes}; remove what the prediction does not need at the end of the script`,
    )
  }
  return { found, links }
}

/** A file that a run finds in its folder. */
export interface PlacedFile {
  path: string
  mode: number
  source: BytesSource
  /** The source is a frame, and the file is to be CSV. */
  derive?: 'csv'
}

/** Copies files to a folder, which need not be there; answers how they were found then. Never makes links. */
export function place({ folder, files }: { folder: string; files: readonly PlacedFile[] }) {
  const made = new Set<string>()
  return files.map(({ path, mode, source, derive }): FoundFile => {
    const target = join(folder, path)
    const parent = dirname(target)
    if (!made.has(parent)) {
      mkdirSync(parent, { recursive: true })
      made.add(parent)
    }
    if (derive) writeFileSync(target, writeCsv(readFrame(source)), { mode })
    else if ('bytes' in source) writeFileSync(target, source.bytes, { mode })
    else copy(source.path, target)
    chmodSync(target, mode)
    return look(folder, path, false)
  })
}

/**
 * A copy, never a link. What the system copies it gives its place on the disk at once; what is written may be gone again before
 * it gets there, as most small files of a run are. Where large ones can share blocks until one side changes, they do.
 */
function copy(from: string, to: string): void {
  if (statSync(from).size <= largeBytes) writeFileSync(to, readFileSync(from))
  else copyFileSync(from, to, constants.COPYFILE_FICLONE)
}

/** Copies a project as it was listed. False when it has been changed since. */
export function placeProject({
  root,
  folder,
  files,
}: {
  root: string
  folder: string
  files: readonly FoundFile[]
}): FoundFile[] | false {
  const isSame = () => files.every(({ path, stamp }) => look(root, path, true).stamp === stamp)
  try {
    const placed = place({
      folder,
      files: files.map(({ path, mode }) => ({ path, mode, source: { path: join(root, path) } })),
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
  const bytes = Buffer.from(writeCsv(adapted))
  const [file] = place({ folder, files: [{ path, mode: 0o644, source: { bytes } }] })
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

function readFrame(source: BytesSource): FrameJson {
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

export function remove({ path }: { path: string }): void {
  // A script may have taken away the right to change its folders.
  try {
    rmSync(path, { recursive: true, force: true, maxRetries: 3 })
  } catch {
    unlock(path)
    rmSync(path, { recursive: true, force: true, maxRetries: 3 })
  }
}

function unlock(folder: string): void {
  chmodSync(folder, 0o700)
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) unlock(join(folder, entry.name))
  }
}

function look(root: string, path: string, follow: boolean): FoundFile {
  const file = join(root, path)
  const stat = follow ? statSync(file, { bigint: true }) : lstatSync(file, { bigint: true })
  return {
    path,
    mode: Number(stat.mode & 0o777n),
    size: Number(stat.size),
    stamp: `${stat.ino}:${stat.size}:${stat.mtimeNs}:${stat.ctimeNs}`,
  }
}

function kindOf(path: string, entry: Dirent): 'file' | 'folder' | undefined {
  if (entry.isFile()) return 'file'
  if (entry.isDirectory()) return 'folder'
  if (!entry.isSymbolicLink()) return undefined
  const stat = statSync(path, { throwIfNoEntry: false })
  return stat?.isFile() ? 'file' : stat?.isDirectory() ? 'folder' : undefined
}

function real(path: string): string | undefined {
  try {
    return realpathSync(path)
  } catch {
    return undefined
  }
}

const inOrder = (entries: Dirent[]) => entries.sort((a, b) => (a.name < b.name ? -1 : 1))
