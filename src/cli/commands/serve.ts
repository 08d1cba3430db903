import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { defineService } from '../../definition.ts'
import { toError } from '../../errors.ts'
import { CommandError, exit } from '../exit.ts'
import { loadService } from '../load.ts'
import { outliveReaders, say } from '../print.ts'

export interface ServeOptions {
  port?: number
  host?: string
  dataDir?: string
  watch?: boolean
  json?: boolean
}

/** Serves a service file until the process is asked to end. Answers 0 when it runs. */
export async function serve(file: string, options: ServeOptions): Promise<number> {
  if (options.watch) return watch(file, options)

  // Started by `chapkit dev` or `chapkit test`, which listen, and after whose end nobody would end this.
  const tell = process.send ? (path: string) => void process.send?.({ loaded: path }) : undefined
  outliveReaders()
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'))
  // To hear of that is no reason to stay.
  process.channel?.unref()
  const { service: exported, url } = await loadService(file, tell)
  const { port, host, dataDir, json } = options
  // The file is known here even when the builder was not told: models can run in processes of their own.
  const service = defineService({ ...exported.spec, module: exported.spec.module ?? url })
  try {
    const { url: address } = await service.listen({
      ...(port !== undefined && { port }),
      ...(host !== undefined && { host }),
      ...(dataDir !== undefined && { dataDir }),
      ...(json && { logFormat: 'json' }),
    })
    say(
      `${service.spec.info.display_name} at ${address} (API pages at ${address}/docs); Ctrl-C stops it`,
    )
    return exit.ok
  } catch (error) {
    throw new CommandError(toError(error).message)
  }
}

/** Node's own watcher runs this command again whenever a file of the service changes. */
function watch(file: string, { port, host, dataDir, json }: ServeOptions): Promise<number> {
  const path = resolve(file)
  if (!existsSync(path)) throw new CommandError(`There is no file ${file}`)
  const bin = process.argv[1] ?? ''
  const flags = [
    ...(port === undefined ? [] : ['--port', String(port)]),
    ...(host === undefined ? [] : ['--host', host]),
    ...(dataDir === undefined ? [] : ['--data-dir', dataDir]),
    ...(json ? ['--json'] : []),
  ]
  const args = [
    ...process.execArgv,
    '--watch',
    '--watch-preserve-output',
    bin,
    'serve',
    path,
    ...flags,
  ]
  const child = spawn(process.execPath, args, { stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => child.kill(signal))
  return new Promise((done) => child.on('exit', (code) => done(code ?? 0)))
}
