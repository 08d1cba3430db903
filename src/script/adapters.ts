import { calendars } from '../data/period-types.ts'
import { type Period, parsePeriod } from '../data/periods.ts'
import type { Cell, FrameJson } from '../data/schema.ts'
import { show } from '../kernel/show.ts'
import type { Adapters } from '../ml/runner.ts'

export interface Adapted {
  frame: FrameJson
  /** Columns that were to be copied and are not there; `disease_cases` is left out, which no future has. */
  missing: string[]
}

/**
 * A frame with the columns that a script wants, by the rules of chap-core: `year`, `month` and `week` come from the period,
 * the month only where all periods are months and the week only where all are weeks; any other source is a column, and one
 * that is not there is passed over. Throws when a period cannot be read.
 */
export function adaptFrame(frame: FrameJson, adapters: Adapters): Adapted {
  const columns = [...frame.columns]
  const data = frame.data.map((row) => [...row])
  const missing: string[] = []
  const at = columns.indexOf('time_period')
  const periods = at < 0 ? [] : data.map((row) => row[at] ?? null)
  for (const [target, source] of Object.entries(adapters)) {
    const parts = Object.hasOwn(toParts, source) ? toParts[source] : undefined
    const from = columns.indexOf(source)
    if (!(parts && periods.length > 0) && from < 0) {
      // Without rows there is no period, and so nothing to take a part of.
      if (!parts && source !== 'disease_cases') missing.push(source)
      continue
    }
    const values = parts && periods.length > 0 ? parts(periods) : data.map((row) => row[from]!)
    if (values === null) continue
    const known = columns.indexOf(target)
    const into = known < 0 ? columns.push(target) - 1 : known
    for (const [index, row] of data.entries()) row[into] = values[index]!
  }
  return { frame: { columns, data }, missing }
}

/** What may be taken of periods; null where the periods have no such part. */
const toParts: Readonly<Record<string, (periods: readonly Cell[]) => number[] | null>> = {
  year: (periods) => periods.map((cell) => yearOf(read(cell).text)),
  month: (periods) => numbersOf(periods, 'month'),
  week: (periods) => numbersOf(periods, 'week'),
}

/** The number of each period in its year, or null where one is of another kind. */
function numbersOf(periods: readonly Cell[], kind: 'month' | 'week'): number[] | null {
  const known = periods.map(read)
  if (!known.every(({ period }) => period.kind === kind)) return null
  return known.map(({ period: { type, index } }) => calendars[type].placeOf(index).number)
}

/** That of a range of days is the year in which it ends, as chap-core has it. */
function yearOf(text: string): number {
  return Number(text.slice(text.indexOf('/') + 1).slice(0, 4))
}

interface ReadPeriod {
  text: string
  period: Period
}

function read(cell: Cell): ReadPeriod {
  const period = typeof cell === 'string' ? parsePeriod(cell) : null
  if (period === null || typeof cell !== 'string')
    throw new Error(
      `Expected a period such as 2024-01 or 2024-W05 in time_period, got ${show(cell)}`,
    )
  return { text: cell, period }
}
