import { readFile } from 'node:fs/promises'
import { inspect } from 'node:util'
import {
  canonicalFrameText,
  DataFrame,
  type FeatureCollection,
  type FrameJson,
  withSchema,
} from '../data/index.ts'
import { ChapkitError, toError } from '../errors.ts'
import { show } from '../kernel/show.ts'
import { decodeModel, encodeModel } from '../ml/envelope.ts'
import { factsOf } from '../ml/facts.ts'
import { checkForecast } from '../ml/forecast.ts'
import type {
  BytesSource,
  PredictRequest,
  PredictResult,
  RunOptions,
  RunOutcome,
  RunRequest,
  TrainRequest,
  TrainResult,
} from '../ml/run.ts'
import type { RunContext, ValueRunner } from '../ml/runner.ts'
import { createModelCache, type LoadedModel, type ModelCache } from './model-cache.ts'
import { createReports } from './reports.ts'
import { runTask, type TaskFunctions } from './run-task.ts'

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

    async execute(
      request: RunRequest,
      options: RunOptions,
    ): Promise<Extract<RunOutcome, { status: 'done' | 'failed' }>> {
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

/** What was thrown, as it stands in a job: `TypeError: message`, and the stack apart from it. */
export function failure(thrown: unknown): Extract<RunOutcome, { status: 'failed' }> {
  // Thrown by another copy of the language (node:vm, a worker) it is no instance of our Error.
  const isError =
    thrown instanceof Error || Object.prototype.toString.call(thrown) === '[object Error]'
  if (!isError) {
    const what = typeof thrown === 'string' ? thrown : inspect(thrown, { depth: 2 })
    return { status: 'failed', error: what, traceback: null }
  }
  const { name, message, stack } = thrown as Error
  if (thrown instanceof WrongResult) return { status: 'failed', error: message, traceback: null }
  // Our own messages stand by themselves.
  const isOurs = thrown instanceof ChapkitError
  const error = isOurs
    ? message
    : `${typeof name === 'string' && name ? name : 'Error'}: ${message}`
  // inspect() also writes causes and the errors of an AggregateError. Where our own checks stand is of no use to a user.
  const traceback = typeof stack === 'string' && !isOurs ? inspect(thrown, { colors: false }) : null
  return { status: 'failed', error, traceback }
}

async function train(
  runner: ValueRunner,
  request: TrainRequest,
  options: RunOptions,
): Promise<TrainResult> {
  const data = await readFrame(request.frames.data)
  const metrics: Record<string, number> = {}

  const model = await runner.train({
    ...createContext(request, options, metrics),
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
  return {
    kind: 'train',
    model: bytes,
    metrics,
    inputs: { data: factsOf(data, request.covariates) },
  }
}

async function predict(
  runner: ValueRunner,
  models: ModelCache,
  request: PredictRequest,
  options: RunOptions,
): Promise<PredictResult> {
  const [historic, future, model] = await Promise.all([
    readFrame(request.frames.historic),
    readFrame(request.frames.future),
    models.get(request.model.key, () => loadModel(runner, request.model.source)),
  ])
  const metrics: Record<string, number> = {}

  const returned: unknown = await runner.predict({
    ...createContext(request, options, metrics),
    model,
    historic: DataFrame.fromJson(historic),
    future: DataFrame.fromJson(future),
  })
  const { covariates } = request
  const prediction = withSchema(toPrediction(returned), { covariates: [...covariates] })
  const { error, warnings } = checkForecast(prediction, future)
  if (error !== null) throw new WrongResult(`onPredict returned another forecast: ${error}`)
  for (const warning of warnings) options.events.onLog('log', `warning: ${warning}`)
  return {
    kind: 'predict',
    frame: Buffer.from(canonicalFrameText(prediction)),
    metrics,
    output: factsOf(prediction, covariates),
    inputs: {
      historic: factsOf(historic, covariates),
      future: factsOf(future, covariates),
    },
  }
}

async function readFrame(source: BytesSource): Promise<FrameJson> {
  const bytes = await readBytes(source)
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()
  return JSON.parse(text) as FrameJson
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
  { signal, events }: RunOptions,
  reported: Record<string, number>,
): RunContext<unknown> {
  const { log, progress } = createReports(events)
  return {
    config: request.config,
    geo: request.geo as FeatureCollection | null,
    signal,
    log,
    progress,
    metrics(values) {
      const entries = Object.entries(values)
      const finite = entries.filter(([, value]) => Number.isFinite(value))
      // One bad measure must not cost hours of training.
      for (const [name, value] of entries) {
        if (!Number.isFinite(value))
          log(`metric ${name} is ${show(value)}, not a finite number: left out`)
      }
      Object.assign(reported, Object.fromEntries(finite))
      events.onMetrics(Object.fromEntries(finite))
    },
  }
}

/** A failure that is the model's result and not a place in its code: it has no stack to show. */
class WrongResult extends Error {
  override readonly name = 'WrongResult'
}

function toPrediction(returned: unknown): FrameJson {
  const frame = toFrame(returned)
  const bad = frame.firstNonFinite()
  if (bad) {
    throw new WrongResult(
      `onPredict returned ${frame.get(bad.row, bad.column)} in column \`${bad.column}\`, row ${bad.row}; expected finite numbers, or null where there is none`,
    )
  }
  if (frame.length === 0) {
    throw new WrongResult(
      'onPredict returned a frame without rows; expected a row for each location and period of `future`',
    )
  }
  return frame.toJson()
}

/** A DataFrame, also one of another copy of chapkit, and what can be read as one. */
function toFrame(returned: unknown): DataFrame {
  if (returned instanceof DataFrame) return returned
  const expected = 'expected a DataFrame (or `{ columns, data }`, or an array of records)'
  if (returned === undefined || returned === null) {
    throw new WrongResult(`onPredict returned nothing; ${expected}: is a \`return\` missing?`)
  }
  try {
    if (isRecords(returned)) return DataFrame.fromRecords(returned)
    const json = typeof returned === 'object' && hasToJson(returned) ? returned.toJson() : returned
    if (isFrameJson(json)) return DataFrame.fromJson(json)
  } catch (error) {
    throw new WrongResult(`onPredict returned a frame that is wrong: ${toError(error).message}`)
  }
  throw new WrongResult(`onPredict returned ${show(returned)}; ${expected}`)
}

function hasToJson(value: object): value is { toJson(): unknown } {
  return 'toJson' in value && typeof value.toJson === 'function'
}

function isRecords(value: unknown): value is Record<string, string | number | boolean | null>[] {
  return Array.isArray(value) && value.every((item) => isObject(item))
}

function isFrameJson(value: unknown): value is FrameJson {
  if (!isObject(value) || !Array.isArray(value.columns) || !Array.isArray(value.data)) return false
  const { columns, data } = value
  return (
    columns.every((name) => typeof name === 'string') && data.every((row) => Array.isArray(row))
  )
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
