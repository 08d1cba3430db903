import type { Along, Database } from '../db/database.ts'
import type { Queries } from '../db/tables.ts'
import { ChapkitError } from '../errors.ts'
import type { Jobs, NewJob } from '../job/jobs.ts'
import { type Clock, toTimestamp } from '../kernel/clock.ts'
import type { Json } from '../kernel/json.ts'
import type { JsonSchema } from '../kernel/json-schema.ts'
import { type Page, type PageRequest, toPage } from '../kernel/page.ts'
import { createDeclared } from './declared.ts'
import { createDefinitions, whyDisabled } from './definitions.ts'
import { createInputs } from './inputs.ts'
import type { Values } from './parameters.ts'
import type { Retries, TaskIn, TaskOut } from './schema.ts'
import type { TasksSpec } from './spec.ts'
import { taskStore as store, type TaskFilter, type TaskRow } from './store.ts'

/** The type of the jobs that run tasks. */
export const taskJob = 'task'

export interface TasksDeps {
  database: Database
  spec: TasksSpec
  jobs: Jobs
  now: Clock
  newId: () => string
}

export interface SubmitTask {
  taskId: string
  /** Go before those that the task has stored, name by name. */
  parameters?: Values | null
  /** How long its job waits at least, in milliseconds. @default 0 */
  delayMs?: number
}

/** A job that has been written and is not announced yet. */
export interface SubmittedTask {
  jobId: string
  /** Where the result will be. */
  artifactId: string
  delayMs?: number
}

/** Payload of a task's job: the task as it was when it was submitted. */
export interface TaskPayload {
  task: Pick<TaskOut, 'id' | 'name' | 'command' | 'task_type' | 'created_at' | 'updated_at'> & {
    declared: boolean
  }
  parameters: Values | null
  retries: Retries | null
  timeoutSeconds: number | null
}

export type Tasks = ReturnType<typeof createTasks>

