import { type ChildProcess, spawn } from 'node:child_process'
import type { Socket } from 'node:net'
import { basename } from 'node:path'
import type { ProcessEnd } from '../kernel/stop.ts'
import {
  createLineSplitter,
  createLogLimit,
  type LineSplitter,
  type LogLimit,
  readInBites,
} from '../ml/output.ts'
import type { RunOptions, RunOutcome, RunRequest } from '../ml/run.ts'
import { type Calls, createCalls } from './calls.ts'
import { connectToHost } from './connection.ts'
import type { RawOutcome } from './execute.ts'
import { ProtocolError } from './frames.ts'
import type { FromHost } from './from-host.ts'
import {
  channelFd,
  type HostParameters,
  heartbeatFd,
  largestResult,
  limitOfAnswer,
  tooLarge,
} from './protocol.ts'

/*
 * One model host, seen from the service: a process with a group of its own, so that what a model starts ends with it.
 * It runs one request at a time. A signal or the end of the process answers for it where it does not answer itself.
 */

/** How long a canceled model may take to end by itself, and then to obey SIGTERM, before SIGKILL. */
const cancelGraceMs = 400
const terminateGraceMs = 800
/** How long the output of an ended host is waited for: a process that left the group may hold the pipes open. */
const drainMs = 500
/** How long a host may live without its channel. */
const disconnectedMs = 1000
/** How much of the end of stderr is kept to tell why a host died. */
const tailBytes = 16 * 1024
/** Checks in a row that found no heartbeat until the host counts as silent. */
const silentChecks = 4

export interface HostProcessOptions {
  /** Program and first arguments: `node` with its flags, perhaps behind `nice`. */
  command: readonly string[]
  /** Path of the program of a host. */
  entry: string
  /** File URL of the user's module. */
  module: string
  env: NodeJS.ProcessEnv
  startTimeoutMs: number
  heartbeatTimeoutMs: number
  killSilent: boolean
  /** Bytes of memory beyond which it is ended. */
  memoryLimit: number
  /** Lines that belong to no run. */
  onLine: (line: string) => void
}

/** How a run in a host ended. What a result says has not been read yet. */
export type HostOutcome = RawOutcome | Exclude<RunOutcome, { status: 'done' | 'failed' }>

export type HostProcess = ReturnType<typeof startHostProcess>

/** How a start ended: undefined when the host is ready, else what a request that waited for it is told. */
export type StartFailure =
  | Extract<RunOutcome, { status: 'failed' | 'host-died' | 'no-host' }>
  | undefined

interface ActiveRun {
  id: number
  kind: RunRequest['kind']
  events: RunOptions['events']
  calls: Calls
  limit: LogLimit
  isAborted: boolean
  /** What the host answered, until its output has been read. */
  answer?: HostOutcome
  finish(outcome: HostOutcome): void
}

