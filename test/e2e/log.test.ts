import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { temporaryFolder, until } from './harness.ts'

const bin = join(import.meta.dirname, '../../src/cli/bin.ts')
const service = join(import.meta.dirname, 'fixtures/plain.ts')

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

// Each test asks some hundred times.
vi.setConfig({ testTimeout: 180_000 })

/** A service whose stdout is what the test makes it. */
async function serveTo(stdout: number | 'pipe', shell?: string) {
  const port = await freePort()
  const args = ['--conditions=chapkit-source', bin, 'serve', service, '--port', String(port)]
  const more = ['--host', '127.0.0.1', '--data-dir', join(temporaryFolder(), 'data')]
  const command = [process.execPath, ...args, ...more]
  const env = { ...process.env, LOG_FORMAT: 'json' }
  const stdio: ['ignore', number | 'pipe', 'pipe'] = ['ignore', stdout, 'pipe']
  const child = shell
    ? spawn('/bin/sh', ['-c', shell, 'sh', ...command], { env, stdio })
    : spawn(command[0]!, command.slice(1), { env, stdio })
  const exited = once(child, 'exit')
  onTestFinished(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
    await exited
  })
  let said = ''
  child.stderr!.on('data', (chunk) => {
    said += chunk
  })
  const url = `http://127.0.0.1:${port}`
  await until(
    'the service answers',
    async () => {
      if (child.exitCode !== null) throw new Error(`The service ended: ${said}`)
      return fetch(`${url}/health`).then(
        ({ ok }) => ok,
        () => false,
      )
    },
    40_000,
  )
  return { child, url, exited }
}

/** So many requests that any buffer of a pipe is full, each with a line of its own. */
async function ask(url: string, times: number): Promise<void> {
  const path = `/nothing/${'x'.repeat(2000)}`
  for (let done = 0; done < times; done += 20) {
    const answers = Array.from({ length: 20 }, async () => {
      const response = await fetch(`${url}${path}`, { signal: AbortSignal.timeout(10_000) })
      await response.arrayBuffer()
      expect(response.status).toBe(404)
    })
    await Promise.all(answers)
  }
}

async function dropped(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text()
  return Number(/^chapkit_log_lines_dropped_total (\d+)/m.exec(text)?.[1])
}

/** Ends in good order, and soon. */
async function stops(child: ChildProcess, exited: Promise<unknown[]>): Promise<void> {
  const began = performance.now()
  child.kill('SIGTERM')
  expect(await exited).toEqual([0, null])
  expect(performance.now() - began).toBeLessThan(10_000)
}

test('a log whose disk is full stops neither requests nor the end of the service', async () => {
  const full = openSync('/dev/full', 'w')
  const { child, url, exited } = await serveTo(full)
  closeSync(full)
  await ask(url, 800)
  expect(await dropped(url)).toBeGreaterThan(0)
  await stops(child, exited)
})

test('a log whose reader stands still stops neither requests nor the end of the service, and tells afterwards what it lost', async () => {
  const { child, url, exited } = await serveTo('pipe')
  // Nobody reads, and the pipe is full after some lines.
  await ask(url, 800)
  const lost = await dropped(url)
  expect(lost).toBeGreaterThan(0)

  let log = ''
  child.stdout!.on('data', (chunk) => {
    log += chunk
  })
  const told = () =>
    [...log.matchAll(/^.*"event":"log\.dropped".*\n/gm)].map(([line]) => JSON.parse(line))
  const sum = () => told().reduce((all, { lines }) => all + lines, 0)
  await until('the service tells', () => sum() >= lost)
  expect(told()[0]).toMatchObject({ event: 'log.dropped', level: 'warn' })
  for (const line of log.trimEnd().split('\n')) expect(() => JSON.parse(line)).not.toThrow()
  await stops(child, exited)
})

test('a stop does not wait for a reader that stands still', async () => {
  const { child, url, exited } = await serveTo('pipe')
  await ask(url, 200)
  await stops(child, exited)
})

test('a log whose reader is gone stops neither requests nor the end of the service', async () => {
  const { child, url, exited } = await serveTo('pipe')
  child.stdout!.destroy()
  await ask(url, 800)
  expect(await dropped(url)).toBeGreaterThan(0)
  await stops(child, exited)
})

test('a service whose stdout is closed runs', async () => {
  const { child, url, exited } = await serveTo('pipe', 'exec "$@" >&-')
  await ask(url, 40)
  await stops(child, exited)
})

test('many services in one process, at once or one after the other, leave no listeners behind', () => {
  const program = `
    import { ServiceBuilder } from 'chapkit'
    const before = process.listenerCount('exit')
    const make = (id) => new ServiceBuilder({ info: { id, display_name: id } }).withLogging().build()
    const start = (service) => service.start({ databaseUrl: ':memory:', logFormat: 'json' })
    const all = Array.from({ length: 12 }, (_, at) => make('at-once-' + at))
    await Promise.all(all.map(start))
    await Promise.all(all.map((service) => service.close()))
    for (let at = 0; at < 12; at++) {
      const service = make('after-' + at)
      await start(service)
      await service.close()
    }
    process.stderr.write(String(process.listenerCount('exit') - before))
  `
  const args = ['--conditions=chapkit-source', '--input-type=module', '-e', program]
  const { stderr, status } = spawnSync(process.execPath, args, {
    ...{ cwd: import.meta.dirname, encoding: 'utf8', timeout: 120_000 },
  })
  expect({ status, stderr }).toEqual({ status: 0, stderr: '0' })
})

test('what was logged before a stop is in the file', async () => {
  const folder = temporaryFolder()
  mkdirSync(folder, { recursive: true })
  const file = openSync(join(folder, 'log'), 'w')
  const { child, url, exited } = await serveTo(file)
  closeSync(file)
  await ask(url, 40)
  await stops(child, exited)
  const events = readFileSync(join(folder, 'log'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line).event)
  expect(events.filter((event) => event === 'http.request.complete')).toHaveLength(40)
  expect(events.at(-1)).toBe('service.stopping')
})

test.skipIf(spawnSync('script', ['--version']).status !== 0)(
  'a terminal that was stopped stops neither requests nor the end of the service',
  async () => {
    const port = await freePort()
    const line = `exec ${process.execPath} --conditions=chapkit-source ${bin} serve ${service} --port ${port} --host 127.0.0.1 --data-dir ${join(temporaryFolder(), 'data')}`
    const terminal = spawn('script', ['-qefc', line, '/dev/null'], { stdio: 'pipe' })
    const exited = once(terminal, 'exit')
    onTestFinished(async () => {
      terminal.kill('SIGKILL')
      await exited
    })
    let shown = ''
    terminal.stdout.on('data', (chunk) => {
      shown += chunk
    })
    const url = `http://127.0.0.1:${port}`
    await until('the service answers', () =>
      fetch(`${url}/health`).then(
        ({ ok }) => ok,
        () => false,
      ),
    )
    await until('the terminal shows it', () => shown.includes('listening at'))
    terminal.stdin.write('\x13')
    await ask(url, 400)
    terminal.stdin.write('\x11')
    await until('the terminal goes on', () => shown.includes('GET /nothing/x'))
    terminal.stdin.write('\x03')
    expect((await exited)[0]).toBe(0)
  },
)
