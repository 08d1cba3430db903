import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Client, createClient, createConfig, train } from '../client.ts'
import { futureFrame, smallFrame } from '../frames.ts'
import { pause, type Running, root, runScript, Scope } from '../harness.ts'
import type { LoadOptions, LoadResult } from '../load.ts'
import {
  atLeastOfLimit,
  atMost,
  atMostTimesLimit,
  type Program,
  type Result,
  toResult,
} from '../measure.ts'

const times = 10
/** Of the model: long enough that the refusals, not the submits, are what most requests are. */
const modelSeconds = 0.02

type Request = Pick<LoadOptions, 'method' | 'path' | 'body'>

/** What is asked for, and how it is counted what came of it. */
interface Workload {
  name: string
  request: Request
  /** Clients that fill the service when each waits for its answer. */
  clients: number
  /** The same request as these clients send it: they wait for the end. */
  headers?: Record<string, string>
  /** How many have been done since the service began; where absent, answers are counted. */
  done?: () => Promise<number>
}

export const overload: Program = {
  name: 'overload',
  row: `${times} times more requests than the service can do`,
  async run({ quick }) {
    await using scope = new Scope()
    const seconds = quick ? 5 : 30
    const own = await measure(await scope.serve('work.ts'), work, seconds)
    const env = { CHAPKIT_MAX_QUEUED_JOBS: '100' }
    const service = await scope.serve('burn.ts', { env })
    const client = createClient(service.url)
    const models = await measure(service, await predictions(client), seconds)
    client.close()
    return [...own, ...models]
  },
}

/** Work of the service's own thread, 5 ms a request. */
const work: Workload = {
  name: 'work',
  request: { method: 'GET', path: '/work' },
  clients: 16,
}

/** Work of a model: 20 ms of another process, behind a queue of 100. */
async function predictions(client: Client): Promise<Workload> {
  const config = await createConfig(client, { seconds: modelSeconds })
  const artifact_id = await train(client, config, smallFrame())
  const body = JSON.stringify({ artifact_id, historic: smallFrame(), future: futureFrame() })
  const path = '/api/v1/jobs?type=predict&status_filter=completed&page=1&size=1'
  return {
    name: 'predictions',
    request: { method: 'POST', path: '/api/v1/ml/$predict', body },
    clients: 8,
    headers: { prefer: 'wait=10' },
    done: async () => (await client.json<{ total: number }>('GET', path)).total,
  }
}

async function measure(service: Running, workload: Workload, seconds: number): Promise<Result[]> {
  const { url, pid } = service
  const { name, request, clients, headers, done } = workload
  const load = (options: Omit<LoadOptions, 'url'>): Promise<LoadResult> =>
    runScript<LoadResult>([join(root, 'bench', 'load.ts'), JSON.stringify({ url, ...options })])
  /** Asks for health all the while, from a process of its own: a busy client must not look like a slow service. */
  const watched = async (duration: number, options: Omit<LoadOptions, 'url' | 'seconds'>) => {
    const probe = { method: 'GET', path: '/health', connections: 16, rate: 50 } as const
    const before = await done?.()
    const start = performance.now()
    const [health, loaded] = await Promise.all([
      load({ ...probe, seconds: duration }),
      load({ ...options, seconds: duration }),
    ])
    const elapsed = (performance.now() - start) / 1000
    const served = done
      ? ((await done()) - before!) / elapsed
      : ((loaded.statuses[200] ?? 0) + (loaded.statuses[202] ?? 0)) / duration
    return { health, loaded, served }
  }

  const full = { ...request, ...(headers && { headers }), connections: clients, rate: 0 }
  await load({ ...full, seconds: 3 })
  const capacity = (await watched(seconds / 2, full)).served
  const half = { ...request, connections: 64, rate: capacity / 2 }
  const before = await watched(seconds / 3, half)
  const resident = residentOf(pid)
  const watch = watchMemory(pid)
  const during = await watched(seconds, { ...request, connections: 512, rate: capacity * times })
  const peak = watch.stop()
  await pause(4000)
  const after = await watched(seconds / 3, half)

  const { loaded } = during
  const refused = (loaded.statuses[503] ?? 0) + (loaded.statuses[429] ?? 0)
  const accepted = (loaded.statuses[200] ?? 0) + (loaded.statuses[202] ?? 0)
  const answered = Object.values(loaded.statuses).reduce((sum, each) => sum + each, 0)
  const odd = answered - refused - accepted + loaded.wrong + loaded.errors + loaded.unsent
  const healthy = (result: LoadResult) => result.statuses[200] ?? 0
  const each = (what: string, unit: string, ours: number, more: Partial<Figures> = {}) =>
    toResult({ what: `${name}: ${what}`, unit, ours: [ours], ...more })
  return [
    each('served while overloaded', '/s', during.served, {
      limit: [capacity],
      limitOf: 'what it serves to clients that wait',
      bar: atLeastOfLimit(0.9),
      note: `${Math.round(loaded.sent / seconds)} requests a second, ${refused} refused, sent up to ${ms(loaded.late)} ms late (p99)`,
    }),
    each('/health p99 while overloaded', 'ms', during.health.accepted.p99 ?? Number.NaN, {
      limit: [before.health.accepted.p99 ?? Number.NaN],
      limitOf: 'the same at half of what it can do',
      bar: atMost(50),
    }),
    each('/health not answered 200', '', during.health.sent - healthy(during.health), {
      bar: atMost(0),
    }),
    each('a refusal, p99', 'ms', loaded.refused.p99 ?? 0, {
      bar: atMost(50),
      note: `p50 ${ms(loaded.refused.p50)}, longest ${ms(loaded.refused.max)}; accepted p50 ${ms(loaded.accepted.p50)}, p99 ${ms(loaded.accepted.p99)}`,
    }),
    each('neither served nor refused as it should be', '', odd, { bar: atMost(0) }),
    each('memory at its most', 'MB', peak, {
      limit: [resident],
      limitOf: 'before',
      bar: atMostTimesLimit(1.5),
    }),
    each('p99 at half load, 5 s after', 'ms', after.loaded.accepted.p99 ?? Number.NaN, {
      limit: [before.loaded.accepted.p99 ?? Number.NaN],
      limitOf: 'the same before',
      note: `/health p99 ${ms(after.health.accepted.p99)}, before ${ms(before.health.accepted.p99)}`,
    }),
    each('refused at half load, 5 s after', '', after.loaded.refused.max === 0 ? 0 : 1, {
      bar: atMost(0),
    }),
  ]
}

type Figures = Parameters<typeof toResult>[0]

/** A time in words; there is none where nothing was measured. */
const ms = (value: number | null): string => value?.toFixed(1) ?? 'none'

/** Resident memory, in MB: what an operator's limit is about. */
export function residentOf(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024
}

export function watchMemory(pid: number): { stop(): number } {
  let most = residentOf(pid)
  const timer = setInterval(() => {
    most = Math.max(most, residentOf(pid))
  }, 100)
  return {
    stop() {
      clearInterval(timer)
      return most
    },
  }
}
