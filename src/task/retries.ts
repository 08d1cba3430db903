import type { Retries } from './schema.ts'

/** How much a wait may be longer or shorter, so that tasks that failed together do not come back together. */
const jitter = 0.2

/** Milliseconds until a task is tried again after so many failed runs; null when it is not. */
export function retryAfter(
  retries: Retries | null,
  { failures, random }: { failures: number; random: () => number },
): number | null {
  if (retries === null || failures >= retries.attempts) return null
  const { delay_seconds: delay, factor, max_delay_seconds: most } = retries
  const seconds = Math.min(most, delay * factor ** (failures - 1))
  return Math.round(seconds * 1000 * (1 + jitter * (2 * random() - 1)))
}
