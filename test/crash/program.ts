/*
 * Kills the service again and again and looks what is left: `node test/crash/program.ts --kills 1000 --seed 1`.
 *
 * Four clients write without a break to a service of its own process, each to things of its own, and keep a ledger of what
 * was acknowledged. The service is killed at a random moment, also while it starts; the folder is looked at while nothing
 * runs; the service is started on it again and has to tell what the ledger says. The seed repeats what the clients do and
 * when the kills come; what a kill meets is up to the machine.
 */
import { parseArgs } from 'node:util'
import { httpClient, type Send } from './client.ts'
import { compare, type Fault, inspect, recover, sweptAll, type Violation } from './compare.ts'
import {
  changeConfig,
  createConfig,
  deleteConfig,
  deleteJob,
  deleteResult,
  deleteUpload,
  type Expected,
  emptyWorld,
  type Kind,
  type Operation,
  perform,
  predict,
  train,
  UnexpectedAnswer,
  upload,
} from './ledger.ts'
import {
  processesOn,
  type ServiceProcess,
  spawnService,
  startService,
  temporaryFolder,
  until,
} from './process.ts'
import { type Random, seeded } from './random.ts'

export interface CrashOptions {
  kills: number
  seed: number
  /** Stops between two kills when this aborts. */
  signal?: AbortSignal
  print?: (line: string) => void
}

export interface CrashReport {
  kills: number
  seed: number
  /** Kills that came before the service answered. */
  duringStart: number
  /** Requests that were cut off, and how many of them had happened. */
  unanswered: number
  acknowledged: Record<Kind, number>
  violations: Violation[]
  seconds: number
}

const clients = 4
/** How long a service runs until it is killed, at most. */
const longestLifeMs = 700
const longestStartMs = 450
/** Kills after which every content is read, not only listed. */
const thoroughEvery = 10
/** Kills until the jobs so far come to their end before the next one: a slow machine would else give them up after 20. */
const restAfter = 10

export async function runCrashes({
  kills,
  seed,
  signal,
  print = () => {},
}: CrashOptions): Promise<CrashReport> {
  const began = performance.now()
  const random = seeded(seed)
  const report: CrashReport = {
    kills: 0,
    seed,
    duringStart: 0,
    unanswered: 0,
    acknowledged: {
      config: 0,
      'config change': 0,
      'config delete': 0,
      upload: 0,
      'artifact delete': 0,
      train: 0,
      predict: 0,
      'job delete': 0,
    },
    violations: [],
    seconds: 0,
  }
  const note = (violations: Violation[]) => {
    for (const violation of violations) {
      report.violations.push(violation)
      if (report.violations.length <= 20)
        print(`after kill ${report.kills}: ${violation.fault}: ${violation.what}`)
    }
  }

  using data = temporaryFolder()
  const folder = `${data.path}/data`
  const world = emptyWorld()
  const crew = Array.from({ length: clients }, (_, name) =>
    createClient(`c${name}`, world, random.fork(), report.acknowledged),
  )

  /** Starts on what a kill has left, and compares. */
  async function start(thorough: boolean): Promise<ServiceProcess> {
    const { violations, litter } = inspect(folder)
    note(violations)
    const service = await startService(folder)
    const { send, close } = httpClient(service.url)
    try {
      note(sweptAll(folder, litter))
      const unanswered = crew.flatMap((client) => client.takeUnanswered())
      report.unanswered += unanswered.length
      note(await recover(unanswered, send))
      note(await compare(world, send, { thorough }))
    } catch (error) {
      await service.kill()
      throw error
    } finally {
      close()
    }
    return service
  }

  let rested = 0
  while (report.kills < kills && !signal?.aborted) {
    if (random.next() < 0.1) {
      await using service = spawnService(folder)
      await passed(random.next() * longestStartMs)
      await service.kill()
      report.duringStart++
    } else {
      await using service = await start(report.kills % thoroughEvery === 0)
      const { send, close } = httpClient(service.url)
      const work = crew.map((client) => client.work(send))
      await passed(random.next() * longestLifeMs)
      if (report.kills - rested >= restAfter) {
        note(await endOfJobs(world, send))
        rested = report.kills
      }
      if (service.child.exitCode !== null)
        note([{ fault: 'lost', what: `the service ended by itself: ${service.stderr()}` }])
      await service.kill()
      const failures = (await Promise.all(work)).filter((failure) => failure !== undefined)
      close()
      note(failures.map((what) => ({ fault: 'lost', what })))
    }
    report.kills++
    if (report.kills % 50 === 0) print(progressOf(report, began))
  }

  {
    await using service = await start(true)
    const { send, close } = httpClient(service.url)
    note(await endOfJobs(world, send))
    note(await compare(world, send, { thorough: true }))
    close()
  }
  await until('all model hosts have ended', () => processesOn(folder).length === 0).catch(() =>
    note([{ fault: 'left over', what: `model hosts ${processesOn(folder).join(', ')}` }]),
  )
  const { violations } = inspect(folder)
  note(violations)
  report.seconds = Math.round(performance.now() - began) / 1000
  return report
}

