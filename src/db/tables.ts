import type { Generated, Kysely } from 'kysely'
import type { Owner } from './owner.ts'

/**
 * Every table with its columns, as the migrations leave them. Timestamps are text `YYYY-MM-DDThh:mm:ss.sssZ`, JSON is text,
 * flags are 0 or 1. Every table of a tenant's things carries `tenant` ('' until there are several).
 */
export interface Tables {
  config: ConfigTable
  artifact: ArtifactTable
  config_artifact: ConfigArtifactTable
  blob: BlobTable
  blob_ref: BlobRefTable
  job: JobTable
  job_log: JobLogTable
  task: TaskTable
  schedule: ScheduleTable
  schedule_run: ScheduleRunTable
  idempotency: IdempotencyTable
  row_count: RowCountTable
  owner: OwnerTable
  service_time: ServiceTimeTable
  tree_change: TreeChangeTable
  tree_mark: TreeMarkTable
  /** A view: the artifacts as readers see them, with every change that is decided. */
  present_artifact: PresentArtifactView
}

/** The database, or a transaction on it: what every store takes. */
export type Queries = Kysely<Tables>

interface Owned {
  tenant: Generated<string>
  created_by: string | null
}

export interface ConfigTable extends Owned {
  id: string
  name: string
  data: string
  tags: string
  created_at: string
  updated_at: string
}

export interface ArtifactTable extends Owned {
  id: string
  parent_id: string | null
  level: number
  /** `ml_training_workspace`, `ml_prediction`, `ml_prediction_workspace`; null for generic artifacts. */
  ml_type: string | null
  /** The artifact's `data` as JSON text, without its `content`. */
  data: string
  /** Where in `data` the member `"content":…,` belongs; null when there is no content. */
  content_offset: number | null
  /** How the content's blob is read: JSON text, plain bytes, or the manifest of a workspace. */
  content_kind: 'json' | 'bytes' | 'workspace' | null
  content_type: string | null
  content_hash: string | null
  /** Bytes of the blob, or of the zip that a manifest stands for. */
  content_size: number | null
  lineage: string | null
  tags: string
  created_at: string
  updated_at: string
}

export interface PresentArtifactView extends ArtifactTable {
  /** The column of the table, which is indexed; to be asked for together with `parent_id`. */
  stored_parent_id: string | null
}

/** A change of trees of artifacts that takes many steps. */
export interface TreeChangeTable {
  id: string
  /** The config that goes with its trees: a tree that is linked to it meanwhile goes, too. */
  config_id: string | null
  /** What is added to the level of every artifact that stays. */
  level_by: number
  /** 0 while artifacts are marked, 1 from the moment at which readers see the change. */
  decided: number
  /** Rows of artifacts that are marked as gone and still in their table. */
  gone_rows: number
}

/** What a change makes of one artifact. */
export interface TreeMarkTable {
  seq: Generated<number>
  change_id: string
  artifact_id: string
  gone: number
  /** 1 for one that becomes a root. */
  detached: number
}

export interface ConfigArtifactTable {
  tenant: Generated<string>
  config_id: string
  artifact_id: string
}

export interface BlobTable {
  hash: string
  size: number
  crc32: number
  /** The bytes themselves when small; null when they lie in the blob store. */
  bytes: Uint8Array | null
  /** In service time. */
  renewed_at: string
}

export interface BlobRefTable {
  hash: string
  /** `artifact:<id>` or `job:<id>`. */
  owner: string
}

export interface JobTable extends Owned {
  id: string
  type: string
  status: 'pending' | 'running' | 'completed' | 'failed' | 'canceled'
  payload: string
  /** What the job works on (config of a training, model of a prediction): it cannot be deleted meanwhile. */
  subject_id: string | null
  artifact_id: string | null
  attempt: number
  /** Random, new with every claim; every later write of that run carries it. */
  token: string | null
  /** The start of the service that claimed it. */
  boot: string | null
  host_deaths: number
  service_deaths: number
  /** Runs that failed and were to be tried again. */
  failures: number
  cancel_requested: number
  progress: string | null
  error: string | null
  error_traceback: string | null
  priority: number
  /** In service time. */
  run_at: string
  submitted_at: string
  started_at: string | null
  finished_at: string | null
  /** When it ended, in service time. */
  kept_since: string | null
}

export interface TaskTable extends Owned {
  id: string
  /** Names a declaration among the declared; otherwise only for people. */
  name: string | null
  command: string
  task_type: 'shell' | 'function'
  /** JSON object, or null for none. */
  parameters: string | null
  /** Whether it may run: clients want it, and the service has what it needs. */
  enabled: number
  /** What clients want. */
  wanted: number
  /** Why the service keeps it from running; null when it does not. */
  disabled_reason: string | null
  /** Whether it came from the service file. */
  declared: number
  retries: string | null
  timeout_seconds: number | null
  tags: string
  created_at: string
  updated_at: string
}

export interface ScheduleTable extends Owned {
  id: string
  name: string
  tags: string
  task_id: string
  /** JSON object, or null for none. */
  parameters: string | null
  /** The trigger, as JSON. */
  timing: string
  misfire: 'skip' | 'once' | 'all'
  misfire_grace_seconds: number
  overlap: 'skip' | 'queue' | 'cancel-previous'
  paused: number
  /** Why the service paused it; null when a client did. */
  paused_reason: string | null
  /** Whether it came from the service file. */
  declared: number
  /** Slots up to this instant have been decided. */
  decided_until: string
  /** Slots up to this instant, when they come again, are no longer caught up: they came before the schedule, or are forgotten. */
  known_from: string
  /** 0 for an interval from an instant that nobody chose: it goes back with a clock that is set back. */
  anchored: number
  next_run_at: string | null
  last_run_at: string | null
  last_job_id: string | null
  created_at: string
  updated_at: string
}

export interface ScheduleRunTable extends Owned {
  id: string
  schedule_id: string
  /** Null for a run that a client asked for. Of several slots that were missed the last. */
  slot: string | null
  first_slot: string | null
  outcome: 'submitted' | 'queued' | 'skipped' | 'missed' | 'failed'
  count: number
  is_more: number
  /** Whether its job may not have ended, or waits to be submitted. */
  is_open: number
  job_id: string | null
  reason: string | null
  decided_at: string
  /** When it was decided, in service time. */
  kept_since: string | null
}

export interface JobLogTable {
  job_id: string
  seq: number
  time: string
  stream: string
  line: string
}

/** Kept by triggers; nobody writes here. */
export interface RowCountTable {
  tenant: string
  name: string
  /** Of jobs; empty for other tables. */
  type: string
  status: string
  rows: number
}

/** One row: the clock of the data as it was last stored. */
export interface ServiceTimeTable {
  at: string
}

/** One row: the service that uses the database, or used it last. */
export type OwnerTable = Owner

export interface IdempotencyTable {
  /** Hash of tenant, principal, method, route and key. */
  scope: string
  fingerprint: string
  status: number
  headers: string
  body: string
  job_id: string | null
  /** In service time. */
  created_at: string
}
