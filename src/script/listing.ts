import { chmodSync, type Dirent, lstatSync, readdirSync, readlinkSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { LinkEntry } from '../artifact/schema.ts'
import { pathFromBytes, systemPath } from '../kernel/path.ts'
import { type FoundFile, look, real, type Tree, usualFolderMode } from './found.ts'
import { isLeftByTools, isSecret, projectRules } from './ignore.ts'
import { FilesError, isPassing } from './trouble.ts'

/*
 * What is in the folder of a project, and in that of a run when its command has ended. Runs in the thread for files.
 */

/** Something that is not copied, or not stored. */
export interface Skipped {
  path: string
  /** The rest of a sentence that begins with the path. */
  why: string
  /** It may be a part of the result: without it the run has not done all of its work. */
  isLoss: boolean
}

export interface ProjectListing extends Tree<FoundFile> {
  skipped: Skipped[]
}

export interface RunListing extends Tree<FoundFile> {
  skipped: Skipped[]
  /** What became of the folder itself, where it is none any more. */
  gone: string | null
}

/** More than a project, or what a run leaves behind, may have. */
const maximumEntries = 50_000

/**
 * The files and empty folders of a project, without those that its rules leave out and those in `except` or below. Links are
 * followed. Throws when a file of rules cannot be read.
 */
export function listProject({
  root,
  except,
}: {
  root: string
  except: readonly string[]
}): ProjectListing {
  if (real(root) === undefined) throw new FilesError('The folder of the project is not there')
  const rules = projectRules(root)
  const listing: ProjectListing = { files: [], folders: [], links: [], skipped: [] }
  const { files, folders } = listing
  const hidden = new Set(except.map((path) => join(real(dirname(path)) ?? '', basename(path))))
  const skip = (path: string, why: string) => listing.skipped.push({ path, why, isLoss: false })

  /** Answers whether the folder is the service's own, and no part of the project. */
  function walk(folder: string, above: readonly string[]): boolean {
    const at = systemPath(root, folder)
    const here = real(at)
    if (here === undefined || (folder !== '' && hidden.has(here))) return true
    if (above.includes(here)) {
      skip(folder, 'is a link to a folder that it is in, and is not copied')
      return false
    }
    rules.enter(folder)
    const before = files.length + folders.length
    let hasOwn = false
    for (const entry of readEntries(at)) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`
      const kind = kindOf(root, path, entry)
      const name = kind === 'folder' ? `${path}/` : path
      if (rules.isNever(name) || hidden.has(`${here}/${entry.name}`)) hasOwn = true
      else if (rules.ignored(name)) continue
      else if (kind === 'folder') hasOwn = walk(path, [...above, here]) || hasOwn
      else if (kind === 'file') files.push(look(root, path, true))
      else skip(path, `is ${kind} and is not copied`)
      if (countOf(listing) > maximumEntries) {
        throw new FilesError(
          `Expected at most ${maximumEntries} files in the project; name what does not belong to the model in .chapkitignore`,
        )
      }
    }
    // Also where rules leave out all that is in it: a script may write there.
    const isEmpty = files.length + folders.length === before
    if (folder !== '' && isEmpty && !hasOwn)
      folders.push({ path: folder, mode: usualFolderMode, folder: true })
    return isEmpty && hasOwn
  }
  walk('', [])
  return listing
}

/**
 * What a command has left in its folder. What cannot be stored is told, never thrown: the command has done its work. Links that
 * lead outside are left out, as what they lead to is not the run's own.
 */
export function listRun({
  folder,
  maximumBytes,
}: {
  folder: string
  maximumBytes: number
}): RunListing {
  const listing: RunListing = { files: [], folders: [], links: [], skipped: [], gone: null }
  const { folders, links, skipped } = listing
  listing.gone = whatBecameOf(folder)
  if (listing.gone !== null) return listing

  const leave = (path: string, why: string) => skipped.push({ path, why, isLoss: false })
  /** Answers what `work` does; what is not there any more is nothing, and what cannot be used is a loss. */
  function attempt<Result>(path: string, work: () => Result): Result | undefined {
    try {
      return work()
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException
      if (isPassing(code)) throw error
      if (code !== 'ENOENT') skipped.push({ path, why: `cannot be read (${code})`, isLoss: true })
      return undefined
    }
  }

  /** Answers whether the folder has nothing that is stored. */
  function walk(below: string, entries: readonly NamedEntry[]): boolean {
    const before = countOf(listing) - skipped.length
    for (const entry of entries) {
      const path = below === '' ? entry.name : `${below}/${entry.name}`
      if (countOf(listing) >= maximumEntries) {
        const why = `and all that is listed after it are more than the ${maximumEntries} files that a run may leave`
        skipped.push({ path, why, isLoss: true })
        break
      }
      add(path, entry)
    }
    return countOf(listing) - skipped.length === before
  }

  function add(path: string, entry: NamedEntry): void {
    const isFolder = entry.isDirectory()
    const name = isFolder ? `${path}/` : path
    if (isLeftByTools(name)) return
    if (isSecret(name)) {
      leave(path, 'has the name of a secret or a repository, and is not kept')
    } else if (isFolder) {
      attempt(path, () => {
        const mode = modeOf(folder, path)
        const isEmpty = walk(path, readOwn(folder, path, mode))
        if (isEmpty || mode !== usualFolderMode) folders.push({ path, mode, folder: true })
      })
    } else if (entry.isSymbolicLink()) {
      const link = attempt(path, () => linkInside(folder, path))
      if (link) links.push(link)
      else if (link === null)
        leave(path, 'is a link and is not kept: it leads outside the folder of the run')
    } else if (entry.isFile()) {
      const file = attempt(path, () => look(folder, path, false))
      if (file) listing.files.push(file)
    } else leave(path, `is ${specialKind(entry)} and is not kept`)
  }
  let entries: NamedEntry[]
  try {
    entries = readOwn(folder, '', modeOf(folder, ''))
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException
    if (isPassing(code)) throw error
    return { ...listing, gone: `it cannot be read (${code})` }
  }
  walk('', entries)
  leaveOutBeyond(listing, maximumBytes)
  return listing
}

const countOf = ({ files, folders, links, skipped }: ProjectListing): number =>
  files.length + folders.length + links.length + skipped.length

/** Leaves out the largest files where all of them are too much: what is small is more often the result than not. */
function leaveOutBeyond(listing: RunListing, maximumBytes: number): void {
  const total = listing.files.reduce((sum, { size }) => sum + size, 0)
  if (total <= maximumBytes) return
  let bytes = 0
  const fits = new Set<FoundFile>()
  for (const file of listing.files.toSorted((a, b) => a.size - b.size)) {
    bytes += file.size
    if (bytes > maximumBytes) break
    fits.add(file)
  }
  const left = listing.files.filter((file) => !fits.has(file)).sort((a, b) => b.size - a.size)
  const why = `of {} bytes has no room: expected at most ${maximumBytes} bytes in the folder of a run, got ${total}; remove what the prediction does not need at the end of the script`
  for (const { path, size } of left)
    listing.skipped.push({ path, why: why.replace('{}', String(size)), isLoss: true })
  listing.files = listing.files.filter((file) => fits.has(file))
}

/** Null while it is a folder. */
function whatBecameOf(folder: string): string | null {
  const stat = lstatSync(folder, { throwIfNoEntry: false })
  if (!stat) return 'the script has removed or moved it'
  if (stat.isSymbolicLink()) return 'the script has put a link in its place'
  return stat.isDirectory() ? null : 'the script has put a file in its place'
}

const modeOf = (root: string, path: string): number =>
  lstatSync(systemPath(root, path)).mode & 0o777

/** What is in a folder of a run. A script may have taken away the right to see it. */
function readOwn(root: string, path: string, mode: number): NamedEntry[] {
  const at = systemPath(root, path)
  if ((mode & 0o700) !== 0o700) chmodSync(at, mode | 0o700)
  return readEntries(at)
}

/**
 * A link of a run as it is stored: null when it leads outside. One that first climbs, and then only descends, stays inside
 * wherever the folder is, as all the others do. Any other is stored as the way to where it leads now.
 */
function linkInside(root: string, path: string): LinkEntry | null {
  const at = systemPath(root, path)
  const link = pathFromBytes(readlinkSync(at, 'buffer'))
  const depth = path.split('/').length - 1
  const [, climbs = '', rest = ''] = /^((?:\.\.(?:\/+|$))*)(.*)$/s.exec(link) ?? []
  const isPlain = !link.startsWith('/') && !rest.split('/').includes('..')
  if (isPlain && climbs.split('..').length - 1 <= depth) return { path, link }
  const [target, top] = [real(at), real(root)]
  if (target === undefined || top === undefined) return null
  if (target !== top && !target.startsWith(`${top}/`)) return null
  const way = `${'../'.repeat(depth)}${target.slice(top.length + 1)}`.replace(/\/$/, '')
  return { path, link: way === '' ? '.' : way }
}

interface NamedEntry extends Omit<Dirent, 'name'> {
  name: string
}

/** What is in a folder, in the order of the names. */
function readEntries(at: string | Buffer): NamedEntry[] {
  return readdirSync(at, { withFileTypes: true, encoding: 'buffer' })
    .map((entry) => Object.assign(entry, { name: pathFromBytes(entry.name) }) as NamedEntry)
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** `file`, `folder`, or what else it is, in words. */
function kindOf(root: string, path: string, entry: NamedEntry): string {
  if (entry.isFile()) return 'file'
  if (entry.isDirectory()) return 'folder'
  if (!entry.isSymbolicLink()) return specialKind(entry)
  const target = targetOf(systemPath(root, path))
  if (!target) return 'a link that leads nowhere'
  if (target.isFile()) return 'file'
  return target.isDirectory() ? 'folder' : specialKind(target)
}

function targetOf(link: string | Buffer) {
  try {
    return statSync(link)
  } catch {
    // It leads nowhere, to itself, or where the service may not go.
    return undefined
  }
}

function specialKind(
  entry: Pick<Dirent, 'isFIFO' | 'isSocket' | 'isCharacterDevice' | 'isBlockDevice'>,
): string {
  if (entry.isFIFO()) return 'a pipe'
  if (entry.isSocket()) return 'a socket'
  return entry.isCharacterDevice() || entry.isBlockDevice() ? 'a device' : 'no ordinary file'
}