export function startHostProcess(options: HostProcessOptions) {
  const child = spawnHost(options)
  const started = Promise.withResolvers<StartFailure>()
  const gone = Promise.withResolvers<void>()

  let active: ActiveRun | undefined
  let runs = 0
  let rss = 0
  let isSignaled = false
  let models: ReadonlySet<string> = new Set()

  let isReady = false
  /** Nothing may run here any more: the process is about to end, or its state is unknown. */
  let isUnfit = false
  let isTerminated = false
  let hasExited = false
  let isGone = false
  let unfit: Extract<FromHost, { type: 'unfit' }> | undefined
  let spawnError: Error | undefined
  let killedBecause: string | undefined
  /** What it sent that is not of the protocol. */
  let violation: string | undefined

  let stderrTail = Buffer.alloc(0)
  let between = createLogLimit((_, line) => options.onLine(line))
  const stdout = createLineSplitter((line) => onLine('stdout', line))
  const stderr = createLineSplitter((line) => onLine('stderr', line))
  const outputs = [
    readInBites(child.stdout, (chunk) => onOutput(stdout, chunk)),
    readInBites(child.stderr, (chunk) => {
      const tail = Buffer.concat([stderrTail, chunk.subarray(-tailBytes)])
      stderrTail = Buffer.from(tail.subarray(-tailBytes))
      onOutput(stderr, chunk)
    }),
  ]

  const heartbeat = watchHeart()
  const startTimer = setTimeout(
    () => kill(`was not ready within ${options.startTimeoutMs / 1000} s`),
    options.startTimeoutMs,
  )
  let cancelTimer: NodeJS.Timeout | undefined
  let terminateTimer: NodeJS.Timeout | undefined
  let killTimer: NodeJS.Timeout | undefined

  const connection = connectToHost(child.stdio?.[channelFd] as Socket | null | undefined, {
    answerLimit: () =>
      active && !active.answer
        ? limitOfAnswer(active.kind, Math.min(largestResult, options.memoryLimit))
        : undefined,
    onMessage,
    onViolation(what) {
      violation ??= `The model host sent ${what}. Only the model's own program can have written that to the channel between them; it may use neither file descriptor ${channelFd} nor ${heartbeatFd}`
      void kill('sent what it must not')
    },
    onClosed: () => {
      setTimeout(() => kill('closed its channel to the service'), disconnectedMs).unref()
    },
  })
  child.on('error', (error) => {
    spawnError ??= error
    if (child.pid === undefined) onEnd(null, null)
  })
  child.once('exit', (code, signal) => {
    // What the model started and left behind ends with it.
    signalGroup('SIGKILL')
    hasExited = true
    connection.hurry()
    const timer = setTimeout(() => onEnd(code, signal), drainMs)
    child.once('close', () => {
      clearTimeout(timer)
      onEnd(code, signal)
    })
  })

  return {
    pid: child.pid,
    /** Resolves once: with nothing when the host is ready, with the reason when it will never be. */
    started: started.promise,
    /** Resolves when the process and its group have ended. */
    gone: gone.promise,
    runs: (): number => runs,
    /** Bytes of memory that the host took when it last answered. */
    rss: (): number => rss,
    /** Whether it was asked to end by a signal, and has answered all the same. */
    isSignaled: (): boolean => isSignaled,
    hasModel: (key: string): boolean => models.has(key),
    /** Whether it can run something now or later. */
    isFit: (): boolean => !isUnfit && !hasExited,
    run,
    cancel,
    end,
    kill,
  }

  /** Runs a request. The host must be ready and without a run. */
  function run(request: RunRequest, { signal, events, call }: RunOptions): Promise<HostOutcome> {
    const { promise, resolve } = Promise.withResolvers<HostOutcome>()
    flushOutput()
    active = {
      id: ++runs,
      kind: request.kind,
      events,
      calls: createCalls(call),
      limit: createLogLimit((stream, line) => events.onLog(stream, line)),
      isAborted: false,
      finish(outcome) {
        this.calls.end()
        signal.removeEventListener('abort', cancel)
        flushOutput()
        for (const output of outputs) output.relax()
        active = undefined
        between = createLogLimit((_, line) => options.onLine(line))
        resolve(outcome)
      },
    }
    signal.addEventListener('abort', cancel)
    connection.send({ type: 'run', id: active.id, request })
    return promise
  }

  /** Asks the model to stop, then the process, then the kernel: whatever it does, the run ends within two seconds. */
  function cancel(): void {
    if (!active || active.isAborted) return
    active.isAborted = true
    connection.send({ type: 'cancel', id: active.id })
    cancelTimer = setTimeout(terminate, cancelGraceMs)
  }

  /** Asks an idle host to clean up and end; makes it end after `graceMs`. */
  function end(graceMs: number): Promise<void> {
    if (hasExited) return gone.promise
    isUnfit = true
    connection.send({ type: 'end' })
    terminateTimer = setTimeout(terminate, graceMs)
    return gone.promise
  }

  function terminate(): void {
    isUnfit = true
    isTerminated = true
    signalGroup('SIGTERM')
    killTimer ??= setTimeout(() => signalGroup('SIGKILL'), terminateGraceMs)
  }

  function kill(reason: string): Promise<void> {
    if (!hasExited) {
      isUnfit = true
      killedBecause ??= reason
      signalGroup('SIGKILL')
    }
    return gone.promise
  }

  function signalGroup(signal: NodeJS.Signals): void {
    if (hasExited || child.pid === undefined) return
    try {
      process.kill(-child.pid, signal)
    } catch {
      // The whole group has ended already.
    }
  }

  function onMessage(message: FromHost): void {
    switch (message.type) {
      case 'ready':
        if (isReady || unfit) throw new ProtocolError('a second word on its start')
        clearTimeout(startTimer)
        isReady = true
        started.resolve(undefined)
        return
      case 'unfit':
        if (isReady || unfit) throw new ProtocolError('a second word on its start')
        isUnfit = true
        unfit = message
        return
    }
    // What a model does after its end may still speak of an earlier run.
    if (!active || message.id !== active.id || active.answer) return
    switch (message.type) {
      case 'log':
        active.limit.add('log', message.line)
        return
      case 'progress':
        active.events.onProgress(message.fraction, message.message)
        return
      case 'metrics':
        active.events.onMetrics(message.values)
        return
      case 'call':
        onCall(active, message)
        return
      case 'answer':
        onAnswer(active, message)
    }
  }

  function onCall(run: ActiveRun, message: Extract<FromHost, { type: 'call' }>): void {
    const { id, call, method, args, bytes } = message
    run.calls.add({
      method,
      args,
      bytes,
      reply: (answer, sent) => connection.send({ type: 'reply', id, call, answer }, sent),
    })
  }

  function onAnswer(run: ActiveRun, message: Extract<FromHost, { type: 'answer' }>): void {
    rss = message.rss
    isSignaled = message.isSignaled
    models = new Set(message.models)
    if (message.ends) isUnfit = true
    // It has been told to end: the end of the process answers, so that nothing runs when the outcome is known.
    if (isTerminated) return
    clearTimeout(cancelTimer)
    run.answer = run.isAborted ? { status: 'aborted' } : message.outcome
    // What the run wrote before its answer lies in the pipes by now: one whole turn of the loop reads it.
    for (const output of outputs) output.hurry()
    setImmediate(() => setImmediate(() => active === run && run.finish(run.answer!)))
  }

  function onEnd(code: number | null, signal: NodeJS.Signals | null): void {
    if (isGone) return
    isGone = true
    hasExited = true
    for (const timer of [startTimer, cancelTimer, terminateTimer, killTimer]) clearTimeout(timer)
    clearInterval(heartbeat)
    flushOutput()
    const reason = reasonOfEnd(code, signal)
    const end = { code, signal }
    if (!isReady) started.resolve(failureOfStart(reason, end))
    active?.finish(active.answer ?? outcomeOfEnd(active, reason, end))
    // A process that left the group may still hold the other ends.
    for (const stream of child.stdio ?? []) stream?.destroy()
    gone.resolve()
  }

  function reasonOfEnd(code: number | null, signal: NodeJS.Signals | null): string {
    if (killedBecause) return killedBecause
    if (spawnError) return `could not be started: ${spawnError.message}`
    if ((signal === 'SIGABRT' || code === 134) && /out of memory/i.test(stderrTail.toString())) {
      return 'ran out of memory'
    }
    return signal ? `killed by ${signal}` : `exited with code ${code}`
  }

  function outcomeOfEnd({ isAborted }: ActiveRun, reason: string, end: ProcessEnd): HostOutcome {
    if (isAborted) return { status: 'aborted' }
    // Another run would end in the same way.
    if (violation) return { status: 'failed', error: violation, traceback: null }
    return { status: 'host-died', reason, end }
  }

  function failureOfStart(reason: string, end: ProcessEnd): StartFailure {
    if (violation) return { status: 'failed', error: violation, traceback: null }
    if (unfit) return { status: 'failed', error: unfit.error, traceback: unfit.traceback }
    if (spawnError && isShortage(spawnError)) return { status: 'no-host', reason }
    if (end.signal || killedBecause || spawnError) return { status: 'host-died', reason, end }
    const error = `The model host ${reason} while it loaded ${basename(options.module)}`
    return { status: 'failed', error, traceback: stderrTail.toString() || null }
  }

  function onOutput(splitter: LineSplitter, chunk: Buffer): void {
    // Read all the same: a model that writes must not block, and must not fill memory.
    if ((active?.limit ?? between).isSpent()) splitter.clear()
    else splitter.write(chunk)
  }

  function onLine(stream: 'stdout' | 'stderr', line: string): void {
    const limit = active?.limit ?? between
    limit.add(stream, line)
  }

  function flushOutput(): void {
    stdout.flush()
    stderr.flush()
  }

  /**
   * Counts its own turns rather than milliseconds: a service that was itself suspended or busy has heartbeats to read
   * before the next turn, and blames no host.
   */
  function watchHeart(): NodeJS.Timeout {
    // Without file descriptors left there are no streams at all.
    const heart = child.stdio?.[heartbeatFd] as Socket | null | undefined
    let missed = 0
    readInBites(heart ?? null, (beats) => {
      missed = 0
      if (beats.includes(tooLarge)) onTooLarge()
    })
    heart?.on('error', () => {})
    return setInterval(() => {
      if (!isReady || !options.killSilent || ++missed <= silentChecks) return
      void kill(`stopped answering for ${options.heartbeatTimeoutMs / 1000} s`)
    }, options.heartbeatTimeoutMs / silentChecks)
  }

  /** It ends itself, and may have ended already. */
  function onTooLarge(): void {
    const mebibytes = Math.round(options.memoryLimit / 2 ** 20)
    killedBecause ??= `took more than ${mebibytes} MiB of memory (CHAPKIT_MODEL_MEMORY)`
    void kill(killedBecause)
  }
}

/** The machine had no room for a process; another time it may. */
function isShortage(error: Error): boolean {
  return 'code' in error && ['EAGAIN', 'EMFILE', 'ENFILE', 'ENOMEM'].includes(String(error.code))
}

function spawnHost(options: HostProcessOptions): ChildProcess {
  const parameters: HostParameters = {
    servicePid: process.pid,
    heartbeatMs: Math.min(1000, options.heartbeatTimeoutMs / 5),
    memoryLimit: options.memoryLimit,
  }
  const [file, ...flags] = options.command
  return spawn(file!, [...flags, options.entry, options.module, JSON.stringify(parameters)], {
    // A group of its own: it can be killed with all that the model started, and Ctrl-C does not reach it.
    detached: true,
    env: { ...options.env, CHAPKIT_HOST: '1' },
    stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe'],
  })
}
