/** Who waits for a change of a job: told after the commit, in this process. */
export type JobWatch = ReturnType<typeof createJobWatch>

export function createJobWatch() {
  const waiting = new Map<string, Set<() => void>>()

  return {
    /** Tells everybody who waits for the job. */
    changed(id: string): void {
      const listeners = waiting.get(id)
      waiting.delete(id)
      for (const listener of listeners ?? []) listener()
    },

    /** Resolves with the next change of the job, after `milliseconds`, or when `signal` aborts. */
    next(id: string, milliseconds: number, signal: AbortSignal): Promise<void> {
      return new Promise((resolve) => {
        if (signal.aborted) return resolve()
        const listeners = waiting.get(id) ?? new Set()
        waiting.set(id, listeners)
        const done = () => {
          clearTimeout(timer)
          signal.removeEventListener('abort', done)
          listeners.delete(done)
          if (listeners.size === 0 && waiting.get(id) === listeners) waiting.delete(id)
          resolve()
        }
        listeners.add(done)
        const timer = setTimeout(done, milliseconds)
        signal.addEventListener('abort', done, { once: true })
      })
    },
  }
}
