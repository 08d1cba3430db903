import { pause } from './abort.ts'

/*
 * A stop of a machine, a container or a unit signals every process of a service, in any order. What a process of a job was doing
 * has then not failed: it was stopped, and runs again.
 */

/** How a process ended. */
export interface ProcessEnd {
  code: number | null
  signal: NodeJS.Signals | null
}

/** Signals by which processes are asked to end. A shell tells of them as 128 and their number. */
export const stopSignals: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGINT', 'SIGHUP']
const stopCodes: readonly number[] = [143, 130, 129]

/** How long after such an end the service may be asked to stop, too. */
const signaledPatienceMs = 2000
/** The same after any other end: a program may catch the signal and end as it likes. */
const patienceMs = 500

/** Whether a process ended because everything is being stopped; waits a little for the service to be told so. */
export async function isPartOfStop(
  { code, signal }: ProcessEnd,
  stopping: AbortSignal | undefined,
): Promise<boolean> {
  if (stopping === undefined) return false
  const isSignaled =
    (signal !== null && stopSignals.includes(signal)) || (code !== null && stopCodes.includes(code))
  // The kernel, or somebody who has lost patience, sends others.
  if (signal === null || isSignaled)
    await pause(isSignaled ? signaledPatienceMs : patienceMs, stopping)
  return stopping.aborted
}
