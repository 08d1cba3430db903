/** One month of one location, as the regression sees it. */
export interface Row {
  /** Which location it is of, counted from 0. */
  place: number
  features: readonly number[]
  target: number
}

export interface Fit {
  /** Level of each location when all features are 0. */
  intercepts: number[]
  /** One for each feature, shared by all locations. */
  slopes: number[]
}

/**
 * Least squares with one intercept per location, slopes that all locations share, and a ridge penalty on the slopes.
 *
 * Subtracting each location's own means leaves a regression without intercepts, so that the equations to solve are as
 * many as features, however many locations there are. The penalty is in units of each feature's variance: it counts
 * as that many more months in which the feature told nothing.
 */
export function fitRidge(rows: readonly Row[], places: number, penalty: number): Fit {
  const size = rows[0]?.features.length ?? 0
  const means = placeMeans(rows, places, size)
  const gram = Array.from({ length: size }, () => new Float64Array(size))
  const right = new Float64Array(size)
  for (const { place, features, target } of rows) {
    const mean = means[place]!
    const centred = features.map((value, j) => value - mean.features[j]!)
    for (let j = 0; j < size; j++) {
      right[j]! += centred[j]! * (target - mean.target)
      for (let k = 0; k < size; k++) gram[j]![k]! += centred[j]! * centred[k]!
    }
  }
  for (let j = 0; j < size; j++) {
    // The last term keeps a feature that never varies at slope 0 instead of dividing by nothing.
    gram[j]![j]! += (penalty * gram[j]![j]!) / rows.length + 1e-9
  }
  const slopes = solve(gram, right)
  const intercepts = means.map((mean) => mean.target - dot(slopes, mean.features))
  return { intercepts, slopes }
}

export function predictRow(fit: Fit, place: number, features: readonly number[]): number {
  return fit.intercepts[place]! + dot(fit.slopes, features)
}

interface PlaceMean {
  features: number[]
  target: number
}

/** A location without rows has the mean of all rows, so that its intercept is an ordinary one. */
function placeMeans(rows: readonly Row[], places: number, size: number): PlaceMean[] {
  const overall = meanOf(rows, size)
  const byPlace = Map.groupBy(rows, (row) => row.place)
  return Array.from({ length: places }, (_, place) => {
    const own = byPlace.get(place)
    return own ? meanOf(own, size) : overall
  })
}

function meanOf(rows: readonly Row[], size: number): PlaceMean {
  const features = new Array<number>(size).fill(0)
  let target = 0
  for (const row of rows) {
    target += row.target / rows.length
    for (let j = 0; j < size; j++) features[j]! += row.features[j]! / rows.length
  }
  return { features, target }
}

/** Solves a symmetric positive definite system by its Cholesky factor. */
function solve(matrix: readonly Float64Array[], right: Float64Array): number[] {
  const size = right.length
  const factor = matrix.map((row) => row.slice())
  for (let j = 0; j < size; j++) {
    for (let i = j; i < size; i++) {
      let sum = factor[i]![j]!
      for (let k = 0; k < j; k++) sum -= factor[i]![k]! * factor[j]![k]!
      factor[i]![j] = i === j ? Math.sqrt(Math.max(sum, 1e-12)) : sum / factor[j]![j]!
    }
  }
  const solution = Array.from(right)
  for (let i = 0; i < size; i++) {
    for (let k = 0; k < i; k++) solution[i]! -= factor[i]![k]! * solution[k]!
    solution[i]! /= factor[i]![i]!
  }
  for (let i = size - 1; i >= 0; i--) {
    for (let k = i + 1; k < size; k++) solution[i]! -= factor[k]![i]! * solution[k]!
    solution[i]! /= factor[i]![i]!
  }
  return solution
}

function dot(left: readonly number[], right: readonly number[]): number {
  let sum = 0
  for (let j = 0; j < left.length; j++) sum += left[j]! * right[j]!
  return sum
}
