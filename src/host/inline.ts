import { createLogLimit } from '../ml/output.ts'
import type { ModelHosts, RunEvents, RunOutcome } from '../ml/run.ts'
import { createExecutor, type Programs } from './execute.ts'
import { createResults } from './results.ts'

/**
 * Runs models and task functions in this process, with the same results: for tests, and where there is no module that a host could
 * import. A model that computes blocks the process; one that ignores its signal is left to itself.
 */
export function createInlineHosts(programs: Programs): ModelHosts {
  const executor = createExecutor(programs)
  const results = createResults()
  const running = new Set<() => void>()
  let isClosed = false
  let cleaned: Promise<void> | undefined

  return {
    async run(request, { signal, events, call }): Promise<RunOutcome> {
      if (isClosed || signal.aborted) return { status: 'aborted' }
      const aborted = Promise.withResolvers<RunOutcome>()
      const controller = new AbortController()
      const abort = () => {
        controller.abort()
        aborted.resolve({ status: 'aborted' })
      }
      const limited: RunEvents = {
        onLog: createLogLimit((stream, line) => events.onLog(stream, line)).add,
        onProgress: (fraction, message) => events.onProgress(fraction, message),
        onMetrics: (values) => events.onMetrics(values),
      }
      running.add(abort)
      signal.addEventListener('abort', abort)
      try {
        const run = executor.execute(request, {
          signal: controller.signal,
          events: limited,
          ...(call && { call }),
        })
        const facts = results.inputs(request)
        const outcome = await Promise.race([run, aborted.promise])
        return await results.complete(request, outcome as never, facts, { signal })
      } finally {
        signal.removeEventListener('abort', abort)
        running.delete(abort)
      }
    },

    warm: async () => {},
    stats: () => ({
      maximum: 1,
      count: 1,
      busy: running.size,
      starting: 0,
      queued: 0,
      restarts: 0,
      pids: [],
    }),
    close() {
      isClosed = true
      for (const abort of running) abort()
      cleaned ??= results.close().then(() => executor.cleanup())
      return cleaned
    },
  }
}
