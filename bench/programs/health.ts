import { load } from '../client.ts'
import { Scope } from '../harness.ts'
import { atLeastOfLimit, inTurns, type Program, toResult } from '../measure.ts'

export const health: Program = {
  name: 'health',
  row: 'GET /health, 8 clients',
  async run({ quick }) {
    await using scope = new Scope()
    const service = await scope.serve('mean.ts')
    const bare = await scope.limit('fastify.ts')
    const measure = (url: string, seconds: number) =>
      load({ url: `${url}/health`, connections: 8, seconds })
    for (const { url } of [service, bare]) await measure(url, 2)
    const seconds = quick ? 1 : 4
    const figures = await inTurns(
      quick ? 3 : 7,
      () => measure(service.url, seconds),
      () => measure(bare.url, seconds),
    )
    return [
      toResult({
        what: 'requests',
        unit: '/s',
        ...figures,
        limitOf: 'bare Fastify with the same answer',
        bar: atLeastOfLimit(0.85),
      }),
    ]
  },
}
