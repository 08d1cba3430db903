import { join } from 'node:path'
import BetterSqlite from 'better-sqlite3'
import { seedModel } from '../../test/setup/seed-model.ts'
import { type Client, createClient } from '../client.ts'
import { pause, Scope } from '../harness.ts'
import { atMost, milliseconds, type Program, quantile, type Result, toResult } from '../measure.ts'

/** Milliseconds between two probes. */
const probeMs = 5

/** The waits of `/health`, one probe after the other, until `work` is done. */
async function waits(client: Client, work: () => Promise<unknown>): Promise<number[]> {
  const times: number[] = []
  let isDone = false
  const working = work().finally(() => {
    isDone = true
  })
  while (!isDone) {
    times.push(await milliseconds(() => client.send('GET', '/health/live')))
    await pause(probeMs)
  }
  await working
  return times
}

function rowsLeft(file: string): number {
  const database = new BetterSqlite(file, { readonly: true })
  try {
    return database.prepare('select count(*) from artifact').pluck().get() as number
  } finally {
    database.close()
  }
}

export const deletion: Program = {
  name: 'deletion',
  row: '/health while a config is deleted whose model has 40 000 and 200 000 predictions, and while their tree is read',
  async run({ quick }) {
    const results: Result[] = []
    for (const predictions of quick ? [10_000] : [40_000, 200_000]) {
      await using scope = new Scope()
      const dataDir = scope.folder()
      const file = join(dataDir, 'chapkit.db')
      await (await scope.serve('mean.ts', { dataDir })).stop()
      const { configId, modelId } = seedModel(file, predictions)
      const { url } = await scope.serve('mean.ts', { dataDir })
      const client = createClient(url)
      const phases: Record<string, () => Promise<unknown>> = {
        'nothing goes on': () => pause(2000),
        'the tree is read': () => client.send('GET', `/api/v1/artifacts/${modelId}/$tree`),
        'the config is deleted, up to the answer': () =>
          client.send('DELETE', `/api/v1/configs/${configId}`),
        async 'its rows are removed'() {
          while (rowsLeft(file) > 0) await pause(100)
        },
      }
      for (const [phase, work] of Object.entries(phases)) {
        let times: number[] = []
        const tookMs = await milliseconds(async () => {
          times = await waits(client, work)
        })
        const what = `longest wait of /health while ${phase}, ${predictions} predictions`
        const note = `it took ${Math.round(tookMs)} ms; p99 of ${times.length} probes ${quantile(times, 0.99).toFixed(1)} ms`
        results.push(
          toResult({ what, unit: 'ms', ours: [Math.max(...times)], bar: atMost(100), note }),
        )
      }
      client.close()
    }
    return results
  },
}
