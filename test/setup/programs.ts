import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import {
  environmentCommands,
  installEnvironment,
  lacksPython,
  missingEnvironments,
} from './environments.ts'
import {
  environmentSpec,
  isMissing,
  mayTrace,
  onlyUnpacked,
  type Program,
  packages,
  unpacked,
} from './needs.ts'

/** Looks for the programs that tests run; with CHAPKIT_TEST_INSTALL=1 installs what is missing, else names the commands. */
export default function setup(project: TestProject): void {
  process.env.PATH = `${process.env.PATH}:${join(unpacked, 'usr/bin')}`
  const programs = Object.keys(packages) as Program[]
  let missing = programs.filter(isMissing)
  const commands = commandsFor(missing)
  if (missing.length > 0 && process.env.CHAPKIT_TEST_INSTALL === '1') {
    const { status } = spawnSync('sh', ['-ec', ['apt-get update -q', ...commands].join('\n')], {
      stdio: 'inherit',
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    })
    if (status !== 0)
      throw new Error(`Installing what the tests need failed: ${commands.join('; ')}`)
    missing = programs.filter(isMissing)
    if (missing.length > 0)
      throw new Error(`Still missing after the installation: ${missing.join(', ')}`)
  }
  if (missing.length > 0) {
    console.warn(
      `Skipping the tests that need ${missing.join(', ')}. To run them: ${commands.join('; ')}`,
    )
  }
  if (!missing.includes('strace') && !mayTrace()) {
    const reason = 'strace may not watch processes here; kernel.yama.ptrace_scope=0 allows it'
    if (process.env.CHAPKIT_TEST_INSTALL === '1') throw new Error(reason)
    console.warn(`Skipping the tests that need strace: ${reason}`)
    missing.push('strace')
  }
  if (process.env.CHAPKIT_TEST_INSTALL === '1') {
    for (const name of missingEnvironments())
      if (!environmentSpec(name).optional || lacksPython(name) === null) installEnvironment(name)
  }
  const lacking = missingEnvironments()
  if (lacking.length > 0) {
    const commands = lacking.map(environmentCommands).join('; ')
    console.warn(`Skipping the tests that need ${lacking.join(', ')}. To run them: ${commands}`)
  }
  project.provide('missing', [...missing, ...lacking])
}

function commandsFor(missing: readonly Program[]): string[] {
  const names = (programs: readonly Program[]) => [
    ...new Set(programs.map((program) => packages[program])),
  ]
  const installed = names(missing.filter((program) => !onlyUnpacked.includes(program)))
  return [
    ...(installed.length > 0
      ? [`apt-get install -y -q --no-install-recommends ${installed.join(' ')}`]
      : []),
    ...names(missing.filter((program) => onlyUnpacked.includes(program))).map(unpack),
  ]
}

/** Fetches a package and takes its files out; nothing of it is set up or started. */
function unpack(name: string): string {
  return `(mkdir -p '${unpacked}' && cd '${unpacked}' && apt-get download ${name} && dpkg -x ${name}_*.deb . && rm ${name}_*.deb)`
}
