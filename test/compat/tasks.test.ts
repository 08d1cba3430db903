import { defineTask, ServiceBuilder, type TasksOptions } from 'chapkit'
import { createTestService } from 'chapkit/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { nobody, timestamp, ulid } from './fixtures.ts'

const functions = {
  greet: defineTask({
    parameters: z.object({ name: z.string(), times: z.int().min(1).default(1) }),
    tags: ['demo'],
    timeoutSeconds: 60,
    run: ({ parameters }) => parameters.name.repeat(parameters.times),
  }),
}

async function start(options: TasksOptions = { functions, allowRemoteCommands: true }) {
  const service = new ServiceBuilder({ info: { id: 'tasks', display_name: 'Tasks' } })
    .withArtifacts()
    .withJobs()
    .withMonitoring()
    .withTasks(options)
    .build()
  const running = await createTestService(service)
  onTestFinished(() => running.close())
  const { request } = running
  return {
    ...running,
    create: async (body: object) => (await request('POST', '/api/v1/tasks', body)).json,
    declared: async () => (await request('GET', '/api/v1/tasks')).json[0],
  }
}

describe('a task', () => {
  test('is created with the keys of the contract, read, replaced and deleted', async () => {
    const { request } = await start()
    const created = await request('POST', '/api/v1/tasks', { command: 'echo hi' })
    expect(created.status).toBe(201)
    expect(created.headers.location).toMatch(`/api/v1/tasks/${created.json.id}`)
    expect(created.json).toEqual({
      id: expect.stringMatching(ulid),
      created_at: expect.stringMatching(timestamp),
      updated_at: expect.stringMatching(timestamp),
      ...{ command: 'echo hi', task_type: 'shell', parameters: null, enabled: true },
      ...{ disabled_reason: null, name: null, tags: [], declared: false },
      ...{ retries: null, timeout_seconds: null },
    })
    const url = `/api/v1/tasks/${created.json.id}`
    expect((await request('GET', url)).json).toEqual(created.json)
    const changed = {
      command: 'echo {who}',
      parameters: { who: 'Ann' },
      tags: ['a'],
      retries: { attempts: 2 },
    }
    const replaced = await request('PUT', url, changed)
    expect(replaced.status).toBe(200)
    expect(replaced.json).toMatchObject({
      ...changed,
      retries: { attempts: 2, delay_seconds: 10, factor: 2, max_delay_seconds: 3600 },
      created_at: created.json.created_at,
    })
    expect((await request('DELETE', url)).status).toBe(204)
    expect((await request('GET', url)).status).toBe(404)
    expect((await request('DELETE', url)).status).toBe(404)
  })

  test('of the older contract names a function as python', async () => {
    const { create } = await start()
    const task = await create({
      command: 'greet',
      task_type: 'python',
      parameters: { name: 'Ann' },
    })
    expect(task).toMatchObject({ task_type: 'function', command: 'greet' })
  })

  test('with the id of one that exists is 409', async () => {
    const { create, declared, request } = await start()
    const task = await create({ command: 'echo a' })
    for (const id of [task.id, (await declared()).id]) {
      const answer = await request('POST', '/api/v1/tasks', { id, command: 'echo b' })
      expect([answer.status, answer.json.type]).toEqual([409, 'urn:chapkit:error:conflict'])
    }
    expect((await request('GET', `/api/v1/tasks/${task.id}`)).json).toEqual(task)
  })

  test('keeps what a replacement leaves out, and loses what it sends as null', async () => {
    const { create, request } = await start()
    const task = await create({
      ...{ name: 'greet them', command: 'greet', task_type: 'function', tags: ['a'] },
      ...{ parameters: { name: 'Ann' }, enabled: false, timeout_seconds: 5 },
      retries: { attempts: 3, delay_seconds: 1, factor: 2, max_delay_seconds: 10 },
    })
    const put = (body: object) => request('PUT', `/api/v1/tasks/${task.id}`, body)
    const kept = await put({ command: 'greet' })
    expect(kept.status).toBe(200)
    expect({ ...kept.json, updated_at: task.updated_at }).toEqual(task)
    const nothing = { name: null, parameters: null, retries: null, timeout_seconds: null }
    expect((await put({ command: 'greet', ...nothing, tags: [] })).json).toMatchObject({
      ...{ ...nothing, tags: [], enabled: false, task_type: 'function' },
    })
  })

  test.each([
    [{}, 'command', 'missing'],
    [{ command: '' }, 'command', 'minLength'],
    [{ command: 'a | b' }, 'command', 'value'],
    [{ command: "sh -c 'echo {a}'" }, 'command', 'value'],
    [{ command: '\ud800' }, 'command', 'string_unicode'],
    [{ command: 'nothing', task_type: 'function' }, 'command', 'value'],
    [{ command: 'greet', task_type: 'function', parameters: { name: 3 } }, 'name', 'value'],
    [{ command: 'ls', parameters: { 'a b': 3 } }, 'a b', 'value'],
    [{ command: 'ls', parameters: [] }, 'parameters', 'anyOf'],
    [{ command: 'ls', task_type: 'perl' }, 'task_type', 'enum'],
    [{ command: 'ls', retries: { attempts: 0 } }, 'attempts', 'minimum'],
    [{ command: 'ls', timeout_seconds: 0 }, 'timeout_seconds', 'exclusiveMinimum'],
    [{ command: 'ls', id: 'x' }, 'id', 'ulid_format'],
    [{ command: 'ls', tags: ['a b'] }, 0, 'pattern'],
  ])('that cannot be stored is refused: %j', async (body, field, type) => {
    const { request } = await start()
    const { status, json } = await request('POST', '/api/v1/tasks', body)
    expect(status).toBe(422)
    expect(json.errors[0].loc.at(-1)).toBe(field)
    expect(json.errors[0].type).toBe(type)
  })

  test('with parameters of more than a document may have is refused', async () => {
    const { request } = await start()
    const body = { command: 'ls', parameters: { a: 'x'.repeat(2 ** 18) } }
    const { status, json } = await request('POST', '/api/v1/tasks', body)
    expect([status, json.type]).toEqual([413, 'urn:chapkit:error:payload-too-large'])
  })

  test('is a command of a client only where the service allows that', async () => {
    const { request, create } = await start({ functions })
    for (const command of ['id', 'a | b']) {
      const { status, json } = await request('POST', '/api/v1/tasks', { command })
      expect([status, json.type]).toEqual([403, 'urn:chapkit:error:forbidden'])
      expect(json.detail).toContain('allowRemoteCommands')
    }
    const task = await create({ command: 'greet', task_type: 'function' })
    const { status } = await request('PUT', `/api/v1/tasks/${task.id}`, {
      ...{ command: 'id', task_type: 'shell' },
    })
    expect(status).toBe(403)
  })

  test('that is sent twice with one key is there once', async () => {
    const { request } = await start()
    const send = () =>
      request('POST', '/api/v1/tasks', { command: 'ls' }, { 'idempotency-key': 'k' })
    const [first, second] = [await send(), await send()]
    expect(second.json).toEqual(first.json)
    expect(second.headers['idempotency-replayed']).toBe('true')
    expect((await request('GET', '/api/v1/tasks/$stats')).json).toEqual({ total: 2 })
  })
})

