import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

export interface Attached extends AsyncDisposable {
  /** Lets go; the process runs on. */
  detach(): Promise<void>
  exited: Promise<void>
}

/** Attaches strace to one thread, or with `-f` to a whole process; resolves when it watches. */
export async function attach(id: number, args: string[]): Promise<Attached> {
  const child = spawn('strace', [...args, '-p', String(id)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let stderr = ''
  const exited = new Promise<void>((resolve) => child.once('close', () => resolve()))
  await new Promise<void>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', () => reject(new Error(`strace ended: ${stderr}`)))
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      stderr += chunk
      if (/Process \d+ attached/.test(stderr)) resolve()
    })
  })
  async function detach() {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGINT')
    await exited
  }
  return { detach, exited, [Symbol.asyncDispose]: detach }
}

/** Thread that runs the JavaScript and SQLite, and the one (UV_THREADPOOL_SIZE=1) that runs file operations. */
export function threadsOf(pid: number): { main: number; files: number } {
  const files = readdirSync(`/proc/${pid}/task`).find(
    (id) => readFileSync(`/proc/${pid}/task/${id}/comm`, 'utf8').trim() === 'libuv-worker',
  )
  if (files === undefined) throw new Error(`Process ${pid} has no thread for files`)
  return { main: pid, files: Number(files) }
}
