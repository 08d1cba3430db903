import { type ChildProcess, spawn } from 'node:child_process'
import { setPriority } from 'node:os'
import { createLineSplitter, createLogLimit, readInBites } from '../ml/output.ts'
import type { LogStream } from '../ml/run.ts'
import type { ScriptLimits } from '../ml/runner.ts'
import { createCapture } from './capture.ts'
import { findHint, type HintOptions } from './hints.ts'
import { isProgram } from './program.ts'

/*
 * One command, seen from the service: a process with a group and a session of its own. However it ends, nothing of it runs
 * on when `runCommand` has answered.
 */

/** How long a command that was told to end may take, before it is killed. */
const terminateGraceMs = 5000
/** How long the output of an ended command is waited for: a process of its own may still hold it open. */
const drainMs = 500
/** As model hosts: `/health` is answered while a script computes. */
const niceness = 10

export interface CommandRun {
  /** Program and arguments. */
  words: readonly string[]
  folder: string
  env: Readonly<Record<string, string>>
  limits: ScriptLimits
  timeoutMs: number | null
  signal: AbortSignal
  onLine: (stream: LogStream, line: string) => void
  /** Ends the processes that left the group; given the id of the first process. */
  endStrays: (pid: number) => Promise<number>
}

export interface CommandEnd {
  /** Why it did not do its work; null when it ended by itself with code 0. */
  failure: string | null
  /**
   * `aborted`: it was stopped with its job or service, and has not failed. `late`: it took more than its time. `unstarted`: it never
   * ran. `no-process`: the machine has no room for another one.
   */
  kind: 'ended' | 'aborted' | 'late' | 'unstarted' | 'no-process'
  exitCode: number | null
  /** What ended it, if it did not end by itself. */
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

/** Runs a command to its end. Never rejects for what the command does. */
export async function runCommand(run: CommandRun): Promise<CommandEnd> {
  const [program = '', ...rest] = run.words
  const missing = findFault(program, run)
  if (missing !== null) {
    return {
      failure: missing,
      kind: 'unstarted',
      exitCode: 127,
      signal: null,
      stdout: '',
      stderr: '',
    }
  }
  const [file, ...args] = withLimits([program, ...rest], run.limits)
  let child: ChildProcess
  try {
    child = spawn(file!, args, {
      cwd: run.folder,
      env: { ...run.env, PWD: run.folder },
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    await new Promise((resolve, reject) => child.once('spawn', resolve).once('error', reject))
  } catch (error) {
    return unstarted(run, error as NodeJS.ErrnoException)
  }
  child.on('error', () => {})
  return follow(child, run)
}

function unstarted(run: CommandRun, { code, message }: NodeJS.ErrnoException): CommandEnd {
  const end = { exitCode: null, signal: null, stdout: '', stderr: '' }
  if (code === 'EAGAIN' || code === 'ENOMEM' || code === 'EMFILE' || code === 'ENFILE')
    return { ...end, kind: 'no-process', failure: `no process could be started (${code})` }
  if (code === 'E2BIG')
    return { ...end, kind: 'unstarted', failure: 'its arguments or environment are too long' }
  const hint = findHint(toHintOptions(run)) ?? `"${run.words[0]}": ${code ?? message}`
  return { ...end, kind: 'unstarted', failure: `could not be started: ${hint}` }
}

async function follow(child: ChildProcess, run: CommandRun): Promise<CommandEnd> {
  const pid = child.pid!
  try {
    setPriority(pid, niceness)
  } catch {
    // It has ended already.
  }
  const limit = createLogLimit(run.onLine)
  const outputs = (['stdout', 'stderr'] as const).map((name) => {
    const capture = createCapture()
    const lines = createLineSplitter((line) => limit.add(name, line))
    const reading = readInBites(child[name], (chunk) => {
      capture.add(chunk)
      if (!limit.isSpent()) lines.write(chunk)
    })
    return { capture, lines, reading }
  })

  let stoppedFor: 'timeout' | 'abort' | undefined
  let killing: NodeJS.Timeout | undefined
  const stop = (why: 'timeout' | 'abort') => {
    stoppedFor ??= why
    signalGroup(pid, 'SIGTERM')
    killing ??= setTimeout(() => signalGroup(pid, 'SIGKILL'), terminateGraceMs)
  }
  const timer =
    run.timeoutMs === null ? undefined : setTimeout(() => stop('timeout'), run.timeoutMs)
  const abort = () => stop('abort')
  if (run.signal.aborted) abort()
  else run.signal.addEventListener('abort', abort, { once: true })

  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const { code, signal } = await new Promise<{
    code: number | null
    signal: NodeJS.Signals | null
  }>((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })))
  clearTimeout(timer)
  clearTimeout(killing)
  run.signal.removeEventListener('abort', abort)

  // What it started and left behind would write to a folder that is being read, and hold its output open.
  signalGroup(pid, 'SIGKILL')
  await run.endStrays(pid)
  for (const { reading } of outputs) reading.hurry()
  await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, drainMs).unref())])
  child.stdout?.destroy()
  child.stderr?.destroy()
  for (const { lines } of outputs) lines.flush()
  const [stdout, stderr] = outputs.map(({ capture }) => capture.text()) as [string, string]

  const failure = describe({ code, signal, stoppedFor, run })
  const hint = failure !== null && stoppedFor === undefined ? findHint(toHintOptions(run)) : null
  return {
    failure: hint === null ? failure : `${failure}; ${hint}`,
    kind: stoppedFor === undefined ? 'ended' : stoppedFor === 'abort' ? 'aborted' : 'late',
    exitCode: code,
    signal,
    stdout,
    stderr,
  }
}

