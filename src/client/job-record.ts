import type { JobRecord } from '../job/schema.ts'

/** A record as every job has it here: the Python chapkit leaves out what it does not know of a job. */
export function toJobRecord(answered: Partial<JobRecord> & Pick<JobRecord, 'id'>): JobRecord {
  return {
    type: '',
    status: 'pending',
    submitted_at: '',
    started_at: null,
    finished_at: null,
    error: null,
    error_traceback: null,
    artifact_id: null,
    progress: null,
    ...answered,
  }
}

/** A job in a sentence: `train job 01…`, or `job 01…` where its type is not known. */
export const nameJob = ({ type, id }: Pick<JobRecord, 'type' | 'id'>): string =>
  type === '' ? `job ${id}` : `${type} job ${id}`
