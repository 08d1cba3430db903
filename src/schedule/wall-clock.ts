/** The clock on the wall of a time zone. What it shows is written as milliseconds since 1970, as if it were UTC. */
export interface WallClock {
  /** The latest time that it has shown up to an instant: in the hour that comes twice, the end of that hour. */
  furthest(instant: number): number
  /**
   * The first instant at which it shows a time, or has jumped over it: of a time that comes twice the first, of one that does not
   * come the end of the gap.
   */
  reaches(shown: number): number
}

const hourMs = 3_600_000
/** Offsets from UTC lie between -12 and +14 hours; beyond these an instant is surely before, or behind, what a clock shows. */
const mostBehindMs = 13 * hourMs
const mostAheadMs = 15 * hourMs
/** Within it lies no second change of a clock, and by its end a clock that was set back has made up for it. */
const longestHourMs = 25 * hourMs

export function wallClock(zone: string): WallClock {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    hourCycle: 'h23',
    ...{ year: 'numeric', month: 'numeric', day: 'numeric' },
    ...{ hour: 'numeric', minute: 'numeric', second: 'numeric' },
  })

  function at(instant: number): number {
    const parts: Record<string, number> = {}
    for (const { type, value } of format.formatToParts(instant)) parts[type] = Number(value)
    const { year = 0, month = 1, day, hour, minute, second } = parts
    const milliseconds = ((instant % 1000) + 1000) % 1000
    return Date.UTC(year, month - 1, day, hour, minute, second, milliseconds)
  }

  const offset = (instant: number): number => at(instant) - instant

  /** When the clock is set: the first second between two instants with the later one's offset. */
  function change(before: number, after: number): number {
    const current = offset(after)
    let [low, high] = [Math.floor(before / 1000), Math.ceil(after / 1000)]
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2)
      if (offset(middle * 1000) === current) high = middle
      else low = middle
    }
    return high * 1000
  }

  return {
    furthest(instant) {
      const before = instant - longestHourMs
      const old = offset(before)
      if (old <= offset(instant)) return at(instant)
      return Math.max(at(instant), change(before, instant) - 1 + old)
    },

    reaches(shown) {
      const [before, after] = [shown - mostAheadMs, shown + mostBehindMs]
      const [old, current] = [offset(before), offset(after)]
      if (old === current) return shown - old
      const changed = change(before, after)
      if (shown - old < changed) return shown - old
      return Math.max(changed, shown - current)
    },
  }
}
