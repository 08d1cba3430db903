import { createHash } from 'node:crypto'
import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { FilesWorker } from './files-worker.ts'
import type { FoundFile } from './found.ts'
import { spreadFolders } from './spread.ts'

/** What a folder was to be filled with is no longer as it was. */
export class ContentChanged extends Error {}

/** What a folder is filled with before a run. */
export interface Filling {
  /** Names the content: equal keys, equal files. */
  key: string
  fill: (worker: FilesWorker, folder: string) => Promise<FoundFile[]>
}

/** A folder of one run's own. */
export interface RunFolder {
  /** Where the command runs. */
  work: string
  /** For temporary files of the command. */
  temp: string
  /** By which the processes of the run are found. */
  run: string
  /** The files that it was filled with, as they were then. */
  placed: Map<string, FoundFile>
  /** Takes it away, in its own time. */
  remove(): Promise<void>
}

interface Spare {
  key: string
  folder: Promise<RunFolder | null>
  timer: NodeJS.Timeout
}

/** How long a folder stands ready. */
const unusedMs = 10 * 60_000

export interface FoldersDeps {
  /** Folder of all of them; nobody else uses it. */
  root: string
  /** For runs, which wait. */
  worker: FilesWorker
  /** For what nobody waits for. */
  background: FilesWorker
  newId: () => string
  onError: (error: unknown, event: string) => void
}

export type Folders = ReturnType<typeof createFolders>

/**
 * Folders for runs of commands, each used once. One more may stand ready for each kind of run, filled as the last one was: a
 * run with the same content takes it and waits for no copy.
 */
export function createFolders({ root, worker, background, newId, onError }: FoldersDeps) {
  /** In the environment of every process of this service, and of earlier ones on the same data. */
  const owner = createHash('sha256').update(root).digest('hex').slice(0, 16)
  const spares = new Map<string, Spare>()
  let isClosed = false
  let rootMade: Promise<void> | undefined

  async function makeRoot(): Promise<void> {
    await mkdir(root, { recursive: true, mode: 0o700 })
    await spreadFolders(root)
  }

  /** There, and prepared once; should somebody remove it later, folders of runs are made without that. */
  const ensureRoot = (): Promise<void> => {
    rootMade ??= makeRoot().catch((error: unknown) => {
      rootMade = undefined
      throw error
    })
    return rootMade
  }

  /** What cannot be removed now is tried again at the next start. */
  const removeAt = (path: string): Promise<void> =>
    background
      .run('remove', { path })
      .catch((error: unknown) => onError(error, 'script.folder.left'))

  async function make(by: FilesWorker, { fill }: Filling): Promise<RunFolder> {
    const id = newId()
    const place = join(root, id)
    const work = join(place, 'work')
    const temp = join(place, 'tmp')
    const remove = () => removeAt(place)
    try {
      await ensureRoot()
      await mkdir(work, { recursive: true, mode: 0o700 })
      await mkdir(temp)
      const placed = await fill(by, work)
      return {
        work,
        temp,
        run: `${owner}-${id}`,
        placed: new Map(placed.map((file) => [file.path, file])),
        remove,
      }
    } catch (error) {
      await remove()
      throw error
    }
  }

  function dropSpare(kind: string): void {
    const spare = spares.get(kind)
    if (!spare) return
    spares.delete(kind)
    clearTimeout(spare.timer)
    void spare.folder.then((folder) => folder?.remove())
  }

  return {
    /** Ends what runs of an earlier start are still there, and removes their folders. Answers how many processes there were. */
    async clear(): Promise<number> {
      const ended = await worker.run('endProcesses', { run: `${owner}-` })
      const left = await readdir(root).catch(() => [])
      for (const name of left) await removeAt(join(root, name))
      return ended
    },

    /** A folder of a run's own. */
    async take(kind: string, filling: Filling): Promise<RunFolder> {
      const spare = spares.get(kind)
      if (spare?.key !== filling.key) return make(worker, filling)
      spares.delete(kind)
      clearTimeout(spare.timer)
      return (await spare.folder) ?? make(worker, filling)
    },

    /** Has a folder ready for the next run like this, unless one is. Called after a run: it would only slow that down. */
    prepare(kind: string, filling: Filling): void {
      if (isClosed || spares.get(kind)?.key === filling.key) return
      dropSpare(kind)
      const timer = setTimeout(() => dropSpare(kind), unusedMs)
      timer.unref()
      // Without it a run makes its own, and meets the trouble itself if that is still there.
      const folder = make(background, filling).catch((error: unknown) => {
        if (!(error instanceof ContentChanged)) onError(error, 'script.folder.unready')
        return null
      })
      spares.set(kind, { key: filling.key, folder, timer })
    },

    async close(): Promise<void> {
      isClosed = true
      const folders = [...spares.values()].map(({ folder, timer }) => {
        clearTimeout(timer)
        return folder
      })
      spares.clear()
      await Promise.all(folders)
      await removeAt(root)
    },
  }
}
