import { readdirSync, readFileSync } from 'node:fs'

/** Name of the variable by which the processes of a run are found, wherever they went. */
export const runVariable = 'CHAPKIT_RUN_ID'

/**
 * Ends every process whose environment names a run that begins with `run`, and answers how many there were. Processes that
 * multiply are followed until none is left, `rounds` times at most. `after` is the first process of the run: what is older
 * is not looked at.
 */
export function endProcesses({
  run,
  after = 0,
  rounds = 100,
}: {
  run: string
  after?: number
  rounds?: number
}): number {
  const ended = new Set<number>()
  for (let round = 0; round < rounds; round++) {
    const found = findProcesses(run, after)
    if (found.length === 0) break
    for (const pid of found) {
      ended.add(pid)
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // It has ended by itself.
      }
    }
  }
  return ended.size
}

/** Process ids of a run; those that have ended and only wait to be noticed are none. */
export function findProcesses(run: string, after = 0): number[] {
  const wanted = `${runVariable}=${run}`
  // Ids grow until they begin anew: then an id says nothing about age.
  const oldest = lastId() < after ? 0 : after
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pid > oldest && pid !== process.pid && hasVariable(pid, wanted))
}

function hasVariable(pid: number, wanted: string): boolean {
  try {
    const environment = readFileSync(`/proc/${pid}/environ`, 'latin1')
    return environment.startsWith(wanted) || environment.includes(`\0${wanted}`)
  } catch {
    return false
  }
}

function lastId(): number {
  try {
    return Number(readFileSync('/proc/loadavg', 'latin1').trim().split(' ').at(-1))
  } catch {
    return 0
  }
}
