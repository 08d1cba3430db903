import { readdirSync, readFileSync } from 'node:fs'

/** Name of the variable by which the processes of a run are found, wherever they went. */
export const runVariable = 'CHAPKIT_RUN_ID'

/** Looks that found nobody while others began: how many there may be, until that is believed. */
const busyLooks = 10
/** How long no process begins until a chase ends, and how long one may take, in milliseconds. */
const quietMs = 5
const chaseMs = 40
/** How often the environment of a process is read that becomes another program. */
const unclearReads = 50

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
    for (const pid of found) end(pid)
    // One that begins another and ends, while we look, hides both: nobody is there only if nobody has begun meanwhile.
    if (found.length === 0 && !isUnclear && lastId() === last) break
    const chased = chase(run, last)
    for (const pid of [...found, ...chased]) ended.add(pid)
    busy = found.length + chased.length > 0 ? 0 : busy + 1
  }
  return ended.size
}

/**
 * Ends processes of a run that are newer than an id, as soon as they begin: a look at all takes longer than a process needs to
 * begin the next one and to end. Answers their ids.
 */
function chase(run: string, from: number): number[] {
  const ended: number[] = []
  const began = performance.now()
  let newest = from
  for (let now = began, busy = began; now - busy < quietMs && now - began < chaseMs; ) {
    const last = lastId()
    // Ids have begun anew: a look at all finds who is there.
    if (last < newest) break
    now = performance.now()
    if (last > newest) busy = now
    // The newest first: the older ones have begun it, and end.
    for (let pid = last; pid > newest; pid--) {
      if (!belongsTo(run, pid)) continue
      end(pid)
      ended.push(pid)
    }
    newest = last
  }
  return ended
}

function belongsTo(run: string, pid: number): boolean {
  for (let reads = 0; reads < unclearReads; reads++) {
    const environment = read(`/proc/${pid}/environ`)
    if (environment === undefined) return false
    if (environment !== '') return isOf(run, environment)
    if (!isAboutToBegin(String(pid))) return false
  }
  return false
}

function isOf(run: string, environment: string): boolean {
  const wanted = `${runVariable}=${run}`
  return environment.startsWith(wanted) || environment.includes(`\0${wanted}`)
}

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended by itself.
  }
}

/** Process ids of a run; those that have ended and only wait to be noticed are none. */
export function findProcesses(run: string, after = 0): number[] {
  return look(run, after).found
}

function look(run: string, after: number): { found: number[]; isUnclear: boolean } {
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
    else if (isOf(run, environment)) found.push(pid)
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
