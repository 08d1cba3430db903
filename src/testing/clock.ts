import type { Clock } from '../kernel/clock.ts'

/** A clock that stands still until it is moved. Starts at 2026-01-01T00:00:00Z unless told otherwise. */
export function fakeClock(
  start = Date.UTC(2026, 0, 1),
): Clock & { advance(milliseconds: number): void } {
  let at = start
  return Object.assign(() => at, {
    advance(milliseconds: number) {
      at += milliseconds
    },
  })
}
