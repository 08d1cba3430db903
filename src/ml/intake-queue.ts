import { Worker } from 'node:worker_threads'
import {
  type Intake,
  type IntakeOutcome,
  type IntakeRequest,
  type TakenFrame,
  takeIn,
  toRefusalError,
} from './intake.ts'

/** Bodies above this size are read by a thread of their own; below, handing them over costs more than it spares. */
const threadAbove = 256 * 1024

/** A request body as it came. */
type BodyRequest = DistributiveOmit<Exclude<IntakeRequest, { form: 'frame' }>, 'numeric'>

type DistributiveOmit<Union, Key extends PropertyKey> = Union extends unknown
  ? Omit<Union, Key>
  : never

export type IntakeQueue = ReturnType<typeof createIntakeQueue>

/**
 * Reads request bodies: small ones here and now, large ones in one thread that starts with the first of
 * them. `numeric` are the columns that hold numbers besides the agreed ones.
 */
export function createIntakeQueue({ numeric = [] }: { numeric?: readonly string[] } = {}) {
  const waiting = new Map<number, PromiseWithResolvers<IntakeOutcome>>()
  let thread: Worker | undefined
  let lastId = 0

  function start(): Worker {
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
    const worker = new Worker(new URL(`./intake-thread.${extension}`, import.meta.url))
    worker.unref()
    worker.on('message', ({ id, outcome }: { id: number; outcome: IntakeOutcome }) => {
      waiting.get(id)?.resolve(outcome)
      waiting.delete(id)
    })
    const fail = (error: Error) => {
      thread = undefined
      for (const { reject } of waiting.values()) reject(error)
      waiting.clear()
    }
    worker.on('error', fail)
    worker.on('exit', (code) => fail(new Error(`The intake thread ended with code ${code}`)))
    return worker
  }

  function inThread(request: IntakeRequest): Promise<IntakeOutcome> {
    thread ??= start()
    const id = ++lastId
    const answer = Promise.withResolvers<IntakeOutcome>()
    waiting.set(id, answer)
    // A body that is a view into a pool is copied; one with a buffer of its own is handed over.
    const body = new Uint8Array(request.body)
    thread.postMessage({ id, request: { ...request, body } }, [body.buffer as ArrayBuffer])
    return answer.promise
  }

  async function take(request: IntakeRequest): Promise<Intake | TakenFrame> {
    const outcome =
      request.body.byteLength > threadAbove ? await inThread(request) : takeIn(request)
    if ('refusal' in outcome) throw toRefusalError(outcome.refusal)
    return outcome.intake
  }

  return {
    /** The checked request. Throws what is wrong with it: 400 or 422. */
    take: (request: BodyRequest): Promise<Intake> =>
      take({ ...request, numeric }) as Promise<Intake>,

    /** A frame of which `columns` hold numbers, too. Throws 422 with the cells that are none. */
    agree: (frame: TakenFrame, columns: readonly string[], loc: string[]): Promise<TakenFrame> =>
      take({ form: 'frame', body: frame.bytes, numeric: columns, loc }) as Promise<TakenFrame>,

    async close(): Promise<void> {
      const worker = thread
      thread = undefined
      worker?.removeAllListeners('exit')
      await worker?.terminate()
    },
  }
}
