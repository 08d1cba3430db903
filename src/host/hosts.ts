import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { delimiter, extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { getHeapStatistics } from 'node:v8'
import { isPartOfStop, type ProcessEnd } from '../kernel/stop.ts'
import type { HostStats, ModelHosts, RunOptions, RunOutcome, RunRequest } from '../ml/run.ts'
import { type HostOutcome, type HostProcess, startHostProcess } from './host-process.ts'
import { createResults } from './results.ts'

export type * from '../ml/run.ts'
export type { Programs } from './execute.ts'
export { createInlineHosts } from './inline.ts'

/** What node takes without a model, roughly. */
const nodeBytes = 64 * 2 ** 20
/** How long a host may take to clean up when it is asked to end. */
const cleanupGraceMs = 5000

export interface ProcessHostsOptions {
  /** File URL of the user's service file; it exports the service as default, or a `runner`. */
  module: string
  /** Environment of the hosts; `CHAPKIT_HOST=1` is added. */
  env: Readonly<Record<string, string | undefined>>
  /**
   * Hosts at the same time; further requests wait in line.
   * @default the number of cores
   */
  maximum?: number
  /**
   * Milliseconds after which an unused host ends; one stays.
   * @default 600_000
   */
  idleMs?: number
  /**
   * A host is replaced after this many runs, for what models leak.
   * @default 10_000
   */
  recycleAfterRuns?: number
  /**
   * A host that takes more memory after a run is replaced.
   * @default 1 GiB
   */
  recycleRssBytes?: number
  /**
   * Bytes of memory beyond which a host is ended with what it runs; what a model starts in processes of its own is not
   * counted.
   * @default no limit
   */
  memoryLimit?: number
  /** Flags of node for the hosts, behind those that this process was started with. */
  execArgv?: readonly string[]
  /**
   * How much less important hosts are than the service to the scheduler; 0 starts them as its equals.
   * @default 10
   */
  nice?: number
  /**
   * A host whose process has not moved for so many milliseconds is killed.
   * @default 10_000
   */
  heartbeatTimeoutMs?: number
  /**
   * false leaves silent hosts alone, for a debugger that halts them.
   * @default true
   */
  killSilent?: boolean
  /**
   * Milliseconds that a host may take to import the module.
   * @default 60_000
   */
  startTimeoutMs?: number
  /** Aborts when the service begins to stop: a host that dies then has not failed. */
  stopping?: AbortSignal
  /** Takes what hosts write outside of runs, and what becomes of hosts. */
  log?: (line: string) => void
}

/** A host that was asked to end, whatever its model made of that. */
const signaled: ProcessEnd = { code: null, signal: 'SIGTERM' }

const hasFailed = (outcome: HostOutcome): boolean =>
  outcome.status === 'failed' ||
  (outcome.status === 'done' && outcome.result.kind === 'task' && outcome.result.error !== null)

interface Waiting {
  request: RunRequest
  options: RunOptions
  resolve(outcome: RunOutcome): void
}

/**
 * Runs models in processes of their own. Hosts start when a request finds none free, up to `maximum`, stay warm, and are
 * given the requests in the order in which they came. A host that fails to start answers the oldest request with the
 * reason; nothing is ever started again by itself, so that a broken module cannot make a loop.
 */
export function createProcessHosts({
  module,
  env,
  maximum = availableParallelism(),
  idleMs = 600_000,
  recycleAfterRuns = 10_000,
  recycleRssBytes = 1024 ** 3,
  memoryLimit = Number.MAX_SAFE_INTEGER,
  execArgv = [],
  nice = 10,
  heartbeatTimeoutMs = 10_000,
  killSilent = true,
  startTimeoutMs = 60_000,
  stopping,
  log = () => {},
}: ProcessHostsOptions): ModelHosts {
  const entry = fileURLToPath(new URL(`./entry${extname(import.meta.url)}`, import.meta.url))
  const flags = [...inheritedFlags(process.execArgv), ...execArgv]
  const node = [process.execPath, ...heapFlags(memoryLimit), ...flags]
  const command = [...niceCommand(nice, env.PATH), ...node]

  /** Hosts that run something or may be given something to run. */
  const hosts = new Set<HostProcess>()
  const results = createResults()
  const starting = new Set<HostProcess>()
  /** Hosts that were asked to end. */
  const retired = new Set<HostProcess>()
  /** Every host whose process is there, also on its way out. */
  const alive = new Set<HostProcess>()
  /** The one used last is at the end and is used first: its caches are warm, and the others may end. */
  const idle: HostProcess[] = []
  const idleTimers = new Map<HostProcess, NodeJS.Timeout>()
  const queue: Waiting[] = []
  let restarts = 0
  let graceMs = cleanupGraceMs
  let closing: Promise<void> | undefined

  return {
    run(request, options) {
      if (closing || options.signal.aborted) return Promise.resolve({ status: 'aborted' })
      const { promise, resolve } = Promise.withResolvers<RunOutcome>()
      const waiting: Waiting = { request, options, resolve }
      queue.push(waiting)
      options.signal.addEventListener('abort', leave, { once: true })
      dispatch()
      return promise
        .then(unlessStopped)
        .finally(() => options.signal.removeEventListener('abort', leave))

      function leave(): void {
        const place = queue.indexOf(waiting)
        if (place === -1) return
        queue.splice(place, 1)
        resolve({ status: 'aborted' })
      }
    },

    async warm() {
      if (closing || idle.length > 0) return
      const host = hosts.size > 0 ? hosts.values().next().value! : start()
      const failure = await host.started
      if (!failure || closing) return
      throw new Error(
        failure.status === 'failed' ? failure.error : `The model host ${failure.reason}`,
      )
    },

    stats(): HostStats {
      const count = hosts.size
      return {
        maximum,
        count,
        busy: count - idle.length - starting.size,
        starting: starting.size,
        queued: queue.length,
        restarts,
        pids: [...hosts].flatMap((host) => host.pid ?? []),
      }
    },

    close(milliseconds = cleanupGraceMs) {
      graceMs = milliseconds
      closing ??= closeAll()
      return closing
    },
  }

  async function unlessStopped(outcome: RunOutcome): Promise<RunOutcome> {
    if (outcome.status !== 'host-died') return outcome
    const { status, reason, end } = outcome
    return end && (await isPartOfStop(end, stopping)) ? { status: 'aborted' } : { status, reason }
  }

  function dispatch(): void {
    while (queue.length > 0 && idle.length > 0) {
      const { request, options, resolve } = queue.shift()!
      void serve(takeIdle(request), request, options).then(resolve)
    }
    while (starting.size < queue.length && hosts.size < maximum) start()
  }

  function takeIdle(request: RunRequest): HostProcess {
    const loaded =
      request.kind === 'predict'
        ? idle.findLastIndex((host) => host.hasModel(request.model.key))
        : -1
    const [host] = idle.splice(loaded, 1)
    clearTimeout(idleTimers.get(host!))
    idleTimers.delete(host!)
    return host!
  }

  async function serve(
    host: HostProcess,
    request: RunRequest,
    options: RunOptions,
  ): Promise<RunOutcome> {
    const running = host.run(request, options)
    const facts = results.inputs(request)
    let outcome = await running
    // A model may catch the signal of a stop, and throw.
    if (host.isSignaled() && hasFailed(outcome) && (await isPartOfStop(signaled, stopping)))
      outcome = { status: 'aborted' }
    const isSpent =
      host.isSignaled() || host.runs() >= recycleAfterRuns || host.rss() > recycleRssBytes
    if (!host.isFit()) discard(host)
    else if (closing || isSpent) retire(host)
    else release(host)
    dispatch()
    return results.complete(request, outcome, facts, options)
  }

  function start(): HostProcess {
    const host = startHostProcess({
      command,
      entry,
      module,
      env,
      startTimeoutMs,
      heartbeatTimeoutMs,
      killSilent,
      memoryLimit,
      onLine: (line) => log(`model host: ${line}`),
    })
    hosts.add(host)
    starting.add(host)
    alive.add(host)
    void host.started.then((failure) => {
      starting.delete(host)
      if (failure) {
        discard(host)
        queue.shift()?.resolve(failure)
      } else release(host)
      dispatch()
    })
    void host.gone.then(() => {
      alive.delete(host)
      forget(host)
      if (!retired.delete(host)) {
        restarts++
        log(`model host ${host.pid ?? '(not started)'} ended: stopped after a cancel, or by itself`)
      }
      dispatch()
    })
    return host
  }

  function release(host: HostProcess): void {
    if (!hosts.has(host)) return
    idle.push(host)
    const timer = setTimeout(() => {
      if (hosts.size > 1) retire(host)
    }, idleMs)
    idleTimers.set(host, timer.unref())
  }

  /** Lets a host end in good order. */
  function retire(host: HostProcess): void {
    forget(host)
    retired.add(host)
    void host.end(graceMs)
  }

  /** Sees to it that a host which is about to end by itself does. */
  function discard(host: HostProcess): void {
    forget(host)
    void host.end(0)
  }

  function forget(host: HostProcess): void {
    hosts.delete(host)
    starting.delete(host)
    const place = idle.indexOf(host)
    if (place !== -1) idle.splice(place, 1)
    clearTimeout(idleTimers.get(host))
    idleTimers.delete(host)
  }

  async function closeAll(): Promise<void> {
    for (const { resolve } of queue.splice(0)) resolve({ status: 'aborted' })
    for (const host of [...hosts]) {
      if (idle.includes(host)) retire(host)
      else if (starting.has(host)) {
        retired.add(host)
        void host.kill('was closed')
      } else host.cancel()
    }
    await Promise.all([...alive].map((host) => host.gone))
    await results.close()
  }
}

/**
 * Flags of this process that hosts take over, such as `--conditions` and V8's; not those that say what to run, or that open
 * a port.
 */
export function inheritedFlags(execArgv: readonly string[]): string[] {
  const dropped =
    /^(?:--(?:watch|inspect|debug|test|eval|print|check|interactive)|-(?:e|p|pe|c|i)$)/
  let isKept = true
  return execArgv.filter((flag) => {
    // What does not begin with a dash is the value of the flag before it.
    if (flag.startsWith('-')) isKept = !dropped.test(flag)
    return isKept
  })
}

/**
 * V8 puts collecting garbage off while its own limit is far. Where ours is nearer it must know, or a model that makes
 * garbage is ended for it. The rest is for what lies outside its heap.
 */
function heapFlags(memoryLimit: number): string[] {
  const heapLimit = memoryLimit * 0.75 - nodeBytes
  if (heapLimit >= getHeapStatistics().heap_size_limit) return []
  return [`--max-old-space-size=${Math.floor(heapLimit / 2 ** 20)}`]
}

/** os.setPriority would change the main thread only: every thread of a process that `nice` started is nice. */
function niceCommand(nice: number, path = '/usr/bin:/bin'): string[] {
  if (nice <= 0) return []
  const program = path
    .split(delimiter)
    .map((folder) => join(folder, 'nice'))
    .find((file) => existsSync(file))
  return program ? [program, '-n', String(nice)] : []
}
