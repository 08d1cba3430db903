export interface TableOptions {
  /** Largest mean with a distribution of its own. */
  maximumMean: number
  /** Distance between means. */
  step: number
  /** Quantiles of each distribution, at the middles of equal parts of 0 to 1. */
  levels: number
}

export interface QuantileTable {
  /** Distributions in the table. */
  readonly means: number
  /** How often a mean was asked for that lies beyond the table. */
  readonly beyond: number
  /** The quantile at `level`, from 0 to `levels - 1`, of the distribution whose mean is nearest. */
  quantile(mean: number, level: number): number
}

/** Quantiles of Poisson distributions. Beyond the largest mean they are scaled by its standard deviation. */
export function poissonTable({ maximumMean, step, levels }: TableOptions): QuantileTable {
  const means = Math.floor(maximumMean / step) + 1
  const table = new Uint16Array(means * levels)
  for (let row = 0; row < means; row++) {
    fillRow(table.subarray(row * levels, (row + 1) * levels), row * step)
  }
  let beyond = 0

  function at(row: number, level: number): number {
    return table[row * levels + level] ?? 0
  }

  return {
    means,
    get beyond() {
      return beyond
    },
    quantile(mean, level) {
      if (mean <= maximumMean) return at(Math.round(mean / step), level)
      beyond++
      const deviations = (at(means - 1, level) - maximumMean) / Math.sqrt(maximumMean)
      return Math.max(0, Math.round(mean + deviations * Math.sqrt(mean)))
    },
  }
}

/** Walks up the distribution until each level is reached. */
function fillRow(row: Uint16Array, mean: number): void {
  let count = 0
  let probability = Math.exp(-mean)
  let reached = probability
  for (let level = 0; level < row.length; level++) {
    const wanted = (level + 0.5) / row.length
    while (reached < wanted && probability > 0) {
      count++
      probability *= mean / count
      reached += probability
    }
    row[level] = count
  }
}
