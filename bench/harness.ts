import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'

export const root = join(import.meta.dirname, '..')
const bin = join(root, 'dist', 'cli', 'bin.js')

const startTimeoutMs = 60_000
const stopTimeoutMs = 15_000

/** What must not outlive this process, however it ends. */
const children = new Set<ChildProcess>()
const folders = new Set<string>()
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL')
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

export interface Running {
  url: string
  pid: number
  /** From the start of the process to its first line with an address. */
  startMs: number
  /** Addresses of the debuggers that it and its hosts have opened, where `--inspect` told them to. */
  debuggers: ReadonlySet<string>
  stop(): Promise<void>
}

export interface ServiceOptions {
  dataDir?: string
  env?: Record<string, string>
  /** Flags of node. */
  flags?: readonly string[]
}

/** Processes and folders of one program: all gone when it is left. */
export class Scope implements AsyncDisposable {
  readonly #running: Running[] = []
  readonly #folders: string[] = []

  folder(): string {
    const folder = mkdtempSync(join(tmpdir(), 'chapkit-bench-'))
    folders.add(folder)
    this.#folders.push(folder)
    return folder
  }

  /** A file of `bench/services`, served by the built package as `chapkit serve` does. */
  serve(file: string, { dataDir = this.folder(), env, flags = [] }: ServiceOptions = {}) {
    const path = join(root, 'bench', 'services', file)
    const args = [...flags, bin, 'serve', path, '--port', '0', '--data-dir', dataDir]
    return this.#start(args, env)
  }

  /** A file of `bench/services` that listens by itself. */
  runService(file: string, { dataDir = this.folder(), env, flags = [] }: ServiceOptions = {}) {
    const path = join(root, 'bench', 'services', file)
    const settings = { PORT: '0', CHAPKIT_DATA_DIR: dataDir, ...env }
    return this.#start([...flags, path], settings)
  }

  /** A server of `bench/limits`. */
  limit(file: string, args: readonly string[] = [], env?: Record<string, string>) {
    return this.#start([join(root, 'bench', 'limits', file), ...args], env)
  }

  async #start(args: string[], env: Record<string, string> = {}): Promise<Running> {
    const running = await startServer(args, env)
    this.#running.push(running)
    return running
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#running.map((each) => each.stop()))
    for (const folder of this.#folders) {
      rmSync(folder, { recursive: true, force: true })
      folders.delete(folder)
    }
  }
}

function cleanEnvironment(): NodeJS.ProcessEnv {
  const dropped = /^(CHAPKIT_|PORT$|HOST$|DATABASE_URL$|LOG_|NODE_OPTIONS$|LD_PRELOAD$)/
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !dropped.test(name)))
}

/** Starts a server and resolves when it has said its address, on whichever stream that comes first. */
async function startServer(args: string[], env: Record<string, string>): Promise<Running> {
  const start = performance.now()
  const child = spawn(process.execPath, args, {
    cwd: root,
    env: { ...cleanEnvironment(), LOG_FORMAT: 'json', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  children.add(child)
  const gone = new Promise<void>((done) => child.once('exit', () => done()))
  void gone.then(() => children.delete(child))

  const said = Promise.withResolvers<string>()
  const debuggers = new Set<string>()
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      const [address] = /ws:\/\/127\.0\.0\.1:\d+\/[\w-]+/.exec(line) ?? []
      if (address) debuggers.add(address)
    })
    stream.setEncoding('utf8').on('data', (text: string) => {
      // Read to the end all the same: a full pipe would stop the service.
      if (output.length > 20_000) return
      output += text
      const url = /http:\/\/127\.0\.0\.1:\d+/.exec(output)?.[0]
      if (url) said.resolve(url)
    })
  }
  const failed = (reason: string) =>
    said.reject(new Error(`${args.join(' ')} ${reason}\n${output}`))
  void gone.then(() => failed('has ended'))
  const timer = setTimeout(() => failed('did not start in time'), startTimeoutMs)
  const stop = async () => {
    child.kill('SIGTERM')
    const hard = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs)
    await gone
    clearTimeout(hard)
  }
  try {
    const url = await said.promise
    return { url, pid: child.pid!, startMs: performance.now() - start, debuggers, stop }
  } catch (error) {
    await stop()
    throw error
  } finally {
    clearTimeout(timer)
  }
}

/** Runs a program of `bench/limits` to its end and reads the JSON that it prints. */
export function runLimit<Output>(
  file: string,
  args: readonly string[] = [],
  env: Record<string, string> = {},
): Promise<Output> {
  return runScript<Output>([join(root, 'bench', 'limits', file), ...args], env)
}

/** Runs a program of its own and reads the JSON that it prints. */
export async function runScript<Output>(
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<Output> {
  const child = spawn(process.execPath, args, {
    cwd: root,
    env: { ...cleanEnvironment(), ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: 300_000,
  })
  children.add(child)
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  const code = await new Promise<number | null>((done) => child.once('close', done))
  children.delete(child)
  if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}: ${output}`)
  return JSON.parse(output) as Output
}

/** A module of the built package by its path in `dist/`: what users do not import, but what has a cost. */
export async function built<Module>(path: string): Promise<Module> {
  return (await import(pathToFileURL(join(root, 'dist', path)).href)) as Module
}

/** Processor time that a process has used so far, in milliseconds; of its children nothing. */
export function processorTimeOf(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  // In hundredths of a second: user and system.
  return (Number(fields[11]) + Number(fields[12])) * 10
}

/** Processes that a process has started and that are there, and those that they have started. */
export function descendantsOf(pid: number): number[] {
  const children = (of: number): number[] =>
    readdirSync(`/proc/${of}/task`).flatMap((thread) =>
      readFileSync(`/proc/${of}/task/${thread}/children`, 'utf8')
        .split(' ')
        .filter(Boolean)
        .map(Number),
    )
  return children(pid).flatMap((child) => [child, ...descendantsOf(child)])
}

/** Proportional memory of one process, in MB; shared pages count by their share. */
export function memoryOf(pid: number): number {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
  return Number(/^Pss:\s+(\d+) kB/m.exec(text)?.[1]) / 1024
}

export const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms))
