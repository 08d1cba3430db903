/**
 * Something that has happened in a service, for whoever counts. It says kinds, types of jobs, templates of routes and numbers;
 * never an id, a path or a text of a user's.
 */
export type Happening =
  | { kind: 'request.began' }
  /** The answer has left, or its client has: then `status` is 499. `route` is null where there is none. */
  | { kind: 'request.ended'; method: string; route: string | null; status: number; seconds: number }
  | { kind: 'job.submitted'; type: string }
  /** A run begins. `waitedSeconds` is since the job might have run, and null for a run that is not its first. */
  | { kind: 'job.started'; type: string; waitedSeconds: number | null }
  /** A run has ended, and with it the job unless it is `pending` again. */
  | { kind: 'run.ended'; type: string; state: RunEnd; seconds: number }
  /** A job has ended without a run of this start of the service. */
  | { kind: 'job.dropped'; type: string; state: Exclude<RunEnd, 'pending'> }
  | { kind: 'host.died'; type: string }
  /** `steps` writes share one commit, which took `seconds` by itself. */
  | { kind: 'commit.done'; steps: number; durable: boolean; seconds: number }
  | { kind: 'commit.failed' }
  | { kind: 'blob'; operation: 'put' | 'read' | 'swept'; blobs: number; bytes: number }
  /** Lines of the log that could not be written. */
  | { kind: 'log.dropped'; lines: number }

export type RunEnd = 'completed' | 'failed' | 'canceled' | 'pending'

/**
 * Told of what happens, after it has. The parts of a service take it as an option and know nobody behind it; where there is
 * none, they pay nothing. It must be quick, and must not throw.
 */
export type Observe = (happening: Happening) => void
