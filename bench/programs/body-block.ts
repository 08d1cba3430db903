import { completed, createClient, createConfig, submit } from '../client.ts'
import { panel } from '../frames.ts'
import { pause, Scope } from '../harness.ts'
import { atMost, inTurns, type Program, toResult } from '../measure.ts'

export const bodyBlock: Program = {
  name: 'body-block',
  row: 'longest block of the event loop while a 10 MB body arrives',
  async run({ quick }) {
    await using scope = new Scope()
    const service = await scope.runService('probe.ts')
    const bare = await scope.limit('fastify.ts')
    const ours = createClient(service.url)
    const limit = createClient(bare.url)
    const configId = await createConfig(ours)

    async function longest(client: typeof ours): Promise<number> {
      // 500 locations of 320 months: 10 MB of JSON.
      const frame = panel(500, 320)
      const body = Buffer.from(JSON.stringify({ config_id: configId, data: frame }))
      await pause(200)
      await client.send('GET', '/bench/delay')
      const { job_id } = await submit(client, 'train', body)
      await completed(client, job_id)
      return (await client.json<{ longest: number }>('GET', '/bench/delay')).longest
    }
    await longest(ours)
    await longest(limit)
    const figures = await inTurns(
      quick ? 3 : 9,
      () => longest(ours),
      () => longest(limit),
    )
    for (const client of [ours, limit]) client.close()
    return [
      toResult({
        what: 'longest block',
        unit: 'ms',
        ...figures,
        limitOf: 'bare Fastify with its own parser',
        bar: atMost(25),
      }),
    ]
  },
}
