import type { JobContext } from '../job/dispatcher.ts'
import type { ScriptLimits, Scripts } from '../ml/runner.ts'
import type { FilesWorker } from './files-worker.ts'
import type { Folders } from './folders.ts'
import { runInFolder, type Surroundings } from './in-folder.ts'
import type { CommandEnd } from './process.ts'
import type { createProject } from './project.ts'

export interface CommandsDeps {
  project: ReturnType<typeof createProject>
  folders: Folders
  worker: FilesWorker
  surroundings: Surroundings
}

/** A command that is not part of a model. */
export interface LooseCommand {
  /** Program and arguments. */
  words: readonly string[]
  env: Scripts['environment']
  timeoutMs: number | null
}

export type Commands = ReturnType<typeof createCommands>

/** The folder of the project itself, for what is to stay after the run. */
const projectVariable = 'CHAPKIT_PROJECT'
const kind = 'command'
const noLimits: ScriptLimits = {
  memoryBytes: null,
  cpuSeconds: null,
  processes: null,
  fileBytes: null,
}

/** Runs commands, each in a folder of its own with a copy of the project, which is gone when the run has ended. */
export function createCommands({ project, folders, worker, surroundings }: CommandsDeps) {
  return {
    async run(
      { words, env, timeoutMs }: LooseCommand,
      context: Pick<JobContext, 'signal' | 'log'>,
    ): Promise<CommandEnd> {
      const folder = await project.copy((filling) => folders.take(kind, filling))
      try {
        const { root } = project
        const options = { ...env, set: { ...env.set, [projectVariable]: root } }
        return await runInFolder({
          ...{ words, folder, root, options, limits: noLimits, timeoutMs, worker, context },
          surroundings,
        })
      } finally {
        void folder.remove()
      }
    },
  }
}