describe('a task of the service file', () => {
  test('is there at the start, with what its declaration says', async () => {
    const { declared, request } = await start()
    const task = await declared()
    expect(task).toMatchObject({
      ...{ name: 'greet', command: 'greet', task_type: 'function', declared: true, enabled: true },
      ...{ tags: ['demo'], timeout_seconds: 60, parameters: null },
    })
    const { json } = await request('GET', `/api/v1/tasks/${task.id}/$schema`)
    expect(json.properties).toMatchObject({ name: { type: 'string' }, times: { default: 1 } })
  })

  test('can be disabled and tagged by clients, but not changed or deleted', async () => {
    const { declared, request } = await start()
    const { id } = await declared()
    const put = (body: object) => request('PUT', `/api/v1/tasks/${id}`, body)
    const same = { command: 'greet', task_type: 'function' }
    expect((await put({ ...same, tags: ['b'], enabled: false })).json).toMatchObject({
      ...{
        tags: ['b'],
        enabled: false,
        disabled_reason: 'disabled by a client',
        timeout_seconds: 60,
      },
    })
    for (const other of [{ command: 'ls' }, { parameters: { name: 'x' } }, { name: 'x' }]) {
      const { status, json } = await put({ ...same, ...other })
      expect([status, json.detail]).toEqual([
        409,
        expect.stringContaining(`${Object.keys(other)[0]}`),
      ])
    }
    const deleted = await request('DELETE', `/api/v1/tasks/${id}`)
    expect([deleted.status, deleted.json.detail]).toEqual([
      409,
      expect.stringContaining('stands in the service file'),
    ])
  })
})