/** Tasks: what may be stored, which of them may run, and submitting them as jobs. */
export function createTasks({ database, spec, jobs, now, newId }: TasksDeps) {
  const definitions = createDefinitions(spec)
  const inputs = createInputs({ spec, definitions, now, newId })
  const declared = createDeclared({ database, spec, now, newId })

  async function getRow(id: string, db: Queries = database.read): Promise<TaskRow> {
    const row = await store.find(db, id)
    if (!row) throw new ChapkitError('not-found', `Task ${id} not found`)
    return row
  }

  const merged = (row: TaskRow, given: Values | null | undefined): Values => ({
    ...(row.parameters === null ? {} : (JSON.parse(row.parameters) as Values)),
    ...given,
  })

  /** Throws 404 or 409 when a task cannot run. */
  async function getRunnable(id: string, db: Queries): Promise<TaskRow> {
    const row = await getRow(id, db)
    // As it is now, too: whoever restarts without a function may have its tasks still enabled for a moment.
    const reason = whyDisabled(row) ?? definitions.whyBlocked(row)
    if (reason === null) return row
    throw new ChapkitError('conflict', `Cannot execute disabled task ${id}: ${reason}`)
  }

  /**
   * Submits a task as part of a write that the caller owns; `announce` has to be called after its commit. Parameters are not
   * checked against the task's schema here, because that may take its time: call `check` before. Throws 404 for an unknown
   * task, 409 for a disabled one, 429 when too many wait.
   */
  async function submit(tx: Queries, input: SubmitTask): Promise<SubmittedTask> {
    const row = await getRunnable(input.taskId, tx)
    const job = toJob(row, input)
    await jobs.add(tx, job)
    return {
      jobId: job.id,
      artifactId: job.artifactId ?? '',
      ...(input.delayMs !== undefined && { delayMs: input.delayMs }),
    }
  }

  function toJob(row: TaskRow, { parameters, delayMs }: SubmitTask): NewJob {
    const { id, name, command, task_type, created_at, updated_at } = row
    const values = merged(row, parameters)
    const payload: TaskPayload = {
      task: { id, name, command, task_type, created_at, updated_at, declared: row.declared === 1 },
      parameters: row.parameters === null && !parameters ? null : values,
      retries: row.retries === null ? null : (JSON.parse(row.retries) as Retries),
      timeoutSeconds: row.timeout_seconds,
    }
    return {
      id: newId(),
      type: taskJob,
      payload: payload as unknown as Json,
      subjectId: id,
      artifactId: newId(),
      blobs: [],
      ...(delayMs !== undefined && { delayMs }),
    }
  }

  /** Says that a submitted task has been committed. */
  function announce({ jobId, delayMs }: SubmittedTask): void {
    jobs.announce({ id: jobId, type: taskJob, ...(delayMs !== undefined && { delayMs }) })
  }

  /** Throws 404 for an unknown task, and 422 when its parameters, together with these, do not fit. */
  async function check(taskId: string, parameters?: Values | null): Promise<void> {
    const row = await getRow(taskId)
    await definitions.parse(row, merged(row, parameters))
  }

  return {
    submit,
    announce,
    check,

    /** Checks and submits a task; it is stored when this resolves. */
    async execute(
      id: string,
      parameters: Values | null | undefined,
      along?: Along<SubmittedTask>,
    ): Promise<SubmittedTask> {
      await jobs.assertRoom(taskJob)
      await getRunnable(id, database.read)
      await check(id, parameters)
      const submitted = await database.write(async (tx) => {
        const made = await submit(tx, { taskId: id, parameters: parameters ?? null })
        await along?.(tx, made)
        return made
      })
      announce(submitted)
      return submitted
    },

    get: async (id: string, db: Queries = database.read): Promise<TaskOut> =>
      toTaskOut(await getRow(id, db)),

    /** JSON Schema of the parameters that a task takes. */
    schema: async (id: string): Promise<JsonSchema> => definitions.schemaOf(await getRow(id)),

    /** Stores a task. An id that is there already is a conflict. */
    async create(input: TaskIn, along?: Along<TaskOut>): Promise<TaskOut> {
      const prepared = await inputs.prepare(input)
      return database.write(async (tx) => {
        if (input.id && (await store.find(tx, input.id))) {
          throw new ChapkitError(
            'conflict',
            `Task ${input.id} exists already; replace it with PUT, or leave the id out`,
          )
        }
        const row = inputs.toRow(prepared)
        await store.insert(tx, row)
        const task = toTaskOut(row)
        await along?.(tx, task)
        return task
      })
    },

    /** Replaces a task; what is left out stays as it is. Of one in the service file only the tags and whether it is enabled. */
    async update(id: string, input: TaskIn): Promise<TaskOut> {
      const prepared = await inputs.prepare(input, await getRow(id))
      return database.write(async (tx) => {
        const row = inputs.replace(await getRow(id, tx), prepared)
        await store.update(tx, row)
        return toTaskOut(row)
      })
    },

    /** Enables or disables a task. One that the service itself keeps from running stays disabled until it can run again. */
    setEnabled: (id: string, wanted: boolean): Promise<TaskOut> =>
      database.write(async (tx) => {
        const known = await getRow(id, tx)
        const row: TaskRow = {
          ...known,
          wanted: wanted ? 1 : 0,
          enabled: wanted && known.disabled_reason === null ? 1 : 0,
          updated_at: toTimestamp(now()),
        }
        await store.update(tx, row)
        return toTaskOut(row)
      }),

    /** Deletes a task that no active job runs. One in the service file would come back, and is refused. */
    remove: (id: string, along?: Along<TaskOut>): Promise<void> =>
      database.write(async (tx) => {
        const row = await getRow(id, tx)
        if (row.declared === 1 && definitions.whyBlocked(row) === null) {
          throw new ChapkitError(
            'conflict',
            `Task ${id} stands in the service file and would be back with the next start; take "${row.name}" out of it, or disable the task`,
          )
        }
        await jobs.assertFree(tx, id)
        await along?.(tx, toTaskOut(row))
        await store.remove(tx, id)
      }),

    async list(filter: TaskFilter, page: PageRequest): Promise<TaskOut[]> {
      return (await store.list(database.read, filter, page)).map(toTaskOut)
    },

    async page(filter: TaskFilter, page: number, size: number): Promise<Page<TaskOut>> {
      const rows = await store.list(database.read, filter, { kind: 'number', page, size })
      return toPage(rows.map(toTaskOut), await store.count(database.read, filter), page, size)
    },

    count: (): Promise<number> => store.count(database.read),

    /** The rows of the tasks in the service file: called once at start, before anything runs. */
    declare: declared.declare,
  }
}

export function toTaskOut(row: TaskRow): TaskOut {
  return {
    id: row.id,
    created_at: row.created_at,
    updated_at: row.updated_at,
    command: row.command,
    task_type: row.task_type,
    parameters: row.parameters === null ? null : JSON.parse(row.parameters),
    enabled: row.enabled === 1,
    disabled_reason: whyDisabled(row),
    name: row.name,
    tags: JSON.parse(row.tags),
    declared: row.declared === 1,
    retries: row.retries === null ? null : JSON.parse(row.retries),
    timeout_seconds: row.timeout_seconds,
  }
}
