import { type Client, completed, createClient, createConfig, submit } from '../client.ts'
import { futureFrame, smallFrame } from '../frames.ts'
import { pause, Scope } from '../harness.ts'
import { atMost, type Program, quantile, toResult } from '../measure.ts'

const everyMs = 20

/** p99 of /health asked 50 times a second whether or not earlier answers are there: a stall cannot hide requests. */
async function steady(client: Client, seconds: number): Promise<number> {
  const times: number[] = []
  const waiting: Promise<void>[] = []
  const start = performance.now()
  for (let due = start; due < start + seconds * 1000; due += everyMs) {
    await pause(Math.max(0, due - performance.now()))
    // Not from `due`: a late timer of ours is no fault of the service.
    const asked = performance.now()
    waiting.push(
      client.send('GET', '/health').then(() => void times.push(performance.now() - asked)),
    )
  }
  await Promise.all(waiting)
  return quantile(times, 0.99)
}

export const healthTraining: Program = {
  name: 'health-training',
  row: '/health p99 at 50 requests a second while models use CPU',
  async run({ quick }) {
    await using scope = new Scope()
    const { url } = await scope.serve('burn.ts')
    const client = createClient(url)
    const seconds = quick ? 3 : 10
    const config = await createConfig(client, { seconds })
    const body = { config_id: config, data: smallFrame() }
    const start = () => submit(client, 'train', body)

    await steady(client, 2)
    const idle: number[] = []
    const one: number[] = []
    const two: number[] = []
    for (let repeat = 0; repeat < (quick ? 1 : 3); repeat++) {
      idle.push(await steady(client, seconds))
      const training = await start()
      await pause(300)
      one.push(await steady(client, seconds - 0.5))
      await completed(client, training.job_id)
      const predict = {
        artifact_id: training.artifact_id,
        historic: smallFrame(),
        future: futureFrame(),
      }
      const [second, prediction] = [await start(), await submit(client, 'predict', predict)]
      await pause(300)
      two.push(await steady(client, seconds - 0.5))
      for (const { job_id } of [second, prediction]) await completed(client, job_id)
    }
    client.close()
    const shared = { unit: 'ms', limit: idle, limitOf: 'p99 when nothing runs' }
    return [
      toResult({ what: 'p99 while one model trains', ours: one, ...shared, bar: atMost(20) }),
      toResult({ what: 'p99 while one trains and one predicts', ours: two, ...shared }),
    ]
  },
}
