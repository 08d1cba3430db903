import { inspect } from 'node:util'
import { ChapkitError } from '../errors.ts'
import { cut, longestError, longestTraceback } from './protocol.ts'

/** A run that failed by what the model did. */
export interface Failed {
  status: 'failed'
  error: string
  traceback: string | null
}

/** A failure that is the model's result and not a place in its code: it has no stack to show. */
export class WrongResult extends Error {
  override readonly name = 'WrongResult'
}

/** What was thrown, as it stands in a job: `TypeError: message`, and the stack apart from it. */
export function failure(thrown: unknown): Failed {
  const { error, traceback } = describe(thrown)
  return {
    status: 'failed',
    error: cut(error, longestError),
    traceback: traceback === null ? null : cut(traceback, longestTraceback),
  }
}

function describe(thrown: unknown): Omit<Failed, 'status'> {
  // Thrown by another copy of the language (node:vm, a worker) it is no instance of our Error.
  const isError =
    thrown instanceof Error || Object.prototype.toString.call(thrown) === '[object Error]'
  if (!isError) {
    const what = typeof thrown === 'string' ? thrown : inspect(thrown, { depth: 2 })
    return { error: what, traceback: null }
  }
  const { name, message: said, stack } = thrown as Error
  // A model may throw an error whose message is none.
  const message = String(said)
  if (thrown instanceof WrongResult) return { error: message, traceback: null }
  // Our own messages stand by themselves.
  const isOurs = thrown instanceof ChapkitError
  const error = isOurs
    ? message
    : `${typeof name === 'string' && name ? name : 'Error'}: ${message}`
  // inspect() also writes causes and the errors of an AggregateError. Where our own checks stand is of no use to a user.
  const traceback = typeof stack === 'string' && !isOurs ? inspect(thrown, { colors: false }) : null
  return { error, traceback }
}
