import { existsSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { relative, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { Service } from '../definition.ts'
import { toError } from '../errors.ts'
import { resolveOwnPackages } from '../host/resolve.ts'
import { CommandError } from './exit.ts'

/** A service as its file exports it. */
export interface LoadedService {
  service: Service
  /** URL of the file, which model hosts import. */
  url: string
}

/**
 * Imports the service of a file. `onFile` hears of each file that is loaded for it, packages left out. Throws what is wrong with
 * the file, for people.
 */
export async function loadService(
  file: string,
  onFile?: (path: string) => void,
): Promise<LoadedService> {
  const path = resolve(file)
  if (!existsSync(path)) throw new CommandError(`There is no file ${file}`)
  resolveOwnPackages()
  if (onFile) tellFiles(onFile)
  const url = pathToFileURL(path).href
  let exported: unknown
  try {
    exported = ((await import(url)) as { default?: unknown }).default
  } catch (error) {
    throw new CommandError(`${file} cannot be loaded: ${describeFault(toError(error))}`)
  }
  if (!isService(exported)) {
    throw new CommandError(
      `Expected ${file} to export a service as default: export default new MLServiceBuilder({ … }).build()`,
    )
  }
  return { service: exported, url }
}

function isService(value: unknown): value is Service {
  return value !== null && typeof value === 'object' && 'spec' in value && 'listen' in value
}

const isPackage = (url: string) => url.includes('/node_modules/') || isOwn(url)
/** Folder of the sources, or of the built package. */
const home = new URL('..', import.meta.url).href
const isOwn = (url: string) => url.startsWith(home)

function tellFiles(onFile: (path: string) => void) {
  registerHooks({
    load(url, context, next) {
      if (url.startsWith('file:') && !isPackage(url)) onFile(fileURLToPath(url))
      return next(url, context)
    },
  })
}

/** Places in the code of others say nothing to whom wrote the file. */
const maximumPlaces = 5

/** An error of a user's file: what it says, and where in the user's files. */
export function describeFault(error: Error): string {
  const lines = (error.stack ?? `${error.name}: ${error.message}`).split('\n')
  const isPlace = (line: string) => /^\s+at /.test(line)
  const said = lines.filter((line) => !isPlace(line))
  const places = lines
    .filter(isPlace)
    .filter((line) => line.includes('file:') || /[ (]\//.test(line))
    .filter(
      (line) => !line.includes('node:internal') && !isPackage(line.replace(/^.*file:/, 'file:')),
    )
    .slice(0, maximumPlaces)
  const hint = toHint(error)
  return [...said, ...places, ...(hint === null ? [] : [hint])]
    .join('\n')
    .replace(/file:\/\/[^\s):]+/g, (url) => shown(fileURLToPath(url)))
    .replaceAll(`${process.cwd()}/`, '')
    .replace(/\n{2,}/g, '\n')
    .trimEnd()
}

function toHint(error: Error): string | null {
  if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') return null
  const [, name] = /Cannot find package '([^']+)'/.exec(error.message) ?? []
  return name === undefined ? null : `Install it: npm install ${name}`
}

const shown = (path: string): string => {
  const near = relative(process.cwd(), path)
  return near.startsWith('..') ? path : near
}
