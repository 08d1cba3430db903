import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { inject, test } from 'vitest'

/** Programs that some tests run, with the Debian package that has each. */
export const packages = {
  unzip: 'unzip',
  python3: 'python3',
  nice: 'coreutils',
  strace: 'strace',
  bash: 'bash',
  curl: 'curl',
  jq: 'jq',
  promtool: 'prometheus',
} as const

export type Program = keyof typeof packages

/** Programs of packages that would start a server when installed: only their files are unpacked, into `unpacked`. */
export const onlyUnpacked: readonly Program[] = ['promtool']

/** Where those lie; at the end of the tests' PATH. */
export const unpacked = join(import.meta.dirname, '..', '.programs')

declare module 'vitest' {
  interface ProvidedContext {
    /** Programs that are not on this machine. */
    missing: Program[]
  }
}

export function isMissing(program: Program): boolean {
  return spawnSync('sh', ['-c', `command -v ${program}`]).status !== 0
}

/** Whether strace may watch a process that it has not started: some systems leave that to root. */
export function mayTrace(): boolean {
  // SIGKILL: any other signal is lost when strace ends before it has passed it on.
  const script =
    'sleep 60 >&- 2>&- & strace -p $! 2>&1 | { read -r said; kill -KILL $!; echo "$said"; }'
  return spawnSync('sh', ['-c', script], { encoding: 'utf8' }).stdout.includes(' attached')
}

/** `test` for a test that runs programs of the machine; it is skipped, and says so, where one is missing. */
export function testWith(...programs: Program[]): typeof test {
  return (
    programs.some((program) => inject('missing').includes(program)) ? test.skip : test
  ) as typeof test
}
