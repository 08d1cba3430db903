import { readFileSync, readlinkSync, statSync } from 'node:fs'
import { hostname } from 'node:os'
import BetterSqlite from 'better-sqlite3'

/** The service that owns a database, as its row in the table `owner` says. */
export interface Owner {
  /** Random, of one start of a service. */
  boot: string
  pid: number
  host: string
  since: string
  /** Where it answers; null before it listens. */
  url: string | null
  /** The boot of the kernel and the namespace of process ids in which `pid` means something; null where unknown. */
  machine: string | null
  /** When the process started, in ticks since the boot of the kernel: tells it from a later one with the same id. */
  ticks: string | null
  /** Path of the database, without links. */
  place: string
  /** Inode of the database: a copy has the row of its original, and another inode. */
  inode: string
  /** Inode of the lock file that the owner held. */
  lock_inode: string
  /** 1 once it has stopped in good order. */
  released: number
}

/** What this process is known by, among all that are and were. */
export function thisProcess(): Pick<Owner, 'pid' | 'host' | 'machine' | 'ticks'> {
  const { pid } = process
  return { pid, host: hostname(), machine: thisMachine(), ticks: startTicks(pid) }
}

/** Inode of a path; undefined when nothing is there. */
export function inodeOf(path: string): string | undefined {
  return statSync(path, { bigint: true, throwIfNoEntry: false })?.ino.toString()
}

/** The row of the owner, read with a connection that is open; undefined when there is none. */
export function selectOwner(handle: BetterSqlite.Database): Owner | undefined {
  const exists = handle.prepare(`SELECT 1 FROM sqlite_master WHERE name = 'owner'`).get()
  return exists ? (handle.prepare('SELECT * FROM owner').get() as Owner | undefined) : undefined
}

/** The owner of the database at `file` as far as it can be told; undefined when it has none, or one that has surely ended. */
export function findOwner(file: string): Owner | undefined {
  try {
    const handle = new BetterSqlite(file, { readonly: true, fileMustExist: true, timeout: 500 })
    try {
      const owner = selectOwner(handle)
      return owner && isOf(owner, file) && stateOf(owner) !== 'ended' ? owner : undefined
    } finally {
      handle.close()
    }
  } catch {
    // It only makes a message better.
    return undefined
  }
}

/** Whether the row is about this very file, and its owner has not said that it stopped. */
export function isOf(owner: Owner, file: string): boolean {
  return owner.released === 0 && owner.inode === inodeOf(file)
}

/** What is known of the process of an owner. Nothing, when it is of another machine or another container. */
export function stateOf({ machine, pid, ticks }: Owner): 'running' | 'ended' | 'unknown' {
  if (machine === null || ticks === null || machine !== thisMachine()) return 'unknown'
  return startTicks(pid) === ticks ? 'running' : 'ended'
}

/** An owner in the words of a message. */
export function describeOwner({ pid, host, since, url }: Owner): string {
  return `process ${pid} on ${host} since ${since}${url === null ? '' : `, at ${url}`}`
}

/** The boot of the kernel that runs this process. Only Linux says it; null elsewhere. */
export function kernelBoot(): string | null {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return null
  }
}

/** Where a process id means something. */
function thisMachine(): string | null {
  const boot = kernelBoot()
  try {
    return boot && `${boot} ${readlinkSync('/proc/self/ns/pid')}`
  } catch {
    return null
  }
}

/** When a process started, as `/proc` has it; null when there is no such process, or nothing that says so. */
function startTicks(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name, in parentheses, may have spaces and parentheses; the start is the 20th field behind it.
    const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return state === 'Z' || state === 'X' ? null : (fields[18] ?? null)
  } catch {
    return null
  }
}
