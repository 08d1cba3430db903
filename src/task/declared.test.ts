import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { defineTask, ServiceBuilder, type TasksOptions } from 'chapkit'
import { createTestService } from 'chapkit/testing'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import { migrate } from '../db/migrate.ts'
import { openSqlite } from '../db/sqlite.ts'
import { createIds } from '../kernel/id.ts'
import { fakeClock } from '../testing/clock.ts'
import { toTasksSpec } from './spec.ts'
import { createTasks, type Tasks } from './tasks.ts'

const hello = { shell: { hello: { command: 'echo hello' } } }
const retrain = { functions: { retrain: defineTask({ run: () => 1 }) } }

/** Starts of services with these tasks, one after the other, on the same data. */
function onSameData() {
  const dataDir = mkdtempSync(join(tmpdir(), 'chapkit-tasks-'))
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }))
  return async (
    options: TasksOptions,
    use: (service: Awaited<ReturnType<typeof createTestService>>) => Promise<void>,
  ) => {
    const builder = new ServiceBuilder({ info: { id: 'tasks', display_name: 'Tasks' } })
    const service = builder.withArtifacts().withJobs().withTasks(options).build()
    const databaseUrl = join(dataDir, 'chapkit.db')
    const running = await createTestService(service as never, { databaseUrl })
    try {
      await use(running)
    } finally {
      await running.close()
    }
  }
}

describe('a start', () => {
  test('leaves tasks as they are when the service file is', async () => {
    const start = onSameData()
    let before: unknown
    await start({ ...hello, ...retrain }, async ({ request }) => {
      before = (await request('GET', '/api/v1/tasks')).json
    })
    await start({ ...hello, ...retrain }, async ({ request }) => {
      expect((await request('GET', '/api/v1/tasks')).json).toEqual(before)
    })
  })

  test('takes over what a declaration says now, and keeps what clients said', async () => {
    const start = onSameData()
    await start(hello, async ({ request }) => {
      const [task] = (await request('GET', '/api/v1/tasks')).json
      await request('PUT', `/api/v1/tasks/${task.id}`, { command: 'echo hello', tags: ['mine'] })
    })
    const command = 'echo {what}'
    await start({ shell: { hello: { command, timeoutSeconds: 5 } } }, async ({ request }) => {
      const tasks = (await request('GET', '/api/v1/tasks')).json
      expect(tasks).toHaveLength(1)
      expect(tasks[0]).toMatchObject({ command, timeout_seconds: 5, tags: ['mine'], enabled: true })
    })
  })

  test('disables what it has no code for any more and says why, until that is back', async () => {
    const start = onSameData()
    const list = { ...hello, ...retrain, allowRemoteCommands: true }
    await start(list, async ({ request }) => {
      await request('POST', '/api/v1/tasks', {
        name: 'own',
        command: 'retrain',
        task_type: 'function',
      })
      await request('POST', '/api/v1/tasks', { name: 'remote', command: 'ls' })
    })
    await start({}, async ({ request }) => {
      const tasks = (await request('GET', '/api/v1/tasks')).json
      const reasons = tasks.map(({ name, enabled, disabled_reason }: Record<string, unknown>) => [
        ...[name, enabled, disabled_reason],
      ])
      expect(reasons).toEqual([
        ['hello', false, 'the command "hello" is not in the service file any more'],
        ['retrain', false, 'the function "retrain" is not in the service file any more'],
        ['own', false, 'the function "retrain" is not in the service file any more'],
        [
          'remote',
          false,
          'the service takes no commands from clients any more (allowRemoteCommands)',
        ],
      ])
      for (const { id } of tasks) {
        expect((await request('POST', `/api/v1/tasks/${id}/$execute`)).status).toBe(409)
        // To want it is not enough.
        const { json } = await request('POST', `/api/v1/tasks/${id}/$enable`)
        expect(json.enabled).toBe(false)
      }
      expect((await request('GET', '/api/v1/tasks?enabled=true')).json).toEqual([])
      expect((await request('DELETE', `/api/v1/tasks/${tasks[0].id}`)).status).toBe(204)
    })
    await start(list, async ({ request }) => {
      const tasks = (await request('GET', '/api/v1/tasks?enabled=true')).json
      expect(tasks.map(({ name }: { name: string }) => name).toSorted()).toEqual([
        ...['hello', 'own', 'remote', 'retrain'],
      ])
    })
  })

  test('brings a task back disabled when a client had disabled it', async () => {
    const start = onSameData()
    await start(hello, async ({ request }) => {
      const [{ id }] = (await request('GET', '/api/v1/tasks')).json
      await request('POST', `/api/v1/tasks/${id}/$disable`)
    })
    await start({}, async () => {})
    await start(hello, async ({ request }) => {
      const [task] = (await request('GET', '/api/v1/tasks')).json
      expect(task).toMatchObject({ enabled: false, disabled_reason: 'disabled by a client' })
    })
  })

  test('ends a job whose code is gone, with the reason', async () => {
    const start = onSameData()
    let jobId = ''
    const never = { shell: { later: { command: 'true' } } }
    await start(never, async ({ parts }) => {
      const { tasks, database } = parts as never as { tasks: Tasks; database: never }
      const [task] = await tasks.list({}, { kind: 'all' })
      const write = (
        database as { write: (step: (tx: never) => Promise<string>) => Promise<string> }
      ).write
      jobId = await write(
        async (tx) => (await tasks.submit(tx, { taskId: task!.id, delayMs: 1000 })).jobId,
      )
    })
    await start({}, async ({ waitForJob }) => {
      expect((await waitForJob(jobId)).error).toBe(
        'The task cannot run: the command "later" is not in the service file any more',
      )
    })
  })
})

test('whatever starts and clients do, there is one row for each declaration, and it runs when both want it', async () => {
  const names = ['a', 'b', 'c']
  const step = fc.oneof(
    fc.record({ kind: fc.constant('start' as const), declared: fc.subarray(names) }),
    fc.record({
      kind: fc.constantFrom('enable' as const, 'disable' as const),
      name: fc.constantFrom(...names),
    }),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      await using database = openSqlite(':memory:')
      await migrate(database)
      const now = fakeClock()
      let declared: string[] = []
      const known = new Set<string>()
      const refused = new Set<string>()
      const open = () => {
        const shell = Object.fromEntries(declared.map((name) => [name, { command: 'true' }]))
        const spec = toTasksSpec({ shell }, '.')
        return createTasks({ database, spec, jobs: {} as never, now, newId: createIds(now) })
      }
      for (const each of steps) {
        now.advance(1)
        if (each.kind === 'start') {
          declared = each.declared
          for (const name of declared) known.add(name)
          await open().declare()
        } else {
          const task = (await open().list({}, { kind: 'all' })).find(
            ({ name }) => name === each.name,
          )
          if (!task) continue
          await open().setEnabled(task.id, each.kind === 'enable')
          if (each.kind === 'enable') refused.delete(each.name)
          else refused.add(each.name)
        }
        const tasks = await open().list({}, { kind: 'all' })
        expect(tasks.map(({ name }) => name).toSorted()).toEqual([...known].toSorted())
        for (const { name, enabled, disabled_reason } of tasks) {
          expect(enabled).toBe(declared.includes(name!) && !refused.has(name!))
          expect(disabled_reason === null).toBe(enabled)
        }
      }
    }),
    { numRuns: 200 },
  )
})