const passed = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds))

/** Every acknowledged job has to come to its end. */
async function endOfJobs(world: Expected, send: Send): Promise<Violation[]> {
  const isOpen = async ([id, job]: [
    string,
    Expected['jobs'] extends Map<string, infer Job> ? Job : never,
  ]) => {
    if (job.isDone) return false
    const { json } = await send({ method: 'GET', path: `/api/v1/jobs/${id}` })
    return json.status === 'pending' || json.status === 'running'
  }
  let open = [...world.jobs]
  await until(
    'all jobs have ended',
    async () => {
      const states = await Promise.all(open.map(isOpen))
      open = open.filter((_, index) => states[index])
      return open.length === 0
    },
    180_000,
  ).catch(() => {})
  return open.map(([id]) => ({ fault: 'stuck', what: `job ${id}` }))
}

/** A client with things of its own, one request at a time. */
function createClient(
  name: string,
  world: Expected,
  random: Random,
  acknowledged: Record<Kind, number>,
) {
  const own = { configs: new Set<string>(), uploads: new Set<string>(), jobs: new Set<string>() }
  let count = 0
  let unanswered: { operation: Operation; keep: (id: string) => void } | undefined

  const nextKey = () => `${name}-${count++}`

  /** Forgets what is gone, then draws what to do next. */
  function draw(): { operation: Operation; keep: (id: string) => void } {
    for (const id of own.configs) if (!world.configs.has(id)) own.configs.delete(id)
    for (const id of own.uploads) if (!world.uploads.has(id)) own.uploads.delete(id)
    for (const id of own.jobs) {
      const job = world.jobs.get(id)
      if (job && !job.hasJob && !job.hasResult) {
        own.jobs.delete(id)
        world.jobs.delete(id)
      }
    }
    const configs = [...own.configs]
    const uploads = [...own.uploads]
    const jobs = [...own.jobs].map((id) => ({ id, job: world.jobs.get(id)! }))
    const trainings = jobs.filter(({ job }) => job.kind === 'train' && job.isDone && job.hasResult)
    const nothing = () => {}
    const wait = random.next() < 0.6 ? { wait: 20 } : {}

    const choice = random.below(100)
    if (configs.length === 0 || (choice < 15 && configs.length < 4)) {
      const item = { name: nextKey(), seed: random.below(1e6) }
      return { operation: createConfig(world, item), keep: (id) => own.configs.add(id) }
    }
    if (choice < 25) {
      return {
        operation: changeConfig(world, random.pick(configs), random.below(1e6)),
        keep: nothing,
      }
    }
    if (choice < 33 && configs.length > 2)
      return { operation: deleteConfig(world, configs[0]!), keep: nothing }
    if (choice < 43 && uploads.length > 3)
      return { operation: deleteUpload(world, random.pick(uploads)), keep: nothing }
    if (choice < 60) {
      // Few seeds: the same bytes come again, from other clients too.
      const seed = random.below(40)
      const size = random.pick([2_000, 70_000, 150_000])
      const item = { tag: nextKey(), seed, size }
      return { operation: upload(world, item), keep: (id) => own.uploads.add(id) }
    }
    if (choice < 68) {
      const done = jobs.filter(({ job }) => job.isDone && job.hasJob)
      if (done.length > 0)
        return { operation: deleteJob(world, random.pick(done).id), keep: nothing }
    }
    if (choice < 73) {
      const free = trainings.filter(
        ({ job }) => !jobs.some((each) => each.job.trainingId === job.artifactId),
      )
      if (free.length > 0) return { operation: deleteResult(random.pick(free).job), keep: nothing }
    }
    const keep = (id: string) => void own.jobs.add(id)
    if (choice < 87 && trainings.length > 0) {
      const { job } = random.pick(trainings)
      const rows = random.pick([5, 30, 3_000])
      return { operation: predict(world, job, { key: nextKey(), rows, ...wait }), keep }
    }
    const configId = random.pick(configs)
    const rows = random.pick([5, 30, 30, 3_000, 9_000])
    const options = { configId, key: nextKey(), rows, seed: random.below(101), ...wait }
    return { operation: train(world, options), keep }
  }

  return {
    /** Writes until the connection breaks. Answers what was wrong, if something was. */
    async work(send: Send): Promise<string | undefined> {
      for (;;) {
        const next = draw()
        unanswered = next
        try {
          const answer = await perform(next.operation, send)
          if (next.operation.acknowledged.includes(answer.status)) {
            acknowledged[next.operation.kind]++
            if (next.operation.createdId) next.keep(next.operation.createdId(answer))
          }
          unanswered = undefined
        } catch (error) {
          if (!(error instanceof UnexpectedAnswer)) return undefined
          unanswered = undefined
          return error.message
        }
      }
    },

    /** The request that was under way when the service was killed. What becomes of it is this client's. */
    takeUnanswered(): Operation[] {
      if (!unanswered) return []
      const { operation, keep } = unanswered
      unanswered = undefined
      return [
        {
          ...operation,
          apply(answer) {
            operation.apply(answer)
            if (answer && operation.createdId) keep(operation.createdId(answer))
          },
        },
      ]
    },
  }
}

