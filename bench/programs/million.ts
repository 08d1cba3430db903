import { type Client, createClient, createConfig, submit, train } from '../client.ts'
import { futureFrame, smallFrame } from '../frames.ts'
import { Scope } from '../harness.ts'
import {
  atMostTimesLimit,
  inTurns,
  median,
  milliseconds,
  type Program,
  type Result,
  toResult,
} from '../measure.ts'
import { type Seeded, seed } from '../seed.ts'

const size = 100
const mostMs = 3000

interface Filled {
  client: Client
  seeded: Seeded
  model: string
  startMs: number
}

/** A service whose tables hold `count` artifacts and `count` jobs. */
async function open(scope: Scope, count: number): Promise<Filled> {
  const dataDir = scope.folder()
  await (await scope.serve('mean.ts', { dataDir })).stop()
  const seeded = seed(dataDir, count)
  const { url, startMs } = await scope.serve('mean.ts', { dataDir })
  const client = createClient(url)
  const model = await train(client, await createConfig(client), smallFrame())
  return { client, seeded, model, startMs }
}

const operations: { what: string; of: (filled: Filled, at: number) => Promise<unknown> }[] = [
  {
    what: 'get an artifact',
    of: ({ client, seeded }, at) =>
      client.send('GET', `/api/v1/artifacts/${pick(seeded.artifacts, at)}`),
  },
  {
    what: 'get a tree of 10',
    of: ({ client, seeded }, at) =>
      client.send('GET', `/api/v1/artifacts/${pick(seeded.roots, at)}/$tree`),
  },
  {
    what: 'first page of artifacts, with the total',
    of: ({ client }) => client.send('GET', `/api/v1/artifacts?page=1&size=${size}`),
  },
  {
    what: 'page of artifacts by key',
    of: ({ client, seeded }, at) =>
      client.send('GET', `/api/v1/artifacts?after=${pick(seeded.artifacts, at)}&size=${size}`),
  },
  {
    what: 'get a job',
    of: ({ client, seeded }, at) => client.send('GET', `/api/v1/jobs/${pick(seeded.jobs, at)}`),
  },
  {
    what: 'first page of jobs, with the total',
    of: ({ client }) => client.send('GET', `/api/v1/jobs?page=1&size=${size}`),
  },
  {
    what: 'page of jobs by key',
    of: ({ client, seeded }, at) =>
      client.send('GET', `/api/v1/jobs?after=${pick(seeded.jobs, at)}&size=${size}`),
  },
  {
    what: 'submit a prediction',
    of: ({ client, model }) =>
      submit(client, 'predict', {
        artifact_id: model,
        historic: smallFrame(),
        future: futureFrame(),
      }),
  },
]

/** Ids from the middle of the table: the same place of every size. */
function pick(ids: readonly string[], at: number): string {
  const half = Math.floor(ids.length / 2)
  return ids[Math.floor(ids.length / 4) + (at % half)] ?? ids[0]!
}

export const million: Program = {
  name: 'million',
  row: 'get, tree, submit and pages at 1 000 000 rows against 1 000',
  async run({ quick }) {
    const count = quick ? 50_000 : 1_000_000
    await using scope = new Scope()
    const few = await open(scope, 1000)
    const many = await open(scope, count)
    const requests = quick ? 30 : 100

    async function p50(filled: Filled, of: (typeof operations)[number]['of']): Promise<number> {
      const times: number[] = []
      // Bounded: what grows with the table may take a second each.
      const end = performance.now() + mostMs
      for (let at = 0; at < requests && (at < 5 || performance.now() < end); at++)
        times.push(await milliseconds(() => of(filled, at)))
      return median(times)
    }

    const limitOf = 'the same with 1 000 rows'
    const results: Result[] = []
    for (const { what, of } of operations) {
      for (const filled of [few, many]) await p50(filled, of)
      const measured = await inTurns(
        quick ? 3 : 5,
        () => p50(many, of),
        () => p50(few, of),
      )
      results.push(toResult({ what, unit: 'ms', ...measured, limitOf, bar: atMostTimesLimit(2) }))
    }
    results.push(
      toResult({
        what: 'start of the service',
        unit: 'ms',
        ours: [many.startMs],
        limit: [few.startMs],
        limitOf,
      }),
    )
    for (const { client } of [few, many]) client.close()
    return results
  },
}
