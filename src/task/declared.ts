import type { Database } from '../db/database.ts'
import type { Queries } from '../db/tables.ts'
import { type Clock, toTimestamp } from '../kernel/clock.ts'
import { createDefinitions } from './definitions.ts'
import type { TaskType } from './schema.ts'
import type { DeclaredTask, TasksSpec } from './spec.ts'
import { taskStore as store, type TaskRow } from './store.ts'

export interface DeclaredDeps {
  database: Database
  spec: TasksSpec
  now: Clock
  newId: () => string
}

/** A task that can no longer run, or can again. */
export interface TaskChange {
  id: string
  name: string | null
  command: string
  reason: string | null
}

interface Declaration {
  name: string
  type: TaskType
  command: string
  task: DeclaredTask
}

/** Brings the stored tasks to what the service file says. */
export function createDeclared({ database, spec, now, newId }: DeclaredDeps) {
  const { whyBlocked } = createDefinitions(spec)
  const declarations: Declaration[] = [
    ...[...spec.shell].map(([name, task]) => ({
      ...{ name, type: 'shell' as const, command: task.command.text, task },
    })),
    ...[...spec.functions].map(([name, task]) => ({
      ...{ name, type: 'function' as const, command: name, task },
    })),
  ]

  /** One row for each declaration, made once and brought up to date; what has not changed is not written. */
  async function declareAll(tx: Queries, rows: TaskRow[], at: string): Promise<TaskRow[]> {
    const known = new Map(
      rows.filter(({ declared }) => declared === 1).map((row) => [row.name, row]),
    )
    const added: TaskRow[] = []
    for (const { name, type, command, task } of declarations) {
      const said = {
        command,
        task_type: type,
        retries: task.retries && JSON.stringify(task.retries),
        timeout_seconds: task.timeoutSeconds,
      }
      const row = known.get(name)
      if (!row) {
        const fresh: TaskRow = {
          ...{ id: newId(), name, ...said, parameters: null, enabled: 1, wanted: 1 },
          ...{ disabled_reason: null, declared: 1, tags: JSON.stringify(task.tags) },
          ...{ created_at: at, updated_at: at },
        }
        await store.insert(tx, fresh)
        added.push(fresh)
      } else if (Object.entries(said).some(([key, value]) => row[key as keyof TaskRow] !== value)) {
        Object.assign(row, said, { updated_at: at })
        await store.update(tx, row)
      }
    }
    return [...rows, ...added]
  }

  return {
    /**
     * Makes the rows of what the service file declares, disables tasks that it has no code for any more, and lets those run again
     * whose code is back, unless a client has disabled them.
     */
    declare: (): Promise<{ orphaned: TaskChange[]; restored: TaskChange[] }> =>
      database.write(async (tx) => {
        const at = toTimestamp(now())
        const orphaned: TaskChange[] = []
        const restored: TaskChange[] = []
        for (const row of await declareAll(tx, await store.all(tx), at)) {
          const reason = whyBlocked(row)
          if (reason === row.disabled_reason) continue
          const enabled = row.wanted === 1 && reason === null ? 1 : 0
          await store.update(tx, { ...row, enabled, disabled_reason: reason, updated_at: at })
          const { id, name, command } = row
          ;(reason === null ? restored : orphaned).push({ id, name, command, reason })
        }
        return { orphaned, restored }
      }),
  }
}
