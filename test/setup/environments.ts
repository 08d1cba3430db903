import { spawnSync } from 'node:child_process'
import { existsSync, globSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import {
  type Environment,
  environmentFolder,
  environmentSpec,
  environments,
  pythonOf,
} from './needs.ts'

/** Environments that tests need and that are not there as they are asked for. */
export function missingEnvironments(): Environment[] {
  return (Object.keys(environments) as Environment[]).filter((name) => {
    const installed = installedFile(name)
    return !existsSync(installed) || readFileSync(installed, 'utf8') !== wanted(name)
  })
}

/** What makes an environment, for people who have no wish to let the tests install it, or why it cannot be made here. */
export function environmentCommands(name: Environment): string {
  const { requirements } = environmentSpec(name)
  const lacks = lacksPython(name)
  if (lacks !== null) return lacks
  return `CHAPKIT_TEST_INSTALL=1 npm test (a Python environment in ${environmentFolder(name)} with ${requirements.join(' ')})`
}

/** Why an environment cannot be made here; null where it can. */
export function lacksPython(name: Environment): string | null {
  const { python } = environmentSpec(name)
  return findPython(python) === undefined
    ? `${name} needs Python ${python} or newer with venv, which this machine lacks`
    : null
}

/** Makes an environment anew. Throws where the machine has no Python that is new enough, or the packages cannot be had. */
export function installEnvironment(name: Environment): void {
  const { requirements, python } = environmentSpec(name)
  const folder = environmentFolder(name)
  const found = findPython(python)
  if (found === undefined) throw new Error(String(lacksPython(name)))
  rmSync(folder, { recursive: true, force: true })
  run(found, ['-m', 'venv', folder])
  run(pythonOf(name), ['-m', 'pip', 'install', '--quiet', ...requirements])
  // Written last: what was interrupted is made again.
  writeFileSync(installedFile(name), wanted(name))
}

/** Commands to look for. A shim of pyenv runs only what its settings choose: the versions themselves come behind it. */
const pythons = () => [
  ...['python3.14', 'python3.13', 'python3.12', 'python3.11', 'python3'],
  ...globSync(
    join(process.env.PYENV_ROOT ?? join(homedir(), '.pyenv'), 'versions/3.*/bin/python3'),
  ),
]

const findPython = (version: string) => pythons().find((command) => isAtLeast(command, version))

const installedFile = (name: Environment) => join(environmentFolder(name), 'installed')
const wanted = (name: Environment) => JSON.stringify(environmentSpec(name))

function isAtLeast(command: string, version: string): boolean {
  const [major, minor] = version.split('.')
  const check = `import sys, ensurepip; sys.exit(sys.version_info < (${major}, ${minor}))`
  return spawnSync(command, ['-c', check]).status === 0
}

function run(command: string, args: readonly string[]): void {
  const { status } = spawnSync(command, args, { stdio: 'inherit' })
  if (status !== 0) throw new Error(`Failed: ${command} ${args.join(' ')}`)
}
