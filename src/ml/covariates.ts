/** Columns of a service that hold numbers besides those of every service: what it requires, and what it forecasts. */
export function numericColumns({
  required_covariates: required = [],
  target,
}: {
  required_covariates?: readonly string[] | undefined
  target?: string | undefined
}): string[] {
  return target === undefined ? [...required] : [...required, target]
}

/** Covariates that a config names besides those of the service; one of another schema may have none, or something else there. */
export function additionalCovariates(config: Readonly<Record<string, unknown>> = {}): string[] {
  const { additional_continuous_covariates: names } = config
  return Array.isArray(names) ? names.filter((name) => typeof name === 'string' && name !== '') : []
}
