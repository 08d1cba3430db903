import type { Clock } from '../kernel/clock.ts'

const claimsKept = 20
/** Where nothing is known yet. */
const defaultSeconds = 10
const maximumSeconds = 60

/** How quickly places in the queues of jobs become free, by type: what a client is told that finds a queue full. */
export function createQueuePace(serviceTime: Clock) {
  const claims = new Map<string, number[]>()

  return {
    /** A job has left the queue of its type. */
    note(type: string): void {
      const times = claims.get(type) ?? []
      claims.set(type, [...times, serviceTime()].slice(-claimsKept))
    },

    /** Seconds in which one more place is likely to be free: from 1 to 60. */
    secondsToNext(type: string): number {
      const times = claims.get(type)
      if (!times) return defaultSeconds
      const between = (serviceTime() - times[0]!) / times.length
      return Math.min(maximumSeconds, Math.max(1, Math.ceil(between / 1000)))
    },
  }
}
