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

    /**
     * Listens for the next change of the job: `changed` resolves with it, after `milliseconds`, or when `signal` aborts. Who
     * no longer waits calls `stop`, or the timer is held for nothing.
     */
    listen(
      id: string,
      milliseconds: number,
      signal: AbortSignal,
    ): { changed: Promise<void>; stop(): void } {
      const { promise, resolve } = Promise.withResolvers<void>()
      const listeners = waiting.get(id) ?? new Set()
      const stop = () => {
        clearTimeout(timer)
        signal.removeEventListener('abort', stop)
        listeners.delete(stop)
        if (listeners.size === 0 && waiting.get(id) === listeners) waiting.delete(id)
        resolve()
      }
      const timer = setTimeout(stop, milliseconds)
      listeners.add(stop)
      waiting.set(id, listeners)
      signal.addEventListener('abort', stop, { once: true })
      if (signal.aborted) stop()
      return { changed: promise, stop }
    },
  }
}
