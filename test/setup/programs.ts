import { spawnSync } from 'node:child_process'
import type { TestProject } from 'vitest/node'
import { isMissing, type Program, packages } from './needs.ts'

/** Looks for the programs that tests run; with CHAPKIT_TEST_INSTALL=1 installs what is missing, else names the command. */
export default function setup(project: TestProject): void {
  const programs = Object.keys(packages) as Program[]
  let missing = programs.filter(isMissing)
  const command = `apt-get install -y ${[...new Set(missing.map((program) => packages[program]))].join(' ')}`
  if (missing.length > 0 && process.env.CHAPKIT_TEST_INSTALL === '1') {
    const { status } = spawnSync(
      'sh',
      ['-c', `apt-get update -q && DEBIAN_FRONTEND=noninteractive ${command} -q`],
      {
        stdio: 'inherit',
      },
    )
    if (status !== 0) throw new Error(`Installing what the tests need failed: ${command}`)
    missing = programs.filter(isMissing)
    if (missing.length > 0)
      throw new Error(`Still missing after the installation: ${missing.join(', ')}`)
  }
  if (missing.length > 0) {
    console.warn(`Skipping the tests that need ${missing.join(', ')}. To run them: ${command}`)
  }
  project.provide('missing', missing)
}
