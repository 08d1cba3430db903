import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { createClient } from '../../src/client/index.ts'
import { writeCsv } from '../../src/data/csv.ts'
import { startHostProcess } from '../../src/host/host-process.ts'
import { longestError, longestLine, longestTraceback } from '../../src/host/protocol.ts'
import { createResults } from '../../src/host/results.ts'
import type { RunEvents, RunOutcome, RunRequest } from '../../src/ml/run.ts'
import { type Attack, attacks } from './attacks.ts'
import service from './service.ts'

export interface Report {
  messages: number
  attacks: number
  seconds: number
  /** How runs ended, and how often. */
  outcomes: Record<string, number>
  /** The longest that `/health` took, between attacks and beside them. */
  slowestHealthMs: number
  /** Most memory, in MiB. */
  mostMemory: number
  violations: string[]
}

export interface CampaignOptions {
  messages: number
  seed: number
  progress?: (line: string) => void
}

const batch = 40
const atOnce = 2
/** Beside what the process takes at the start. */
const memoryBound = 400

const cases = {
  columns: ['time_period', 'location', 'disease_cases'],
  data: [
    ['2024-01', 'oslo', 10],
    ['2024-02', 'oslo', 20],
  ],
}
const bytes = Buffer.from(JSON.stringify(cases))
const source = { bytes }
const shared = { config: {}, geo: null, covariates: [] }
const requests: Record<Attack['kind'], RunRequest> = {
  train: { kind: 'train', ...shared, frames: { data: source } },
  predict: {
    kind: 'predict',
    ...shared,
    frames: { historic: source, future: source },
    model: { key: 'model', source },
  },
  task: { kind: 'task', name: 'function', parameters: {}, attempt: 1 },
}

/**
 * Lets programs that are no model hosts speak to this process as if they were, beside a service in it. After each batch the
 * service must be well, and do its work.
 */
export async function runCampaign({ messages, seed, progress }: CampaignOptions): Promise<Report> {
  const folder = mkdtempSync(join(tmpdir(), 'chapkit-channel-'))
  const { url } = await service.listen({
    port: 0,
    host: '127.0.0.1',
    dataDir: join(folder, 'data'),
    signals: false,
    logLevel: 'silent',
  })
  const client = createClient({ url, retries: 0 })
  const results = createResults()
  const began = performance.now()
  const report: Report = {
    messages: 0,
    attacks: 0,
    seconds: 0,
    outcomes: {},
    slowestHealthMs: 0,
    mostMemory: 0,
    violations: [],
  }
  const uncaught = (error: unknown) => report.violations.push(`not caught: ${error}`)
  process.on('uncaughtException', uncaught)
  process.on('unhandledRejection', uncaught)
  try {
    const config = await client.configs.create({ name: 'beside', data: {} })
    const goodJob = async () => {
      const { job_id: id } = await client.ml.train({ config_id: config.id, data: cases })
      const job = await client.jobs.wait(id)
      assert.equal(job.status, 'completed', job.error ?? '')
    }
    await goodJob()
    const before = memory()
    for (let round = 0; report.messages < messages && report.violations.length < 10; round++) {
      const given = fc.sample(attacks, { numRuns: batch, seed: seed + round })
      const waiting = [...given.entries()]
      const attackers = Array.from({ length: atOnce }, async () => {
        for (let next = waiting.shift(); next; next = waiting.shift()) {
          const [index, attack] = next
          const place = join(folder, `${round}-${index}`)
          const told = `seed ${seed + round}, attack ${index}`
          try {
            const outcome = await assault(place, attack, results)
            const name = outcome.status === 'failed' ? kindOfFailure(outcome.error) : outcome.status
            report.outcomes[name] = (report.outcomes[name] ?? 0) + 1
          } catch (error) {
            report.violations.push(`${told}: ${error}`)
          } finally {
            rmSync(place, { recursive: true, force: true })
          }
          report.attacks++
          report.messages += attack.messages
        }
      })
      let isOver = false
      const health = (async () => {
        while (!isOver) report.slowestHealthMs = Math.max(report.slowestHealthMs, await ask(url))
      })()
      await Promise.all(attackers)
      isOver = true
      await health
      await goodJob()
      report.mostMemory = Math.max(report.mostMemory, memory() - before)
      if (report.mostMemory > memoryBound)
        report.violations.push(`seed ${seed + round}: ${report.mostMemory} MiB of memory`)
      if (round % 25 === 0)
        progress?.(
          `${report.messages} messages, ${Math.round((performance.now() - began) / 1000)} s`,
        )
    }
  } finally {
    process.off('uncaughtException', uncaught)
    process.off('unhandledRejection', uncaught)
    await results.close()
    await service.close()
    rmSync(folder, { recursive: true, force: true })
  }
  report.seconds = Math.round((performance.now() - began) / 1000)
  return report
}

