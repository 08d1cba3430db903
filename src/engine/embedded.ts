import type { Clock } from '../kernel/clock.ts'
import type { Engine, Ring } from './engine.ts'

/** setTimeout takes no longer waits. */
const longestWait = 2 ** 31 - 1

/** The engine of one process: rings go straight through, later ones by a timer. `now` is the clock of their times. */
export function embeddedEngine({ now }: { now: Clock }): Engine {
  const early: Ring[] = []
  const timers = new Set<NodeJS.Timeout>()
  let handler: ((ring: Ring) => void) | undefined
  let closed = false

  function ring(each: Ring) {
    if (closed) return
    const wait = (each.runAt ?? 0) - now()
    if (!handler) return void early.push(each)
    if (wait <= 0) return handler(each)
    const timer = setTimeout(
      () => {
        timers.delete(timer)
        ring(each)
      },
      Math.min(wait, longestWait),
    )
    timers.add(timer)
  }

  return {
    notify: ring,
    run(next) {
      handler = next
      for (const each of early.splice(0)) ring(each)
    },
    async close() {
      closed = true
      for (const timer of timers) clearTimeout(timer)
    },
  }
}
