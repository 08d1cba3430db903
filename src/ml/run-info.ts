import { z } from 'zod'
import type { Issue } from '../errors.ts'
import { fromSchemaIssues } from '../kernel/schema-issues.ts'

/**
 * What chap-core says about one run, as `run_info` of a training or a prediction. The horizon is used; the other members are
 * checked and passed over. Unknown members are left out.
 */
export const RunInfo = z.object({
  /** How many periods this run is to forecast. */
  prediction_periods: z.int().nullish(),
  /** The older name of the same. */
  prediction_length: z.int().nullish(),
  /** Columns of the data beyond those that the service requires. */
  additional_continuous_covariates: z.array(z.string()).optional(),
  /** Where the values of the future covariates come from. */
  future_covariate_origin: z.string().nullish(),
})
export type RunInfo = z.infer<typeof RunInfo>

/** The horizon that a `run_info` asks for; null when it says nothing. What is wrong with it is added to `issues`. */
export function takeRunInfo(value: unknown, issues: Issue[]): number | null {
  if (value === undefined || value === null) return null
  const parsed = RunInfo.safeParse(value)
  if (parsed.success) return parsed.data.prediction_periods ?? parsed.data.prediction_length ?? null
  issues.push(...fromSchemaIssues(parsed.error.issues, value, ['body', 'run_info']))
  return null
}
