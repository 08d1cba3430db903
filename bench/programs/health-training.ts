import { completed, createClient, createConfig, healthTimes, submit } from '../client.ts'
import { futureFrame, smallFrame } from '../frames.ts'
import { pause, Scope } from '../harness.ts'
import { atMost, type Program, quantile, toResult } from '../measure.ts'

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
    const p99 = async (length: number) => quantile(await healthTimes(client, length), 0.99)

    await p99(2)
    const idle: number[] = []
    const one: number[] = []
    const two: number[] = []
    for (let repeat = 0; repeat < (quick ? 1 : 3); repeat++) {
      idle.push(await p99(seconds))
      const training = await start()
      await pause(300)
      one.push(await p99(seconds - 0.5))
      await completed(client, training.job_id)
      const predict = {
        artifact_id: training.artifact_id,
        historic: smallFrame(),
        future: futureFrame(),
      }
      const [second, prediction] = [await start(), await submit(client, 'predict', predict)]
      await pause(300)
      two.push(await p99(seconds - 0.5))
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
