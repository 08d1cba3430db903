import type { JobRecord } from '../job/schema.ts'
import type { TaskIn, TaskOut } from '../task/schema.ts'
import type { ArtifactRecord } from './artifacts.ts'
import { type Collection, createCollection, segment } from './collection.ts'
import { ChapkitClientError } from './errors.ts'
import { type JobsClient, toWait, type WaitOptions } from './jobs.ts'
import type { Submitted } from './ml.ts'
import type { CallOptions, CreateOptions, Transport } from './transport.ts'

export type TaskParameters = Readonly<Record<string, unknown>>

export interface Executed<Data = unknown> {
  /** The artifact with the result. */
  artifact_id: string
  job: JobRecord
  /** What the artifact holds: `result` of a function, `stdout` of a command, and the task as it was. */
  data: Data
}

/** What the service file tells of its tasks, by name. */
export type KnownTasks = Record<string, { parameters: unknown; data: unknown }>

/** The names that are known; ids, and names of tasks that were created later, are texts as well. */
type TaskName<Tasks extends KnownTasks> = (keyof Tasks & string) | (string & Record<never, never>)

type ParametersOf<Tasks extends KnownTasks, Task> = Task extends keyof Tasks
  ? Tasks[Task]['parameters']
  : TaskParameters
type DataOf<Tasks extends KnownTasks, Task> = Task extends keyof Tasks
  ? Tasks[Task]['data']
  : unknown

/** Work beside train and predict. A task is named by its id, or by the name that it has in the service file. */
export interface TasksClient<Tasks extends KnownTasks = Record<never, never>>
  extends Omit<Collection<TaskOut, TaskIn>, 'list' | 'get'> {
  list(filter?: { enabled?: boolean | undefined }, options?: CallOptions): Promise<TaskOut[]>
  get(task: string, options?: CallOptions): Promise<TaskOut>
  /** JSON Schema of what a task takes as parameters. */
  parameters(task: string, options?: CallOptions): Promise<Record<string, unknown>>
  enable(task: string, options?: CallOptions): Promise<TaskOut>
  disable(task: string, options?: CallOptions): Promise<TaskOut>
  /** Submits a run; parameters go before those that are stored with the task, name by name. */
  execute<Task extends TaskName<Tasks>>(
    task: Task,
    parameters?: ParametersOf<Tasks, Task>,
    options?: CreateOptions,
  ): Promise<Submitted>
  /** Runs a task, waits for the end, and fetches the result. Throws `job-failed` with the reason, or `job-canceled`. */
  executeAndWait<Task extends TaskName<Tasks>>(
    task: Task,
    parameters?: ParametersOf<Tasks, Task>,
    options?: CreateOptions & WaitOptions,
  ): Promise<Executed<DataOf<Tasks, Task>>>
}

export interface TasksDeps {
  transport: Transport
  prefix: string
  jobs: JobsClient
  artifact: (id: string, options?: CallOptions) => Promise<ArtifactRecord>
}

const ulid = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/

export function createTasks({ transport, prefix, jobs, artifact }: TasksDeps): TasksClient {
  const collection = createCollection<TaskOut, TaskIn>(transport, prefix)

  const list: TasksClient['list'] = (filter, options) =>
    transport.json<TaskOut[]>({ ...options, path: prefix, query: { ...filter } })

  async function idOf(task: string, { signal, headers }: CallOptions = {}): Promise<string> {
    if (ulid.test(task)) return task
    const named = (await list({}, { signal, headers })).filter(({ name }) => name === task)
    // Anybody may give a task a name that is taken; the one in the service file is meant then.
    const found = named.find(({ declared }) => declared) ?? named[0]
    if (found) return found.id
    throw new ChapkitClientError(
      'not-found',
      `There is no task named ${JSON.stringify(task)}; tasks.list() has those that there are`,
    )
  }

  const switched =
    (verb: 'enable' | 'disable') =>
    async (task: string, options?: CallOptions): Promise<TaskOut> => {
      const path = `${prefix}/${segment(await idOf(task, options))}/$${verb}`
      return transport.json<TaskOut>({ ...options, method: 'POST', path, repeatable: true })
    }

  const execute: TasksClient['execute'] = async (task, parameters, options) =>
    transport.json<Submitted>({
      ...options,
      method: 'POST',
      path: `${prefix}/${segment(await idOf(task, options))}/$execute`,
      json: parameters === undefined ? {} : { parameters },
      creates: true,
    })

  return {
    ...collection,
    list,
    get: async (task, options) => collection.get(await idOf(task, options), options),
    parameters: async (task, options) =>
      transport.json({
        ...options,
        path: `${prefix}/${segment(await idOf(task, options))}/$schema`,
      }),
    enable: switched('enable'),
    disable: switched('disable'),
    execute,

    async executeAndWait(task, parameters, options = {}) {
      const { job_id, artifact_id } = await execute(task, parameters, options)
      const job = await jobs.wait(job_id, toWait(options))
      return {
        artifact_id,
        job,
        data: (await artifact(artifact_id, toWait(options))).data as never,
      }
    },
  }
}