describe('a list of tasks', () => {
  test('shows those that may run, or those that may not, page by page too', async () => {
    const { create, request } = await start({ allowRemoteCommands: true })
    const names = ['a', 'b', 'c', 'd', 'e']
    for (const name of names) await create({ name, command: 'ls', enabled: name < 'd' })
    const list = async (query: string) => (await request('GET', `/api/v1/tasks${query}`)).json
    const named = (tasks: { name: string }[]) => tasks.map(({ name }) => name).join('')
    expect(named(await list(''))).toBe('abcde')
    expect(named(await list('?enabled=true'))).toBe('abc')
    expect(named(await list('?enabled=false'))).toBe('de')
    const page = await list('?enabled=true&page=2&size=2')
    expect([named(page.items), page.total, page.pages]).toEqual(['c', 3, 2])
    const { items } = await list('?enabled=true&page=1&size=1')
    expect(named(await list(`?enabled=true&after=${items[0].id}`))).toBe('bc')
    expect((await request('GET', '/api/v1/tasks?enabled=maybe')).status).toBe(422)
  })

  test('comes with a schema of what is sent', async () => {
    const { request } = await start()
    const { json } = await request('GET', '/api/v1/tasks/$schema')
    expect([json.title, json.required]).toEqual(['Task', ['command']])
  })
})

