import { setPriority } from 'node:os'
import { parentPort } from 'node:worker_threads'
import * as files from './files.ts'
import { endProcesses } from './leftovers.ts'
import { listProject, listRun } from './listing.ts'
import { FilesError } from './trouble.ts'

// The program of a thread for files: one task in, one result out, in the order in which they come.

/** As scripts and hosts: `/health` is answered while files are copied. */
const niceness = 10

/** What the thread can be asked for. */
export const tasks = {
  listProject,
  listRun,
  place: files.place,
  placeInputs: files.placeInputs,
  placeProject: files.placeProject,
  placeFrame: files.placeFrame,
  readPrediction: files.readPrediction,
  bringToDisk: files.bringToDisk,
  remove: files.remove,
  endProcesses,
}

export type Tasks = typeof tasks

export interface Task {
  name: keyof Tasks
  input: unknown
}

/** What the system or a task said; errors lose their class on the way. */
export interface ThreadError {
  message: string
  code: string | undefined
  path: string | undefined
  isOurs: boolean
}

export type TaskResult = { output: unknown } | { error: ThreadError }

// On Linux this is the priority of the calling thread; elsewhere it would be that of the whole service.
if (parentPort && process.platform === 'linux') setPriority(0, niceness)

parentPort?.on('message', ({ name, input }: Task) => {
  let result: TaskResult
  try {
    result = { output: tasks[name](input as never) }
  } catch (error) {
    const { message, code, path } = error as NodeJS.ErrnoException
    const isOurs = error instanceof FilesError
    result = { error: { message, code, path, isOurs } }
  }
  parentPort?.postMessage(result)
})
