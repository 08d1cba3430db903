import { Worker } from 'node:worker_threads'
import type {
  BytesSource,
  FrameFacts,
  PredictRequest,
  RunOptions,
  RunOutcome,
  RunRequest,
} from '../ml/run.ts'
import type { RawOutcome } from './execute.ts'
import { type Failed, failure } from './failure.ts'
import { readFacts, readPrediction } from './prediction.ts'
import type { Reading, ReadingAnswer } from './results-thread.ts'

/** Frames above this size are read by a thread; below, handing them over costs more than it spares. */
const threadAbove = 64 * 1024

type Facts = Promise<FrameFacts | Failed>

/** Facts of the inputs of a run, as they become known. */
type InputFacts =
  | { kind: 'train'; data: Facts }
  | { kind: 'predict'; historic: Facts; future: Facts }
  | { kind: 'task' }

export type Results = ReturnType<typeof createResults>

/**
 * Makes results of what a host gave. What the service says of a frame (its rows, its types, its size as CSV) it has counted
 * itself: a download with a wrong length would be the fault of the service.
 */
export function createResults() {
  const waiting: { reading: Reading; settle: PromiseWithResolvers<unknown> }[] = []
  let thread: Worker | undefined
  let isWorking = false
  let isClosed = false

  /** One at a time: what a model gave may end the thread, and must not take others with it. */
  function next(): void {
    const [first] = waiting
    if (isWorking || first === undefined) return
    isWorking = true
    thread ??= start()
    thread.postMessage(first.reading)
  }

  function start(): Worker {
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
    const worker = new Worker(new URL(`./results-thread.${extension}`, import.meta.url))
    worker.unref()
    worker.on('message', (answer: ReadingAnswer) => done((settle) => settle.resolve(answer)))
    const fail = (error: Error) => {
      if (thread !== worker) return
      thread = undefined
      done((settle) => settle.reject(error))
    }
    worker.on('error', fail)
    worker.on('exit', (code) =>
      fail(new Error(`the thread that reads results ended with code ${code}`)),
    )
    return worker
  }

  function done(tell: (settle: PromiseWithResolvers<unknown>) => void): void {
    const first = waiting.shift()
    isWorking = false
    if (first) tell(first.settle)
    next()
  }

  async function inThread<Answer>(reading: Reading): Promise<Answer> {
    if (isClosed) throw new Error('The hosts have been closed')
    const settle = Promise.withResolvers<unknown>()
    waiting.push({ reading, settle })
    next()
    const answer = (await settle.promise) as ReadingAnswer
    if ('failed' in answer) throw Object.assign(new Error(), { failed: answer.failed })
    return answer.value as Answer
  }

  /** Never rejects. */
  async function factsOf(source: BytesSource, covariates: readonly string[]): Facts {
    try {
      if ('bytes' in source && source.bytes.byteLength <= threadAbove)
        return readFacts(source.bytes, covariates)
      return await inThread<FrameFacts>({ source, future: null, covariates })
    } catch (error) {
      return toFailed(error)
    }
  }

  async function prediction(given: Uint8Array, { frames, covariates }: PredictRequest) {
    const { future } = frames
    const isSmall = (bytes: Uint8Array) => bytes.byteLength <= threadAbove
    if (isSmall(given) && 'bytes' in future && isSmall(future.bytes))
      return readPrediction(given, future.bytes, covariates)
    const source = { bytes: given }
    return inThread<ReturnType<typeof readPrediction>>({ source, future, covariates })
  }

  async function finish(
    request: RunRequest,
    raw: RawOutcome,
    facts: InputFacts,
  ): Promise<RunOutcome> {
    if (raw.status === 'failed') return raw
    const { result } = raw
    if (result.kind !== request.kind || facts.kind !== request.kind)
      return strange(`the result of a ${result.kind} where that of a ${request.kind} was asked for`)
    if (result.kind === 'train' && facts.kind === 'train') {
      const data = await facts.data
      return 'status' in data ? data : { status: 'done', result: { ...result, inputs: { data } } }
    }
    if (result.kind === 'predict' && facts.kind === 'predict') {
      const [historic, future, read] = await Promise.all([
        facts.historic,
        facts.future,
        prediction(result.frame, request as PredictRequest).catch(toFailed),
      ])
      if ('status' in read) return read
      if ('status' in historic) return historic
      if ('status' in future) return future
      const { metrics } = result
      return {
        status: 'done',
        result: { kind: 'predict', metrics, ...read, inputs: { historic, future } },
      }
    }
    return raw as RunOutcome
  }

  return {
    /** Begins to read what a request brings: it is done by the time that the model is. */
    inputs(request: RunRequest): InputFacts {
      if (request.kind === 'task') return { kind: 'task' }
      const of = (source: BytesSource) => factsOf(source, request.covariates)
      if (request.kind === 'train') return { kind: 'train', data: of(request.frames.data) }
      const { historic, future } = request.frames
      return { kind: 'predict', historic: of(historic), future: of(future) }
    },

    /** The outcome with what the service has read itself. A cancel does not wait for it. */
    async complete(
      request: RunRequest,
      outcome: RawOutcome | Exclude<RunOutcome, { status: 'done' | 'failed' }>,
      facts: InputFacts,
      { signal }: Pick<RunOptions, 'signal'>,
    ): Promise<RunOutcome> {
      if (outcome.status !== 'done') return outcome
      const aborted = Promise.withResolvers<RunOutcome>()
      const abort = () => aborted.resolve({ status: 'aborted' })
      signal.addEventListener('abort', abort, { once: true })
      try {
        return await Promise.race([finish(request, outcome, facts), aborted.promise])
      } finally {
        signal.removeEventListener('abort', abort)
      }
    },

    async close(): Promise<void> {
      isClosed = true
      const worker = thread
      thread = undefined
      for (const { settle } of waiting.splice(0)) settle.reject(new Error('The hosts were closed'))
      await worker?.terminate()
    },
  }
}

function toFailed(error: unknown): Failed {
  const given = (error as { failed?: Failed }).failed
  return given ?? failure(error)
}

function strange(what: string): Failed {
  return { status: 'failed', error: `The model host gave ${what}`, traceback: null }
}
