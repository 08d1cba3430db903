import { lstatSync, realpathSync, statSync } from 'node:fs'
import type { FolderEntry, LinkEntry } from '../artifact/schema.ts'
import { pathFromBytes, systemPath } from '../kernel/path.ts'

/** A file as it was found. `stamp` differs as soon as anything was written to it. */
export interface FoundFile {
  path: string
  mode: number
  size: number
  stamp: string
}

/** Files, folders and links, as a folder has them or is to have them. */
export interface Tree<File> {
  files: File[]
  /** Those without a file, and those with other rights than usual: others follow from the files. */
  folders: FolderEntry[]
  /** Never to outside. */
  links: LinkEntry[]
}

/** Rights of a folder that nothing else is said of. */
export const usualFolderMode = 0o755

/** A file as it is now; `follow`: what a link leads to. */
export function look(root: string, path: string, follow: boolean): FoundFile {
  const file = systemPath(root, path)
  const stat = follow ? statSync(file, { bigint: true }) : lstatSync(file, { bigint: true })
  return {
    path,
    mode: Number(stat.mode & 0o777n),
    size: Number(stat.size),
    stamp: `${stat.ino}:${stat.size}:${stat.mtimeNs}:${stat.ctimeNs}`,
  }
}

/** A path without links; undefined where it leads nowhere. */
export function real(path: string | Buffer): string | undefined {
  try {
    // Not `realpathSync`, which takes bytes for UTF-8.
    return pathFromBytes(realpathSync.native(path, 'buffer'))
  } catch {
    return undefined
  }
}
