import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { defineTask, ServiceBuilder, type TasksOptions } from 'chapkit'
import { createTestService } from 'chapkit/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { isAlive, until } from '../../test/e2e/harness.ts'
import { longStretches } from '../../test/setup/long-stretches.ts'
import type { StartOptions } from '../definition.ts'
import fullService from './fixtures/service.ts'

type Test = Pick<Awaited<ReturnType<typeof createTestService>>, 'request' | 'waitForJob'>

const info = { id: 'tasks', display_name: 'Tasks' }

function temporaryFolder(files: Record<string, string> = {}): string {
  const folder = mkdtempSync(join(tmpdir(), 'chapkit-tasks-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  return folder
}

async function idOf({ request }: Pick<Test, 'request'>, name: string): Promise<string> {
  const { json } = await request('GET', '/api/v1/tasks')
  return json.find((task: { name: string }) => task.name === name).id
}

/** Runs a task to its end. */
async function run(service: Test, name: string, parameters: object = {}) {
  const id = await idOf(service, name)
  const { status, json } = await service.request('POST', `/api/v1/tasks/${id}/$execute`, {
    parameters,
  })
  expect(status).toBe(202)
  const job = await service.waitForJob(json.job_id)
  const artifact = (await service.request('GET', `/api/v1/artifacts/${json.artifact_id}`)).json
  const logs = (await service.request('GET', `/api/v1/jobs/${json.job_id}/$logs`)).json
  const lines: string[] = logs.items.map(({ line }: { line: string }) => line)
  return { id, job, artifact, lines }
}

async function startTasks(options: TasksOptions, start: StartOptions = {}) {
  const service = new ServiceBuilder({ info }).withArtifacts().withJobs().withTasks(options).build()
  const running = await createTestService(service, start)
  onTestFinished(() => running.close())
  return running
}

const text = z.object({ text: z.string() })

describe('a command', () => {
  test('runs in a copy of the project, and its result is an artifact in the shape of the contract', async () => {
    const project = temporaryFolder({ 'say.sh': 'ls; echo "$1"; echo oops >&2; touch left.txt' })
    const service = await startTasks({ shell: { say: { command: 'sh say.sh {text}' } }, project })
    const { id, job, artifact, lines } = await run(service, 'say', { text: 'hello' })
    expect(job).toMatchObject({
      type: 'task',
      status: 'completed',
      error: null,
      artifact_id: artifact.id,
    })
    expect(artifact).toMatchObject({ level: 0, parent_id: null })
    const at = expect.any(String)
    expect(artifact.data).toEqual({
      task: { id, command: 'sh say.sh {text}', created_at: at, updated_at: at },
      stdout: 'say.sh\nhello\n',
      stderr: 'oops\n',
      exit_code: 0,
    })
    expect(lines.toSorted()).toEqual(['hello', 'oops', 'say.sh'])
    expect(existsSync(join(project, 'left.txt'))).toBe(false)
  })

  test('can leave something in the project, whose folder it knows', async () => {
    const project = temporaryFolder()
    const shell = {
      keep: { command: 'cp /dev/stdin "$CHAPKIT_PROJECT/x" < /dev/null', shell: true },
    }
    const service = await startTasks({ shell, project })
    expect((await run(service, 'keep')).job.status).toBe('completed')
    expect(existsSync(join(project, 'x'))).toBe(true)
  })

  test.each(['; id', '$(id)', '`id`', 'a\nb', '--version', '-n', '"; id; "', "'", '{text}', '%s'])(
    'sees this as data, as an argument and as a variable: %j',
    async (hostile) => {
      const project = temporaryFolder({
        'say.sh': 'printf "<%s>" "$1" "$PARAM_TEXT" "$CHAPKIT_PARAMETERS"',
      })
      const shell = {
        words: { command: 'sh say.sh {text}' },
        script: { command: 'printf "<%s>" "$PARAM_TEXT" | cat', shell: true },
      }
      const service = await startTasks({ shell, project })
      const { artifact } = await run(service, 'words', { text: hostile })
      expect(artifact.data.stdout).toBe(
        `<${hostile}><${hostile}><${JSON.stringify({ text: hostile })}>`,
      )
      expect((await run(service, 'script', { text: hostile })).artifact.data.stdout).toBe(
        `<${hostile}>`,
      )
    },
  )

  test('that fails fails its job with the reason, and its artifact says what it wrote', async () => {
    const shell = { fail: { command: 'sh -c \'echo half; echo "no rain" >&2; exit 3\'' } }
    const service = await startTasks({ shell, project: temporaryFolder() })
    const { job, artifact } = await run(service, 'fail')
    expect(job).toMatchObject({
      status: 'failed',
      error: 'The command ended with exit code 3:\nno rain',
      artifact_id: artifact.id,
    })
    expect(artifact.data).toMatchObject({ stdout: 'half\n', stderr: 'no rain\n', exit_code: 3 })
  })

  test('that takes too long is stopped, and has failed', async () => {
    const shell = { slow: { command: 'sleep 600', timeoutSeconds: 0.5 } }
    const service = await startTasks({ shell, project: temporaryFolder() })
    const { job } = await run(service, 'slow')
    expect(job).toMatchObject({
      status: 'failed',
      error: 'The command was stopped after 0.5 seconds, the time that it may take',
    })
  })

  test('that is canceled ends with all that it started', async () => {
    const folder = temporaryFolder()
    const command = 'sh -c \'sleep 600 & echo $! > "$CHAPKIT_PROJECT/pid"; wait\''
    const service = await startTasks({ shell: { endless: { command } }, project: folder })
    const pid = () => Number(readFileSync(join(folder, 'pid'), 'utf8'))
    const id = await idOf(service, 'endless')
    const { json } = await service.request('POST', `/api/v1/tasks/${id}/$execute`)
    await until('it runs', () => existsSync(join(folder, 'pid')) && pid() > 0)
    await service.request('POST', `/api/v1/jobs/${json.job_id}/$cancel`)
    expect((await service.waitForJob(json.job_id)).status).toBe('canceled')
    expect(isAlive(pid())).toBe(false)
  })

  test('is tried again as often as it may be, as the same job, which tells of it', async () => {
    const command =
      'sh -c \'echo x >> "$CHAPKIT_PROJECT/runs"; test $(wc -l < "$CHAPKIT_PROJECT/runs") -ge 3\''
    const retries = { attempts: 3, delaySeconds: 0 }
    const shell = { third: { command, retries }, never: { command: 'false', retries } }
    const service = await startTasks({ shell, project: temporaryFolder() })
    const third = await run(service, 'third')
    expect(third.job).toMatchObject({ status: 'completed', error: null })
    expect(third.lines).toEqual([
      'attempt 1 of 3 failed: The command ended with exit code 1; attempt 2 of 3 follows in 0.0 s',
      'attempt 2 of 3 failed: The command ended with exit code 1; attempt 3 of 3 follows in 0.0 s',
    ])
    const never = await run(service, 'never')
    expect(never.job).toMatchObject({
      status: 'failed',
      error: 'The command ended with exit code 1',
    })
    expect(never.lines).toHaveLength(2)
  })

  test('waits for its next attempt as a job that says so, and can be canceled', async () => {
    const shell = { fail: { command: 'false', retries: { attempts: 2, delaySeconds: 1000 } } }
    const service = await startTasks({ shell, project: temporaryFolder() })
    const id = await idOf(service, 'fail')
    const { json } = await service.request('POST', `/api/v1/tasks/${id}/$execute`)
    const job = async () => (await service.request('GET', `/api/v1/jobs/${json.job_id}`)).json
    await until('it waits', async () => {
      const { status, progress } = await job()
      return status === 'pending' && progress?.message.startsWith('attempt 2 of 2 follows in ')
    })
    expect((await service.request('POST', `/api/v1/jobs/${json.job_id}/$cancel`)).status).toBe(202)
    expect((await job()).status).toBe('canceled')
  })

  test('that is not there is told by name', async () => {
    const shell = { gone: { command: 'no-such-program' } }
    const service = await startTasks({ shell, project: temporaryFolder() })
    expect((await run(service, 'gone')).job.error).toMatch(
      /the program "no-such-program" was not found/,
    )
  })

  test('gets no secret of the service', async () => {
    process.env.TASK_TEST_SECRET = 'geheim'
    onTestFinished(() => void delete process.env.TASK_TEST_SECRET)
    const service = await startTasks({
      shell: { env: { command: 'env' }, told: { command: 'env', env: ['TASK_TEST_SECRET'] } },
      project: temporaryFolder(),
    })
    expect((await run(service, 'env')).artifact.data.stdout).not.toContain('geheim')
    expect((await run(service, 'told')).artifact.data.stdout).toContain('geheim')
  })
})

const cases = {
  columns: ['time_period', 'location', 'disease_cases'],
  data: [
    ['2024-01', 'oslo', 10],
    ['2024-02', 'oslo', 20],
  ],
}

describe.each(['inline', 'process'] as const)('a function (%s)', (hosting) => {
  async function start(concurrency = { train: 1, predict: 1, task: 1 }) {
    const service = await createTestService(fullService, { hosting, concurrency })
    onTestFinished(() => service.close())
    return service
  }

  test('is given its parameters as its schema makes them, and what it returns is an artifact', async () => {
    const service = await start()
    const { id, job, artifact, lines } = await run(service, 'add', { a: 2 })
    expect(job).toMatchObject({ type: 'task', status: 'completed' })
    const at = expect.any(String)
    expect(artifact.data).toEqual({
      task: {
        id,
        command: 'add',
        task_type: 'function',
        parameters: { a: 2 },
        created_at: at,
        updated_at: at,
      },
      result: { sum: 3, pid: expect.any(Number) },
      error: null,
    })
    expect(artifact.data.result.pid === process.pid).toBe(hosting === 'inline')
    expect(lines).toEqual(['adding 2 and 1'])
  })

  test('trains and predicts with the model of the service, and waits for it in its own place', async () => {
    const service = await start()
    await service.request('POST', '/api/v1/artifacts', { tags: ['cases'], data: cases })
    const { job, artifact } = await run(service, 'retrain', { tag: 'cases' })
    expect(job.error).toBe(null)
    expect(artifact.data.result).toEqual({
      ...{ status: 'completed', metrics: { mean: 15 }, predicted: 'completed' },
      forecast: [['2024-03', 'oslo', 15]],
    })
  })

  test('reads what is large itself, whole and in order: the service only passes it on', async () => {
    const service = await start()
    const create = async (path: string, body: object): Promise<string> =>
      (await service.request('POST', `/api/v1/${path}`, body)).json.id
    const content = {
      columns: ['time_period', 'location', 'note'],
      data: Array.from({ length: 20_000 }, (_, row) => ['2024-01', `place ${row}`, 'ä😀"']),
    }
    const id = await create('artifacts', { data: { type: 'generic', content, note: 'behind' } })
    await create('artifacts', { data: { type: 'other', text: 'x'.repeat(200_000) } })
    const listed: [string, number][] = [[id, 34]]
    for (let at = 0; at < 5; at++) {
      const data = { type: 'generic', text: 'x'.repeat(150_000 + at) }
      listed.push([await create('artifacts', { data }), data.text.length + 28])
    }
    const named: [string, number][] = []
    for (let at = 0; at < 130; at++) {
      const data = { prediction_periods: 3, text: 'x'.repeat(5000 + at) }
      const tags = at % 2 ? ['b'] : ['c']
      const config = await create('configs', { name: 'large', tags, data })
      if (at % 2) named.push([config, expect.any(Number) as never])
    }
    let result: unknown
    const read = async () => {
      result = (await run(service, 'measure', { id })).artifact.data.result
    }
    const ofFunctions =
      hosting === 'inline' ? /^(testing|host|task\/(remote|fixtures))|^a test$/ : undefined
    expect(await longStretches(read, ofFunctions)).toEqual([])
    expect(result).toEqual({
      content: JSON.stringify(content).length,
      rows: content.data.length,
      listed,
      named,
    })
  })

  test.each([
    ['id', 'ChapkitError: Invalid ULID format: null'],
    ['job', 'ChapkitError: Invalid ULID format: nothing'],
    ['config', 'ChapkitError: arguments.name: Expected string, got 3; arguments.data: Expected'],
    ['options', 'ChapkitError: body.data.prediction_periods: Expected number, got "many"'],
    ['artifact', 'such artifacts are made by $train and $predict only'],
    ['parent', 'ChapkitError: arguments.parentId: Expected string, got 3'],
    ['training', 'config_id: Expected a ULID'],
    ['nothing', 'NotPlain: Expected plain data, as JSON has it, at `configs.list`; got a function'],
  ])('that asks for what cannot be (%s) is told what was expected', async (ask, why) => {
    const { job } = await run(await start(), 'careless', { ask })
    expect(job).toMatchObject({ status: 'failed', error: expect.stringContaining(why) })
  })

  test('is told what the service refuses by its code', async () => {
    const { artifact } = await run(await start(), 'refused')
    expect(artifact.data.result).toMatchObject({
      code: 'not-found',
      message: expect.stringContaining('not found'),
    })
  })

  test('that throws fails its job, and its artifact has the error', async () => {
    const service = await start()
    const { job, artifact } = await run(service, 'retrain', { tag: 'nothing' })
    const message = 'There is no artifact with the tag nothing'
    expect(job).toMatchObject({ status: 'failed', error: `Error: ${message}` })
    expect(artifact.data.result).toBe(null)
    expect(artifact.data.error).toMatchObject({ type: 'Error', message })
    expect(artifact.data.error.traceback).toMatch(/service\.ts:\d+/)
    expect(artifact.data.error.traceback).not.toContain(process.cwd())
    expect(job.error_traceback).toBe(artifact.data.error.traceback)
  })

  test.each([
    ['function', 'Expected plain data, as JSON has it, at `result.answer`; got a function'],
    ['map', 'got a Map; make an object or an array of it'],
    ['nan', 'got NaN'],
    ['large', 'Expected a result of at most 1048576 bytes of JSON'],
  ])('that returns what cannot be stored (%s) is told so', async (what, why) => {
    const { job } = await run(await start(), 'rude', { what })
    expect(job).toMatchObject({ status: 'failed', error: expect.stringContaining(why) })
  })

  test('is told which attempt it is, and tried again until it succeeds', async () => {
    const { job, artifact, lines } = await run(await start(), 'fail', { until: 3 })
    expect([job.status, artifact.data.result]).toEqual(['completed', { attempt: 3 }])
    expect(lines[0]).toBe(
      'attempt 1 of 3 failed: TypeError: broken in attempt 1; attempt 2 of 3 follows in 0.0 s',
    )
  })

  test('that is canceled is told by its signal, and its job is canceled', async () => {
    const service = await start()
    const id = await idOf(service, 'endless')
    const { json } = await service.request('POST', `/api/v1/tasks/${id}/$execute`)
    await until('it runs', async () => {
      const { json: logs } = await service.request('GET', `/api/v1/jobs/${json.job_id}/$logs`)
      return logs.items.length > 0
    })
    await service.request('POST', `/api/v1/jobs/${json.job_id}/$cancel`)
    expect((await service.waitForJob(json.job_id)).status).toBe('canceled')
  })
})

describe('a function in a host', () => {
  async function start() {
    const service = await createTestService(fullService, { hosting: 'process' })
    onTestFinished(() => service.close())
    return service
  }

  test('that never yields is killed when its time is up', async () => {
    const { job } = await run(await start(), 'stuck')
    expect(job).toMatchObject({
      status: 'failed',
      error: 'TimeoutError: the function was stopped after 0.3 seconds, the time that it may take',
    })
  })

  test('that ends its process runs again, but not for ever, and the service goes on', async () => {
    const service = await start()
    const { job } = await run(service, 'dies')
    expect(job).toMatchObject({
      status: 'failed',
      error: 'HostDied: its process died 3 times under this job; last: exited with code 3',
    })
    expect((await run(service, 'add', { a: 1 })).job.status).toBe('completed')
  })

  test('needs no model beside it, and asks for parts that are not there in vain', async () => {
    const file = join(temporaryFolder(), 'service.ts')
    writeFileSync(
      file,
      `import { ServiceBuilder, defineTask } from 'chapkit'
       const functions = {
         jobs: defineTask({ run: async ({ jobs }) => (await jobs.list()).length }),
         train: defineTask({ run: ({ ml }) => ml.train({ configId: 'x', data: [] }) }),
         configs: defineTask({ run: ({ configs }) => configs.list() }),
       }
       export default new ServiceBuilder({ module: import.meta.url, info: { id: 'a', display_name: 'A' } })
         .withArtifacts().withJobs().withTasks({ functions }).build()`,
    )
    const { module } = { module: new URL(`file://${file}`).href }
    const names = ['jobs', 'train', 'configs']
    const functions = Object.fromEntries(names.map((name) => [name, defineTask({ run: () => 0 })]))
    const builder = new ServiceBuilder({ info, module }).withArtifacts().withJobs()
    const service = await createTestService(builder.withTasks({ functions }).build(), {
      hosting: 'process',
    })
    onTestFinished(() => service.close())
    expect((await run(service, 'jobs')).artifact.data.result).toBe(1)
    expect((await run(service, 'train')).job.error).toBe(
      'ChapkitError: This service has no model: add withMl() to its builder',
    )
    expect((await run(service, 'configs')).job.error).toMatch(/no configs: add withConfig\(\)/)
  })
})

test('parameters that do not fit are refused before there is a job, and never tried again', async () => {
  const retries = { attempts: 5 }
  const functions = { say: defineTask({ parameters: text, retries, run: () => 1 }) }
  const service = await startTasks({
    functions,
    shell: { say2: { command: 'echo {text}', retries } },
  })
  for (const [name, why] of [
    ['say', 'body.parameters.text: Expected string, got nothing'],
    ['say2', 'body.parameters.text: Expected a value for {text} of the command, got nothing'],
  ] as const) {
    const id = await idOf(service, name)
    const { status, json } = await service.request('POST', `/api/v1/tasks/${id}/$execute`)
    expect([status, json.detail]).toEqual([422, why])
  }
  expect((await service.request('GET', '/api/v1/jobs')).json).toEqual([])
})
