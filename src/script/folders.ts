import { createHash } from 'node:crypto'
import { mkdir, readdir } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { type Ended, readEnded, reserveEnded, writeEnded } from './ended.ts'
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
  /** Remembers beside it that its command has ended: a start of the service that finds it there need not run it again. */
  hasEnded(ended: Ended): Promise<void>
  /** Leaves it to the next start of the service. */
  leave(ended: Ended): Promise<void>
  /** Takes it away, in its own time. */
  remove(): Promise<void>
}

/** A folder that an earlier start has left, and how its command had ended. */
export interface LeftFolder {
  folder: RunFolder
  ended: Ended
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
  /** Whether there are jobs and folders when the service starts again. */
  isDurable: boolean
  newId: () => string
  onError: (error: unknown, event: string) => void
}

export type Folders = ReturnType<typeof createFolders>

/**
 * Folders for runs of commands, each used once. One more may stand ready for each kind of run, filled as the last one was: a
 * run with the same content takes it and waits for no copy.
 */
export function createFolders({
  root,
  worker,
  background,
  isDurable,
  newId,
  onError,
}: FoldersDeps) {
  /** In the environment of every process of this service, and of earlier ones on the same data. */
  const owner = createHash('sha256').update(root).digest('hex').slice(0, 16)
  const spares = new Map<string, Spare>()
  /** By job: what an earlier start has left. */
  const left = new Map<string, LeftFolder>()
  /** Names of folders that the next start is to find. */
  const leaving = new Set<string>()
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

  /** Without the record the command runs again after a stop, and only then. */
  const unrecorded = (error: unknown): void => onError(error, 'script.end.unrecorded')

  function folderAt(id: string, placed: readonly FoundFile[]): RunFolder {
    const place = join(root, id)
    const work = join(place, 'work')
    return {
      work,
      temp: join(place, 'tmp'),
      run: `${owner}-${id}`,
      placed: new Map(placed.map((file) => [file.path, file])),
      async hasEnded(ended) {
        if (isDurable) await writeEnded(place, ended, false).catch(unrecorded)
      },
      async leave(ended) {
        if (!isDurable) return
        leaving.add(id)
        // The files first: once the record says so, they are believed to be there.
        await worker
          .run('bringToDisk', { folder: work })
          .then(() => writeEnded(place, ended, true))
          .catch(unrecorded)
      },
      remove: () => removeAt(place),
    }
  }

  async function make(by: FilesWorker, { fill }: Filling): Promise<RunFolder> {
    const id = newId()
    const folder = folderAt(id, [])
    try {
      await ensureRoot()
      await mkdir(folder.work, { recursive: true, mode: 0o700 })
      await mkdir(folder.temp)
      if (isDurable) await reserveEnded(dirname(folder.work))
      return folderAt(id, await fill(by, folder.work))
    } catch (error) {
      await folder.remove()
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
    /**
     * Ends what runs of an earlier start are still there, and removes their folders, but not those whose command has ended and
     * whose job is to be done. Answers how many processes there were.
     */
    async clear(isActive: (job: string) => Promise<boolean>): Promise<number> {
      const processes = await worker.run('endProcesses', { run: `${owner}-` })
      for (const id of await readdir(root).catch(() => [])) {
        const ended = await readEnded(join(root, id))
        if (ended && !left.has(ended.job) && (await isActive(ended.job)))
          left.set(ended.job, { folder: folderAt(id, []), ended })
        else await removeAt(join(root, id))
      }
      return processes
    },

    /** Removes what an earlier start has left of jobs that were canceled meanwhile. */
    async sweep(isActive: (job: string) => Promise<boolean>): Promise<void> {
      for (const [job, { folder }] of left) {
        if ((await isActive(job)) || !left.delete(job)) continue
        await folder.remove()
      }
    },

    /** What an earlier start has left of a job, once. */
    takeLeft(job: string): LeftFolder | undefined {
      const found = left.get(job)
      left.delete(job)
      return found
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
      // Those of jobs that did not get their turn stay for the next start, too.
      for (const { folder } of left.values()) leaving.add(basename(dirname(folder.work)))
      if (leaving.size === 0) return removeAt(root)
      for (const id of await readdir(root)) if (!leaving.has(id)) await removeAt(join(root, id))
    },
  }
}
