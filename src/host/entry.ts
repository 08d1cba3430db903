import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { flushCompileCache } from 'node:module'
import { basename, extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { createLogLimit } from '../ml/output.ts'
import type { RunEvents, RunRequest } from '../ml/run.ts'
import { createExecutor, type Executor, type Programs, type RawOutcome } from './execute.ts'
import { failure } from './failure.ts'
import { cut, type HostParameters, longestLine, type ToHost } from './protocol.ts'
import { resolveOwnPackages } from './resolve.ts'
import {
  type CallsOfRun,
  createCallsOfRun,
  openServiceChannel,
  type ServiceChannel,
} from './service-channel.ts'
import { noteSignals } from './signals.ts'

/*
 * The program of a model host: `node entry.ts MODULE PARAMETERS`, started by hosts.ts and by nothing else. It imports
 * the user's module and runs what it is sent, one run at a time: its model, or its task functions.
 */

const reportEveryMs = 100
/** How much sooner than the service the kernel ends a host when the machine has no memory left; 1000 is the most. */
const oomScore = 500

await main(process.argv[2]!, JSON.parse(process.argv[3]!) as HostParameters)

async function main(module: string, parameters: HostParameters): Promise<void> {
  writeSynchronously(process.stdout)
  writeSynchronously(process.stderr)
  standBeforeService()
  let active:
    | { id: number; controller: AbortController; events: BufferedEvents; calls: CallsOfRun }
    | undefined
  let executor: Executor | undefined
  let isEnding = false
  const isSignaled = noteSignals()

  const watch = new Worker(new URL(`./watch${extname(import.meta.url)}`, import.meta.url), {
    workerData: parameters,
  })
  watch.on('error', die)
  const watching = once(watch, 'message')
  // An exception that no run can catch, such as one in a timer: the state of the process is unknown from here on.
  process.on('uncaughtException', die)

  const channel = openServiceChannel(hear)

  resolveOwnPackages()
  try {
    const programs = await importPrograms(module)
    // No model may block this thread before the other one is there.
    await watching
    executor = createExecutor(programs)
  } catch (error) {
    die(error)
    return
  }
  flushCompileCache()
  channel.send({ type: 'ready' })

  function hear(message: ToHost): void {
    if (isEnding) return
    if (message.type === 'run') void run(message.id, message.request)
    else if (message.type === 'end') void end()
    else if (message.id !== active?.id) return
    else if (message.type === 'reply') active.calls.reply(message.call, message.answer)
    else active.controller.abort()
  }

  async function run(id: number, request: RunRequest): Promise<void> {
    const controller = new AbortController()
    const events = bufferEvents(id, channel)
    const calls = createCallsOfRun(id, channel)
    active = { id, controller, events, calls }
    const { signal } = controller
    const outcome = await executor!.execute(request, { signal, events, call: calls.call })
    // An uncaught exception was quicker and has answered.
    if (isEnding) return
    events.flush()
    active = undefined
    answer(id, outcome, false)
  }

  function answer(id: number, given: RawOutcome, ends: boolean, sent?: () => void): void {
    const { outcome, bytes } = withoutBytes(given)
    const rss = process.memoryUsage.rss()
    const models = executor?.models() ?? []
    channel.send(
      { type: 'answer', id, outcome, rss, models, ends, isSignaled: isSignaled() },
      bytes,
      sent,
    )
  }

  async function end(): Promise<void> {
    isEnding = true
    try {
      await executor?.cleanup()
    } catch (error) {
      console.error('cleanup failed:', error)
    }
    process.exit(0)
  }

  function die(error: unknown): void {
    if (isEnding) return
    isEnding = true
    const exit = () => process.exit(1)
    const failed = failure(error)
    if (!executor) {
      const { error: text, traceback } = failed
      channel.send({ type: 'unfit', error: text, traceback }, undefined, exit)
    } else if (active) {
      active.events.flush()
      answer(active.id, failed, true, exit)
    } else {
      console.error(failed.traceback ?? failed.error)
      exit()
    }
    setTimeout(exit, 1000)
  }
}

/**
 * Without this a model that prints and computes on fills its own memory with what it printed, and what it said last comes
 * after its answer or, when it crashes, never. Node has no public name for it.
 */
function writeSynchronously(stream: NodeJS.WriteStream): void {
  const { _handle } = stream as { _handle?: { setBlocking?(isBlocking: boolean): void } }
  _handle?.setBlocking?.(true)
}

/** Out of memory the kernel ends the process with the highest score: a job can run again, the service is for all. */
function standBeforeService(): void {
  const file = '/proc/self/oom_score_adj'
  try {
    writeFileSync(file, String(Math.min(1000, Number(readFileSync(file, 'utf8')) + oomScore)))
  } catch {
    // Not Linux, or not allowed: then the kernel chooses by size.
  }
}

type Runner = NonNullable<Programs['runner']>

/** What the user's module has to run: of the service that it exports as default, or a runner that is exported by itself. */
async function importPrograms(module: string): Promise<Programs> {
  const exported = (await import(module)) as {
    default?: { spec?: { runner?: Runner; tasks?: { functions: Programs['functions'] } | null } }
    runner?: Runner
  }
  const spec = exported.default?.spec
  const runner = spec?.runner ?? exported.runner
  const hasModel = typeof runner?.train === 'function' && typeof runner.predict === 'function'
  const functions: Programs['functions'] = spec?.tasks?.functions ?? new Map()
  if (hasModel || functions.size > 0) return { runner: hasModel ? runner : null, functions }
  const found = Object.keys(exported).join(', ') || 'nothing'
  throw new Error(
    `${basename(module)} exports no model and no tasks: expected \`export default service\` with what build() returned, or \`export const runner\`; it exports ${found}`,
  )
}

/** The bytes of a result travel beside the rest of it. */
function withoutBytes(outcome: RawOutcome) {
  if (outcome.status === 'failed') return { outcome }
  const { status, result } = outcome
  const { kind } = result
  if (kind === 'task') return { outcome: { status, result } }
  const bytes = kind === 'train' ? result.model : result.frame
  return { outcome: { status, result: { kind, metrics: result.metrics } }, bytes }
}

type BufferedEvents = RunEvents & { flush(): void }

/**
 * Events as messages. Lines go at once, for the model may compute on without a turn of the event loop; progress and
 * metrics, which replace each other, at most every 100 ms.
 */
function bufferEvents(id: number, { send }: ServiceChannel): BufferedEvents {
  const limit = createLogLimit((_, line) => send({ type: 'log', id, line }))
  let progress: { fraction: number | null; message: string | null } | undefined
  let metrics: Record<string, number> | undefined
  let sentAt = Number.NEGATIVE_INFINITY
  let timer: NodeJS.Timeout | undefined

  return {
    onLog: limit.add,
    onProgress(fraction, message) {
      progress = { fraction, message: message === null ? null : cut(message, longestLine) }
      report()
    },
    onMetrics(values) {
      metrics = { ...metrics, ...values }
      report()
    },
    flush,
  }

  function report(): void {
    const wait = sentAt + reportEveryMs - performance.now()
    if (wait <= 0) flush()
    else timer ??= setTimeout(flush, wait)
  }

  function flush(): void {
    clearTimeout(timer)
    timer = undefined
    if (!progress && !metrics) return
    if (progress) send({ type: 'progress', id, ...progress })
    if (metrics) send({ type: 'metrics', id, values: metrics })
    progress = undefined
    metrics = undefined
    sentAt = performance.now()
  }
}
