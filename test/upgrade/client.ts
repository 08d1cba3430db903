import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

/** A service of a data folder, as a process. */
export type Running = Awaited<ReturnType<typeof serve>>

export interface ServeOptions {
  dataDir: string
  env?: Readonly<Record<string, string>>
}

// biome-ignore lint/suspicious/noExplicitAny: what an answer holds is what is compared
type Json = any

/** Serves a data folder with the service of this name, and resolves when it answers. */
export async function serve(name: ServiceName, { dataDir, env = {} }: ServeOptions) {
  const file = join(import.meta.dirname, 'services', serviceFiles[name])
  const child = spawn(process.execPath, ['--conditions=chapkit-source', file], {
    env: {
      ...process.env,
      PORT: '0',
      LOG_FORMAT: 'json',
      CHAPKIT_DATA_DIR: dataDir,
      CHAPKIT_DRAIN_SECONDS: '0',
      // What was written long ago is not swept away before it is read.
      CHAPKIT_JOB_RETENTION_DAYS: '36500',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const exited = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    said += chunk
  })
  const lines = createInterface({ input: child.stdout })
  const url = await new Promise<string>((resolve, reject) => {
    lines.on('line', (line) => {
      const { event, url } = JSON.parse(line) as { event?: string; url?: string }
      if (event === 'service.started' && url) resolve(url)
    })
    child.on('close', (code) => reject(new Error(`The service ended with ${code}: ${said}`)))
  })

  const send = (method: string, path: string, body?: unknown, headers = {}) =>
    fetch(url + path, {
      method,
      headers: {
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })

  return {
    send,
    async json(method: string, path: string, body?: unknown, headers = {}): Promise<Json> {
      const response = await send(method, path, body, headers)
      const text = await response.text()
      if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${text}`)
      return text === '' ? null : JSON.parse(text)
    },
    /** Asks it to end, or ends it at once, and resolves when it is gone. */
    async end(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
      child.kill(signal)
      await exited
    },
  }
}

const serviceFiles = {
  functions: 'functions.ts',
  shell: 'shell/service.ts',
  tasks: 'tasks/service.ts',
} as const
export type ServiceName = keyof typeof serviceFiles
