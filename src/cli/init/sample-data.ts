import { nextPeriod, parsePeriod } from '../../data/periods.ts'

export type PeriodType = 'monthly' | 'weekly'

interface Shape {
  first: string
  /** Periods with counts, those of `historic.csv`, and those to forecast. */
  known: number
  historic: number
  ahead: number
  perYear: number
}

const shapes: Readonly<Record<PeriodType, Shape>> = {
  monthly: { first: '2018-01', known: 84, historic: 24, ahead: 3, perYear: 12 },
  weekly: { first: '2020-W01', known: 261, historic: 104, ahead: 6, perYear: 52.1775 },
}

interface District {
  name: string
  population: number
  /** Cases of a usual month for each 100 000 people. */
  rate: number
  /** Millimetres of rain in a usual month, and degrees Celsius. */
  rain: number
  warmth: number
}

const districts: readonly District[] = [
  { name: 'Riverbend', population: 182_000, rate: 24, rain: 140, warmth: 26.5 },
  { name: 'Hillside', population: 64_000, rate: 9, rain: 110, warmth: 22 },
  { name: 'Harbour', population: 310_000, rate: 16, rain: 165, warmth: 27.5 },
]

interface Row {
  district: District
  at: number
  rainfall: number
  temperature: number
  cases: number | null
}

/**
 * Made-up counts of a disease that follows rain and warmth, as CSV files: what a model is trained on, the last two years of
 * it, and the periods after it, with their weather and without counts. The same at every call.
 */
export function makeSampleData(type: PeriodType): Readonly<Record<string, string>> {
  const { first, known, historic, ahead } = shapes[type]
  const random = createRandom(20_250_101)
  const rows = districts.flatMap((district) => makeDistrict(district, shapes[type], random))
  const periods = Array.from({ length: known + ahead }, (_, at) => nextPeriod(first, at))
  const toCsv = (from: number, to: number, withCases: boolean) => {
    const header = ['time_period', 'location', 'population', 'rainfall', 'mean_temperature']
    const lines = rows
      .filter(({ at }) => at >= from && at < to)
      .map(({ district, at, rainfall, temperature, cases }) =>
        [
          ...[periods[at], district.name, district.population, rainfall, temperature],
          ...(withCases ? [cases ?? ''] : []),
        ].join(','),
      )
    return `${[[...header, ...(withCases ? ['disease_cases'] : [])].join(','), ...lines].join('\n')}\n`
  }
  return {
    'data.csv': toCsv(0, known, true),
    'historic.csv': toCsv(known - historic, known, true),
    'future.csv': toCsv(known, known + ahead, false),
  }
}

function makeDistrict(district: District, shape: Shape, random: () => number): Row[] {
  const { first, known, ahead, perYear } = shape
  const normal = () => {
    const radius = Math.sqrt(-2 * Math.log(1 - random()))
    return radius * Math.cos(2 * Math.PI * random())
  }
  const start = parsePeriod(first)?.index ?? 0
  const share = 12 / perYear
  // Good and bad years: what lies above or below the season stays so for some months.
  let above = 0
  const memory = 0.8 ** share
  return Array.from({ length: known + ahead }, (_, at): Row => {
    // The rains begin in November and are strongest in January; the peak of cases comes two months later.
    const wave = (peak: number) => Math.cos(2 * Math.PI * ((start + at) / perYear - peak / 12))
    const rainfall = Math.max(
      0,
      district.rain * share * (1 + 0.8 * wave(0.5)) * Math.exp(0.3 * normal()),
    )
    const temperature = district.warmth + 2.5 * wave(1) + 0.5 * normal()
    above = memory * above + Math.sqrt(1 - memory ** 2) * 0.5 * normal()
    const usual = (district.population / 100_000) * district.rate * share
    const cases = Math.round(usual * Math.exp(0.9 * wave(2.5) + above + 0.1 * normal() - 0.3))
    // Now and then a report has not come in.
    const isMissing = random() < 0.01
    return {
      ...{ district, at, cases: isMissing ? null : cases },
      rainfall: Math.round(rainfall * 10) / 10,
      temperature: Math.round(temperature * 10) / 10,
    }
  })
}

/** Random numbers from 0 to 1, always the same ones: a linear congruence. */
function createRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}
