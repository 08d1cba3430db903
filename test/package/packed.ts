import { execFileSync, type SpawnSyncOptions, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { onTestFinished } from 'vitest'

export const root = join(import.meta.dirname, '..', '..')

/** The Node that this repository brings; its package managers are those of the machine. */
export const node24 = join(root, 'node_modules', '.bin')

/** A folder for the tests of a file; `remove` takes it away. */
export function workFolder(name: string) {
  const folder = mkdtempSync(join(tmpdir(), `chapkit-${name}-`))
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }) }
}

/** Builds the package and packs it into a folder, as `npm publish` would; answers the path of the tarball. */
export function pack(folder: string): string {
  const from = mkdtempSync(join(folder, 'from-'))
  // Not into `dist`, which other tests may be running.
  const args = [join(root, 'scripts', 'build.ts'), '--out', join(from, 'dist')]
  execFileSync(process.execPath, args, { stdio: 'inherit' })
  for (const name of ['package.json', 'README.md', 'LICENSE', 'CHANGELOG.md'])
    copyFileSync(join(root, name), join(from, name))
  const flags = ['--json', '--ignore-scripts', '--pack-destination', folder]
  const [packed] = JSON.parse(run('npm', ['pack', ...flags], { cwd: from }).stdout)
  return join(folder, packed.filename)
}

/** Tools of `test/package/tools`, as its lockfile has them: the folder of their programs. */
export function installTools(): string {
  const folder = join(import.meta.dirname, 'tools')
  const stamp = join(folder, 'node_modules', '.stamp')
  const lock = readFileSync(join(folder, 'package-lock.json'), 'utf8')
  if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== lock) {
    run('npm', ['ci', '--prefer-offline', '--no-audit', '--no-fund'], { cwd: folder })
    writeFileSync(stamp, lock)
  }
  return join(folder, 'node_modules', '.bin')
}

export interface RunOptions {
  cwd: string
  /** Folder of the Node to run with. */
  node?: string
  env?: Readonly<Record<string, string>>
}

/** Runs a program to its end; throws with all that it said when it fails. */
export function run(program: string, args: readonly string[], options: RunOptions) {
  const { status, stdout, stderr } = attempt(program, args, options)
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${status}\n${stdout}${stderr}`)
  return { stdout, stderr }
}

/** Runs a program to its end. */
export function attempt(program: string, args: readonly string[], options: RunOptions) {
  const settings = { ...toSpawn(options), encoding: 'utf8', timeout: 240_000 } as const
  const { status, stdout, stderr, error } = spawnSync(program, args, settings)
  return { status, stdout, stderr: `${stderr}${error ?? ''}` }
}

/** Starts a program that serves, and resolves with its address; it is ended with the test. */
export async function serve(program: string, args: readonly string[], options: RunOptions) {
  const env = { LOG_FORMAT: 'json', ...options.env }
  // A group of its own, so that whatever a package manager puts in between ends as well.
  const child = spawn(program, args, {
    ...toSpawn({ ...options, env }),
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  const exited = once(child, 'close') as Promise<[number | null]>
  const end = async () => {
    if (child.exitCode === null && child.signalCode === null) process.kill(-child.pid!, 'SIGTERM')
    const [code] = await exited
    return code
  }
  onTestFinished(async () => void (await end()))
  let said = ''
  const url = await new Promise<string>((resolve, reject) => {
    const hear = (chunk: Buffer) => {
      said += chunk
      const found = /"url":"(http:[^"]+)"/.exec(said)?.[1]
      if (found) resolve(found)
    }
    child.stdout.on('data', hear)
    child.stderr.on('data', hear)
    child.on('close', (code) => reject(new Error(`It ended with ${code}: ${said}`)))
  })
  return { url, end }
}

function toSpawn({ cwd, node = node24, env = {} }: RunOptions): SpawnSyncOptions {
  // Not what this test process was started with: npm and vitest leave a lot in the environment.
  const inherited = Object.entries(process.env).filter(
    ([name]) =>
      !/^(npm_|NODE_|VITEST|CHAPKIT_|INIT_CWD|PORT$|HOST$)/.test(name) || isOfMachine(name),
  )
  const path = [node, ...(process.env.PATH ?? '').split(delimiter)].join(delimiter)
  return { cwd, env: { ...Object.fromEntries(inherited), CI: '1', ...env, PATH: path } }
}

/** Where packages come from here. */
const isOfMachine = (name: string) =>
  /^(npm_config_(registry|cache|proxy|https_proxy|cafile|userconfig)|NODE_EXTRA_CA_CERTS)$/.test(
    name,
  )
