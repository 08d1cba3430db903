import { completed, createClient, createConfig, submit, train } from '../client.ts'
import { futureFrame, smallFrame } from '../frames.ts'
import { memoryOf, pause, Scope } from '../harness.ts'
import { atMost, atMostAboveLimit, type Program, toResult } from '../measure.ts'

export const memory: Program = {
  name: 'memory',
  row: 'memory after start, and the live heap over thousands of predictions',
  async run({ quick }) {
    const ours: number[] = []
    const limit: number[] = []
    for (let repeat = 0; repeat < (quick ? 2 : 5); repeat++) {
      await using scope = new Scope()
      // Both at once: pages that they share then count the same for both.
      const [service, bare] = await Promise.all([scope.serve('mean.ts'), scope.limit('http.ts')])
      for (const { url } of [service, bare]) {
        const client = createClient(url)
        await client.send('GET', '/health')
        client.close()
      }
      await pause(2000)
      ours.push(memoryOf(service.pid))
      limit.push(memoryOf(bare.pid))
    }
    return [
      toResult({
        what: 'after start, hosts apart',
        unit: 'MB PSS',
        ours,
        limit,
        limitOf: 'bare node:http',
        bar: atMostAboveLimit(45),
      }),
      ...(await growth(quick)),
    ]
  },
}

/** What one thousand predictions leave behind, once the first thousand have filled every cache. */
async function growth(quick: boolean) {
  await using scope = new Scope()
  const { url, pid } = await scope.runService('probe.ts', { flags: ['--expose-gc'] })
  const client = createClient(url)
  const artifact = await train(client, await createConfig(client), smallFrame())
  const round = quick ? 300 : 1000

  async function predictions(count: number) {
    let left = count
    const one = async () => {
      while (left-- > 0) {
        const body = { artifact_id: artifact, historic: smallFrame(), future: futureFrame() }
        await completed(client, (await submit(client, 'predict', body)).job_id)
      }
    }
    await Promise.all(Array.from({ length: 4 }, one))
  }
  const live = async () => (await client.json<{ live: number }>('GET', '/bench/heap')).live

  await predictions(round)
  const pssBefore = memoryOf(pid)
  let last = await live()
  const grown: number[] = []
  for (let at = 0; at < 3; at++) {
    await predictions(round)
    const now = await live()
    grown.push(((now - last) * 1000) / round)
    last = now
  }
  client.close()
  const unit = 'MB'
  return [
    toResult({
      what: 'live heap that 1 000 predictions add, after the first ones',
      unit,
      ours: grown,
      bar: atMost(0.5),
      note: `live heap ${last.toFixed(1)} MB at the end`,
    }),
    toResult({
      what: `PSS that ${3 * round} predictions add, after the first ${round}`,
      unit,
      ours: [memoryOf(pid) - pssBefore],
    }),
  ]
}
