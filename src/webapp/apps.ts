import { readdir, realpath, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { parseJson } from '../kernel/json.ts'
import { fromSchemaIssues } from '../kernel/schema-issues.ts'
import { type OpenFile, openBelow } from './folder.ts'
import {
  isAtOrBelow,
  manifestFile,
  type WebApp,
  WebAppManifest,
  type WebAppSource,
} from './schema.ts'

export interface WebAppsDeps {
  sources: readonly WebAppSource[]
  /** Paths of the parts of the service: no app answers there or below. */
  taken: readonly string[]
  warn: (fields: { event: string; folder: string }, message: string) => void
}

/**
 * Reads the manifests of the apps, in their order. One of `withApp` that does not fit throws, with the reason; one of `withApps` is
 * left out with a warning. Of two with one prefix the last stays, with a warning.
 */
export async function openWebApps({ sources, taken, warn }: WebAppsDeps): Promise<WebApp[]> {
  const apps = new Map<string, WebApp>()

  function add(app: WebApp, folder: string) {
    const { prefix } = app
    const part = taken.find((each) => isAtOrBelow(prefix, each))
    if (part) {
      throw new Error(
        `Expected a prefix that is free, got "${prefix}": the service answers at "${part}"`,
      )
    }
    const other = apps.get(prefix)
    if (other) {
      const message = `"${app.manifest.name}" takes the place of the web app "${other.manifest.name}" at ${prefix}`
      warn({ event: 'webapp.replaced', folder }, message)
      apps.delete(prefix)
    }
    apps.set(prefix, app)
  }

  for (const source of sources) {
    if (!source.holdsApps) {
      try {
        add(await openWebApp(source, source.folder), source.folder)
      } catch (error) {
        throw new Error(`The web app in ${source.folder} cannot be served: ${reasonOf(error)}`, {
          cause: error,
        })
      }
      continue
    }
    for (const folder of await foldersOf(source.folder)) {
      try {
        add(await openWebApp(source, folder), folder)
      } catch (error) {
        const message = `The web app "${basename(folder)}" is left out: ${reasonOf(error)}`
        warn({ event: 'webapp.skipped', folder }, message)
      }
    }
  }
  return [...apps.values()]
}

/** The folders in a folder, by name; what begins with a dot is none of them. */
async function foldersOf(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    throw new Error(`The folder of web apps ${folder} cannot be read: ${reasonOf(error)}`, {
      cause: error,
    })
  })
  return entries
    .filter((entry) => entry.isDirectory() || entry.isSymbolicLink())
    .map(({ name }) => name)
    .filter((name) => !name.startsWith('.'))
    .sort()
    .map((name) => join(folder, name))
}

async function openWebApp(source: WebAppSource, folder: string): Promise<WebApp> {
  const root = await realpath(folder)
  if (!(await stat(root)).isDirectory()) throw new Error('it is not a folder')
  const manifest = await readManifest(root)
  const entry = await openFile(root, manifest.entry)
  if (!entry) {
    throw new Error(
      `Expected the file "${manifest.entry}", the \`entry\` of ${manifestFile}, in the folder; it is not there`,
    )
  }
  await entry.handle.close()
  const { permission, policy, framedBy } = source
  return { manifest, prefix: source.prefix ?? manifest.prefix, root, permission, policy, framedBy }
}

async function readManifest(root: string): Promise<WebAppManifest> {
  const file = await openFile(root, manifestFile)
  if (!file) {
    throw new Error(
      `Expected a ${manifestFile} in the folder, with name, version and prefix; there is none`,
    )
  }
  try {
    const said = parseJson(await file.handle.readFile())
    const parsed = WebAppManifest.safeParse(said)
    if (parsed.success) return parsed.data
    const issues = fromSchemaIssues(parsed.error.issues, said, [])
    throw new Error(issues.map(({ loc, msg }) => [...loc, msg].join(': ')).join('; '))
  } catch (error) {
    throw new Error(`${manifestFile}: ${reasonOf(error)}`, { cause: error })
  } finally {
    await file.handle.close()
  }
}

/** A file that is open; a folder is none. */
export async function openFile(root: string, name: string): Promise<OpenFile | undefined> {
  const found = await openBelow(root, name)
  return found === 'folder' ? undefined : found
}

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'ENOENT') return 'there is no such folder'
  return code === 'ENOTDIR' ? 'it is not a folder' : message
}
