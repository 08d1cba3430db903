import { BaseConfig, MLServiceBuilder, ShellModelRunner } from 'chapkit'
import { z } from 'zod'

/** A service with a model made of two commands. Like the one of functions it has to stay as it is. */
const service = new MLServiceBuilder({
  module: import.meta.url,
  info: { id: 'upgrade-shell', display_name: 'Upgrade: commands', period_type: 'monthly' },
  runner: new ShellModelRunner({
    config: BaseConfig.extend({ factor: z.number().default(1) }),
    trainCommand: 'sh train.sh {data_file}',
    predictCommand: 'sh predict.sh {future_file} {output_file}',
  }),
}).build()

export default service
if (import.meta.main) await service.listen()
