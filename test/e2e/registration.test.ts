import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { startOrchestrator } from '../compat/orchestrator.ts'
import { type LogEntry, temporaryFolder, until } from './harness.ts'

const bin = resolve(import.meta.dirname, '../../src/cli/bin.ts')
const key = 'hunter2-hunter2'

const file = `
import { FunctionalModelRunner, MLServiceBuilder } from 'chapkit'
const runner = new FunctionalModelRunner({
  onTrain: () => {
    throw new Error('the key is ' + process.env.SERVICEKIT_REGISTRATION_KEY)
  },
  onPredict: ({ future }) => future,
})
const info = { id: 'served', display_name: 'Served', period_type: 'monthly' }
export default new MLServiceBuilder({ info, runner }).withRegistration().build()
`

/** Starts `chapkit serve` with a service that registers as its environment says. */
function serve(env: Record<string, string>) {
  const folder = temporaryFolder()
  writeFileSync(join(folder, 'service.ts'), file)
  const { PATH, HOME, NODE_V8_COVERAGE } = process.env
  const child = spawn(
    process.execPath,
    ['--conditions=chapkit-source', bin, 'serve', 'service.ts', '--port', '0'],
    {
      cwd: folder,
      env: {
        PATH,
        HOME,
        ...(NODE_V8_COVERAGE && { NODE_V8_COVERAGE }),
        LOG_FORMAT: 'json',
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk
    })
  }
  const exited = new Promise<number | null>((done) => child.once('close', done))
  onTestFinished(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
    await exited
  })
  const log = (): LogEntry[] =>
    output
      .split('\n')
      .slice(0, -1)
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line))
  return {
    child,
    exited,
    output: () => output,
    /** Events of registrations, and their levels. */
    events: () =>
      log()
        .filter(({ event }) => event?.startsWith('registration.'))
        .map(({ event, level }) => `${level} ${event}`),
    url: () =>
      until('the service listens', () => {
        if (child.exitCode !== null) throw new Error(`The service ended: ${output}`)
        return log().find(({ event }) => event === 'service.started')?.url as string | undefined
      }),
  }
}

test('chapkit serve registers as the environment says, and takes that back on SIGTERM', async () => {
  const orchestrator = await startOrchestrator({ key })
  const { child, exited, output, events, url } = serve({
    SERVICEKIT_ORCHESTRATOR_URL: orchestrator.registerUrl,
    SERVICEKIT_REGISTRATION_KEY: key,
    SERVICEKIT_HOST: '127.0.0.1',
    GIT_REVISION: '4BCC9DC',
  })
  const address = await url()
  const entry = await until('it is registered', () => orchestrator.service('served'))
  expect(entry.url).toBe(address)
  await until('it has its answer', () => orchestrator.asked[0]?.status === 200)
  expect(orchestrator.calls.map(({ status }) => status)).toEqual([200])
  expect(orchestrator.templates.get('served 1.0.0')).toBe('4bcc9dc')

  child.kill('SIGTERM')
  expect(await exited).toBe(0)
  expect(orchestrator.service('served')).toBeUndefined()
  expect(events()).toEqual(['info registration.success', 'info registration.deregistered'])
  expect(output()).not.toContain(key)
})

test.each([
  ['none', {}, 'is not known'],
  ['one that is no commit', { GIT_REVISION: 'main' }, 'is "main"'],
])(
  'a service that registers with %s as its commit is told what that costs',
  async (_, env, text) => {
    const orchestrator = await startOrchestrator()
    const { events, output, url } = serve({
      SERVICEKIT_ORCHESTRATOR_URL: orchestrator.registerUrl,
      SERVICEKIT_HOST: '127.0.0.1',
      ...env,
    })
    await url()
    await until('the orchestrator has said why', () => events().length === 3)
    expect(events()).toEqual([
      'warn registration.unversioned',
      'info registration.success',
      'warn registration.message',
    ])
    expect(output()).toContain(`the commit of this service ${JSON.stringify(text).slice(1, -1)}`)
    expect(output()).toContain('build the image with the GIT_REVISION build arg')
    expect(orchestrator.templates.size).toBe(0)
  },
)

test('a model is not given the key', async () => {
  const { url } = serve({ SERVICEKIT_REGISTRATION_KEY: key })
  const address = await url()
  const post = async (path: string, body: object, headers = {}) => {
    const answer = await fetch(`${address}/api/v1${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    })
    return (await answer.json()) as { id: string; job: { error: string } }
  }
  const { id } = await post('/configs', { name: 'c', data: {} })
  const data = { columns: ['time_period', 'location'], data: [['2020-01', 'a']] }
  const { job } = await post('/ml/$train', { config_id: id, data }, { prefer: 'wait=60' })
  expect(job.error).toBe('Error: the key is undefined')
})

test('an orchestrator that hangs holds a stop up for two seconds at most', async () => {
  const orchestrator = await startOrchestrator()
  orchestrator.trouble(() => true)
  const { child, exited, events, url } = serve({
    SERVICEKIT_ORCHESTRATOR_URL: orchestrator.registerUrl,
    SERVICEKIT_HOST: '127.0.0.1',
    GIT_REVISION: '4bcc9dc',
  })
  await url()
  await until('it registers', () => orchestrator.asked.length === 1)
  const began = performance.now()
  child.kill('SIGTERM')
  expect(await exited).toBe(0)
  expect(orchestrator.asked.map(({ method }) => method)).toEqual(['POST', 'DELETE'])
  expect(events()).toEqual(['warn registration.deregister.failed'])
  // Two seconds and the end of the process, on a machine that may be busy; a request may take ten.
  expect(performance.now() - began).toBeLessThan(9000)
})

test('without the URL of an orchestrator there is one line about it, and a service', async () => {
  const { child, exited, events, url } = serve({})
  const answer = await fetch(`${await url()}/health`)
  expect(await answer.json()).toMatchObject({ status: 'healthy' })
  child.kill('SIGTERM')
  expect(await exited).toBe(0)
  expect(events()).toEqual(['warn registration.skipped'])
})

test('a service that listens on this machine alone is warned when it registers by its name', async () => {
  const orchestrator = await startOrchestrator()
  const { events, url } = serve({ SERVICEKIT_ORCHESTRATOR_URL: orchestrator.registerUrl })
  await url()
  await until('it says so', () => events().includes('warn registration.hidden'))
})

test('a URL that is none stops the start without being shown', async () => {
  const { exited, output } = serve({ SERVICEKIT_ORCHESTRATOR_URL: `me:${key}@chap` })
  expect(await exited).toBe(1)
  expect(output()).toContain('SERVICEKIT_ORCHESTRATOR_URL=…: Expected the whole URL')
  expect(output()).not.toContain(key)
})
