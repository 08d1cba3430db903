import { configYaml } from '../ml/model-file.ts'
import type { Scripts } from '../ml/runner.ts'

/** What stays on top in the layout of chap-core. */
const shared = ['prediction_periods', 'additional_continuous_covariates']

/** A config as the scripts read it, names as the client wrote them. */
export function configFileBytes(
  config: Readonly<Record<string, unknown>>,
  format: Scripts['configFormat'],
): Promise<Uint8Array> {
  if (format === 'flat') return configYaml(config)
  const entries = Object.entries(config)
  const top = entries.filter(([name]) => shared.includes(name))
  const options = entries.filter(([name]) => !shared.includes(name))
  return configYaml({
    ...Object.fromEntries(top),
    ...(options.length > 0 && { user_option_values: Object.fromEntries(options) }),
  })
}