function progressOf({ kills, acknowledged, violations }: CrashReport, began: number): string {
  const seconds = ((performance.now() - began) / 1000).toFixed(0)
  const total = Object.values(acknowledged).reduce((sum, each) => sum + each, 0)
  return `${kills} kills, ${total} acknowledged writes, ${violations.length} violations, ${seconds} s`
}

/** One line that says it all. */
export function summary(report: CrashReport): string {
  const { kills, duringStart, unanswered, acknowledged, violations, seconds, seed } = report
  const count = (fault: Fault) => violations.filter((each) => each.fault === fault).length
  const kinds = Object.entries(acknowledged).map(([kind, each]) => `${each} ${kind}`)
  const faults = (['lost', 'half', 'double', 'stuck', 'corrupt', 'left over'] as const).map(
    (fault) => `${fault} ${count(fault)}`,
  )
  return `${kills} kills (${duringStart} during the start, ${unanswered} requests cut off); acknowledged: ${kinds.join(', ')}; ${faults.join(', ')}; ${seconds.toFixed(1)} s; seed ${seed}`
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { kills: { type: 'string', default: '100' }, seed: { type: 'string' } },
  })
  const seed = Number(values.seed ?? Date.now() % 1e6)
  const interrupted = new AbortController()
  process.once('SIGINT', () => interrupted.abort())
  const report = await runCrashes({
    kills: Number(values.kills),
    seed,
    signal: interrupted.signal,
    print: console.log,
  })
  console.log(summary(report))
  if (report.violations.length > 0) {
    console.log(`To repeat: npm run crash -- --kills ${values.kills} --seed ${seed}`)
    process.exitCode = 1
  }
}