interface End {
  code: number | null
  signal: NodeJS.Signals | null
  stoppedFor: 'timeout' | 'abort' | undefined
  run: CommandRun
}

function describe({ code, signal, stoppedFor, run }: End): string | null {
  if (stoppedFor === 'timeout')
    return `was stopped after ${run.timeoutMs! / 1000} seconds, the time that it may take`
  if (stoppedFor === 'abort') return 'was stopped'
  if (signal !== null) {
    const hints: Partial<Record<NodeJS.Signals, string>> = {
      SIGKILL: ' (perhaps the machine had no memory left)',
      SIGXCPU: ' (it took more processor time than it may)',
      SIGXFSZ: ' (it wrote a larger file than it may)',
    }
    return `was ended by ${signal}${hints[signal] ?? ''}`
  }
  return code === 0 ? null : `ended with exit code ${code}`
}

const toHintOptions = ({
  words,
  folder,
  env,
}: Pick<CommandRun, 'words' | 'folder' | 'env'>): HintOptions => ({
  ...{ words, folder, path: env.PATH ?? '' },
})

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal)
  } catch {
    // Nobody of the group is left.
  }
}

/** `prlimit` bounds itself and becomes the command. */
function withLimits(words: readonly string[], limits: ScriptLimits): string[] {
  const flags = [
    limits.memoryBytes !== null && `--as=${limits.memoryBytes}`,
    limits.cpuSeconds !== null && `--cpu=${limits.cpuSeconds}`,
    limits.processes !== null && `--nproc=${limits.processes}`,
    limits.fileBytes !== null && `--fsize=${limits.fileBytes}`,
  ].filter((flag) => flag !== false)
  return flags.length === 0 ? [...words] : ['prlimit', ...flags, '--', ...words]
}

/** What keeps a program from being started, in words that help. */
function findFault(program: string, { folder, env, limits, words }: CommandRun): string | null {
  const long = words.find((word) => Buffer.byteLength(word) > 128 * 1024 - 1)
  if (long !== undefined) return 'has an argument of more than 128 KiB'
  const needed = Object.values(limits).some((value) => value !== null)
    ? [program, 'prlimit']
    : [program]
  const missing = needed.find((name) => !isProgram(name, env.PATH ?? '', folder))
  if (missing === undefined) return null
  const hint = missing === program ? findHint(toHintOptions({ words, folder, env })) : null
  if (hint !== null) return `could not be started: ${hint}`
  return missing.includes('/')
    ? `could not be started: "${missing}" is not in the project`
    : `could not be started: the program "${missing}" was not found; is it installed, and in the PATH of the service?`
}
