import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { onTestFinished } from 'vitest'

const bin = join(import.meta.dirname, '../../src/cli/bin.ts')

interface LogLine {
  event?: string
  [name: string]: unknown
}

export interface ServeOptions {
  env?: Readonly<Record<string, string | undefined>>
  cwd?: string
}

/** Serves a service file, or the MLproject of a folder, as a process on a free port, until the test is finished. */
export async function serve(path: string, { env = {}, cwd }: ServeOptions = {}) {
  const dataDir = mkdtempSync(join(tmpdir(), 'chapkit-served-'))
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true, maxRetries: 5 }))
  const command = statSync(path).isDirectory() ? ['mlproject', 'run', path] : ['serve', path]
  const child = spawn(
    process.execPath,
    [
      ...['--conditions=chapkit-source', bin, ...command],
      ...['--port', '0', '--data-dir', join(dataDir, 'data')],
    ],
    {
      cwd,
      env: { ...process.env, LOG_FORMAT: 'json', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  const exited = once(child, 'close')
  onTestFinished(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM')
    await exited
  })
  let said = ''
  child.stderr.on('data', (chunk) => {
    said += chunk
  })
  const log: LogLine[] = []
  const started = new Promise<string>((resolve) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (!line.startsWith('{')) return
      const entry = JSON.parse(line) as LogLine
      log.push(entry)
      if (entry.event === 'service.started') resolve(String(entry.url))
    })
  })
  const url = await Promise.race([started, exited.then(() => null)])
  if (url === null) throw new Error(`The service of ${path} ended: ${said}`)
  return {
    url,
    pid: child.pid as number,
    dataDir,
    /** What it has logged so far. */
    log: log as readonly LogLine[],
  }
}
