import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, relative, resolve } from 'node:path'
import { environment } from '../../settings.ts'
import { CommandError, exit } from '../exit.ts'
import { createOutput } from '../output.ts'
import { watchProject } from '../watch.ts'
import type { ServeOptions } from './serve.ts'

export interface DevOptions extends Omit<ServeOptions, 'watch'> {
  json?: boolean
}

/** An editor writes a file in several steps, and several files at once. */
const settleMs = 150
/** What still runs then is told again, which ends it at once: jobs run anew after the start. */
const patienceMs = 2000

/** Serves a service file, and again after each change of its project, until the process is asked to end. */
export async function dev(file: string, options: DevOptions): Promise<number> {
  const path = resolve(file)
  if (!existsSync(path)) {
    throw new CommandError(
      `There is no file ${file}; name the service file, or make one with chapkit init`,
    )
  }
  const root = dirname(path)
  const output = createOutput(options)
  const dataDir = resolve(options.dataDir ?? environment().CHAPKIT_DATA_DIR ?? './data')
  const say = (text: string) => output.note(output.paint('dim', text))

  let child: ChildProcess | null = null
  let ended = Promise.resolve()
  let stopping = false
  let timer: NodeJS.Timeout | undefined
  let restarting = false

  function start() {
    const started = spawn(process.execPath, toArguments(path, options), {
      stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
      env: { ...environment(), LOG_FORMAT: options.json ? 'json' : 'console' },
    })
    child = started
    started.on('message', ({ loaded }: { loaded: string }) => watcher.addFile(loaded))
    ended = new Promise((done) => {
      started.on('exit', (code, signal) => {
        child = null
        if (!stopping && !restarting)
          say(
            `the service ended (${signal ?? `exit code ${code}`}); waiting for a change in ${shown(root)}`,
          )
        done()
      })
    })
  }

  async function restart(changed: string) {
    // A change that comes meanwhile is in what is started next, or rings again.
    if (restarting || stopping) return
    restarting = true
    say(`${shown(changed)} changed: starting again`)
    await end(child, ended)
    restarting = false
    if (!stopping) start()
  }

  const watcher = watchProject({
    root,
    except: [dataDir],
    onChange(changed) {
      clearTimeout(timer)
      timer = setTimeout(() => void restart(changed), settleMs)
    },
  })
  start()

  const signal = await new Promise<NodeJS.Signals>((done) => {
    process.once('SIGINT', done)
    process.once('SIGTERM', done)
    process.once('SIGHUP', done)
  })
  stopping = true
  clearTimeout(timer)
  watcher.close()
  // A second one is for the service, which ends at once: a terminal sends it to both.
  process.on('SIGINT', () => forward(child, 'SIGINT'))
  process.on('SIGTERM', () => child?.kill('SIGTERM'))
  process.on('SIGHUP', () => {})
  if (signal !== 'SIGINT') (child as ChildProcess | null)?.kill(signal)
  else forward(child, 'SIGINT')
  await ended
  return exit.ok
}

/** Ctrl-C on a terminal reaches every process of it: told twice, the service would not finish what it does. */
function forward(child: ChildProcess | null, signal: 'SIGINT') {
  if (!process.stdin.isTTY) child?.kill(signal)
}

async function end(child: ChildProcess | null, ended: Promise<void>): Promise<void> {
  child?.kill('SIGTERM')
  const impatience = setTimeout(() => child?.kill('SIGTERM'), patienceMs)
  await ended
  clearTimeout(impatience)
}

function toArguments(path: string, { port, host, dataDir }: DevOptions): string[] {
  return [
    ...process.execArgv,
    process.argv[1] ?? '',
    ...['serve', shown(path)],
    ...(port === undefined ? [] : ['--port', String(port)]),
    ...(host === undefined ? [] : ['--host', host]),
    ...(dataDir === undefined ? [] : ['--data-dir', dataDir]),
  ]
}

/** A path as people on this terminal know it. */
const shown = (path: string): string => relative(process.cwd(), path) || '.'
