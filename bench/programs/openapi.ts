import { createClient } from '../client.ts'
import { Scope } from '../harness.ts'
import { milliseconds, type Program, toResult } from '../measure.ts'

export const openapi: Program = {
  name: 'openapi',
  row: 'making the OpenAPI document, when it is asked for first',
  async run({ quick }) {
    const ours: number[] = []
    const later: number[] = []
    const limit: number[] = []
    for (let repeat = 0; repeat < (quick ? 2 : 7); repeat++) {
      await using scope = new Scope()
      const { url } = await scope.serve('mean.ts')
      const client = createClient(url)
      // The first request of all is paid for by /health.
      await client.send('GET', '/health')
      limit.push(await milliseconds(() => client.send('GET', '/api/v1/info')))
      ours.push(await milliseconds(() => client.send('GET', '/openapi.json')))
      later.push(await milliseconds(() => client.send('GET', '/openapi.json')))
      client.close()
    }
    return [
      toResult({
        what: 'first request for it',
        unit: 'ms',
        ours,
        limit,
        limitOf: 'first request for /api/v1/info',
      }),
      toResult({ what: 'second request for it', unit: 'ms', ours: later }),
    ]
  },
}
