import { createClient, load } from '../client.ts'
import { Scope } from '../harness.ts'
import {
  atLeastOfLimit,
  atMostAboveLimit,
  inTurns,
  type Program,
  perSecondAsync,
  toResult,
} from '../measure.ts'

const configBody = JSON.stringify({ name: 'bench', data: { prediction_periods: 3 } })
const limitOf = 'the same service without monitoring'

export const monitoring: Program = {
  name: 'monitoring',
  row: 'what withMonitoring() costs',
  async run({ quick }) {
    await using scope = new Scope()
    const starts = await inTurns(
      quick ? 3 : 9,
      () => startMs('monitored.ts'),
      () => startMs('mean.ts'),
    )
    const ours = await scope.serve('monitored.ts')
    const plain = await scope.serve('mean.ts')
    const seconds = quick ? 1 : 4
    const repeats = quick ? 3 : 7

    const compare = async (ask: (url: string, duration: number) => Promise<number>) => {
      for (const { url } of [ours, plain]) await ask(url, 2)
      return inTurns(
        repeats,
        () => ask(ours.url, seconds),
        () => ask(plain.url, seconds),
      )
    }
    const health = await compare((url, duration) =>
      load({ url: `${url}/health`, connections: 8, seconds: duration }),
    )
    const configs = await compare((url, duration) =>
      load({
        url: `${url}/api/v1/configs`,
        method: 'POST',
        connections: 8,
        seconds: duration,
        body: configBody,
      }),
    )
    const client = createClient(ours.url)
    const scrapes = await perSecondAsync(() => client.send('GET', '/metrics'), 1000)
    client.close()
    return [
      toResult({
        what: 'start to the address',
        unit: 'ms',
        ...starts,
        limitOf,
        bar: atMostAboveLimit(20),
      }),
      toResult({
        what: 'GET /health, 8 clients',
        unit: '/s',
        ...health,
        limitOf,
        bar: atLeastOfLimit(0.9),
      }),
      toResult({
        what: 'POST /api/v1/configs, 8 clients',
        unit: '/s',
        ...configs,
        limitOf,
        bar: atLeastOfLimit(0.9),
      }),
      toResult({ what: 'one scrape', unit: 'ms', ours: [1000 / scrapes] }),
    ]
  },
}

async function startMs(file: string): Promise<number> {
  await using scope = new Scope()
  return (await scope.serve(file)).startMs
}
