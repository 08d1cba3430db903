import { mlHierarchy } from '../artifact/schema.ts'
import { MLServiceBuilder } from '../builder.ts'
import type { Service } from '../definition.ts'
import { type ShellModelOptions, ShellModelRunner } from '../script/runner.ts'
import type { ServiceCommands } from './commands.ts'
import { toConfigSchema } from './options.ts'
import type { MlProject } from './project.ts'

/** A project as a service, without a file of its own; `env` names variables that its commands get besides the usual ones. */
export function toService(
  project: MlProject,
  { train, predict, shell }: ServiceCommands,
  folder: string,
  env: ShellModelOptions<unknown>['env'] = [],
): Service {
  const runner = new ShellModelRunner({
    config: toConfigSchema(project.options),
    trainCommand: train,
    predictCommand: predict,
    configFormat: 'chap_core',
    project: folder,
    shell,
    env,
  })
  const hierarchy = { ...mlHierarchy, name: 'mlproject' }
  return new MLServiceBuilder({ info: project.info, runner, hierarchy }).build()
}
