import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { defineService, type Service } from '../../definition.ts'
import { toError } from '../../errors.ts'
import { resolveOwnPackages } from '../../host/resolve.ts'

export interface ServeOptions {
  port?: number
  host?: string
  dataDir?: string
  watch?: boolean
}

/** Serves a service file until the process is asked to end. Answers the exit code when it cannot, 0 when it runs. */
export async function serve(file: string, options: ServeOptions): Promise<number> {
  const path = resolve(file)
  if (!existsSync(path)) return fail(`There is no file ${file}`)
  if (options.watch) return watch(path, options)

  resolveOwnPackages()
  const url = pathToFileURL(path).href
  let exported: unknown
  try {
    exported = ((await import(url)) as { default?: unknown }).default
  } catch (error) {
    return fail(`${file} cannot be loaded: ${toError(error).stack ?? toError(error).message}`)
  }
  if (!isService(exported)) {
    return fail(
      `Expected ${file} to export a service as default: export default new MLServiceBuilder({ … }).build()`,
    )
  }
  const { port, host, dataDir } = options
  // The file is known here even when the builder was not told: models can run in processes of their own.
  const service = defineService({ ...exported.spec, module: exported.spec.module ?? url })
  try {
    const { url: address } = await service.listen({
      ...(port !== undefined && { port }),
      ...(host !== undefined && { host }),
      ...(dataDir !== undefined && { dataDir }),
    })
    console.error(
      `${service.spec.info.display_name} at ${address} (API pages at ${address}/docs); Ctrl-C stops it`,
    )
    return 0
  } catch (error) {
    return fail(toError(error).message)
  }
}

/** Node's own watcher runs this command again whenever a file of the service changes. */
function watch(path: string, { port, host, dataDir }: ServeOptions): Promise<number> {
  const bin = process.argv[1] ?? ''
  const flags = [
    ...(port === undefined ? [] : ['--port', String(port)]),
    ...(host === undefined ? [] : ['--host', host]),
    ...(dataDir === undefined ? [] : ['--data-dir', dataDir]),
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
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal))
  return new Promise((done) => child.on('exit', (code) => done(code ?? 0)))
}

function isService(value: unknown): value is Service {
  return value !== null && typeof value === 'object' && 'spec' in value && 'listen' in value
}

function fail(message: string): number {
  console.error(`chapkit: ${message}`)
  return 1
}
