/*
 * Every point at which an operation can be cut off. A small driver runs the real service without its socket (fixtures/driver.ts):
 * a whole server under strace would take ten times as long, and what is cut is the same. strace attaches to one of its two
 * threads that touch the disk when everything before the operation is done, so that `when=N` counts the N-th call of the
 * operation itself, on that thread: UV_THREADPOOL_SIZE=1 leaves one thread for files, and SQLite runs on the main one. The process
 * is killed when it enters the call, for N = 1, 2, 3… until the operation ends without being hit.
 */
import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Answer, injectClient, type Send } from './client.ts'
import { compare, inspect, recover, sweptAll, type Violation } from './compare.ts'
import type { Task } from './fixtures/driver.ts'
import service from './fixtures/service.ts'
import { type Expected, emptyWorld, type Operation } from './ledger.ts'
import { type Fixture, startFixture, temporaryFolder } from './process.ts'
import { attach, threadsOf } from './strace.ts'

/** An operation to cut off, and the world before it. */
export interface Scenario {
  name: string
  /** Prepares the folder with a running service, which is closed in good order after it. */
  prepare?(world: Expected, send: Send): Promise<void>
  /** Prepares it further when nothing runs. */
  damage?(folder: string): void
  /** What the driver does. A function, as each cut has a ledger of its own. */
  operation?(world: Expected): Operation
  task: { start?: true; close?: true; job?: 'last' }
}

export interface PointsReport {
  name: string
  /** Kills by thread and call. */
  points: Record<string, number>
  violations: Violation[]
}

/** What changes a file or a folder, or makes a change last. */
const calls =
  'write,pwrite64,writev,pwritev,fsync,fdatasync,sync_file_range,rename,renameat,renameat2,link,linkat,unlink,unlinkat,truncate,ftruncate,fallocate,mkdir,mkdirat,rmdir,utimensat'

type Thread = 'main' | 'files'

/** Calls of one kind on one thread, with the files in the folder that they go to. */
interface Series {
  thread: Thread
  call: string
  paths: Set<string>
}

/** More calls than this in one operation is an operation that does not end. */
const tooMany = 2000

export interface EnumerateOptions {
  /** Points that are tried at a time. @default 3 */
  parallel?: number
  /** The first point and one in so many of the others are tried, by chance; 1: all. @default 1 */
  oneIn?: number
}

/** Enumerates the points of a scenario. */
export async function enumerate(
  scenario: Scenario,
  { parallel = 3, oneIn = 1 }: EnumerateOptions = {},
): Promise<PointsReport> {
  using temporary = temporaryFolder()
  const base = temporary.path
  const before = join(base, 'before')
  const world = await prepare(scenario, before)
  const report: PointsReport = { name: scenario.name, points: {}, violations: [] }

  const series = (await survey(scenario, world, before, join(base, 'survey'))).map((each) => ({
    ...each,
    next: 1,
    isOver: false,
  }))
  let folders = 0

  async function worker(): Promise<void> {
    for (;;) {
      const current = series.find(({ isOver }) => !isOver)
      if (!current) return
      const { thread, call } = current
      const when = current.next
      current.next += 1 + Math.floor(Math.random() * (2 * oneIn - 1))
      if (when > tooMany) throw new Error(`${scenario.name}: more than ${tooMany} ${call}`)
      const folder = join(base, String(folders++))
      copy(before, folder)
      const own = structuredClone(world)
      const operation = scenario.operation?.(own)
      const { wasHit, unanswered } = await cut(scenario, operation, own, folder, current, when)
      if (wasHit) report.points[`${thread} ${call}`] = (report.points[`${thread} ${call}`] ?? 0) + 1
      else current.isOver = true
      const found = await judge(folder, own, unanswered)
      rmSync(folder, { recursive: true, force: true })
      for (const { fault, what } of found) {
        const point = wasHit ? `killed at ${thread} ${call} ${when}` : 'not killed'
        report.violations.push({ fault, what: `${scenario.name}, ${point}: ${what}` })
      }
    }
  }
  await Promise.all(Array.from({ length: parallel }, worker))
  return report
}

