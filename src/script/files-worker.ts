import { Worker } from 'node:worker_threads'
import type { Task, TaskResult, Tasks, ThreadError } from './files-thread.ts'
import { FilesError } from './trouble.ts'

export type FilesWorker = ReturnType<typeof createFilesWorker>

export interface FilesWorkerOptions {
  /**
   * Mebibytes of memory that one task may take.
   * @default what V8 gives a thread
   */
  memoryMb?: number
}

interface Waiting {
  task: Task
  handedOver: readonly ArrayBuffer[]
  answer: PromiseWithResolvers<unknown>
}

/**
 * A thread that works on files, one task after the other; it starts with the first. A task that brings it down fails alone: those
 * that wait go to the next thread, such as that which stores what an hour of training has left.
 */
export function createFilesWorker({ memoryMb }: FilesWorkerOptions = {}) {
  const queue: Waiting[] = []
  let running: Waiting | undefined
  let thread: Worker | undefined

  function start(): Worker {
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
    const worker = new Worker(new URL(`./files-thread.${extension}`, import.meta.url), {
      ...(memoryMb !== undefined && { resourceLimits: { maxOldGenerationSizeMb: memoryMb } }),
    })
    worker.unref()
    worker.on('message', (result: TaskResult) => {
      const done = running
      running = undefined
      if ('error' in result) done?.answer.reject(toError(result.error))
      else done?.answer.resolve(result.output)
      next()
    })
    const fail = (error: Error) => {
      if (thread !== worker) return
      thread = undefined
      running?.answer.reject(error)
      running = undefined
      next()
    }
    worker.on('error', (error: NodeJS.ErrnoException) =>
      fail(error.code === 'ERR_WORKER_OUT_OF_MEMORY' ? tooMuch() : error),
    )
    worker.on('exit', (code) => fail(new Error(`The thread for files ended with code ${code}`)))
    return worker
  }

  function next(): void {
    if (running) return
    running = queue.shift()
    if (!running) return
    try {
      thread ??= start()
      thread.postMessage(running.task, running.handedOver)
    } catch (error) {
      // What cannot be sent must not hold up what waits behind it.
      running.answer.reject(error)
      running = undefined
      next()
    }
  }

  return {
    /**
     * Rejects with a `FilesError` where its reader can do something, else with what the system said. `handedOver` goes to the
     * thread without a copy: nobody else may use it any more.
     */
    run<Name extends keyof Tasks>(
      name: Name,
      input: Parameters<Tasks[Name]>[0],
      handedOver: readonly ArrayBuffer[] = [],
    ): Promise<ReturnType<Tasks[Name]>> {
      const answer = Promise.withResolvers<unknown>()
      queue.push({ task: { name, input }, handedOver, answer })
      next()
      return answer.promise as Promise<ReturnType<Tasks[Name]>>
    },

    async close(): Promise<void> {
      const worker = thread
      thread = undefined
      await worker?.terminate()
    },
  }
}

const tooMuch = () =>
  new FilesError('A file of the run takes more memory to read than there is; write a smaller one')

function toError({ message, code, path, isOurs }: ThreadError): Error {
  return isOurs ? new FilesError(message) : Object.assign(new Error(message), { code, path })
}
