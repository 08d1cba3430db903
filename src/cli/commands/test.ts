import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { writeCsv } from '../../data/csv.ts'
import { pause } from '../../kernel/abort.ts'
import { environment } from '../../settings.ts'
import { type DriveOptions, drive, type StepResult, steps } from '../drive.ts'
import { CommandError, exit } from '../exit.ts'
import { type Remote, type RemoteOptions, toCommandError, withRemote } from '../remote.ts'

export interface TestOptions extends RemoteOptions, DriveOptions {
  verbose?: boolean
  debug?: boolean
  /** Starts the service of this file for the test; true takes `service.ts`. */
  startService?: string | true
  saveData?: boolean
  saveDataDir: string
}

/** Drives a service end to end with generated data. Answers 1 when anything failed. */
export async function test(options: TestOptions): Promise<number> {
  if (options.startService === undefined)
    return withRemote(options, (remote) => run(remote, options))
  const file = options.startService === true ? 'service.ts' : options.startService
  const service = await startService(file)
  try {
    return await withRemote({ ...options, url: service.url }, (remote) => run(remote, options))
  } finally {
    await service.stop()
  }
}

async function run(remote: Remote, options: TestOptions): Promise<number> {
  const { lasting, output, signal, url } = remote
  remote.ifInterrupted('interrupted; what the test had made was deleted')
  if (options.saveData) await mkdir(options.saveDataDir, { recursive: true })
  const results: StepResult[] = []
  const total = 3 + options.configs * (1 + options.trainings * (4 + options.predictions * 3))
  const progress = output.progress('testing')
  try {
    await drive(options, {
      client: lasting,
      signal,
      pause,
      random: () => crypto.getRandomValues(new Uint32Array(1))[0]! / 2 ** 32,
      now: () => performance.now(),
      explain: (error) => (toCommandError(error, url) as Error).message,
      onStep(result) {
        results.push(result)
        const failed = results.filter(({ error }) => error !== null).length
        progress.update({
          done: results.length / total,
          text: `${result.step}${failed > 0 ? `, ${failed} failed` : ''}`,
        })
        if (options.verbose || options.debug) progress.line(toLine(result, options.debug ?? false))
      },
      async onData(name, frame) {
        if (options.saveData)
          await writeFile(join(options.saveDataDir, `${name}.csv`), writeCsv(frame, '\n'))
      },
    })
  } finally {
    progress.end()
  }
  signal.throwIfAborted()
  const report = toReport(url, results)
  output.result(report, () => describe(remote, report))
  return report.ok ? exit.ok : exit.failed
}

interface Report {
  ok: boolean
  url: string
  steps: { step: string; ok: number; failed: number; median_ms: number; longest_ms: number }[]
  failures: { step: string; error: string }[]
}

function toReport(url: string, results: readonly StepResult[]): Report {
  const failures = results.flatMap(({ step, error }) => (error === null ? [] : [{ step, error }]))
  return {
    ok: failures.length === 0,
    url,
    steps: steps.flatMap((step) => {
      const own = results.filter((result) => result.step === step)
      const times = own.map(({ ms }) => ms).sort((a, b) => a - b)
      if (own.length === 0) return []
      const failed = own.filter(({ error }) => error !== null).length
      return [
        {
          ...{ step, ok: own.length - failed, failed },
          median_ms: times[Math.floor(times.length / 2)]!,
          longest_ms: times.at(-1)!,
        },
      ]
    }),
    failures,
  }
}

function describe({ output }: Remote, { ok, url, steps: rows, failures }: Report): string {
  const right = (title: string) => ({ title, align: 'right' as const })
  const table = output.table(
    [{ title: 'step' }, right('ok'), right('failed'), right('median'), right('longest')],
    rows.map((row) => [
      ...[row.step, row.ok, row.failed],
      ...[row.median_ms, row.longest_ms].map((ms) => `${ms} ms`),
    ]),
  )
  const reasons = [...new Set(failures.map(({ step, error }) => `${step}: ${error}`))]
  const end = ok
    ? output.paint('green', `The service at ${url} works`)
    : output.paint('red', `The service at ${url} has failed ${failures.length} of the steps:`)
  return [table, '', end, ...reasons.map((reason) => `  ${reason}`)].join('\n')
}

function toLine({ step, ms, error }: StepResult, debug: boolean): string {
  return `${error === null ? 'ok    ' : 'failed'} ${step} ${ms} ms${error !== null && debug ? `: ${error}` : ''}`
}

/** Starts a service with a data folder of its own, which is gone with it. */
async function startService(file: string): Promise<{ url: string; stop(): Promise<void> }> {
  const dataDir = await mkdtemp(join(tmpdir(), 'chapkit-test-'))
  const bin = process.argv[1] ?? ''
  const args = [
    ...process.execArgv,
    bin,
    'serve',
    file,
    '--port',
    '0',
    '--data-dir',
    dataDir,
    '--json',
  ]
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    // Ctrl-C is for the test, which then ends the service.
    detached: true,
    env: { ...environment(), LOG_LEVEL: 'info' },
  })
  let said = ''
  child.stderr?.on('data', (chunk) => {
    said = `${said}${chunk}`.slice(-2000)
  })
  const ended = new Promise<void>((done) => child.on('close', () => done()))
  const stop = async () => {
    child.kill('SIGTERM')
    await ended
    await rm(dataDir, { recursive: true, force: true })
  }
  const url = await new Promise<string | null>((found) => {
    createInterface({ input: child.stdout! }).on('line', (line) => {
      const [, address] = /"event":"service\.started".*?"url":"([^"]+)"/.exec(line) ?? []
      if (address) found(address)
    })
    void ended.then(() => found(null))
  })
  if (url !== null) return { url, stop }
  await stop()
  throw new CommandError(said.trim().replace(/^chapkit: /, '') || `${file} did not start`)
}
