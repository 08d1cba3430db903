import { type Cell, DataFrame, parsePeriod } from 'chapkit'

/*
 * The model: counts of the same season in past years, moved up or down to where the location is now. Put yours in its place;
 * service.ts only needs `learn` and `forecast`.
 */

/** A count that was seen: as z = log(1 + cases), with its place in the year from 0 to 1. */
interface Seen {
  season: number
  z: number
}

/** What training keeps, by location. It is stored: numbers, texts, lists and maps of them, but no functions. */
export type Model = Map<string, Seen[]>

export interface ForecastOptions {
  model: Model
  historic: DataFrame
  future: DataFrame
  samples: number
  seed: number
}

export function learn(data: DataFrame): Model {
  const model: Model = new Map()
  // Asking for a column that is not there says so, with the names of those that are.
  for (const name of ['time_period', 'location', 'disease_cases']) data.column(name)
  for (const { time_period, location, disease_cases } of data.toRecords()) {
    // An unknown count is null; it teaches nothing.
    if (disease_cases === null) continue
    const seen = model.get(String(location)) ?? []
    seen.push({ season: readPeriod(time_period).season, z: Math.log1p(Number(disease_cases)) })
    model.set(String(location), seen)
  }
  return model
}

/** A row for each row of `future`, with a column for each sample. */
export function forecast({ model, historic, future, samples, seed }: ForecastOptions): DataFrame {
  const random = createRandom(seed)
  const everywhere = [...model.values()].flat()
  const rows = future.toRecords().map(({ time_period, location }) => {
    const { index, season } = readPeriod(time_period)
    // A location that training has not seen is taken to be like all of them.
    const seen = model.get(String(location)) ?? everywhere
    const now = levelOf(historic, location, seen)
    // The further ahead, the less it matters how things are now.
    const shift = now.level * 0.8 ** Math.max(0, index - now.index)
    const near = around(season, seen)
    const row: Record<string, Cell> = { time_period, location }
    for (let sample = 0; sample < samples; sample++) {
      const { z } = near[Math.floor(random() * near.length)] ?? { z: 0 }
      row[`sample_${sample}`] = Math.max(0, Math.round(Math.expm1(z + shift)))
    }
    return row
  })
  return DataFrame.fromRecords(rows)
}

/** How far the last three known counts of a location lie above those of their season. */
function levelOf(historic: DataFrame, location: Cell, seen: readonly Seen[]) {
  const known = historic
    .toRecords()
    .filter((row) => row.location === location && (row.disease_cases ?? null) !== null)
    .map((row) => ({ ...readPeriod(row.time_period), z: Math.log1p(Number(row.disease_cases)) }))
    .sort((a, b) => a.index - b.index)
  const last = known.slice(-3)
  const above = last.map(({ season, z }) => z - mean(around(season, seen).map((each) => each.z)))
  return { level: mean(above), index: last.at(-1)?.index ?? 0 }
}

/** What was seen in the same season, a month before and after; all where there is nothing. */
function around(season: number, seen: readonly Seen[]): readonly Seen[] {
  const near = seen.filter((each) => {
    const distance = Math.abs(each.season - season)
    return Math.min(distance, 1 - distance) < 1.5 / 12
  })
  return near.length > 0 ? near : seen
}

/** The number of a period, in which the next one is one more, and its place in the year. */
function readPeriod(text: Cell | undefined): { index: number; season: number } {
  const period = parsePeriod(String(text))
  if (period?.kind === 'month') return { index: period.index, season: (period.index % 12) / 12 }
  // 52.18 weeks are a year.
  if (period?.kind === 'week') return { index: period.index, season: (period.index / 52.1775) % 1 }
  throw new Error(`Expected a month such as 2024-01 or a week such as 2024-W05, got ${text}`)
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length
}

/** Random numbers from 0 to 1, the same ones for the same seed: the mulberry32 generator. */
function createRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let bits = Math.imul(state ^ (state >>> 15), 1 | state)
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32
  }
}
