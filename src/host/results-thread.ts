import { readFileSync } from 'node:fs'
import { setPriority } from 'node:os'
import { parentPort } from 'node:worker_threads'
import type { BytesSource } from '../ml/run.ts'
import { type Failed, failure } from './failure.ts'
import { readFacts, readPrediction } from './prediction.ts'

// The program of the thread that reads frames of results: one in, one answer out.

/** As hosts: `/health` is answered while a frame is read. */
const niceness = 10

/** What the thread is asked for. */
export interface Reading {
  source: BytesSource
  /** What a prediction was asked for; null where only facts of a stored frame are wanted. */
  future: BytesSource | null
  covariates: readonly string[]
}

export type ReadingAnswer = { value: unknown } | { failed: Failed }

// On Linux this is the priority of the calling thread; elsewhere it would be that of the whole service.
if (parentPort && process.platform === 'linux') setPriority(0, niceness)

parentPort?.on('message', ({ source, future, covariates }: Reading) => {
  let answer: ReadingAnswer
  try {
    const bytes = bytesOf(source)
    answer = {
      value:
        future === null
          ? readFacts(bytes, covariates)
          : readPrediction(bytes, bytesOf(future), covariates),
    }
  } catch (error) {
    answer = { failed: failure(error) }
  }
  parentPort?.postMessage(answer)
})

function bytesOf(source: BytesSource): Uint8Array {
  return 'path' in source ? readFileSync(source.path) : source.bytes
}
