import { readFile } from 'node:fs/promises'
import {
  canonicalFrameText,
  DataFrame,
  type FeatureCollection,
  type FrameJson,
} from '../data/index.ts'
import { show } from '../kernel/show.ts'
import { decodeModel, encodeModel } from '../ml/envelope.ts'
import type {
  BytesSource,
  PredictRequest,
  RunOptions,
  RunRequest,
  TaskResult,
  TrainRequest,
} from '../ml/run.ts'
import type { RunContext, ValueRunner } from '../ml/runner.ts'
import { type Failed, failure, WrongResult } from './failure.ts'
import { createModelCache, type LoadedModel, type ModelCache } from './model-cache.ts'
import { toForecast } from './prediction.ts'
import { cut, longestMetric, mostMetrics } from './protocol.ts'
import { createReports } from './reports.ts'
import { runTask, type TaskFunctions } from './run-task.ts'

/** What a run leaves, before anything of it has been read: bytes are whatever the model made them. */
export type RawResult =
  | { kind: 'train'; model: Uint8Array; metrics: Record<string, number> }
  | { kind: 'predict'; frame: Uint8Array; metrics: Record<string, number> }
  | TaskResult

export type RawOutcome = { status: 'done'; result: RawResult } | Failed

export type Executor = ReturnType<typeof createExecutor>

/** What a service file has to run. */
export interface Programs {
  runner: ValueRunner | null
  functions: TaskFunctions
}

/**
 * Runs requests with a runner and with task functions, in whatever process this is: bytes in, bytes out. Every failure is an outcome whose
 * message says what was expected and what came.
 */
export function createExecutor({ runner, functions }: Programs) {
  const models = createModelCache()
  let initialized: Promise<void> | undefined

  return {
    /** Keys of the models that are loaded. */
    models: (): string[] => models.keys(),

    async execute(request: RunRequest, options: RunOptions): Promise<RawOutcome> {
      try {
        if (request.kind === 'task')
          return { status: 'done', result: await runTask(functions, request, options) }
        if (runner === null) throw new Error('The service file exports no model')
        initialized ??= Promise.resolve(runner.init?.())
        await initialized.catch((error: unknown) => {
          initialized = undefined
          throw error
        })
        const result =
          request.kind === 'train'
            ? await train(runner, request, options)
            : await predict(runner, models, request, options)
        return { status: 'done', result }
      } catch (error) {
        return failure(error)
      }
    },

    /** Calls the runner's `cleanup`, if there was a run that it can clean up after. */
    async cleanup(): Promise<void> {
      if (initialized) await runner?.cleanup?.()
    },
  }
}

async function train(
  runner: ValueRunner,
  request: TrainRequest,
  options: RunOptions,
): Promise<RawResult> {
  const [data, geo] = await Promise.all([readFrame(request.frames.data), readGeo(request.geo)])
  const metrics: Record<string, number> = {}

  const model = await runner.train({
    ...createContext(request, geo, options, metrics),
    data: DataFrame.fromJson(data),
  })
  if (model === undefined) {
    throw new WrongResult(
      'onTrain returned nothing; expected the model, which onPredict is given as `model`: is a `return` missing?',
    )
  }
  const bytes: unknown = runner.save ? await runner.save(model) : encodeModel(model)
  if (!(bytes instanceof Uint8Array)) {
    throw new WrongResult(`save returned ${show(bytes)}; expected a Uint8Array`)
  }
  return { kind: 'train', model: bytes, metrics }
}

async function predict(
  runner: ValueRunner,
  models: ModelCache,
  request: PredictRequest,
  options: RunOptions,
): Promise<RawResult> {
  const [historic, future, geo, model] = await Promise.all([
    readFrame(request.frames.historic),
    readFrame(request.frames.future),
    readGeo(request.geo),
    models.get(request.model.key, () => loadModel(runner, request.model.source)),
  ])
  const metrics: Record<string, number> = {}

  const returned: unknown = await runner.predict({
    ...createContext(request, geo, options, metrics),
    model,
    historic: DataFrame.fromJson(historic),
    future: DataFrame.fromJson(future),
  })
  const { prediction, warnings } = toForecast(returned, future)
  for (const warning of warnings) options.events.onLog('log', `warning: ${warning}`)
  return {
    kind: 'predict',
    frame: Buffer.from(canonicalFrameText(prediction)),
    metrics,
  }
}

const readFrame = (source: BytesSource): Promise<FrameJson> => readJson(source)

async function readGeo(source: BytesSource | null): Promise<FeatureCollection | null> {
  return source && readJson(source)
}

async function readJson<Value>(source: BytesSource): Promise<Value> {
  const bytes = await readBytes(source)
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()
  return JSON.parse(text) as Value
}

async function loadModel(runner: ValueRunner, source: BytesSource): Promise<LoadedModel> {
  const bytes = await readBytes(source)
  const model = runner.load ? await runner.load(bytes) : decodeModel(bytes)
  return { model, size: bytes.byteLength }
}

async function readBytes(source: BytesSource): Promise<Uint8Array> {
  return 'bytes' in source ? source.bytes : await readFile(source.path)
}

/** What the model is given besides its data; what it reports is checked before it goes anywhere. */
function createContext(
  request: TrainRequest | PredictRequest,
  geo: FeatureCollection | null,
  { signal, events }: RunOptions,
  reported: Record<string, number>,
): RunContext<unknown> {
  const { log, progress } = createReports(events)
  let count = 0
  return {
    config: request.config,
    geo,
    signal,
    log,
    progress,
    metrics(values) {
      const kept: Record<string, number> = {}
      // One bad measure must not cost hours of training.
      for (const [name, value] of Object.entries(values)) {
        const isNew = !Object.hasOwn(reported, name)
        const why = whyLeftOut(name, value, isNew && count >= mostMetrics)
        if (why !== null) {
          log(`metric ${cut(name, longestMetric)} ${why}: left out`)
          continue
        }
        if (isNew) count++
        kept[name] = value
        reported[name] = value
      }
      events.onMetrics(kept)
    },
  }
}

function whyLeftOut(name: string, value: unknown, isTooMany: boolean): string | null {
  if (!Number.isFinite(value)) return `is ${show(value)}, not a finite number`
  if (name.length > longestMetric) return `has a name of more than ${longestMetric} characters`
  return isTooMany ? `is one more than the ${mostMetrics} that a run may have` : null
}
