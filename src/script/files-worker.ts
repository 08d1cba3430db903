import { Worker } from 'node:worker_threads'
import type { Task, TaskResult, Tasks, ThreadError } from './files-thread.ts'
import { FilesError } from './trouble.ts'

export type FilesWorker = ReturnType<typeof createFilesWorker>

/** A thread that works on files, one task after the other; it starts with the first. */
export function createFilesWorker() {
  const waiting = new Map<number, PromiseWithResolvers<unknown>>()
  let thread: Worker | undefined
  let lastId = 0

  function start(): Worker {
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
    const worker = new Worker(new URL(`./files-thread.${extension}`, import.meta.url))
    worker.unref()
    worker.on('message', (result: TaskResult) => {
      const promise = waiting.get(result.id)
      waiting.delete(result.id)
      if ('error' in result) promise?.reject(toError(result.error))
      else promise?.resolve(result.output)
    })
    const fail = (error: Error) => {
      if (thread === worker) thread = undefined
      for (const { reject } of waiting.values()) reject(error)
      waiting.clear()
    }
    worker.on('error', fail)
    worker.on('exit', (code) => fail(new Error(`The thread for files ended with code ${code}`)))
    return worker
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
      thread ??= start()
      const id = ++lastId
      const answer = Promise.withResolvers<unknown>()
      waiting.set(id, answer)
      thread.postMessage({ id, name, input } satisfies Task, handedOver)
      return answer.promise as Promise<ReturnType<Tasks[Name]>>
    },

    async close(): Promise<void> {
      const worker = thread
      thread = undefined
      worker?.removeAllListeners('exit')
      await worker?.terminate()
    },
  }
}

function toError({ message, code, path, isOurs }: ThreadError): Error {
  return isOurs ? new FilesError(message) : Object.assign(new Error(message), { code, path })
}
