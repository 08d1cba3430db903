import { extname } from 'node:path'
import { openFile } from './apps.ts'
import { isFilePath, type OpenFile, openBelow } from './folder.ts'
import type { WebApp } from './schema.ts'

/** What an app has at a path. */
export type Found =
  | { file: OpenFile; name: string; isFallback: boolean }
  /** A folder with a page, asked for without its slash: where it is, relative to the path. */
  | { location: string }

/** The page of a folder below the first one. */
const indexFile = 'index.html'

/**
 * Finds what an app answers to a path below its prefix, decoded and without a slash in front: a file, the page of a folder, or,
 * where nothing is and a page is wanted, the entry, whose script knows what the path means. Never what a folder holds.
 */
export async function find(
  { root, manifest }: WebApp,
  path: string,
  wantsPage: boolean,
): Promise<Found | undefined> {
  const entry = async (isFallback: boolean) => {
    const file = await openFile(root, manifest.entry)
    return file && { file, name: manifest.entry, isFallback }
  }
  if (path === '') return entry(false)
  const isFolder = path.endsWith('/')
  const name = isFolder ? path.slice(0, -1) : path
  if (!isFilePath(name)) return undefined

  const found = await openBelow(root, name)
  if (found === 'folder') {
    const index = `${name}/${indexFile}`
    const file = await openFile(root, index)
    if (file && isFolder) return { file, name: index, isFallback: false }
    if (file) {
      await file.handle.close()
      return { location: `${encodeURIComponent(lastPart(name))}/` }
    }
  } else if (found) {
    if (!isFolder) return { file: found, name, isFallback: false }
    await found.handle.close()
  }
  return wantsPage && extname(name) === '' ? entry(true) : undefined
}

export function lastPart(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}
