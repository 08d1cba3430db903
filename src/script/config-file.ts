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
  const odd = Object.entries(config).find((option) => !isReadable(option))
  if (odd !== undefined) {
    throw new FilesError(
      `config.yml cannot be written: expected text in whole characters and without NUL, got something else in the option ${JSON.stringify(odd[0])}`,
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

/** R ends a text at the character NUL, without a word; UTF-8 has no halves of surrogate pairs. */
function isReadable(value: unknown): boolean {
  if (typeof value === 'string') return !value.includes('\0') && value.isWellFormed()
  if (typeof value !== 'object' || value === null) return true
  return Object.entries(value).every(([key, item]) => isReadable(key) && isReadable(item))
}
