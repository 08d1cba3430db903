/** A job that may be due: the only thing an engine carries. */
export interface Ring {
  jobId: string
  type: string
  /** When the job may run, in milliseconds of service time; undefined is at once. */
  runAt?: number
  priority?: number
}

/**
 * A doorbell: it says that work may be waiting. It may lose a ring or repeat one; what is claimed, by whom and how often is
 * decided in the job store alone.
 */
export interface Engine {
  notify(ring: Ring): void
  /** Calls `handler` for every ring, also for those from before. Only one handler. */
  run(handler: (ring: Ring) => void): void
  close(): Promise<void>
}
