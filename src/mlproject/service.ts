import { mlHierarchy } from '../artifact/schema.ts'
import { MLServiceBuilder } from '../builder.ts'
import type { Service } from '../definition.ts'
import type { RegistrationOptions } from '../orchestrator/options.ts'
import { type ShellModelOptions, ShellModelRunner } from '../script/runner.ts'
import type { ServiceCommands } from './commands.ts'
import type { ConfigFormat } from './contract.ts'
import { toConfigSchema } from './options.ts'
import type { MlProject } from './project.ts'

/** Layout of `config.yml` where neither the file nor the command line names one: that of chap-core. */
export const defaultConfigFormat: ConfigFormat = 'chap_core'

export type { RegistrationOptions }

export interface ServeProjectOptions {
  /** Folder of the project. */
  folder: string
  /** Layout of `config.yml` in place of that of the file. */
  configFormat?: ConfigFormat | undefined
  /** Variables that the commands get besides the usual ones. */
  env?: ShellModelOptions<unknown>['env']
  /** How the service registers with an orchestrator; null does not. */
  registration?: RegistrationOptions | null
}

/** A project as a service, without a file of its own. */
export function toService(
  project: MlProject,
  { train, predict, shell }: ServiceCommands,
  { folder, env = [], configFormat, registration = null }: ServeProjectOptions,
): Service {
  const runner = new ShellModelRunner({
    config: toConfigSchema(project),
    trainCommand: train,
    predictCommand: predict,
    configFormat: configFormat ?? project.configFormat ?? defaultConfigFormat,
    adapters: project.adapters,
    project: folder,
    shell,
    env,
  })
  const hierarchy = { ...mlHierarchy, name: 'mlproject' }
  const builder = new MLServiceBuilder({ info: project.info, runner, hierarchy })
  if (registration !== null) builder.withRegistration(registration)
  return builder.build()
}
