import { BaseConfig, FunctionalModelRunner, type PredictContext, type TrainContext } from 'chapkit'
import { z } from 'zod'

const Config = BaseConfig.extend({
  samples: z.int().min(1).max(1000).default(100).describe('Samples for each row'),
})
type Config = z.infer<typeof Config>

/** Logarithms of cases along the altitude: a line, and how far places lie from it. */
export interface Line {
  level: number
  slope: number
  spread: number
  /** Where nothing is known, a place lies here. */
  meanAltitude: number
}

/** Cases by altitude, so that a place without a history can be forecast too: mosquitoes do not like the cold. */
export const runner = new FunctionalModelRunner({
  config: Config,
  // That the column is there, and holds numbers, the service has looked at: it is a required covariate.
  onValidateTrain: ({ data }) =>
    data.numbers('altitude').some(Number.isFinite)
      ? []
      : [
          {
            severity: 'error',
            code: 'altitude_missing',
            message:
              'Expected an altitude for at least one row; POST the data to /api/v1/stations/$add-altitude to get it',
            field: 'data.columns',
          },
        ],
  onTrain: ({ data, log, metrics }: TrainContext<Config>): Line => {
    const cases = data.numbers('disease_cases')
    const altitudes = data.numbers('altitude')
    const rows = Array.from(cases.keys()).filter(
      (row) => Number.isFinite(cases[row]) && Number.isFinite(altitudes[row]),
    )
    if (rows.length === 0) {
      throw new Error(
        'Expected rows with both disease_cases and altitude, got none; $add-altitude adds the altitude',
      )
    }
    const line = fitLine(
      rows.map((row) => altitudes[row] as number),
      rows.map((row) => Math.log1p(Math.max(0, cases[row] as number))),
    )
    log(`${rows.length} of ${data.length} rows were of use`)
    metrics({ slope: line.slope, spread: line.spread })
    return line
  },
  onPredict: ({ model, config, future }: PredictContext<Config, Line>) => {
    const { level, slope, spread, meanAltitude } = model
    const altitudes = future.numbers('altitude')
    let frame = future.select(['time_period', 'location'])
    for (let sample = 0; sample < config.samples; sample++) {
      const shift = spread * normalQuantile((sample + 0.5) / config.samples)
      frame = frame.derive(`sample_${sample}`, (_, row) => {
        const altitude = altitudes[row] as number
        const at = Number.isFinite(altitude) ? altitude : meanAltitude
        return Math.max(0, Math.expm1(level + slope * at + shift))
      })
    }
    return frame
  },
})

/** Least squares. */
function fitLine(x: readonly number[], y: readonly number[]): Line {
  const mean = (values: readonly number[]) =>
    values.reduce((sum, value) => sum + value, 0) / values.length
  const [meanX, meanY] = [mean(x), mean(y)]
  const squares = x.reduce((sum, value) => sum + (value - meanX) ** 2, 0)
  const products = x.reduce((sum, value, i) => sum + (value - meanX) * ((y[i] ?? 0) - meanY), 0)
  const slope = squares === 0 ? 0 : products / squares
  const level = meanY - slope * meanX
  const errors = x.map((value, i) => ((y[i] ?? 0) - level - slope * value) ** 2)
  return { level, slope, spread: Math.sqrt(mean(errors)), meanAltitude: meanX }
}

/** The standard normal distribution below which a share of it lies, by the logistic curve next to it: good to 0.1. */
const normalQuantile = (share: number): number => Math.log(share / (1 - share)) / 1.702