describe('$execute', () => {
  test('answers the job and where its result will be, and takes a body or none', async () => {
    const { create, request, waitForJob } = await start()
    const task = await create({
      command: 'greet',
      task_type: 'function',
      parameters: { name: 'Ann', times: 2 },
    })
    const url = `/api/v1/tasks/${task.id}/$execute`
    const { status, json } = await request('POST', url)
    expect(status).toBe(202)
    expect(json).toEqual({
      job_id: expect.stringMatching(ulid),
      message: `Task submitted for execution. Job ID: ${json.job_id}`,
      artifact_id: expect.stringMatching(ulid),
    })
    const result = async (body?: unknown) => {
      const { json: sent } = await request('POST', url, body)
      await waitForJob(sent.job_id)
      return (await request('GET', `/api/v1/artifacts/${sent.artifact_id}`)).json.data.result
    }
    expect(await result()).toBe('AnnAnn')
    expect(await result({ parameters: { times: 1 } })).toBe('Ann')
    expect(await result({ parameters: null, run_info: {} })).toBe('AnnAnn')
    expect((await request('GET', `/api/v1/tasks/${task.id}`)).json).toEqual(task)
  })

  test('is refused for a task that is disabled or unknown, and runs it when it is enabled again', async () => {
    const { declared, request } = await start()
    const { id } = await declared()
    const post = (operation: string) =>
      request('POST', `/api/v1/tasks/${id}/$${operation}`, { parameters: { name: 'x' } })
    expect((await post('disable')).json).toMatchObject({ enabled: false })
    const { status, json } = await post('execute')
    expect([status, json.detail]).toEqual([
      409,
      `Cannot execute disabled task ${id}: disabled by a client`,
    ])
    expect((await post('enable')).json).toMatchObject({ enabled: true, disabled_reason: null })
    expect((await post('execute')).status).toBe(202)
    const unknown = await request('POST', `/api/v1/tasks/${nobody}/$execute`)
    expect([unknown.status, unknown.json.detail]).toEqual([404, `Task ${nobody} not found`])
    expect((await request('POST', '/api/v1/tasks/x/$execute')).status).toBe(400)
  })

  test.each([
    [[], ['body']],
    ['"x"', ['body']],
    [{ parameters: [] }, ['body', 'parameters']],
    [{ parameters: { name: 3 } }, ['body', 'parameters', 'name']],
    [{ parameters: { times: 0, name: 'x' } }, ['body', 'parameters', 'times']],
    [{ parameters: {} }, ['body', 'parameters', 'name']],
  ])('is refused for what does not fit: %j', async (body, loc) => {
    const { declared, request } = await start()
    const headers = { 'content-type': 'application/json' }
    const url = `/api/v1/tasks/${(await declared()).id}/$execute`
    const { status, json } = await request('POST', url, body, headers)
    expect([status, json.errors[0].loc]).toEqual([422, loc])
  })

  test('with a key that was used for this task answers the same job, and for another a job of its own', async () => {
    const { create, request } = await start()
    const send = (id: string) =>
      request('POST', `/api/v1/tasks/${id}/$execute`, undefined, { 'idempotency-key': 'k' })
    const [a, b] = [await create({ command: 'true' }), await create({ command: 'true' })]
    const first = await send(a.id)
    expect((await send(a.id)).json).toEqual(first.json)
    expect((await send(b.id)).json.job_id).not.toBe(first.json.job_id)
  })

  test('is counted as a job of the type task', async () => {
    const { create, request, waitForJob } = await start()
    const { id } = await create({ command: 'false' })
    const { json } = await request('POST', `/api/v1/tasks/${id}/$execute`)
    await waitForJob(json.job_id)
    const { text } = await request('GET', '/metrics')
    expect(text).toMatch(/^chapkit_jobs_submitted_total\{type="task"\} 1$/m)
    expect(text).toMatch(/^chapkit_jobs\{type="task",state="failed"\} 1$/m)
  })

  test('keeps its task from being deleted while it runs', async () => {
    const { create, request, waitForJob } = await start()
    const { id } = await create({ command: 'sleep 600' })
    const { json } = await request('POST', `/api/v1/tasks/${id}/$execute`)
    expect((await request('DELETE', `/api/v1/tasks/${id}`)).status).toBe(409)
    await request('POST', `/api/v1/jobs/${json.job_id}/$cancel`)
    await waitForJob(json.job_id)
    expect((await request('DELETE', `/api/v1/tasks/${id}`)).status).toBe(204)
  })
})

test('a builder says what tasks need, and what of them cannot be used', () => {
  const info = { id: 'a', display_name: 'A' }
  const bare = () =>
    new ServiceBuilder({ info }) as never as { withTasks(o?: object): { build(): void } }
  expect(() => bare().withTasks().build()).toThrow(
    'withTasks() needs withArtifacts(), withJobs() first',
  )
  for (const [options, why] of [
    [
      { shell: { a: { command: 'x | y' } } },
      'The command of the task "a" cannot be used: "|" needs a shell',
    ],
    [{ shell: { 'a b': { command: 'x' } } }, 'Expected a name of letters, digits, - and _'],
    [{ functions: { a: () => 1 } }, 'Expected the function "a" to be made by defineTask'],
    [
      { shell: { a: { command: 'x', timeoutSeconds: 0 } } },
      'Expected timeoutSeconds of the task "a"',
    ],
    [{ shell: { a: { command: 'x', retries: { attempts: 0 } } } }, 'The retries of the task "a"'],
    [{ shell: { greet: { command: 'x' } }, functions }, 'a command and a function named "greet"'],
  ] as const) {
    expect(() => bare().withTasks(options)).toThrow(why)
  }
  const builder = new ServiceBuilder({ info }).withArtifacts().withJobs().withTasks()
  expect(() => builder.withTasks()).toThrow('withTasks() was called before')
})
