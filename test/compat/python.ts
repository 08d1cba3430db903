import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { until } from '../e2e/harness.ts'
import { pythonOf } from '../setup/needs.ts'

/*
 * The real programs: chap-core and the Python chapkit, from the environment `chap-core`. Each is a process in a folder of its
 * own, as they write where they run.
 */

const bin = dirname(pythonOf('chap-core'))

/** Paths of the programs in `python/`. */
const program = (name: string) => resolve(import.meta.dirname, 'python', name)

function start(command: string, args: readonly string[], cwd?: string) {
  const folder = cwd ?? mkdtempSync(join(tmpdir(), 'chapkit-python-'))
  const child = spawn(join(bin, command), args, {
    cwd: folder,
    // No colours, no wide tables, nothing of a user's own.
    env: { ...process.env, NO_COLOR: '1', COLUMNS: '200', PYTHONUNBUFFERED: '1', HOME: folder },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const ended = once(child, 'close').then(([code]) => {
    if (cwd === undefined) rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
    return code as number | null
  })
  return {
    child,
    ended,
    async stop() {
      child.kill('SIGKILL')
      await ended
    },
  }
}

/** Runs a command of the environment to its end, such as `chap` or `chapkit`. */
export async function runPython(
  command: 'chap' | 'chapkit',
  args: readonly string[],
  { cwd }: { cwd?: string } = {},
) {
  const { child, ended } = start(command, args, cwd)
  child.stdin.end()
  const [out, err, code] = await Promise.all([text(child.stdout), text(child.stderr), ended])
  return { code, out, err }
}

/** What a call of chap-core's client answers: its result, or the text of what it threw. */
export interface CallResult {
  result?: unknown
  error?: string
}

/** Starts chap-core's client, whose operations `python/client.py` has. It takes some seconds to load. */
export function startClient() {
  const { child, stop } = start('python', [program('client.py')])
  const said = text(child.stderr)
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    async call(operation: string, args: Record<string, unknown>): Promise<CallResult> {
      child.stdin.write(`${JSON.stringify({ operation, arguments: args })}\n`)
      const { value, done } = await lines.next()
      if (done) throw new Error(`The client of chap-core has ended: ${await said}`)
      return JSON.parse(value)
    },
    stop,
  }
}

/** Starts chap-core's registry; `url` is where it is, once it has loaded. */
export async function startRegistry() {
  const { child, stop } = start('python', [program('registry.py')])
  const said = text(child.stderr)
  const { value: port, done } = await createInterface({ input: child.stdout })
    [Symbol.asyncIterator]()
    .next()
  if (done) throw new Error(`The registry of chap-core has ended: ${await said}`)
  child.stdout.resume()
  return { url: `http://127.0.0.1:${port}`, stop }
}

/** Starts a service of the Python chapkit and waits until it is healthy. */
export async function startPythonService() {
  const port = await freePort()
  const { child, ended, stop } = start('python', [
    program('service.py'),
    String(port),
    'service.db',
  ])
  child.stdout.resume()
  const said = text(child.stderr)
  const url = `http://127.0.0.1:${port}`
  const failed = ended.then(async () => {
    throw new Error(`The Python service has ended: ${await said}`)
  })
  const healthy = until(
    'the Python service is healthy',
    async () => {
      const answer = await fetch(`${url}/health`).catch(() => null)
      await answer?.body?.cancel()
      return answer?.ok
    },
    60_000,
  )
  // It ends later, too, when it is stopped.
  failed.catch(() => {})
  await Promise.race([healthy, failed])
  return { url, stop }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}
