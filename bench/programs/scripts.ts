import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  type Client,
  completed,
  createClient,
  createConfig,
  healthTimes,
  submit,
  train,
} from '../client.ts'
import { futureFrame, smallFrame } from '../frames.ts'
import { pause, Scope } from '../harness.ts'
import { atMost, median, type Program, quantile, toResult } from '../measure.ts'

const fileCount = 500
const projectBytes = 25 * 2 ** 20

export const scripts: Program = {
  name: 'scripts',
  row: 'what is added to a command that does nothing, in a project of 25 MB in 500 files',
  async run({ quick }) {
    await using scope = new Scope()
    const project = scope.folder()
    makeProject(project)
    const { url } = await scope.serve('script.ts', { env: { BENCH_PROJECT: project } })
    const client = createClient(url)
    const config = await createConfig(client)
    const models = [
      await train(client, config, smallFrame()),
      await train(client, config, smallFrame()),
    ] as const
    const count = quick ? 10 : 40
    const bare = await times(count, () => runBare(project, ['cp', 'ready.csv', 'out.csv']))
    const idle = quantile(await healthTimes(client, quick ? 2 : 5), 0.99)

    // A folder stands ready for the model that was asked last: asking two in turns, it is always the other one's.
    const health = healthTimes(client, quick ? 3 : 10)
    const spared = await times(count, () => predict(client, models[0]))
    const alone = await times(count, (at) => predict(client, models[at % 2]!))
    const trained = await times(count, async () => {
      const body = { config_id: config, data: smallFrame() }
      await completed(client, (await submit(client, 'train', body)).job_id)
    })
    const beside = quantile(await health, 0.99)
    client.close()

    const limit = median(bare)
    const row = (what: string, taken: readonly number[], bar?: number) =>
      toResult({
        what,
        unit: 'ms',
        ours: taken.map((each) => each - limit),
        limit: bare,
        limitOf: 'the command itself, from spawn to close',
        ...(bar !== undefined && { bar: atMost(bar) }),
        note: `p90 ${quantile(taken, 0.9).toFixed(1)} in all`,
      })
    return [
      row('a prediction, with a folder that stands ready', spared, 30),
      row('a prediction, without one', alone),
      row('a training', trained),
      toResult({
        what: 'p99 of /health meanwhile, 50 a second',
        unit: 'ms',
        ours: [beside],
        limit: [idle],
        limitOf: 'when nothing runs',
        bar: atMost(20),
      }),
    ]
  },
}

/** Between two runs, so that the next folder can be made ready. */
const pauseMs = 150

async function predict(client: Client, model: string): Promise<void> {
  const body = { artifact_id: model, historic: smallFrame(), future: futureFrame() }
  await completed(client, (await submit(client, 'predict', body)).job_id)
}

async function times(count: number, run: (at: number) => Promise<void>): Promise<number[]> {
  const taken: number[] = []
  for (let at = 0; at < count + 4; at++) {
    const start = performance.now()
    await run(at)
    // The first runs find nothing compiled.
    if (at >= 4) taken.push(performance.now() - start)
    await pause(pauseMs)
  }
  return taken
}

async function runBare(folder: string, [program, ...args]: string[]): Promise<void> {
  const child = spawn(program!, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
  await once(child, 'close')
}

function makeProject(folder: string): void {
  const size = projectBytes / fileCount
  for (let at = 0; at < fileCount; at++) {
    const place = join(folder, `part-${at % 20}`)
    mkdirSync(place, { recursive: true })
    writeFileSync(join(place, `${at}.txt`), `${at} `.repeat(size).slice(0, size))
  }
  const { data } = futureFrame()
  const rows = data.map(([period, location]) => `${period},${location},1.5`)
  writeFileSync(join(folder, 'ready.csv'), `time_period,location,sample_0\n${rows.join('\n')}\n`)
}
