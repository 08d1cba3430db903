import { Scope } from '../harness.ts'
import { burst, eightClients, openJobServer, predictions, trainings } from '../jobs.ts'
import {
  all,
  atLeast,
  atLeastOfLimit,
  atMost,
  inTurns,
  type Program,
  type Result,
  type RunOptions,
  toResult,
} from '../measure.ts'

const durable = 'bare Fastify, 3 commits a job, no model host'
const inMemory = 'the same routes on bare Fastify, jobs in memory'

async function openServers(scope: Scope, env?: Record<string, string>) {
  const service = await scope.serve('mean.ts', env ? { env } : {})
  const limit = await scope.limit('fastify.ts', [scope.folder()], env)
  return {
    service: await openJobServer(service.url, true),
    limit: await openJobServer(limit.url, false),
  }
}

export const roundTrips: Program = {
  name: 'round-trips',
  row: '$train of 84 rows and $predict of 84 + 21 rows, submit until seen completed',
  async run({ quick }) {
    await using scope = new Scope()
    const { service, limit } = await openServers(scope)
    const count = quick ? 40 : 100
    const repeats = quick ? 3 : 7
    const trained = await inTurns(
      repeats,
      () => trainings(service, count),
      () => trainings(limit, count),
    )
    const predicted = await inTurns(
      repeats,
      () => predictions(service, count),
      () => predictions(limit, count),
    )
    return [
      toResult({
        what: 'p50 of a training',
        unit: 'ms',
        ...trained,
        limitOf: durable,
        bar: atMost(5),
      }),
      toResult({
        what: 'p50 of a prediction, its result read',
        unit: 'ms',
        ...predicted,
        limitOf: durable,
        bar: atMost(5),
      }),
    ]
  },
}

export const throughput: Program = {
  name: 'throughput',
  row: 'predictions per second: a burst of 50 from one client, and 8 clients',
  async run({ quick }) {
    await using scope = new Scope()
    const { service, limit } = await openServers(scope)
    const bare = await openJobServer((await scope.limit('fastify.ts')).url, false)
    const repeats = quick ? 5 : 15
    const bursts = await inTurns(
      repeats,
      () => burst(service),
      () => burst(bare),
    )
    const seconds = quick ? 2 : 5
    const crowds = await inTurns(
      quick ? 2 : 5,
      () => eightClients(service, seconds),
      () => eightClients(limit, seconds),
    )
    return [
      toResult({
        what: 'burst of 50',
        unit: '/s',
        ...bursts,
        limitOf: inMemory,
        bar: all(atLeast(400), atLeastOfLimit(0.3)),
      }),
      toResult({
        what: '8 clients submitting and polling',
        unit: '/s',
        ...crowds,
        limitOf: durable,
        bar: atLeast(800),
      }),
    ]
  },
}

/** All job figures with the disk of `env`: for programs that make it slow. */
export async function jobFigures(
  { quick }: RunOptions,
  env: Record<string, string>,
): Promise<Result[]> {
  await using scope = new Scope()
  const { service, limit } = await openServers(scope, env)
  const repeats = quick ? 2 : 5
  const count = quick ? 20 : 60
  const seconds = quick ? 2 : 4
  const figures = [
    {
      what: 'p50 of a training',
      unit: 'ms',
      of: (on: typeof service) => trainings(on, count),
    },
    {
      what: 'p50 of a prediction, its result read',
      unit: 'ms',
      of: (on: typeof service) => predictions(on, count),
    },
    { what: 'burst of 50', unit: '/s', of: (on: typeof service) => burst(on) },
    {
      what: '8 clients submitting and polling',
      unit: '/s',
      of: (on: typeof service) => eightClients(on, seconds),
    },
  ]
  const results: Result[] = []
  for (const { what, unit, of } of figures) {
    const measured = await inTurns(
      repeats,
      () => of(service),
      () => of(limit),
    )
    results.push(toResult({ what, unit, ...measured, limitOf: `${durable}, on the same disk` }))
  }
  return results
}
