import { execFile } from 'node:child_process'
import { constants, existsSync, readdirSync } from 'node:fs'
import { access, mkdtemp, rm, statfs } from 'node:fs/promises'
import { createServer } from 'node:net'
import { dirname, extname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { toError } from '../errors.ts'
import type { Command } from '../ml/runner.ts'
import type { ScriptLocale } from '../script/locale.ts'
import { isProgram } from '../script/program.ts'
import { toSize } from './backup.ts'
import type { LoadedService } from './load.ts'

/** What was looked at: whether it is there, what it is, and the command that gets it. */
export interface Finding {
  name: string
  /** `missing` is needed and not there; `absent` may be of use one day. */
  state: 'ok' | 'missing' | 'absent'
  about: string
  /** What gets it, or what to do. */
  remedy: string | null
}

const ok = (name: string, about: string): Finding => ({ name, state: 'ok', about, remedy: null })

/** Oldest version of Node that the package runs on. */
const leastNode = 24

export function checkNode(version = process.versions.node): Finding {
  const major = Number(version.split('.')[0])
  return major >= leastNode
    ? ok('Node', version)
    : {
        ...{ name: 'Node', state: 'missing', about: `${version}, expected ${leastNode} or later` },
        remedy: 'install it from https://nodejs.org, or npm install node@24 in the project',
      }
}

interface Tool {
  name: string
  program: string
  /** What makes it say its version; null where nothing does. */
  args: readonly string[] | null
  /** Names of the package, by the program that installs it. */
  packages: Readonly<Record<Installer, string>>
  /** What it is for. */
  use: string
}

const installers = {
  'apt-get': 'apt-get install -y',
  dnf: 'dnf install -y',
  apk: 'apk add',
  brew: 'brew install',
} as const
type Installer = keyof typeof installers

const same = (name: string) => ({ 'apt-get': name, dnf: name, apk: name, brew: name })

export const tools = {
  R: {
    ...{ name: 'R', program: 'Rscript', args: ['--version'], use: 'models in R' },
    packages: { 'apt-get': 'r-base-core', dnf: 'R-core', apk: 'R', brew: 'r' },
  },
  python: {
    ...{ name: 'Python', program: 'python3', args: ['--version'], use: 'models in Python' },
    packages: same('python3'),
  },
  prlimit: {
    ...{ name: 'prlimit', program: 'prlimit', args: ['--version'] },
    use: '`limits` of a model of commands',
    packages: same('util-linux'),
  },
  chattr: {
    ...{ name: 'chattr', program: 'chattr', args: null },
    use: 'spreading the folders of runs over the disk',
    packages: same('e2fsprogs'),
  },
  docker: {
    ...{ name: 'Docker', program: 'docker', args: ['version', '--format', '{{.Server.Version}}'] },
    use: 'building images',
    packages: { 'apt-get': 'docker.io', dnf: 'docker', apk: 'docker', brew: '--cask docker' },
  },
} as const satisfies Record<string, Tool>

/** Looks for a program; `needed` says by whom, null where nobody needs it. */
export async function checkTool(tool: Tool, needed: string | null, path: string): Promise<Finding> {
  const { name, program, args, use } = tool
  const state = needed === null ? 'absent' : 'missing'
  if (!isProgram(program, path)) {
    const about = needed === null ? `not found; for ${use}` : `not found, but ${needed}`
    return { name, state, about, remedy: toInstall(tool, path) }
  }
  if (args === null) return ok(name, 'found')
  try {
    const { stdout, stderr } = await promisify(execFile)(program, [...args], { timeout: 10_000 })
    const [said = ''] = (stdout.trim() || stderr.trim()).split('\n')
    return ok(name, /\d+(\.\d+)+/.exec(said)?.[0] ?? said)
  } catch (error) {
    const { stderr = '', message } = error as Error & { stderr?: string }
    const [said = message] = stderr.trim().split('\n')
    return { name, state, about: `does not answer: ${said || message}`, remedy: toRepair(tool) }
  }
}

function toRepair({ program, name }: Tool): string {
  return program === 'docker'
    ? 'start it: systemctl start docker'
    : `see why: ${program} --version (${name})`
}

function toInstall({ packages }: Tool, path: string): string {
  const found = (Object.keys(installers) as Installer[]).find((name) => isProgram(name, path))
  const installer = found ?? 'apt-get'
  const sudo = process.getuid?.() === 0 || installer === 'brew' ? '' : 'sudo '
  return `${sudo}${installers[installer]} ${packages[installer]}`
}

/** The locale that scripts would get; `needed` says by whom, null where there are none. */
export function checkLocale({ name, isOwn }: ScriptLocale, needed: string | null): Finding {
  if (name !== null) {
    const from = isOwn ? 'that of this shell' : 'this shell has none that can be used'
    return ok('locale', `scripts get ${name} (${from})`)
  }
  const about = 'no UTF-8 locale is installed: scripts may misread letters such as é'
  return {
    ...{ name: 'locale', state: needed === null ? 'absent' : 'missing' },
    about: needed === null ? about : `${about}, and ${needed}`,
    remedy: 'install C.UTF-8: it comes with libc-bin on Debian, and with glibc-common on Fedora',
  }
}

/** The program that each command of the model starts with. */
export function checkPrograms({ service, url }: LoadedService, path: string): Finding[] {
  const { runner } = service.spec
  if (runner?.keeps !== 'workspace') return []
  const { train, predict, project, limits } = runner.scripts
  const folder = project ?? dirname(new URL(url).pathname)
  const programs = new Map([programOf(train), programOf(predict)].map((name) => [name, name]))
  if (Object.values(limits).some((limit) => limit !== null)) programs.set('prlimit', 'prlimit')
  return [...programs.keys()].map((program) => {
    const name = `program ${program}`
    if (isProgram(program, path, folder)) return ok(name, 'found; the model is run with it')
    const known = Object.values(tools).find((tool) => tool.program === program)
    return {
      ...{ name, state: 'missing', about: 'not found; the model is run with it' },
      remedy: known
        ? toInstall(known, path)
        : program.includes('/')
          ? `make it a file of the project that may be executed: chmod +x ${program}`
          : `install ${program}, or correct the command in the service file`,
    }
  })
}

const programOf = ({ words }: Command): string =>
  words[0]?.parts.filter((part) => typeof part === 'string').join('') ?? ''

/** Languages that the files of a folder are in. */
export function languagesOf(folder: string): ReadonlySet<string> {
  const found = new Set<string>()
  const look = (below: string, depth: number) => {
    for (const entry of readdirSync(below, { withFileTypes: true })) {
      if (entry.name.startsWith('.') || entry.name === 'node_modules') continue
      if (entry.isDirectory() && depth > 0) look(join(below, entry.name), depth - 1)
      const extension = extname(entry.name).toLowerCase()
      if (entry.isFile() && (extension === '.r' || extension === '.py')) found.add(extension)
    }
  }
  if (existsSync(folder)) look(folder, 2)
  return found
}

const scarceBytes = 1024 * 1024 * 1024
const leastBytes = 100 * 1024 * 1024

/** Whether the folder of the data, or the first that is there above it, can be written, and has room. */
export async function checkDataFolder(dataDir: string): Promise<Finding> {
  const name = 'data folder'
  const wanted = resolve(dataDir)
  let folder = wanted
  while (!existsSync(folder) && folder !== dirname(folder)) folder = dirname(folder)
  try {
    await access(folder, constants.W_OK | constants.X_OK)
    const probe = await mkdtemp(join(folder, '.chapkit-doctor-'))
    await rm(probe, { recursive: true })
  } catch (error) {
    return {
      ...{ name, state: 'missing', about: `${wanted}: ${(error as NodeJS.ErrnoException).code}` },
      remedy: `give yourself the right to write there (chown, chmod), or choose another with --data-dir`,
    }
  }
  const { bavail, bsize } = await statfs(folder)
  const free = bavail * bsize
  const about = `${wanted}, ${toSize(free)} free`
  if (free >= scarceBytes) return ok(name, about)
  return {
    ...{ name, about, state: free < leastBytes ? 'missing' : 'absent' },
    remedy: 'make room, or choose a folder on another disk with --data-dir',
  }
}

/** Whether a service could listen. */
export async function checkPort(port: number, host: string): Promise<Finding> {
  const name = `port ${port}`
  const server = createServer()
  try {
    await new Promise<void>((done, failed) => {
      server.once('error', failed)
      server.listen({ port, host }, done)
    })
    return ok(name, 'free')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EADDRINUSE') return inUse(port, host)
    return {
      ...{
        name,
        state: 'missing',
        about: `cannot be listened on: ${code ?? toError(error).message}`,
      },
      remedy:
        port < 1024 ? 'choose one above 1023 with --port' : 'choose another with --port or --host',
    }
  } finally {
    if (server.listening) await new Promise((done) => server.close(done))
  }
}

/** A chapkit service there is as it should be; anything else is in the way. */
async function inUse(port: number, host: string): Promise<Finding> {
  const name = `port ${port}`
  try {
    const response = await fetch(`http://${host}:${port}/api/v1/info`, {
      signal: AbortSignal.timeout(3000),
    })
    const { display_name: title } = (await response.json()) as { display_name?: string }
    if (typeof title === 'string') return ok(name, `the service '${title}' answers there`)
  } catch {
    // Something else listens.
  }
  return {
    ...{ name, state: 'missing', about: 'another program listens there' },
    remedy: `choose another with --port ${port + 1}, or see who it is: ss -ltnp 'sport = :${port}'`,
  }
}
