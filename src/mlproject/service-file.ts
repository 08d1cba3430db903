import type { ServiceCommands } from './commands.ts'
import { toConfigSource, toSource } from './options.ts'
import type { MlProject } from './project.ts'

/** Covariates that a migrated service takes unless a config says otherwise. */
const covariates = ['rainfall', 'mean_temperature']

/** The text of `service.ts`; `env` names variables that the commands need besides the usual ones. */
export function toServiceFile(
  project: MlProject,
  { train, predict, shell }: ServiceCommands,
  env: readonly string[] = [],
) {
  const fields = project.options.map(
    (option) => `  ${toKey(option.name)}: ${toConfigSource(option)},\n`,
  )
  return `import { BaseConfig, MLServiceBuilder, ShellModelRunner } from 'chapkit'
import { z } from 'zod'

/** What users of the model may set; the scripts find it in config.yml. */
const config = BaseConfig.extend({
  additional_continuous_covariates: z
    .array(z.string())
    .default([${covariates.map(toSource).join(', ')}])
    .meta({ title: 'Additional Continuous Covariates' }),
${fields.join('')}})

const runner = new ShellModelRunner({
  config,
  trainCommand: ${toSource(train)},
  predictCommand: ${toSource(predict)},
  configFormat: 'chap_core',
${shell ? '  shell: true,\n' : ''}${env.length > 0 ? `  env: ${toValue(env, '')},\n` : ''}})

export default new MLServiceBuilder({
  module: import.meta.url,
  info: ${toObject(project.info as Record<string, unknown>, '  ')},
  runner,
}).build()
`
}

function toObject(value: Readonly<Record<string, unknown>>, indent: string): string {
  const lines = Object.entries(value).map(
    ([name, each]) => `${indent}  ${toKey(name)}: ${toValue(each, `${indent}  `)},\n`,
  )
  return lines.length === 0 ? '{}' : `{\n${lines.join('')}${indent}}`
}

function toValue(value: unknown, indent: string): string {
  if (Array.isArray(value)) return `[${value.map(toSource).join(', ')}]`
  if (typeof value === 'object' && value !== null)
    return toObject(value as Record<string, unknown>, indent)
  return toSource(value)
}

const toKey = (name: string) => (/^[A-Za-z_$][\w$]*$/.test(name) ? name : toSource(name))
