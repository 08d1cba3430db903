import { inspect } from 'node:util'
import type { RunEvents } from '../ml/run.ts'

/** What a run says while it runs, whatever it is given to say. */
export function createReports(events: RunEvents) {
  return {
    log(line: unknown): void {
      const text = typeof line === 'string' ? line : inspect(line)
      for (const part of text.split(/\r?\n/)) events.onLog('log', part)
    },
    progress(fraction: number | null, message?: string): void {
      const isKnown = typeof fraction === 'number' && !Number.isNaN(fraction)
      const text = message === undefined || message === null ? null : String(message)
      events.onProgress(isKnown ? Math.min(1, Math.max(0, fraction)) : null, text)
    },
  }
}
