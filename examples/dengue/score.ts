/**
 * How good a forecast was. Both scores are in cases: smaller is better, 0 is a forecast that was right and sure.
 *
 * Source: Gneiting T, Raftery AE. Strictly proper scoring rules, prediction, and estimation. Journal of the American
 * Statistical Association 2007;102(477):359–378, section 4.2.
 */
export interface Scores {
  /** Mean absolute error of the median. */
  mae: number
  /** Mean continuous ranked probability score of the samples. */
  crps: number
}

/** One count that was forecast: the samples, and what was observed. */
export interface Scored {
  samples: readonly number[]
  observed: number
}

export function scoresOf(forecasts: readonly Scored[]): Scores {
  return {
    mae: mean(forecasts.map(({ samples, observed }) => Math.abs(median(samples) - observed))),
    crps: mean(forecasts.map(({ samples, observed }) => crps(samples, observed))),
  }
}

/**
 * CRPS of an ensemble taken as it is: mean |x − y| − ½ mean |x − x′| over all members x and all pairs x, x′. It rewards
 * being near and punishes both false certainty and needless width; for a single member it is the absolute error.
 */
export function crps(samples: readonly number[], observed: number): number {
  const sorted = samples.toSorted((a, b) => a - b)
  const count = sorted.length
  const distance = mean(sorted.map((value) => Math.abs(value - observed)))
  // Half the mean distance of all pairs: in sorted order each member counts by how many lie on either side.
  const spread = sorted.reduce((sum, value, rank) => sum + (2 * rank - count + 1) * value, 0)
  // Rounding must not make a sure and right forecast better than perfect.
  return Math.max(0, distance - spread / count ** 2)
}

/** The value below which the share `level` of the samples lies, interpolated between the nearest two. */
export function quantile(samples: readonly number[], level: number): number {
  const sorted = samples.toSorted((a, b) => a - b)
  if (sorted.length === 0) throw new Error('Expected at least one sample, got none')
  const position = level * (sorted.length - 1)
  const below = sorted[Math.floor(position)]!
  const above = sorted[Math.ceil(position)]!
  return below + (above - below) * (position - Math.floor(position))
}

export const median = (samples: readonly number[]): number => quantile(samples, 0.5)

/** Share of the counts that lay in the central interval which should hold the share `level` of them. */
export function coverage(forecasts: readonly Scored[], level: number): number {
  const within = forecasts.filter(
    ({ samples, observed }) =>
      observed >= quantile(samples, (1 - level) / 2) &&
      observed <= quantile(samples, (1 + level) / 2),
  )
  return within.length / forecasts.length
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
