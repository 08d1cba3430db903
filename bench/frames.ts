export interface Frame {
  columns: string[]
  data: (string | number | null)[][]
}

const columns = [
  'time_period',
  'location',
  'rainfall',
  'mean_temperature',
  'disease_cases',
  'population',
]

let salt = 0

const month = (index: number): string =>
  `${2004 + Math.floor(index / 12)}-${String(1 + (index % 12)).padStart(2, '0')}`

/** Months of locations with plausible numbers. Every frame differs, so that no store can skip a write. */
export function panel(locations: number, months: number): Frame {
  salt++
  const data: Frame['data'] = []
  for (let location = 0; location < locations; location++) {
    for (let at = 0; at < months; at++) {
      const season = Math.sin((at * Math.PI) / 6 + location)
      data.push([
        month(at),
        `location_${location}`,
        Math.round((120 + 100 * season) * 1000 + salt) / 1000,
        Math.round((24 + 6 * season) * 100) / 100,
        (at * 7 + location * 13) % 97,
        100_000 + location * 1000 + at,
      ])
    }
  }
  return { columns, data }
}

/** What most requests hold: 7 locations, a year of months. */
export const smallFrame = (): Frame => panel(7, 12)

/** What follows it: three months of 7 locations. */
export const futureFrame = (): Frame => panel(7, 3)

/** A national data set: 57 locations, 203 months, 11 571 rows. */
export const bigFrame = (): Frame => panel(57, 203)
