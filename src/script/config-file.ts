import { show } from '../kernel/show.ts'
import { fileText, findBadText } from '../kernel/text.ts'
import { configYaml } from '../ml/model-file.ts'
import type { Scripts } from '../ml/runner.ts'
import { FilesError } from './trouble.ts'

/** What stays on top in the layout of chap-core. */
const shared = ['prediction_periods', 'additional_continuous_covariates']

/** A config as the scripts read it, names as the client wrote them. Throws a `FilesError` for text that no script could read. */
export function configFileBytes(
  config: Readonly<Record<string, unknown>>,
  format: Scripts['configFormat'],
): Uint8Array {
  // Earlier versions have stored such configs.
  const bad = findBadText(config)
  if (bad !== null) {
    throw new FilesError(
      `config.yml cannot be written: expected ${fileText}, got ${show(bad.text)} in the option ${show(bad.path[0])}`,
    )
  }
  if (format === 'flat') return configYaml(config)
  const entries = Object.entries(config)
  const top = entries.filter(([name]) => shared.includes(name))
  const options = entries.filter(([name]) => !shared.includes(name))
  return configYaml({
    ...Object.fromEntries(top),
    ...(options.length > 0 && { user_option_values: Object.fromEntries(options) }),
  })
}