/** Runs the operation once, whole, and tells which calls touch the folder, by thread. */
async function survey(
  scenario: Scenario,
  world: Expected,
  before: string,
  folder: string,
): Promise<Series[]> {
  copy(before, folder)
  const own = structuredClone(world)
  const operation = scenario.operation?.(own)
  const log = `${folder}.log`
  await using driver = await startDriver(scenario, operation, own, folder, true)
  const { main } = threadsOf(driver.pid)
  const strace = await attach(main, ['-f', '-y', `-o${log}`, `-etrace=${calls}`])
  driver.child.stdin?.write('\n')
  if ((await driver.line('done')) === undefined)
    throw new Error(`${scenario.name}: ${driver.stderr()}`)
  await driver.kill()
  await strace.exited

  const found = new Map<string, Series>()
  for (const line of readFileSync(log, 'utf8').split('\n')) {
    const [, id, call] = /^(\d+) +(\w+)\(/.exec(line) ?? []
    if (!call || !line.includes(folder)) continue
    const thread = Number(id) === main ? 'main' : 'files'
    const key = `${thread} ${call}`
    const series = found.get(key) ?? { thread, call, paths: new Set() }
    found.set(key, series)
    const path = /^\d+ +\w+\(\d+<([^>]*)>/.exec(line)?.[1]
    if (path) series.paths.add(path.replace(folder, '').replace(`${driver.pid}-`, 'PID-'))
  }
  return [...found.values()]
}

function copy(from: string, to: string): void {
  if (existsSync(from)) cpSync(from, to, { recursive: true, preserveTimestamps: true })
}

async function prepare({ prepare: fill, damage }: Scenario, folder: string): Promise<Expected> {
  const world = emptyWorld()
  if (fill) {
    await alone(folder, (send) => fill(world, send))
  }
  damage?.(folder)
  return world
}

/** Runs an operation up to a point. An answer that came before the kill is entered into the ledger. */
async function cut(
  scenario: Scenario,
  operation: Operation | undefined,
  world: Expected,
  folder: string,
  series: Series,
  when: number,
): Promise<{ wasHit: boolean; unanswered: Operation | undefined }> {
  const { thread, call } = series
  await using driver = await startDriver(scenario, operation, world, folder)
  // Threads write to wake each other up, too: of these only the writes to files count.
  const paths =
    call === 'write'
      ? [...series.paths].map((path) => `-P${folder}${path.replace('PID-', `${driver.pid}-`)}`)
      : []
  await using _strace = await attach(threadsOf(driver.pid)[thread], [
    '-o/dev/null',
    `-etrace=${call}`,
    `-einject=${call}:signal=SIGKILL:when=${when}`,
    ...paths,
  ])
  driver.child.stdin?.write('\n')
  const isDone = (await driver.line('done')) !== undefined
  await driver.kill()
  const { name } = scenario
  if (driver.child.signalCode !== 'SIGKILL') throw new Error(`${name}: ${driver.stderr()}`)
  const answer = await driver.line('answer')
  if (answer === undefined) return { wasHit: !isDone, unanswered: operation }
  acknowledge(name, operation, JSON.parse(answer) as Answer)
  return { wasHit: !isDone, unanswered: undefined }
}

async function startDriver(
  { name, task }: Scenario,
  operation: Operation | undefined,
  world: Expected,
  folder: string,
  isFirst = false,
): Promise<Fixture> {
  const body = operation?.request.body
  const lastJob = [...world.jobs.keys()].at(-1)
  const driven: Task = {
    folder,
    isFirst,
    ...(task.start && { start: true }),
    ...(task.close && { close: true }),
    ...(task.job && lastJob !== undefined && { job: lastJob }),
    ...(operation && {
      request: {
        ...operation.request,
        ...(body !== undefined && { body: Buffer.from(body as string).toString('base64') }),
      },
    }),
  }
  writeFileSync(`${folder}.json`, JSON.stringify(driven))
  const driver = startFixture('driver', [`${folder}.json`], { UV_THREADPOOL_SIZE: '1' })
  if ((await driver.line('ready')) === undefined)
    throw new Error(`${name}: the driver did not start: ${driver.stderr()}`)
  return driver
}

function acknowledge(name: string, operation: Operation | undefined, answer: Answer): void {
  if (!operation?.acknowledged.includes(answer.status))
    throw new Error(`${name} answered ${answer.status}: ${JSON.stringify(answer.json)}`)
  operation.apply(answer)
}

/** What a restart finds. */
async function judge(
  folder: string,
  world: Expected,
  unanswered: Operation | undefined,
): Promise<Violation[]> {
  const { violations, litter } = inspect(folder)
  await alone(folder, async (send) => {
    violations.push(...sweptAll(folder, litter))
    violations.push(...(await recover(unanswered ? [unanswered] : [], send)))
    for (const [id, job] of world.jobs) {
      if (job.hasJob) await send({ method: 'GET', path: `/api/v1/jobs/${id}/$stream` })
    }
    violations.push(...(await compare(world, send, { thorough: true })))
  })
  const after = inspect(folder)
  violations.push(...after.violations)
  return violations
}

let last: Promise<unknown> = Promise.resolve()

/** One service at a time in this process: starts it on a folder, and closes it. */
export function alone(folder: string, use: (send: Send) => Promise<void>): Promise<void> {
  const run = async () => {
    await service.start({ dataDir: folder, hosting: 'inline', logLevel: 'silent' })
    try {
      await use(injectClient(service))
    } finally {
      await service.close()
    }
  }
  const turn = last.then(run)
  last = turn.catch(() => {})
  return turn
}
