import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { completed, createClient, createConfig, submit } from '../client.ts'
import { bigFrame } from '../frames.ts'
import { Scope } from '../harness.ts'
import { atMost, inTurns, milliseconds, type Program, toResult } from '../measure.ts'

/** The least that taking such a body can cost: parse it once, write it once, reach the disk. */
function parseAndStore(body: Buffer, folder: string): void {
  JSON.parse(body.toString())
  const file = openSync(join(folder, 'blob'), 'w')
  writeSync(file, body)
  fsyncSync(file)
  closeSync(file)
}

export const bigFrames: Program = {
  name: 'big-frames',
  row: 'train with 11 571 rows; predict with 11 571 + 11 571 rows, read back',
  async run({ quick }) {
    await using scope = new Scope()
    const { url } = await scope.serve('mean.ts')
    const folder = scope.folder()
    const client = createClient(url)
    const configId = await createConfig(client)
    let artifactId = ''
    let body = Buffer.alloc(0)

    async function trainOnce(): Promise<number> {
      body = Buffer.from(JSON.stringify({ config_id: configId, data: bigFrame() }))
      return milliseconds(async () => {
        const { job_id, artifact_id } = await submit(client, 'train', body)
        await completed(client, job_id)
        artifactId = artifact_id
      })
    }
    async function predictOnce(): Promise<number> {
      const [historic, future] = [bigFrame(), bigFrame()]
      body = Buffer.from(JSON.stringify({ artifact_id: artifactId, historic, future }))
      return milliseconds(async () => {
        const { job_id, artifact_id } = await submit(client, 'predict', body)
        await completed(client, job_id)
        await client.send('GET', `/api/v1/artifacts/${artifact_id}`)
      })
    }
    const store = () => milliseconds(() => parseAndStore(body, folder))

    for (let warm = 0; warm < 3; warm++) {
      await trainOnce()
      await predictOnce()
      await store()
    }
    const repeats = quick ? 5 : 15
    const trained = await inTurns(repeats, trainOnce, store)
    const predicted = await inTurns(repeats, predictOnce, store)
    client.close()
    const limitOf = 'JSON.parse and one synced write of the body'
    return [
      toResult({ what: 'training', unit: 'ms', ...trained, limitOf, bar: atMost(60) }),
      toResult({ what: 'prediction', unit: 'ms', ...predicted, limitOf, bar: atMost(150) }),
    ]
  },
}
