import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import { descendants } from '../setup/processes.ts'

export { descendants }

/** An answer as it came over the socket. */
export interface Answer {
  status: number
  headers: IncomingMessage['headers']
  text: string
  // biome-ignore lint/suspicious/noExplicitAny: a test says what it expects of an answer, and fails when it is not so
  json: any
}

export interface RequestOptions {
  body?: unknown
  headers?: Record<string, string>
  agent?: Agent
  signal?: AbortSignal
}

/** How a process ended. */
export interface Exit {
  code: number | null
  signal: NodeJS.Signals | null
  stderr: string
}

export interface LogEntry {
  event?: string
  level?: number | string
  msg?: string
  [key: string]: unknown
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

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    // A zombie is dead, its parent just has not looked.
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

/** A folder that is gone after the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'chapkit-e2e-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }))
  return folder
}

/** What a model of the fixture does where: its traces, and its leash. */
export function stage() {
  const folder = temporaryFolder()
  // Whatever still waits when a test fails is let go.
  onTestFinished(() => writeFileSync(join(folder, 'release'), ''))
  return {
    folder,
    runs: () => readdirSync(folder).filter((name) => name.startsWith('began-')).length,
    /** The process id of the n-th run, once it has begun. */
    began: (run = 0) =>
      until(`run ${run} has begun`, () => {
        const file = join(folder, `began-${run}`)
        return existsSync(file) && Number(readFileSync(file, 'utf8'))
      }),
    childPid: () =>
      until('the model has a child', () => {
        const file = join(folder, 'child')
        return existsSync(file) && Number(readFileSync(file, 'utf8'))
      }),
    release: () => writeFileSync(join(folder, 'release'), ''),
  }
}

export interface SpawnOptions {
  dataDir: string
  fixture?: string
  env?: Record<string, string>
}

/** Starts a fixture as a process; does not wait for it. */
export function spawnService({ dataDir, fixture = 'model', env = {} }: SpawnOptions) {
  const file = fileURLToPath(new URL(`./fixtures/${fixture}.ts`, import.meta.url))
  const child = spawn(process.execPath, ['--conditions=chapkit-source', file], {
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
      ...(process.env.NODE_V8_COVERAGE && { NODE_V8_COVERAGE: process.env.NODE_V8_COVERAGE }),
      PORT: '0',
      LOG_FORMAT: 'json',
      CHAPKIT_DATA_DIR: dataDir,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const log: LogEntry[] = []
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk
  })
  createInterface({ input: child.stdout }).on('line', (line) => {
    try {
      log.push(JSON.parse(line))
    } catch {
      log.push({ msg: line })
    }
  })
  const exited = new Promise<Exit>((resolve) => {
    child.once('close', (code, signal) => resolve({ code, signal, stderr }))
  })
  onTestFinished(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
    await exited
  })
  return { child, log, exited, stderr: () => stderr }
}

/** Starts a fixture and waits until it answers. */
export async function startService(options: SpawnOptions) {
  const { child, log, exited, stderr } = spawnService(options)
  const url = await until('the service answers', () => {
    if (child.exitCode !== null) throw new Error(`The service ended: ${stderr()}`)
    return log.find(({ event }) => event === 'service.started')?.url as string | undefined
  })

  function open(
    method: string,
    path: string,
    { body, headers = {}, agent, signal }: RequestOptions = {},
  ): Promise<IncomingMessage> {
    const payload = body === undefined ? undefined : JSON.stringify(body)
    return new Promise((resolve, reject) => {
      const request = httpRequest(
        `${url}${path}`,
        {
          method,
          headers: {
            ...(payload !== undefined && {
              'content-type': 'application/json',
              'content-length': Buffer.byteLength(payload),
            }),
            ...headers,
          },
          agent: agent ?? new Agent({ keepAlive: false }),
          ...(signal && { signal }),
        },
        resolve,
      )
      request.on('error', reject)
      request.end(payload)
    })
  }

  async function request(
    method: string,
    path: string,
    options: RequestOptions = {},
  ): Promise<Answer> {
    const response = await open(method, path, options)
    const body = await text(response)
    const isJson = response.headers['content-type']?.includes('json') && body !== ''
    return {
      status: response.statusCode ?? 0,
      headers: response.headers,
      text: body,
      json: isJson ? JSON.parse(body) : undefined,
    }
  }

  async function job(id: string) {
    return (await request('GET', `/api/v1/jobs/${id}`)).json
  }

  return {
    options,
    pid: child.pid as number,
    url,
    log,
    exited,
    open,
    request,
    job,
    hosts: () => descendants(child.pid as number),

    /** Ends the process at once and without a word. */
    async kill(): Promise<void> {
      child.kill('SIGKILL')
      await exited
    },
    signal: (signal: NodeJS.Signals) => void child.kill(signal),
    /** A config for the model, by what it is to do. */
    async config(behaviour: string, folder: string): Promise<string> {
      const {
        status,
        json,
        text: answer,
      } = await request('POST', '/api/v1/configs', {
        body: { name: behaviour, data: { behaviour, folder, prediction_periods: 3 } },
      })
      if (status !== 201) throw new Error(`No config: ${status} ${answer}`)
      return json.id
    },
    train: (configId: string, headers: Record<string, string> = {}): Promise<Answer> =>
      request('POST', '/api/v1/ml/$train', {
        body: { config_id: configId, data: observed },
        headers,
      }),
    predict: (artifactId: string, headers: Record<string, string> = {}): Promise<Answer> =>
      request('POST', '/api/v1/ml/$predict', {
        body: { artifact_id: artifactId, historic: observed, future },
        headers,
      }),
    /** The record of a job when it has the status. */
    reaches: (id: string, status: string, milliseconds?: number) =>
      until(
        `job ${id} is ${status}`,
        async () => {
          const record = await job(id)
          return record.status === status && record
        },
        milliseconds,
      ),
  }
}

export type RunningProcess = Awaited<ReturnType<typeof startService>>

/** The same service again, on the same data. */
export function restart({ options }: RunningProcess): Promise<RunningProcess> {
  return startService(options)
}

const observed = {
  columns: ['time_period', 'location', 'disease_cases'],
  data: [
    ['2024-01', 'oslo', 10],
    ['2024-02', 'oslo', 20],
  ],
}
const future = {
  columns: ['time_period', 'location'],
  data: [
    ['2024-03', 'oslo'],
    ['2024-04', 'oslo'],
    ['2024-05', 'oslo'],
  ],
}

/** Frames of an event stream, as they come. */
export async function* frames(response: IncomingMessage): AsyncGenerator<string> {
  let rest = ''
  for await (const chunk of response.setEncoding('utf8')) {
    rest += chunk
    for (let end = rest.indexOf('\n\n'); end !== -1; end = rest.indexOf('\n\n')) {
      const frame = rest.slice(0, end)
      rest = rest.slice(end + 2)
      if (frame.startsWith('data: ')) yield frame.slice(6)
    }
  }
}
