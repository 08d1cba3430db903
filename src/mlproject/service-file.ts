import type { ServiceCommands } from './commands.ts'
import {
  defaultHorizon,
  needsJsonSchema,
  toConfigSource,
  toKey,
  toLiteral,
  toSource,
} from './options.ts'
import type { MlProject } from './project.ts'
import { defaultConfigFormat } from './service.ts'

/** How the service file reads the environment; nothing here does. */
const variables = ['process', 'env'].join('.')

/** The text of `service.ts`; `env` names variables that the commands need besides the usual ones. */
export function toServiceFile(
  project: MlProject,
  { train, predict, shell }: ServiceCommands,
  env: readonly string[] = [],
) {
  const { options, defaults, info, adapters } = project
  const fields = options.map((option) => `  ${toKey(option.name)}: ${toConfigSource(option)},\n`)
  const names = [
    ...['BaseConfig', ...(options.some(needsJsonSchema) ? ['fromJsonSchema'] : [])],
    ...['MLServiceBuilder', 'ShellModelRunner'],
  ]
  const { version = '1.0.0', id, display_name, ...rest } = info
  const about = toMembers({ ...rest }, '    ')
  return `import { ${names.join(', ')} } from 'chapkit'
import { z } from 'zod'

/** What users of the model may set; the scripts find it in config.yml. */
const config = BaseConfig.extend({
  prediction_periods: z
    .int()
    .default(${defaultHorizon(defaults, info)})
    .meta({ title: 'Prediction Periods' }),
  additional_continuous_covariates: z
    .array(z.string())
    .default(${toLiteral(defaults.additional_continuous_covariates ?? [])})
    .meta({ title: 'Additional Continuous Covariates' }),
${fields.join('')}})

const runner = new ShellModelRunner({
  config,
  trainCommand: ${toSource(train)},
  predictCommand: ${toSource(predict)},
  configFormat: ${toSource(project.configFormat ?? defaultConfigFormat)},
${Object.keys(adapters).length > 0 ? `  adapters: ${toValue(adapters, '  ')},\n` : ''}${shell ? '  shell: true,\n' : ''}${env.length > 0 ? `  env: ${toValue(env, '')},\n` : ''}})

const builder = new MLServiceBuilder({
  module: import.meta.url,
  info: {
    id: ${toSource(id)},
    display_name: ${toSource(display_name)},
    // chap-core binds a version to one commit: raise it with every commit that is deployed.
    version: ${toSource(version)},
${about}  },
  runner,
})

// With keys in the environment, every request has to have one: whoever can reach the service may use it otherwise.
if (${variables}.CHAPKIT_API_KEYS) builder.withAuth()
// With the URL of an orchestrator, such as that of chap-core, the service registers there and stays registered.
if (${variables}.SERVICEKIT_ORCHESTRATOR_URL) builder.withRegistration()

export default builder.build()
`
}

function toMembers(value: Readonly<Record<string, unknown>>, indent: string): string {
  return Object.entries(value)
    .map(([name, each]) => `${indent}${toKey(name)}: ${toValue(each, indent)},\n`)
    .join('')
}

/** A value as TypeScript writes it, objects over several lines. */
function toValue(value: unknown, indent: string): string {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return toLiteral(value)
  const members = toMembers(value as Record<string, unknown>, `${indent}  `)
  return members === '' ? '{}' : `{\n${members}${indent}}`
}
