import type { Clock } from '../kernel/clock.ts'
import type { Schedules } from './schedules.ts'

/** A clock that jumps is noticed after so long, in milliseconds. */
export const longestPauseMs = 5000
/** Slots that wait for jobs to end, and those that could not be decided, are looked at again after so long. */
const retryMs = 1000
/** The shortest pause between two looks. */
const shortestPauseMs = 10

export interface TickerDeps {
  schedules: Pick<Schedules, 'tick'>
  now: Clock
  onError: (error: unknown, event: string) => void
  /** Calls back after so many milliseconds; what it returns takes that back. @default setTimeout */
  after?: (milliseconds: number, call: () => void) => () => void
}

export type Ticker = ReturnType<typeof createTicker>

/** Looks at the schedules when the next slot comes, and every few seconds in any case: a clock may jump. */
export function createTicker({ schedules, now, onError, after = timeout }: TickerDeps) {
  let isStopped = true
  let isAsked = false
  let looking: Promise<void> | undefined
  let takeBack: (() => void) | undefined

  async function look(): Promise<number> {
    try {
      const { next, isWaiting } = await schedules.tick()
      if (isWaiting) return retryMs
      if (next === null) return longestPauseMs
      const left = next - now()
      // What is due and was not decided has to wait, for a place in the queue or for the disk.
      return left <= 0 ? retryMs : Math.min(left, longestPauseMs)
    } catch (error) {
      onError(error, 'schedule.tick.failed')
      return longestPauseMs
    }
  }

  function wake(): void {
    if (isStopped) return
    isAsked = true
    if (looking) return
    takeBack?.()
    looking = run().finally(() => {
      looking = undefined
      // Whoever asked while the pause was being set.
      if (isAsked) wake()
    })
  }

  async function run(): Promise<void> {
    let pause = longestPauseMs
    while (isAsked && !isStopped) {
      isAsked = false
      pause = await look()
    }
    if (!isStopped) takeBack = after(Math.max(pause, shortestPauseMs), wake)
  }

  return {
    start(): void {
      isStopped = false
      wake()
    },
    /** Looks now: a schedule was made or changed. */
    wake,
    async stop(): Promise<void> {
      isStopped = true
      takeBack?.()
      await looking
    },
  }
}

function timeout(milliseconds: number, call: () => void): () => void {
  const timer = setTimeout(call, milliseconds)
  timer.unref()
  return () => clearTimeout(timer)
}
