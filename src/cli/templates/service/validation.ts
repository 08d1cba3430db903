import type { Diagnostic, ValidatePredictContext, ValidateTrainContext } from 'chapkit'

/*
 * Checks of your own, before anything runs: the place for what you know of your data. An `error` stops a request, a `warning`
 * only says something. Both are in the answer to $validate.
 */

/** Fewer known counts than this of a location are worth a warning. */
const fewCounts = 24

export function validateTrain({ data }: ValidateTrainContext<unknown>): Diagnostic[] {
  const findings: Diagnostic[] = []
  const counts = new Map<string, number>()
  for (const [index, { location, disease_cases }] of data.toRecords().entries()) {
    if (typeof disease_cases === 'number' && disease_cases < 0) {
      findings.push({
        severity: 'error',
        code: 'negative_cases',
        message: `Expected counts from 0, got ${disease_cases} in row ${index + 1}`,
        field: 'data.disease_cases',
      })
    }
    const known = disease_cases === null ? 0 : 1
    counts.set(String(location), (counts.get(String(location)) ?? 0) + known)
  }
  for (const [location, known] of counts) {
    if (known >= fewCounts) continue
    findings.push({
      severity: 'warning',
      code: 'few_cases',
      message: `${location} has ${known} known counts; with fewer than ${fewCounts} its season is a guess`,
      field: 'data',
    })
  }
  return findings
}

export function validatePredict({
  historic,
  future,
}: ValidatePredictContext<unknown>): Diagnostic[] {
  const known = new Set(historic.toRecords().map(({ location }) => location))
  const locations = new Set(future.toRecords().map(({ location }) => location))
  return [...locations]
    .filter((location) => !known.has(location))
    .map((location) => ({
      severity: 'warning',
      code: 'no_history',
      message: `There is no history of ${location}; its forecast is that of its season alone`,
      field: 'historic',
    }))
}
