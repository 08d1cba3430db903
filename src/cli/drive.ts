import type { Client, Info } from '../client/index.ts'
import type { FrameJson } from '../data/schema.ts'
import {
  assertForecast,
  Broken,
  createData,
  type DataOptions,
  type TestData,
} from './drive-data.ts'
import { type JsonSchema, sampleConfig } from './sample-config.ts'

export interface DriveOptions extends DataOptions {
  configs: number
  /** Trainings of each config. */
  trainings: number
  /** Predictions of each model. */
  predictions: number
  /** Seconds that a job may take. */
  timeout: number
  /** Trainings, with their predictions, at the same time. */
  parallel: number
  /** Seconds between two submits of one at a time. */
  delay: number
}

/** A step of the test, once: what it was, how long it took, and what was wrong. */
export interface StepResult {
  step: Step
  ms: number
  /** Null when all was well. */
  error: string | null
}

export const steps = [
  ...['health', 'info', 'config', 'validate', 'train', 'model', 'predict', 'forecast'],
  ...['tree', 'delete'],
] as const
export type Step = (typeof steps)[number]

export interface DriveDeps {
  client: Client
  /** Milliseconds, to tell how long a step took. */
  now: () => number
  signal: AbortSignal
  pause: (milliseconds: number, signal: AbortSignal) => Promise<void>
  random: () => number
  /** A failure in words. */
  explain: (error: unknown) => string
  onStep: (result: StepResult) => void
  /** Is given the data that is used, to be kept. */
  onData: (name: string, frame: FrameJson) => Promise<void>
}

/**
 * Drives a service from its health to a forecast and takes away what it has made, whatever happens in between. Every step is
 * told; one that fails ends its own chain only.
 */
export async function drive(options: DriveOptions, deps: DriveDeps): Promise<void> {
  const { client, now, signal, onStep } = deps
  const made = { configs: [] as string[], jobs: [] as string[] }

  async function step<Out>(name: Step, run: () => Promise<Out>): Promise<Out> {
    const begin = now()
    const tell = (error: string | null) =>
      onStep({ step: name, ms: Math.round(now() - begin), error })
    try {
      const out = await run()
      tell(null)
      return out
    } catch (error) {
      // The end of the test is nothing that the service did.
      if (!signal.aborted) tell(deps.explain(error))
      throw error
    }
  }

  /** A failure has been told; what else comes out of a chain is a fault of ours. */
  const chain = (run: () => Promise<void>) => run().catch(() => signal.throwIfAborted())

  try {
    await chain(async () => {
      await step('health', async () => {
        const { status } = await client.health.check()
        if (status !== 'healthy') throw new Broken(`Expected a healthy service, got ${status}`)
      })
      const info = await step('info', () => client.info())
      const data = createData(info, options, deps.random)
      const configs: string[] = []
      for (let at = 0; at < options.configs; at++) {
        await chain(async () => {
          const id = await step('config', () => createConfig(client, info, at))
          made.configs.push(id)
          configs.push(id)
        })
      }
      const trainings = configs.flatMap((id) => Array<string>(options.trainings).fill(id))
      await pool(options.parallel, trainings, async (config, at) => {
        if (at >= options.parallel) await deps.pause(options.delay * 1000, signal)
        await chain(() => trainAndPredict(config, data(at), at))
      })
    })
  } finally {
    // Also after Ctrl-C: a request of its own, which that does not end.
    if (made.configs.length > 0) await step('delete', () => removeAll(client, made)).catch(() => {})
  }

  async function trainAndPredict(config: string, data: TestData, number: number): Promise<void> {
    const { train, geo, horizon } = data
    const run_info = { prediction_periods: horizon }
    const input = { config_id: config, data: train, run_info, ...(geo && { geo }) }
    await deps.onData(`train-${number + 1}`, train)
    await step('validate', () => assertValid(client.ml.validate({ type: 'train', ...input })))
    const limit = AbortSignal.any([signal, AbortSignal.timeout(options.timeout * 1000)])
    const model = await step('train', () =>
      within(options.timeout, limit, signal, async () => {
        const submitted = await client.ml.train(input)
        made.jobs.push(submitted.job_id)
        await client.jobs.wait(submitted.job_id, { signal: limit })
        return submitted.artifact_id
      }),
    )
    await step('model', async () => {
      const { status } = await client.artifacts.metadata(model)
      if (status !== 'success')
        throw new Broken(`Expected a model that is a success, got ${status}`)
    })
    for (let at = 0; at < options.predictions; at++) {
      if (at > 0) await deps.pause(options.delay * 1000, signal)
      await predictOnce(model, data)
    }
    await step('tree', async () => {
      const { children } = await client.artifacts.tree(model)
      if (children?.length !== options.predictions)
        throw new Broken(
          `Expected ${options.predictions} predictions below ${model}, got ${children?.length}`,
        )
    })
  }

  async function predictOnce(model: string, data: TestData): Promise<void> {
    const { historic, future, geo, horizon } = data
    const run_info = { prediction_periods: horizon }
    const input = { artifact_id: model, historic, future, run_info, ...(geo && { geo }) }
    await step('validate', () => assertValid(client.ml.validate({ type: 'predict', ...input })))
    const limit = AbortSignal.any([signal, AbortSignal.timeout(options.timeout * 1000)])
    const frame = await step('predict', () =>
      within(options.timeout, limit, signal, async () => {
        const submitted = await client.ml.predict(input)
        made.jobs.push(submitted.job_id)
        await client.jobs.wait(submitted.job_id, { signal: limit })
        return client.artifacts.frame(submitted.artifact_id)
      }),
    )
    await step('forecast', async () => assertForecast(frame, future))
  }
}

/** A job that takes longer than it may is a failure, not the end of the test. */
async function within<Out>(
  seconds: number,
  limit: AbortSignal,
  signal: AbortSignal,
  run: () => Promise<Out>,
): Promise<Out> {
  try {
    return await run()
  } catch (error) {
    if (!limit.aborted || signal.aborted) throw error
    throw new Broken(`It took longer than ${seconds} seconds; --timeout allows more`)
  }
}

async function createConfig(client: Client, info: Info, number: number): Promise<string> {
  const schema = (await client.configs.schema()) as JsonSchema
  const data = sampleConfig(schema, {
    least: info.min_prediction_periods ?? 0,
    most: info.max_prediction_periods ?? 100,
  })
  const config = await client.configs.create({ name: `chapkit-test-${number + 1}`, data })
  return (config as { id: string }).id
}

async function assertValid(asked: ReturnType<Client['ml']['validate']>): Promise<void> {
  const { valid, diagnostics } = await asked
  if (valid) return
  const said = diagnostics.map(({ field, message }) => (field ? `${field}: ${message}` : message))
  throw new Broken(`The service refuses data made for it: ${said.join('; ')}`)
}

async function removeAll(client: Client, made: { configs: string[]; jobs: string[] }) {
  // With the configs go their models and predictions; jobs first, or they would go on without.
  for (const id of made.jobs) await client.jobs.remove(id)
  for (const id of made.configs) {
    await client.configs.remove(id)
    const left = await client.configs.get(id).then(
      () => true,
      () => false,
    )
    if (left) throw new Broken(`The config ${id} is there although it was deleted`)
  }
}

/** Works on items in their order, so many at the same time. */
async function pool<Item>(
  width: number,
  items: readonly Item[],
  work: (item: Item, at: number) => Promise<void>,
): Promise<void> {
  const queue = items.entries()
  const worker = async () => {
    for (const [at, item] of queue) await work(item, at)
  }
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, worker))
}
