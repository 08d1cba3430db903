import { join } from 'node:path'
import BetterSqlite from 'better-sqlite3'
import { completed, createClient, createConfig, load, submit, train } from '../client.ts'
import { futureFrame, smallFrame } from '../frames.ts'
import { Scope } from '../harness.ts'
import { atLeast, inTurns, type Program, perSecond, toResult } from '../measure.ts'

export const list: Program = {
  name: 'list',
  row: 'GET /artifacts with 150 artifacts, 2 clients',
  async run({ quick }) {
    await using scope = new Scope()
    const dataDir = scope.folder()
    const { url } = await scope.serve('mean.ts', { dataDir })
    const client = createClient(url)
    const configId = await createConfig(client)
    const artifact_id = await train(client, configId, smallFrame())
    await train(client, configId, smallFrame())
    // Each prediction is two artifacts: what it says, and its workspace.
    for (let at = 0; at < 74; at++) {
      const body = { artifact_id, historic: smallFrame(), future: futureFrame() }
      await completed(client, (await submit(client, 'predict', body)).job_id)
    }
    const { length } = await client.json<unknown[]>('GET', '/api/v1/artifacts')
    if (length !== 150) throw new Error(`Expected 150 artifacts, got ${length}`)
    client.close()

    const database = new BetterSqlite(join(dataDir, 'chapkit.db'), { readonly: true })
    const rows = database.prepare(
      "select id, data, tags, created_at from artifact where tenant = '' order by created_at, id",
    )
    const seconds = quick ? 1 : 3
    const ask = (duration: number) =>
      load({ url: `${url}/api/v1/artifacts`, connections: 2, seconds: duration })
    await ask(2)
    const figures = await inTurns(
      quick ? 3 : 7,
      () => ask(seconds),
      async () => perSecond(() => rows.all(), seconds * 1000),
    )
    database.close()
    return [
      toResult({
        what: 'lists',
        unit: '/s',
        ...figures,
        limitOf: 'one index scan of the same rows',
        bar: atLeast(1000),
      }),
    ]
  },
}
