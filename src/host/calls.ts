import type { CallAnswer, CallService } from '../ml/run.ts'
import { ProtocolError } from './frames.ts'
import { mostCallBytes, mostCalls } from './protocol.ts'

/*
 * What a run asks of the service. A host may ask faster than it reads, or than the service answers: calls wait in line, and
 * what waits is bounded.
 */

/** Calls that are worked on at the same time; each counts until the system has taken its reply. */
const atOnce = 32
/** Calls that wait for something else than the service's work: they cost nothing, and others may be what ends them. */
const patient: ReadonlySet<string> = new Set(['jobs.wait'])
/** Calls whose answers may be large, one of which is worked on at a time. */
const bulky: ReadonlySet<string> = new Set(['artifacts.list', 'configs.list'])

export interface Call {
  method: string
  args: readonly unknown[]
  bytes: number
  /** Sends the answer, and calls `sent` when it has gone. */
  reply(answer: CallAnswer, sent: () => void): void
}

export type Calls = ReturnType<typeof createCalls>

/** Answers the calls of one run. */
export function createCalls(answer: CallService | undefined) {
  const waiting: Call[] = []
  let working = 0
  let isBulky = false
  let unanswered = 0
  let unansweredBytes = 0
  let isOver = false

  function next(): void {
    while (working < atOnce) {
      const at = waiting.findIndex(({ method }) => !(isBulky && bulky.has(method)))
      if (at < 0) return
      void work(waiting.splice(at, 1)[0]!)
    }
  }

  async function work(call: Call): Promise<void> {
    const isPatient = patient.has(call.method)
    if (!isPatient) working++
    if (bulky.has(call.method)) isBulky = true
    const said = await answer!(call.method, call.args)
    if (isOver) return
    call.reply(said, () => {
      unanswered--
      unansweredBytes -= call.bytes
      if (!isPatient) working--
      if (bulky.has(call.method)) isBulky = false
      next()
    })
  }

  return {
    add(call: Call): void {
      // Runs of models ask nothing.
      if (isOver || answer === undefined) return
      // A host refuses them itself: its own program never comes here.
      if (unanswered >= mostCalls || unansweredBytes + call.bytes > mostCallBytes)
        throw new ProtocolError('more calls than may be unanswered')
      unanswered++
      unansweredBytes += call.bytes
      if (patient.has(call.method)) void work(call)
      else {
        waiting.push(call)
        next()
      }
    },

    /** The run has ended: what it asked is of no interest any more. */
    end(): void {
      isOver = true
      waiting.length = 0
    },
  }
}
