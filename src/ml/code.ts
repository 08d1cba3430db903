import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

/** A file of a service's own code, by its path below the folder that all of them share. */
export interface CodeFile {
  path: string
  bytes: Uint8Array
}

/** More files than a model has; beyond them something else was imported. */
const maximumFiles = 200

/**
 * The service file and every file that it imports by a relative path, directly or through others: the code a model was made
 * by. Packages are not followed; they have versions of their own.
 */
export async function readCode(module: string): Promise<CodeFile[]> {
  const found = new Map<string, Uint8Array>()
  const pending = [fileURLToPath(module)]
  for (const path of pending) {
    if (found.has(path) || found.size >= maximumFiles) continue
    const bytes = await readFile(path)
    found.set(path, bytes)
    pending.push(
      ...relativeImports(bytes.toString())
        .map((name) => resolve(dirname(path), name))
        .filter(existsSync),
    )
  }
  const root = sharedFolder([...found.keys()])
  return [...found].map(([path, bytes]) => ({ path: relative(root, path), bytes }))
}

function relativeImports(text: string): string[] {
  return [...text.matchAll(/\b(?:from|import)\b[\s(]*['"](\.{1,2}\/[^'"]+)['"]/g)].map(
    ([, name]) => name ?? '',
  )
}

function sharedFolder(paths: readonly string[]): string {
  let folder = dirname(paths[0] ?? '/')
  while (!paths.every((path) => path.startsWith(folder === '/' ? '/' : `${folder}/`)))
    folder = dirname(folder)
  return folder
}
