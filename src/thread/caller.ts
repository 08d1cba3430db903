import { Worker } from 'node:worker_threads'
import { ChapkitError } from '../errors.ts'
import type { Call, Outcome, TaskMap, ThrownInThread } from './tasks.ts'

export interface ThreadOptions {
  /** Its program, without the ending of a file: `new URL('./intake-thread', import.meta.url)`. */
  program: URL
  /** What it is called in messages. */
  name: string
  /** Bytes of memory that one task may take; one that needs more fails with `tooMuch`, and nobody else does. */
  memoryLimit: number
  /** What is said when a task needs more. */
  tooMuch: () => ChapkitError
  /**
   * Milliseconds without a task after which the thread ends: the memory of a large task is given back only then.
   * @default 10_000
   */
  idleMs?: number
}

interface Waiting extends Call {
  handedOver: readonly ArrayBuffer[]
  settle: PromiseWithResolvers<unknown>
}

export type Thread<Tasks extends TaskMap> = ReturnType<typeof createThread<Tasks>>

/**
 * A thread that does one task after the other, so that the event loop has no part in it. It starts with the first task and ends
 * when it has had none for a while. A task that brings it down fails alone: those that wait go to the next thread.
 */
export function createThread<Tasks extends TaskMap>(options: ThreadOptions) {
  const { program, name, memoryLimit, tooMuch, idleMs = 10_000 } = options
  const queue: Waiting[] = []
  let running: Waiting | undefined
  let thread: Worker | undefined
  let idle: NodeJS.Timeout | undefined

  function start(): Worker {
    const ending = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
    const worker = new Worker(new URL(`${program.href}.${ending}`), {
      // Files that a task writes to are opened, and closed, outside.
      trackUnmanagedFds: false,
      resourceLimits: { maxOldGenerationSizeMb: Math.ceil(memoryLimit / 2 ** 20) },
    })
    worker.unref()
    worker.on('message', (outcome: Outcome) => {
      const done = running
      running = undefined
      if ('error' in outcome) done?.settle.reject(toError(outcome.error))
      else done?.settle.resolve(outcome.output)
      next()
    })
    const fail = (error: Error) => {
      if (thread !== worker) return
      thread = undefined
      running?.settle.reject(error)
      running = undefined
      next()
    }
    worker.on('error', (error: NodeJS.ErrnoException) =>
      fail(error.code === 'ERR_WORKER_OUT_OF_MEMORY' ? tooMuch() : error),
    )
    worker.on('exit', (code) => fail(new Error(`The thread for ${name} ended with code ${code}`)))
    return worker
  }

  function next(): void {
    clearTimeout(idle)
    if (running) return
    running = queue.shift()
    if (!running) {
      idle = setTimeout(() => void end(), idleMs)
      idle.unref()
      return
    }
    thread ??= start()
    const { task, input, handedOver } = running
    thread.postMessage({ task, input } satisfies Call, handedOver)
  }

  async function end(): Promise<void> {
    clearTimeout(idle)
    const worker = thread
    thread = undefined
    await worker?.terminate()
  }

  return {
    /**
     * Does a task. `handedOver` goes to the thread without a copy, which would hold up both sides: nobody else may use it any
     * more. Rejects with what the task threw: a `ChapkitError` as it was, others with their message and code.
     */
    run<Name extends keyof Tasks & string>(
      task: Name,
      input: Parameters<Tasks[Name]>[0],
      handedOver: readonly ArrayBuffer[] = [],
    ): Promise<Awaited<ReturnType<Tasks[Name]>>> {
      const settle = Promise.withResolvers<unknown>()
      queue.push({ task, input, handedOver, settle })
      next()
      return settle.promise as Promise<Awaited<ReturnType<Tasks[Name]>>>
    },

    /** How many tasks wait for the one that runs. */
    waiting: (): number => queue.length,

    async close(): Promise<void> {
      const lost = [...queue.splice(0), ...(running ? [running] : [])]
      running = undefined
      await end()
      for (const { settle } of lost) settle.reject(new Error(`The thread for ${name} was closed`))
    },
  }
}

function toError(thrown: ThrownInThread): Error {
  if ('detail' in thrown) {
    const { code, detail, issues } = thrown
    return new ChapkitError(code, detail, issues ? { issues } : {})
  }
  const { message, code, stack } = thrown
  return Object.assign(new Error(message), { ...(code && { code }), ...(stack && { stack }) })
}
