import { statSync } from 'node:fs'
import { createFilesWorker } from './files-worker.ts'
import { createFolders } from './folders.ts'
import { createProject, type ProjectDeps } from './project.ts'
import { createScriptRuns, type ScriptRunsDeps } from './runs.ts'

export interface ScriptsDeps extends Omit<ScriptRunsDeps, 'project' | 'folders' | 'worker'> {
  database: ProjectDeps['database']
  /** Folder for the folders of runs; nobody else uses it. */
  scratch: string
  /** Files and folders of the service, which are no part of a project. */
  owned: readonly string[]
  onError: (error: unknown, event: string) => void
}

export type ScriptModels = ReturnType<typeof openScripts>

/** Runs models that are made of commands. Throws when there is no folder of scripts. */
export function openScripts(deps: ScriptsDeps) {
  const { root, scratch, owned, blobs, database, newId, onError } = deps
  if (!statSync(root, { throwIfNoEntry: false })?.isDirectory())
    throw new Error(`The project of the model has to be a folder, and ${root} is none`)
  const worker = createFilesWorker()
  const background = createFilesWorker()
  const folders = createFolders({ root: scratch, worker, background, newId, onError })
  const except = [scratch, ...owned]
  const project = createProject({ root, except, worker, blobs, database })

  return {
    runs: createScriptRuns({ ...deps, project, folders, worker }),

    /** Ends and removes what an earlier start has left. Answers how many processes there were. */
    clear: (): Promise<number> => folders.clear(),

    /** Called when nothing runs any more. */
    async close(): Promise<void> {
      await folders.close()
      await Promise.all([worker.close(), background.close()])
    },
  }
}
