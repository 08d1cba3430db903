import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const fixtures = new URL('./fixtures/', import.meta.url)
const flags = ['--conditions=chapkit-source', '--disable-warning=ExperimentalWarning']

/** Starts are most of the time that these tests take; what was compiled once is read again. */
const compileCache = fileURLToPath(new URL('../../node_modules/.cache/crash', import.meta.url))

/** A program of `fixtures/` that talks in lines. */
export interface Fixture extends AsyncDisposable {
  child: ChildProcess
  pid: number
  /** The next line that begins with a word, without the word; undefined when the process ended before it. */
  line(word: string): Promise<string | undefined>
  /** Whether a line that nobody waited for, such as one of the log, has a text in it. */
  hasSaid(text: string): boolean
  stderr(): string
  exited: Promise<void>
  /** Ends it without a word, and waits until it is gone. */
  kill(): Promise<void>
}

export function startFixture(
  name: string,
  args: string[],
  env: Record<string, string> = {},
): Fixture {
  const child = spawn(
    process.execPath,
    [...flags, fileURLToPath(new URL(`${name}.ts`, fixtures)), ...args],
    {
      env: {
        PATH: process.env.PATH,
        HOME: process.env.HOME,
        LOG_LEVEL: 'silent',
        LOG_FORMAT: 'json',
        NODE_COMPILE_CACHE: compileCache,
        ...env,
      },
      stdio: ['pipe', 'pipe', 'pipe'],
    },
  )
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    stderr = (stderr + chunk).slice(-20_000)
  })
  child.stdin.on('error', () => {})

  const lines: string[] = []
  const waiting = new Map<string, (line: string | undefined) => void>()
  createInterface({ input: child.stdout }).on('line', (line) => {
    const word = line.split(' ', 1)[0] as string
    const resolve = waiting.get(word)
    waiting.delete(word)
    if (resolve) resolve(line.slice(word.length + 1))
    else lines.push(line)
  })
  const exited = new Promise<void>((resolve) => {
    child.once('close', () => {
      for (const waiter of waiting.values()) waiter(undefined)
      resolve()
    })
  })

  const fixture: Fixture = {
    child,
    pid: child.pid as number,
    line(word) {
      const place = lines.findIndex((line) => line.startsWith(`${word} `) || line === word)
      const [line] = place === -1 ? [] : lines.splice(place, 1)
      if (line !== undefined) return Promise.resolve(line.slice(word.length + 1))
      if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve(undefined)
      return new Promise((resolve) => waiting.set(word, resolve))
    },
    hasSaid: (text) => lines.some((line) => line.includes(text)),
    stderr: () => stderr,
    exited,
    async kill() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
      await exited
    },
    [Symbol.asyncDispose]: () => fixture.kill(),
  }
  return fixture
}

export interface ServiceProcess extends Fixture {
  url: string
}

/** Starts the service on a folder and waits until it answers. Throws when it ends instead. */
export async function startService(
  folder: string,
  env: Record<string, string> = {},
): Promise<ServiceProcess> {
  const fixture = spawnService(folder, env)
  const url = await fixture.line('ready')
  if (url === undefined) throw new Error(`The service did not start: ${fixture.stderr()}`)
  return { ...fixture, url }
}

export function spawnService(folder: string, env: Record<string, string> = {}): Fixture {
  return startFixture('service', [], { PORT: '0', CHAPKIT_DATA_DIR: folder, ...env })
}

export { descendants } from '../setup/processes.ts'

export function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

/**
 * Processes that were started on a data folder: the service and its model hosts, also those whose service has ended. They are
 * known by their environment, as the ids of processes come again. One that has ended has none.
 */
export function processesOn(folder: string): number[] {
  const mark = `CHAPKIT_DATA_DIR=${folder}\0`
  const isOn = (pid: number) => {
    try {
      return readFileSync(`/proc/${pid}/environ`, 'utf8').includes(mark)
    } catch {
      return false
    }
  }
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter(isOn)
}

/** Waits for a condition, by asking; the deadline is only there to fail. */
export async function until<Value>(
  what: string,
  ask: () => Value | Promise<Value>,
  milliseconds = 90_000,
): Promise<NonNullable<Exclude<Value, false>>> {
  const deadline = performance.now() + milliseconds
  for (;;) {
    const value = await ask()
    if (value !== undefined && value !== null && value !== false)
      return value as NonNullable<Exclude<Value, false>>
    if (performance.now() > deadline) throw new Error(`Waited in vain until ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

/** A folder that goes with its scope. */
export function temporaryFolder(): Disposable & { path: string } {
  const path = mkdtempSync(join(tmpdir(), 'chapkit-crash-'))
  return {
    path,
    [Symbol.dispose]() {
      if (existsSync(path)) rmSync(path, { recursive: true, force: true, maxRetries: 10 })
    },
  }
}