const memory = () => Math.round(process.memoryUsage.rss() / 2 ** 20)

async function ask(url: string): Promise<number> {
  const began = performance.now()
  const response = await fetch(`${url}/health`)
  assert.equal(response.status, 200)
  await response.arrayBuffer()
  await new Promise((resolve) => setTimeout(resolve, 20))
  return performance.now() - began - 20
}

function kindOfFailure(error: string): string {
  return error.startsWith('The model host sent') ? 'refused' : 'failed'
}

/** Runs a request in a host that is none, and checks all that comes of it. */
async function assault(
  folder: string,
  attack: Attack,
  results: ReturnType<typeof createResults>,
): Promise<RunOutcome> {
  mkdirSync(folder, { recursive: true })
  for (const name of ['start', 'said', 'stdout', 'stderr', 'heart'] as const)
    writeFileSync(join(folder, name), attack[name])
  const host = startHostProcess({
    command: ['/bin/sh'],
    entry: join(import.meta.dirname, 'evil.sh'),
    module: folder,
    env: { PATH: process.env.PATH },
    startTimeoutMs: 20_000,
    heartbeatTimeoutMs: 20_000,
    killSilent: true,
    memoryLimit: 2 ** 30,
    onLine: (line) => assert.ok(line.length <= longestLine + 1),
  })
  const failure = await host.started
  if (failure) {
    await host.gone
    return failure
  }
  const request = requests[attack.kind]
  const signal = new AbortController().signal
  let said = 0
  let isOver = false
  const events: RunEvents = {
    onLog(stream, line) {
      assert.ok(!isOver && ['stdout', 'stderr', 'log'].includes(stream) && typeof line === 'string')
      said += line.length
      assert.ok(line.length <= longestLine + 1 && said <= 5 * 2 ** 20, 'more than a run may say')
    },
    onProgress(fraction, message) {
      assert.ok(!isOver && (fraction === null || (fraction >= 0 && fraction <= 1)))
      assert.ok(message === null || message.length <= longestLine)
    },
    onMetrics(given) {
      for (const value of Object.values(given)) assert.ok(Number.isFinite(value))
    },
  }
  const call = async (method: string, args: readonly unknown[]) => {
    assert.ok(typeof method === 'string' && Array.isArray(args))
    return { value: null }
  }
  const running = host.run(request, { signal, events, call })
  const facts = results.inputs(request)
  const raw = await running
  isOver = true
  const outcome = await results.complete(request, raw, facts, { signal })
  await host.end(0)
  assertOutcome(outcome, attack.kind)
  return outcome
}

function assertOutcome(outcome: RunOutcome, kind: Attack['kind']): void {
  if (outcome.status === 'failed') {
    assert.ok(typeof outcome.error === 'string' && outcome.error.length <= longestError)
    assert.ok(outcome.traceback === null || outcome.traceback.length <= longestTraceback)
  }
  if (outcome.status !== 'done') return
  const { result } = outcome
  assert.equal(result.kind, kind)
  if (result.kind === 'task') return void JSON.stringify(result)
  for (const value of Object.values(result.metrics)) assert.ok(Number.isFinite(value))
  if (result.kind === 'train') return void assert.ok(result.model instanceof Uint8Array)
  // What is said of a prediction is true of its bytes.
  const frame = JSON.parse(Buffer.from(result.frame).toString())
  assert.equal(result.output.rows, frame.data.length)
  assert.equal(result.output.csv.size, Buffer.byteLength(writeCsv(frame)))
  assert.ok(frame.data.every((row: unknown[]) => row.length === frame.columns.length))
}

export function printReport({ outcomes, violations, ...rest }: Report): string {
  const numbers = { ...rest, ...outcomes }
  return [
    ...Object.entries(numbers).map(
      ([name, value]) => `${name.padEnd(20)} ${Math.round(Number(value))}`,
    ),
    ...violations,
  ].join('\n')
}
