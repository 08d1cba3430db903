import { readdirSync } from 'node:fs'
import { request } from 'node:http'
import { type Client, completed, createClient, createConfig, submit, train } from '../client.ts'
import { futureFrame, smallFrame } from '../frames.ts'
import { descendantsOf, pause, type Running, Scope } from '../harness.ts'
import { heldBy } from '../inspector.ts'
import { atMost, type Program, toResult } from '../measure.ts'

const windows = 5

export const memoryGrowth: Program = {
  name: 'memory-growth',
  row: 'what 10 000 predictions and 1 000 streams leave behind in the service and its hosts',
  async run({ quick }) {
    await using scope = new Scope()
    const service = await scope.serve('hostile.ts', {
      env: {
        NODE_OPTIONS: '--inspect=127.0.0.1:0',
        CHAPKIT_TRAIN_CONCURRENCY: '1',
        CHAPKIT_PREDICT_CONCURRENCY: '1',
      },
    })
    // A host is replaced after 10 000 runs, and takes with it what it held: the worst window counts, not the sum.
    const count = { predictions: quick ? 100 : 2000, streams: quick ? 20 : 200 }
    const client = createClient(service.url)
    const artifact = await train(client, await createConfig(client, { does: 'mean' }), smallFrame())
    // The first hosts: this one trains for ever, another one predicts.
    const endless = await submit(client, 'train', {
      config_id: await createConfig(client, { does: 'never' }),
      data: smallFrame(),
    })
    const ofHost = await growthOfHost(service, client, artifact, quick ? 100 : 400)

    await use(service, client, artifact, endless.job_id, count)
    let { held, files } = await measure(service)
    const filesFirst = files
    const grown: number[] = []
    for (let window = 0; window < windows; window++) {
      await use(service, client, artifact, endless.job_id, count)
      const now = await measure(service)
      grown.push((now.held - held) / count.predictions)
      ;({ held, files } = now)
    }
    client.close()
    return [
      toResult({
        what: `held by service and hosts per prediction, in the worst of ${windows} windows of ${count.predictions} predictions and ${count.streams} streams`,
        unit: 'bytes',
        ours: [Math.max(...grown)],
        bar: atMost(200),
        note: `by window ${grown.map((each) => each.toFixed(0)).join(', ')}; ${(held / 2 ** 20).toFixed(1)} MB at the end`,
      }),
      toResult({
        what: 'held by one host per prediction',
        unit: 'bytes',
        ours: [ofHost],
        bar: atMost(200),
        note: 'hosts are replaced after 10 000 runs',
      }),
      toResult({
        what: 'open files and sockets more than after the first window',
        unit: '',
        ours: [files - filesFirst],
        bar: atMost(5),
        note: `${files} at the end`,
      }),
    ]
  },
}

/** What a prediction adds to a host in the middle of its life: later it is replaced, and nothing is seen. */
async function growthOfHost(service: Running, client: Client, artifact: string, count: number) {
  const held = async () => {
    // The service's own is the first that said its address.
    return sum(await Promise.all([...service.debuggers].slice(1).map(heldByLiving)))
  }
  await predictions(client, artifact, count)
  const before = await held()
  await predictions(client, artifact, count)
  return ((await held()) - before) / count
}

async function use(
  service: Running,
  client: Client,
  artifact: string,
  endless: string,
  count: { predictions: number; streams: number },
) {
  const last = await predictions(client, artifact, count.predictions)
  for (let stream = 0; stream < count.streams / 2; stream++) {
    await readStream(`${service.url}/api/v1/jobs/${last}/$stream`, 'to its end')
    await readStream(`${service.url}/api/v1/jobs/${endless}/$stream`, 'a little')
  }
}

async function predictions(client: Client, artifact: string, count: number): Promise<string> {
  let left = count
  let last = ''
  const one = async () => {
    while (left-- > 0) {
      const body = { artifact_id: artifact, historic: smallFrame(), future: futureFrame() }
      last = (await submit(client, 'predict', body)).job_id
      await completed(client, last)
    }
  }
  await Promise.all(Array.from({ length: 4 }, one))
  return last
}

function readStream(url: string, howFar: 'to its end' | 'a little'): Promise<void> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { agent: false }, (response) => {
      response.once('data', () => howFar === 'a little' && asked.destroy())
      response.on('error', () => {})
      response.once('close', resolve)
    })
    asked.once('error', reject)
    asked.end()
  })
}

async function measure({ pid, debuggers }: Running) {
  // Connections that were left are noticed meanwhile.
  await pause(500)
  const held = await Promise.all([...debuggers].map(heldByLiving))
  const pids = [pid, ...descendantsOf(pid)]
  const files = pids.map((each) => readdirSync(`/proc/${each}/fd`).length)
  return { held: sum(held), files: sum(files) }
}

const sum = (values: readonly number[]): number => values.reduce((all, each) => all + each, 0)

/** Hosts that have been replaced answer no more, and hold nothing. */
const heldByLiving = (url: string): Promise<number> => heldBy(url).catch(() => 0)
