import { readdirSync, readFileSync } from 'node:fs'

/** Name of the variable by which the processes of a run are found, wherever they went. */
export const runVariable = 'CHAPKIT_RUN_ID'

/** Looks that found nobody while others began: how many there may be, until that is believed. */
const busyLooks = 25

/**
 * Ends every process whose environment names a run that begins with `run`, and answers how many there were. Processes that
 * multiply are followed until none is left, `rounds` times at most. `after` is the first process of the run: what is older
 * is not looked at.
 */
export function endProcesses({
  run,
  after = 0,
  rounds = 200,
}: {
  run: string
  after?: number
  rounds?: number
}): number {
  const ended = new Set<number>()
  let busy = 0
  for (let round = 0; round < rounds && busy < busyLooks; round++) {
    const last = lastId()
    const { found, isUnclear } = look(run, after)
    for (const pid of found) {
      ended.add(pid)
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // It has ended by itself.
      }
    }
    if (found.length > 0) continue
    // One that begins another and ends, while we look, hides both: nobody is there only if nobody has begun meanwhile.
    if (!isUnclear && lastId() === last) break
    busy++
  }
  return ended.size
}

/** Process ids of a run; those that have ended and only wait to be noticed are none. */
export function findProcesses(run: string, after = 0): number[] {
  return look(run, after).found
}

function look(run: string, after: number): { found: number[]; isUnclear: boolean } {
  const wanted = `${runVariable}=${run}`
  // Ids grow until they begin anew: then an id says nothing about age.
  const oldest = lastId() < after ? 0 : after
  const found: number[] = []
  let isUnclear = false
  for (const name of readdirSync('/proc')) {
    const pid = Number(name)
    if (!/^\d+$/.test(name) || pid <= oldest || pid === process.pid) continue
    const environment = read(`/proc/${name}/environ`)
    if (environment === undefined) continue
    if (environment === '') isUnclear ||= isAboutToBegin(name)
    else if (environment.startsWith(wanted) || environment.includes(`\0${wanted}`)) found.push(pid)
  }
  return { found, isUnclear }
}

/** While a process becomes another program, its environment reads empty; so does that of one that has ended, and of the kernel's. */
function isAboutToBegin(name: string): boolean {
  const stat = read(`/proc/${name}/stat`)
  // Behind the name, which may hold anything: state, and as the seventh of them the flags.
  const [state = '', , , , , , flags = ''] = stat?.slice(stat.lastIndexOf(')') + 2).split(' ') ?? []
  const isOfKernel = (Number(flags) & kernelThread) !== 0
  return stat !== undefined && !/[ZX]/.test(state) && !isOfKernel
}

/** `PF_KTHREAD` of Linux. */
const kernelThread = 0x00200000

/** Undefined for a process that is gone, or of somebody else. */
function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return undefined
  }
}

function lastId(): number {
  try {
    return Number(readFileSync('/proc/loadavg', 'latin1').trim().split(' ').at(-1))
  } catch {
    return 0
  }
}
