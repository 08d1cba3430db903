/*
 * Reads what strace saw of a service: whether everything that an answer promises had reached the disk before the answer left.
 * What power loss takes is what lay in the page cache; a kill never shows that, only the order of calls does.
 *
 * The rules, for every 2xx answer to a write and for every answer that first tells of a finished job:
 * - the commit that names its id was followed by an fsync of the log it went to;
 * - each file of bytes that it names was synced before it got its name, its folder was synced after, and both came before the
 *   commit that names it;
 * - each folder on the way was synced into the one above it.
 */
import { dirname } from 'node:path'

interface Call {
  at: number
  name: string
  /** The arguments as strace prints them. */
  text: string
  /** Path of the first file descriptor. */
  path: string
}

export interface Acknowledgement {
  /** What the answer names: ids and hashes that its commit has written. */
  names: string[]
  /** A text that only this answer contains. */
  answer: string
}

export interface TraceReport {
  checked: { answers: number; files: number; folders: number }
  violations: string[]
}

/** `strace -f -y -tt -s 20000`; calls that were interrupted by those of other threads are put together again. */
export function readCalls(log: string): Call[] {
  const unfinished = new Map<string, string>()
  const calls: Call[] = []
  for (const line of log.split('\n')) {
    const [, id, rest] = /^(\d+) +[\d:.]+ (.*)$/.exec(line) ?? []
    if (!id || !rest) continue
    if (rest.endsWith('<unfinished ...>')) {
      unfinished.set(id, rest.slice(0, -'<unfinished ...>'.length))
      continue
    }
    const resumed = /^<\.\.\. (\w+) resumed>(.*)$/.exec(rest)
    const whole = resumed ? `${unfinished.get(id) ?? `${resumed[1]}(`}${resumed[2]}` : rest
    const [, name, text] = /^(\w+)\((.*)$/.exec(whole) ?? []
    if (!name || text === undefined || / = -1 E/.test(text)) continue
    const path = /^(?:AT_FDCWD|\d+)<([^>]*)>/.exec(text)?.[1] ?? ''
    calls.push({ at: calls.length, name, text, path })
  }
  return calls
}

const isSync = ({ name }: Call) => name === 'fsync' || name === 'fdatasync'
const isWrite = ({ name }: Call) => name === 'pwrite64' || name === 'write' || name === 'writev'

/** Checks the order of calls on the data in `folder`. `calls` begin before the service has made it. */
export function checkTrace(
  calls: Call[],
  folder: string,
  acknowledgements: Acknowledgement[],
): TraceReport {
  const violations: string[] = []
  const blobs = `${folder}/chapkit.blobs`
  const syncs = calls.filter(isSync)
  const log = `${folder}/chapkit.db-wal`
  const commits = calls.filter((call) => isWrite(call) && call.path === log)
  const checked = { answers: 0, files: 0, folders: 0 }
  const synced = (path: string, after: number, before: number) =>
    syncs.some((call) => call.path === path && call.at > after && call.at < before)

  const answers = acknowledgements.map(({ names, answer }) => {
    const sent = calls.find(
      (call) => /^(write|writev|sendto|sendmsg)$/.test(call.name) && call.text.includes(answer),
    )
    return { names, answer, at: sent?.at ?? Number.NaN }
  })

  for (const { names, answer, at } of answers) {
    if (Number.isNaN(at)) {
      violations.push(`the answer with ${answer} is not in the trace`)
      continue
    }
    checked.answers++
    for (const name of names) {
      const commit = commits.find(({ text }) => text.includes(name))
      if (!commit || commit.at > at) violations.push(`${name} was answered before it was written`)
      else if (!synced(log, commit.at, at))
        violations.push(`${name} was answered before the log of its commit was synced`)
    }
  }

  for (const rename of calls.filter(({ name }) => name.startsWith('rename'))) {
    const paths = [...rename.text.matchAll(/"([^"]*)"/g)].map(([, path]) => path as string)
    const [from = '', to = ''] = paths
    if (!to.startsWith(blobs) || !from.startsWith(`${blobs}/tmp/`)) continue
    checked.files++
    const hash = to.slice(blobs.length + 1).replace('/', '')
    const lastWrite = calls.findLast(
      (call) => isWrite(call) && call.path === from && call.at < rename.at,
    )
    if (!lastWrite) violations.push(`${hash} was never written`)
    else if (!synced(from, lastWrite.at, rename.at))
      violations.push(`${hash} got its name before its bytes were synced`)
    const named = commits.find(({ text }) => text.includes(hash))
    if (!named) violations.push(`${hash} is named by no commit`)
    else if (!synced(dirname(to), rename.at, named.at))
      violations.push(`${hash} was named by a commit before its folder was synced`)
  }

  const firstAnswer = Math.min(...answers.map(({ at }) => at).filter((at) => !Number.isNaN(at)))
  for (const made of calls.filter(({ name }) => name === 'mkdir')) {
    const path = /"([^"]*)"/.exec(made.text)?.[1] ?? ''
    if (path !== folder && !folder.startsWith(`${path}/`) && !path.startsWith(`${folder}/`))
      continue
    // Before the first thing that is promised to be in it.
    const hash = path.startsWith(`${blobs}/`) && path.slice(blobs.length + 1)
    const limit =
      hash && /^[0-9a-f]{2}$/.test(hash)
        ? (commits.find(
            ({ at, text }) => at > made.at && new RegExp(`${hash}[0-9a-f]{62}`).test(text),
          )?.at ?? Number.POSITIVE_INFINITY)
        : firstAnswer
    checked.folders++
    if (!synced(dirname(path), made.at, limit))
      violations.push(
        `the folder ${path.slice(dirname(folder).length)} was not synced into the one above it`,
      )
  }
  return { checked, violations }
}
