import { readFile } from 'node:fs/promises'
import { DataFrame, type FrameJson } from '../data/index.ts'
import { ChapkitError, type ErrorCode, errorCatalogue } from '../errors.ts'
import type { CallAnswer, CallService, JsonParts } from '../ml/run.ts'
import { toPlain } from './plain.ts'
import type {
  FrameInput,
  PredictInput,
  TaskArtifact,
  TaskArtifacts,
  TaskConfigs,
  TaskJobs,
  TaskMl,
  TrainInput,
} from './services.ts'

/** The parts of the service as a task function sees them, wherever it runs: every call is data, there and back. */
export function createRemote(
  callService: CallService,
  signal: AbortSignal,
): { configs: TaskConfigs; artifacts: TaskArtifacts; jobs: TaskJobs; ml: TaskMl } {
  async function call<Result>(method: string, ...args: unknown[]): Promise<Result> {
    signal.throwIfAborted()
    const aborted = Promise.withResolvers<never>()
    const abort = () => aborted.reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    try {
      // Both ends of a list are known: what is left out at the end is null there.
      const plain = args.map((each) => toPlain(each ?? null, method))
      return await toResult<Result>(
        await Promise.race([callService(method, plain), aborted.promise]),
      )
    } finally {
      signal.removeEventListener('abort', abort)
    }
  }

  const artifacts: TaskArtifacts = {
    get: (id) => call('artifacts.get', id),
    list: (filter) => call('artifacts.list', filter),
    frame: async (id) => toFrame(await call<TaskArtifact>('artifacts.get', id)),
    lineage: (id) => call('artifacts.lineage', id),
    create: (artifact) => call('artifacts.create', artifact),
  }
  return {
    configs: {
      get: (id) => call('configs.get', id),
      find: async (id) => (await call<never>('configs.find', id)) ?? undefined,
      list: (filter) => call('configs.list', filter),
      create: (config) => call('configs.create', config),
      update: (id, config) => call('configs.update', id, config),
    },
    artifacts,
    jobs: {
      get: (id) => call('jobs.get', id),
      list: (filter) => call('jobs.list', filter),
      wait: (id) => call('jobs.wait', id),
      cancel: (id) => call('jobs.cancel', id),
      logs: (id, after) => call('jobs.logs', id, after),
    },
    ml: {
      train: (input) => call('ml.train', toTrainBody(input)),
      predict: (input) => call('ml.predict', toPredictBody(input)),
      validate: (input) =>
        call('ml.validate', {
          type: input.type,
          ...(input.type === 'train' ? toTrainBody(input) : toPredictBody(input)),
        }),
    },
  }
}

const toTrainBody = ({ configId, data, geo, predictionPeriods }: TrainInput) => ({
  config_id: configId,
  data: toFrameJson(data),
  geo: geo ?? null,
  run_info: toRunInfo(predictionPeriods),
})

const toPredictBody = ({ artifactId, historic, future, geo, predictionPeriods }: PredictInput) => ({
  artifact_id: artifactId,
  historic: toFrameJson(historic),
  future: toFrameJson(future),
  geo: geo ?? null,
  run_info: toRunInfo(predictionPeriods),
})

const toRunInfo = (periods?: number) =>
  periods === undefined ? null : { prediction_periods: periods }

/** What is no frame goes as it is: the service says what is wrong with it. */
function toFrameJson(frame: FrameInput): unknown {
  if (Array.isArray(frame)) return DataFrame.fromRecords(frame).toJson()
  return frame instanceof DataFrame ? frame.toJson() : frame
}

function toFrame({ id, data }: TaskArtifact): DataFrame {
  const content = isObject(data) && 'content' in data ? data.content : data
  if (isObject(content) && Array.isArray(content.columns) && Array.isArray(content.data))
    return DataFrame.fromJson(content as unknown as FrameJson)
  throw new ChapkitError(
    'conflict',
    `Artifact ${id} holds no frame: expected \`{ columns, data }\` as its data or its content`,
  )
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

async function toResult<Result>(answer: CallAnswer): Promise<Result> {
  if ('value' in answer) return answer.value as Result
  if ('parts' in answer) return (await readParts(answer.parts)) as Result
  const { code, message, issues } = answer.error
  if (code === null || !(code in errorCatalogue)) throw new Error(message)
  throw new ChapkitError(code as ErrorCode, message, issues ? { issues } : {})
}

/** What the service has not read itself, as there may be much of it. */
async function readParts(parts: JsonParts): Promise<unknown> {
  const pieces: Uint8Array[] = []
  for (const part of parts) {
    if (typeof part === 'string') pieces.push(Buffer.from(part))
    else pieces.push('bytes' in part ? part.bytes : await readFile(part.path))
  }
  return JSON.parse(Buffer.concat(pieces).toString())
}
