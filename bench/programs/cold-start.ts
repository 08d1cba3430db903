import { createClient } from '../client.ts'
import { type Running, Scope } from '../harness.ts'
import { atMost, inTurns, type Program, toResult } from '../measure.ts'

/** From the start of the process to the first `200 /health`. */
async function firstAnswer(start: (scope: Scope) => Promise<Running>): Promise<number> {
  await using scope = new Scope()
  const began = performance.now()
  const { url } = await start(scope)
  const client = createClient(url)
  await client.send('GET', '/health')
  client.close()
  return performance.now() - began
}

export const coldStart: Program = {
  name: 'cold-start',
  row: 'cold start to the first 200 /health',
  async run({ quick }) {
    const repeats = quick ? 3 : 9
    const bare = () => firstAnswer((scope) => scope.limit('fastify.ts'))
    await bare()
    const fresh = await inTurns(repeats, () => firstAnswer((scope) => scope.serve('mean.ts')), bare)
    await using scope = new Scope()
    const dataDir = scope.folder()
    await firstAnswer((inner) => inner.serve('mean.ts', { dataDir }))
    const again = await inTurns(
      repeats,
      () => firstAnswer((inner) => inner.serve('mean.ts', { dataDir })),
      bare,
    )
    const limitOf = 'bare Fastify from a TypeScript file'
    return [
      toResult({ what: 'in an empty folder', unit: 'ms', ...fresh, limitOf, bar: atMost(400) }),
      toResult({ what: 'with its data there', unit: 'ms', ...again, limitOf, bar: atMost(400) }),
    ]
  },
}
