export const jobStatuses = ['pending', 'running', 'completed', 'failed', 'canceled'] as const
export type JobStatus = (typeof jobStatuses)[number]

const next: Record<JobStatus, readonly JobStatus[]> = {
  pending: ['running', 'canceled', 'failed'],
  running: ['completed', 'failed', 'canceled', 'pending'],
  completed: [],
  failed: [],
  canceled: [],
}

export const canMove = (from: JobStatus, to: JobStatus): boolean => next[from].includes(to)

export const isFinal = (status: JobStatus): boolean => next[status].length === 0

export interface JobProgress {
  /** From 0 to 1; null when unknown. */
  fraction: number | null
  message: string | null
}

/** A job as it is answered. */
export interface JobRecord {
  id: string
  type: string
  status: JobStatus
  submitted_at: string
  started_at: string | null
  finished_at: string | null
  error: string | null
  error_traceback: string | null
  /** The artifact that the job makes: known from the start, there once it has completed. */
  artifact_id: string | null
  progress: JobProgress | null
}

/** A line of a job's log. */
export interface LogLine {
  seq: number
  time: string
  stream: 'stdout' | 'stderr' | 'log'
  line: string
}

/** Shapes and examples in the OpenAPI document. */
export const jobSchema = {
  title: 'JobRecord',
  type: 'object',
  required: ['id', 'type', 'status', 'submitted_at', 'artifact_id', 'progress'],
  properties: {
    id: { type: 'string', description: 'ULID' },
    type: { type: 'string', description: '`train`, `predict`, or a kind of the service’s own' },
    status: { enum: [...jobStatuses] },
    submitted_at: { type: 'string', format: 'date-time' },
    started_at: { type: ['string', 'null'], format: 'date-time' },
    finished_at: { type: ['string', 'null'], format: 'date-time' },
    error: { type: ['string', 'null'] },
    error_traceback: { type: ['string', 'null'] },
    artifact_id: { type: ['string', 'null'] },
    progress: {
      type: ['object', 'null'],
      properties: {
        fraction: { type: ['number', 'null'], minimum: 0, maximum: 1 },
        message: { type: ['string', 'null'] },
      },
    },
  },
} as const

export const exampleJob: JobRecord = {
  id: '01M82EBCXSJH55R1P2FPAESF2G',
  type: 'train',
  status: 'running',
  submitted_at: '2026-11-22T20:14:52.345Z',
  started_at: '2026-11-22T20:14:52.348Z',
  finished_at: null,
  error: null,
  error_traceback: null,
  artifact_id: '01M82EBCXSKZTTGQH3QVBRBH9G',
  progress: { fraction: 0.4, message: 'location 2 of 5' },
}
