import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { inject, test } from 'vitest'

/** Programs that some tests run, and libraries of Python and R, with the Debian package that has each. */
export const packages = {
  unzip: 'unzip',
  python3: 'python3',
  nice: 'coreutils',
  strace: 'strace',
  bash: 'bash',
  zsh: 'zsh',
  fish: 'fish',
  script: 'bsdutils',
  curl: 'curl',
  jq: 'jq',
  promtool: 'prometheus',
  Rscript: 'r-base-core',
  numpy: 'python3-numpy',
  'python3-yaml': 'python3-yaml',
  'r-yaml': 'r-cran-yaml',
  chromium: 'chromium',
  faketime: 'faketime',
} as const

export type Program = keyof typeof packages

/** Programs of packages that would start a server when installed: only their files are unpacked, into `unpacked`. */
export const onlyUnpacked: readonly Program[] = ['promtool']

/** Where those lie; at the end of the tests' PATH. */
export const unpacked = join(import.meta.dirname, '..', '.programs')

interface EnvironmentSpec {
  /** Packages, pinned. */
  requirements: readonly string[]
  /** The oldest Python that they run on. */
  python: string
  /** Whether the Python of a current Debian may be older: tests are then skipped, also with CHAPKIT_TEST_INSTALL=1. */
  optional?: boolean
}

/**
 * Packages of PyPI that tests compare with, in virtual environments of their own. Installed with CHAPKIT_TEST_INSTALL=1, and kept
 * until what is asked for changes.
 */
export const environments = {
  pyarrow: { requirements: ['pyarrow==26.0.1'], python: '3.11' },
  'chap-core': {
    requirements: ['chap-core==2.5.1', 'chapkit==2.4.1', 'servicekit==3.0.1'],
    python: '3.13',
    optional: true,
  },
} as const satisfies Record<string, EnvironmentSpec>

export type Environment = keyof typeof environments

/** What is known of an environment. */
export const environmentSpec = (name: Environment): EnvironmentSpec => environments[name]

/** Folder of a virtual environment. */
export function environmentFolder(name: Environment): string {
  return join(import.meta.dirname, '..', '.venv', name)
}

/** The Python of a virtual environment. */
export function pythonOf(name: Environment): string {
  return join(environmentFolder(name), 'bin', 'python')
}

declare module 'vitest' {
  interface ProvidedContext {
    /** Programs and environments that are not on this machine. */
    missing: (Program | Environment)[]
  }
}

/** A PATH on which `python3` is the one that has the libraries: that of the system, as packages of the system belong to it. */
export const numpyPath = `/usr/bin:${process.env.PATH}`

/** What ends well where a library is there. */
const libraries: Partial<Record<Program, readonly [string, ...string[]]>> = {
  numpy: ['python3', '-c', 'import numpy'],
  'python3-yaml': ['python3', '-c', 'import yaml'],
  'r-yaml': ['Rscript', '-e', 'library(yaml)'],
}

export function isMissing(program: Program): boolean {
  const library = libraries[program]
  if (library) {
    const env = { ...process.env, PATH: numpyPath }
    return spawnSync(library[0], library.slice(1), { env }).status !== 0
  }
  return spawnSync('sh', ['-c', `command -v ${program}`]).status !== 0
}

/** Whether strace may watch a process that it has not started: some systems leave that to root. */
export function mayTrace(): boolean {
  // SIGKILL: any other signal is lost when strace ends before it has passed it on.
  const script =
    'sleep 60 >&- 2>&- & strace -p $! 2>&1 | { read -r said; kill -KILL $!; echo "$said"; }'
  return spawnSync('sh', ['-c', script], { encoding: 'utf8' }).stdout.includes(' attached')
}

/** `test` for a test that needs programs of the machine or packages of PyPI; it is skipped, and says so, where one is missing. */
export function testWith(...programs: (Program | Environment)[]): typeof test {
  return (
    programs.some((program) => inject('missing').includes(program)) ? test.skip : test
  ) as typeof test
}
