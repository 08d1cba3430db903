import { statSync } from 'node:fs'
import { createManifests } from '../artifact/manifest.ts'
import type { Blobs } from '../blob/blobs.ts'
import { createCommands } from './commands.ts'
import { createFilesWorker } from './files-worker.ts'
import { createFolders } from './folders.ts'
import type { Surroundings } from './in-folder.ts'
import { findLocale, type ScriptLocale } from './locale.ts'
import { createProject, type ProjectDeps } from './project.ts'
import { createScriptRuns, type ScriptRunsDeps } from './runs.ts'

export interface WorkshopDeps {
  blobs: Blobs
  database: ProjectDeps['database']
  /** Folder for the folders of runs; nobody else uses it. */
  scratch: string
  /** Files and folders of the service, which are no part of a project. */
  owned: readonly string[]
  /** Environment of the service. */
  environment: Surroundings['environment']
  /** Aborts when the service begins to stop. */
  stopping: AbortSignal
  /** Whether jobs are there when the service starts again. */
  isDurable: boolean
  newId: () => string
  onError: (error: unknown, event: string) => void
}

type ModelDeps = Omit<
  ScriptRunsDeps,
  'project' | 'folders' | 'worker' | 'blobs' | 'manifests' | 'surroundings' | 'onError'
>

export type Workshop = ReturnType<typeof openWorkshop>

/** Where commands run: those of a model, and those of tasks. */
export function openWorkshop(deps: WorkshopDeps) {
  const { scratch, owned, blobs, database, environment, stopping, isDurable, newId, onError } = deps
  const locale = findLocale(environment)
  const surroundings: Surroundings = { environment, locale, stopping }
  const worker = createFilesWorker()
  const background = createFilesWorker()
  const folders = createFolders({
    ...{ root: scratch, worker, background, isDurable, newId, onError },
  })
  const except = [scratch, ...owned]
  const manifests = createManifests({ database, blobs })
  const projectAt = (root: string) =>
    createProject({ root, except, worker, blobs, manifests, database })

  return {
    /** Runs a model that is made of commands. Throws when there is no folder of scripts. */
    modelRuns(model: ModelDeps) {
      assertFolder(model.root, 'The project of the model')
      const project = projectAt(model.root)
      return createScriptRuns({
        ...{ ...model, blobs, manifests, surroundings, project, folders, worker, onError },
      })
    },

    /** Runs commands in copies of a folder. Throws when it is none. */
    commands(root: string) {
      assertFolder(root, 'The project of the tasks')
      return createCommands({ project: projectAt(root), folders, worker, surroundings })
    },

    /** What scripts get as their locale. */
    locale: (): Promise<ScriptLocale> => locale,

    /**
     * Ends and removes what an earlier start has left, but for what active jobs go on with. Answers how many processes there
     * were.
     */
    clear: (isActive: (job: string) => Promise<boolean>): Promise<number> =>
      folders.clear(isActive),

    /** Removes what was left of jobs that are not active any more. */
    sweep: (isActive: (job: string) => Promise<boolean>): Promise<void> => folders.sweep(isActive),

    /** Called when nothing runs any more. */
    async close(): Promise<void> {
      await folders.close()
      await Promise.all([worker.close(), background.close()])
    },
  }
}

function assertFolder(root: string, what: string): void {
  if (statSync(root, { throwIfNoEntry: false })?.isDirectory()) return
  throw new Error(`${what} has to be a folder, and ${root} is none`)
}
