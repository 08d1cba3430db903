import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Environment, environmentFolder, environments, pythonOf } from './needs.ts'

/** Environments that tests need and that are not there as they are asked for. */
export function missingEnvironments(): Environment[] {
  return (Object.keys(environments) as Environment[]).filter((name) => {
    const installed = installedFile(name)
    return !existsSync(installed) || readFileSync(installed, 'utf8') !== wanted(name)
  })
}

/** The commands that make an environment, for people who have no wish to let the tests install it. */
export function environmentCommands(name: Environment): string {
  const { requirements } = environments[name]
  return `CHAPKIT_TEST_INSTALL=1 npm test (a Python environment in ${environmentFolder(name)} with ${requirements.join(' ')})`
}

/** Makes an environment anew. Throws where the machine has no Python that is new enough, or the packages cannot be had. */
export function installEnvironment(name: Environment): void {
  const { requirements, python } = environments[name]
  const folder = environmentFolder(name)
  const found = pythons.find((command) => isAtLeast(command, python))
  if (found === undefined) throw new Error(`${name} needs Python ${python} or newer with venv`)
  rmSync(folder, { recursive: true, force: true })
  run(found, ['-m', 'venv', folder])
  run(pythonOf(name), ['-m', 'pip', 'install', '--quiet', ...requirements])
  // Written last: what was interrupted is made again.
  writeFileSync(installedFile(name), wanted(name))
}

const pythons = ['python3.13', 'python3.12', 'python3.11', 'python3'] as const

const installedFile = (name: Environment) => join(environmentFolder(name), 'installed')
const wanted = (name: Environment) => JSON.stringify(environments[name])

function isAtLeast(command: string, version: string): boolean {
  const [major, minor] = version.split('.')
  const check = `import sys, ensurepip; sys.exit(sys.version_info < (${major}, ${minor}))`
  return spawnSync(command, ['-c', check]).status === 0
}

function run(command: string, args: readonly string[]): void {
  const { status } = spawnSync(command, args, { stdio: 'inherit' })
  if (status !== 0) throw new Error(`Failed: ${command} ${args.join(' ')}`)
}
