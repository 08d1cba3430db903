import { load } from '../client.ts'
import { runLimit, Scope } from '../harness.ts'
import { atLeastOfLimit, inTurns, type Program, toResult } from '../measure.ts'

const body = JSON.stringify({ name: 'bench', data: { prediction_periods: 3 } })

export const configs: Program = {
  name: 'configs',
  row: 'POST /api/v1/configs, 8 clients',
  async run({ quick }) {
    await using scope = new Scope()
    const service = await scope.serve('mean.ts')
    const bare = await scope.limit('fastify.ts')
    const folder = scope.folder()
    const seconds = quick ? 1 : 3
    const post = (url: string, duration: number) =>
      load({
        url: `${url}/api/v1/configs`,
        method: 'POST',
        connections: 8,
        seconds: duration,
        body,
      })
    for (const { url } of [service, bare]) await post(url, 2)
    const repeats = quick ? 3 : 7
    const commits = await inTurns(
      repeats,
      () => post(service.url, seconds),
      () => runLimit<number>('commits.ts', [folder, String(seconds)]),
    )
    const requests = await inTurns(
      quick ? 1 : 3,
      () => post(service.url, seconds),
      () => post(bare.url, seconds),
    )
    return [
      toResult({
        what: 'configs created',
        unit: '/s',
        ...commits,
        limitOf: 'raw better-sqlite3 commits of such rows, WAL and FULL',
        bar: atLeastOfLimit(0.4),
      }),
      toResult({
        what: 'configs created',
        unit: '/s',
        ...requests,
        limitOf: 'the same route on bare Fastify, nothing stored',
      }),
    ]
  },
}
